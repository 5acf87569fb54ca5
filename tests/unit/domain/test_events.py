"""The fold of events, and the stack's state in one word."""

from __future__ import annotations

import pytest

from devenv.domain.events import Gap, Note, Numbered, ServiceChanged, ServiceView, Snapshot, apply, overall
from devenv.domain.lifecycle import State


def view(name: str, state: State) -> ServiceView:
    """Return a view."""
    return ServiceView(name=name, run="process", state=state)


def numbered(seq: int, event: ServiceChanged | Note | Gap) -> Numbered:
    """Return an event with its number."""
    return Numbered(seq=seq, at=0.0, event=event)


def test_change_replaces_the_view_and_keeps_its_place() -> None:
    """The order is that of the first appearance."""
    folded = Snapshot(stack="shop")
    for seq, (name, state) in enumerate(
        [("a", State.WAITING), ("b", State.WAITING), ("a", State.READY)],
        1,
    ):
        folded = apply(folded, numbered(seq, ServiceChanged(service=view(name, state))))
    assert folded == Snapshot(
        stack="shop", seq=3, services={"a": view("a", State.READY), "b": view("b", State.WAITING)}
    )
    assert list(folded.services) == ["a", "b"]


def test_other_events_only_count() -> None:
    """They change no service."""
    before = Snapshot(services={"a": view("a", State.READY)}, seq=1)
    after = apply(before, numbered(2, Note(text="hello")))
    assert (after.seq, after.services) == (2, before.services)


def test_fold_does_not_change_what_was_folded() -> None:
    """Snapshots are values."""
    before = Snapshot()
    apply(before, numbered(1, ServiceChanged(service=view("a", State.READY))))
    assert before == Snapshot()


@pytest.mark.parametrize(
    ("states", "word"),
    [
        ([], "stopped"),
        ([State.STOPPED, State.STOPPED], "stopped"),
        ([State.READY, State.COMPLETED], "ready"),
        ([State.READY, State.FAILED], "failed"),
        ([State.READY, State.UNHEALTHY], "degraded"),
        ([State.READY, State.BACKOFF], "degraded"),
        ([State.READY, State.STOPPED], "partial"),
        ([State.READY, State.PROBING], "starting"),
        ([State.STOPPED, State.WAITING], "starting"),
        ([State.STOPPING, State.STOPPED], "stopping"),
        ([State.STOPPING, State.STOPPING], "stopping"),
    ],
)
def test_stack_in_one_word(states: list[State], word: str) -> None:
    """The worst of its services, where there is one."""
    assert overall(tuple(view(str(number), state) for number, state in enumerate(states))) == word
