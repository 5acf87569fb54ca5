"""The one table of a service's life, and what an end means."""

from __future__ import annotations

import itertools

import pytest

from devenv.domain.lifecycle import (
    LIVE,
    LOST,
    SETTLED,
    TRANSITIONS,
    IllegalTransition,
    State,
    Trigger,
    after_end,
    backoff_s,
    is_crash_loop,
    step,
    to_mermaid,
)


def test_step_follows_the_table_or_refuses() -> None:
    """What the table does not have is a bug of the caller."""
    for state, trigger in itertools.product(State, Trigger):
        if trigger in TRANSITIONS[state]:
            assert step(state, trigger) is TRANSITIONS[state][trigger]
        else:
            with pytest.raises(IllegalTransition, match=f"{trigger} does not apply to a service that is {state}"):
                step(state, trigger)


def test_every_state_has_a_row_and_can_be_reached() -> None:
    """From the beginning, over any triggers."""
    reached, todo = set(), [State.STOPPED]
    while todo:
        state = todo.pop()
        if state not in reached:
            reached.add(state)
            todo += TRANSITIONS[state].values()
    assert reached == set(State) == set(TRANSITIONS)


@pytest.mark.parametrize("state", sorted(LIVE - {State.STOPPING}))
def test_whatever_lives_can_be_stopped_and_can_fail(state: State) -> None:
    """There is no state in which a service is stuck."""
    assert {Trigger.STOP, Trigger.FAIL} <= TRANSITIONS[state].keys()


def test_words_for_groups_of_states_do_not_overlap() -> None:
    """What is settled is not lost."""
    assert not SETTLED & LOST


def test_backoff_doubles_up_to_half_a_minute() -> None:
    """Half a second first."""
    assert [backoff_s(failures) for failures in range(9)] == [0.5, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


@pytest.mark.parametrize(("was_ready", "limit"), [(False, 3), (True, 5)])
def test_crash_loop_is_given_up_sooner_before_ready(was_ready: bool, limit: int) -> None:
    """An `up` should not wait for a start that keeps failing."""
    assert not is_crash_loop(failures=limit - 1, was_ready=was_ready)
    assert is_crash_loop(failures=limit, was_ready=was_ready)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"completes": True, "exit_code": 0}, Trigger.COMPLETE),
        ({"completes": True, "exit_code": 1}, Trigger.FAIL),
        ({"completes": True, "exit_code": None}, Trigger.FAIL),
        ({"completes": True, "exit_code": 1, "restart": "on-failure"}, Trigger.RETRY),
        ({"exit_code": 0}, Trigger.FAIL),
        ({"exit_code": 0, "was_ready": True}, Trigger.END),
        ({"exit_code": 1, "was_ready": True}, Trigger.FAIL),
        ({"exit_code": None, "was_ready": True}, Trigger.FAIL),
        ({"exit_code": 0, "was_ready": True, "restart": "on-failure"}, Trigger.END),
        ({"exit_code": None, "was_ready": True, "restart": "on-failure"}, Trigger.RETRY),
        ({"exit_code": -9, "restart": "on-failure"}, Trigger.RETRY),
        ({"exit_code": 0, "was_ready": True, "restart": "always"}, Trigger.RETRY),
        ({"exit_code": 1, "restart": "on-failure", "failures": 3}, Trigger.FAIL),
        ({"exit_code": 1, "was_ready": True, "restart": "always", "failures": 4}, Trigger.RETRY),
        ({"exit_code": 1, "was_ready": True, "restart": "always", "failures": 5}, Trigger.FAIL),
        ({"exit_code": 127, "restart": "always"}, Trigger.FAIL),
        ({"exit_code": 126, "restart": "on-failure"}, Trigger.FAIL),
    ],
)
def test_meaning_of_an_end(facts: dict[str, object], expected: Trigger) -> None:
    """It depends on what the service is for, how it ended, and what its policy says."""
    usual = {"completes": False, "was_ready": False, "restart": "no", "failures": 1}
    assert after_end(**{**usual, **facts}) is expected  # type: ignore[arg-type]


def test_diagram_has_every_transition() -> None:
    """One line each, after the beginning."""
    lines = to_mermaid().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> stopped"]
    assert len(lines) == 2 + sum(len(row) for row in TRANSITIONS.values())
    assert "    probing --> ready: pass" in lines
