"""`devenv events` and `devenv wait`: the daemon's events as they come.

Must not poll. Invariant: `wait` ends as soon as its answer is certain, either way, and says which service decided it.
"""

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import FrameType
from typing import Any

from devenv.api.client import Client
from devenv.api.wire import VERSION, decode_event, decode_view
from devenv.cli.logs.lines import drop_output, is_output_closed
from devenv.cli.output import print_data
from devenv.cli.session import Session
from devenv.cli.views.words import change_line
from devenv.domain.errors import DaemonUnreachable, DevenvError, NotReady, UsageError
from devenv.domain.events import (
    Gap,
    Note,
    Numbered,
    OperationEnded,
    OperationStarted,
    Progress,
    ServiceChanged,
    ServiceView,
    Snapshot,
    apply,
)
from devenv.domain.lifecycle import SETTLED, State

GOALS: Mapping[str, frozenset[State]] = {
    "ready": SETTLED,
    "completed": frozenset({State.COMPLETED}),
    "stopped": frozenset({State.STOPPED, State.COMPLETED, State.FAILED}),
}
_NEVER_COMPLETES = frozenset({"process", "external"})


def show_events(session: Session, *, as_json: bool, follow: bool) -> int:
    """Print the state of every service, then every event until the daemon ends or Ctrl-C."""
    client = _require_daemon(session)
    try:
        with _checks_reader():
            for data in client.stream("GET", "/v1/events"):
                for line in [json.dumps({"version": VERSION, **data})] if as_json else event_lines(data):
                    print_data(line)
                if not follow:
                    break
    except (BrokenPipeError, _ReaderGone):
        drop_output()
        return 141
    return 0


def event_lines(data: Mapping[str, Any]) -> list[str]:
    """Return an event of the stream as lines; none for an event that this version does not know."""
    if data["kind"] == "snapshot":
        return [change_line(decode_view(item)) for item in data["services"]]
    numbered = decode_event(data)
    text = "" if numbered is None else _describe(numbered)
    at = datetime.fromtimestamp(data["at"], UTC).astimezone() if text else None
    return [f"{at:%H:%M:%S}.{at.microsecond // 1000:03d} {text}"] if at else []


def _describe(numbered: Numbered) -> str:
    match numbered.event:
        case ServiceChanged(service=view, previous=previous):
            return change_line(view) if view.state is not previous else ""
        case Note(text=text, level=level):
            return f"{level}: {text}"
        case Progress(subject=subject, text=text):
            return f"{subject}: {text}"
        case OperationStarted(verb=verb):
            return f"{verb} began"
        case OperationEnded(verb=verb, status=status, elapsed_s=elapsed_s):
            return f"{verb} ended after {elapsed_s:.1f} s with status {status}"
        case Gap(missed=missed):
            return f"{missed} events were missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether waiting is over: all is as wished, or something `failed`; `pending` is still awaited."""

    is_met: bool = False
    failed: tuple[ServiceView, ...] = ()
    pending: tuple[str, ...] = ()


def judge_wait(snapshot: Snapshot, names: tuple[str, ...], goal: str) -> Verdict:
    """Tell how far `snapshot` is from `goal` for `names`; without names for every service that takes part.

    For `stopped` that is every service, otherwise those that are not stopped, of which there must be one.
    """
    views = snapshot.services
    chosen = names or tuple(name for name, view in views.items() if goal == "stopped" or view.state != State.STOPPED)
    pending = tuple(name for name in chosen if name not in views or views[name].state not in GOALS[goal])
    failed = tuple(views[name] for name in pending if name in views and views[name].state is State.FAILED)
    return Verdict(is_met=not pending and (bool(chosen) or goal == "stopped"), failed=failed, pending=pending)


def wait_for(session: Session, names: tuple[str, ...], *, goal: str, timeout: str | None, as_json: bool) -> int:
    """Wait until `names` have reached `goal`. Raises NotReady where one fails or the time is over."""
    if goal not in GOALS:
        raise UsageError(
            f"cannot wait for {goal}", why=f"it is one of {', '.join(GOALS)}", fix="devenv wait --for ready"
        )
    follower = _Follower(names=names, goal=goal)
    with _deadline(_seconds(timeout)):
        try:
            follower.run(session)
        except _OutOfTime:
            raise follower.give_up(str(timeout)) from None
    if as_json:
        rows = [{"name": name, "state": str(view.state)} for name, view in follower.chosen().items()]
        print_data(json.dumps({"version": VERSION, "status": 0, "for": goal, "services": rows}))
    return 0


@dataclass(slots=True, kw_only=True)
class _Follower:
    """Folds events until the verdict is clear."""

    names: tuple[str, ...]
    goal: str
    snapshot: Snapshot = field(default_factory=Snapshot)

    def run(self, session: Session) -> None:
        """Follow the events; raises NotReady, UsageError, DaemonUnreachable."""
        if self.goal == "stopped" and session.client() is None:
            return
        client = _require_daemon(session)
        while not self._follow(client):
            pass

    def chosen(self) -> dict[str, ServiceView]:
        """Return the services that were waited for."""
        views = self.snapshot.services
        return {name: views[name] for name in (self.names or views) if name in views}

    def give_up(self, timeout: str) -> DevenvError:
        """Return the error of a time that is over: who has not got there, and why not."""
        pending = judge_wait(self.snapshot, self.names, self.goal).pending
        views = self.snapshot.services
        said = [_state_line(views[name]) if name in views else f"{name} is unknown so far" for name in pending]
        why = "; ".join(said) or "no service has been started"
        which = ", ".join(pending) or "the stack"
        return NotReady(
            f"cannot wait any longer for {which}: not {self.goal} after {timeout}", why=why, fix="devenv status"
        )

    def _follow(self, client: Client) -> bool:
        """Read one stream of events; False where it has a gap, and has to be read anew."""
        for data in client.stream("GET", "/v1/events"):
            if data["kind"] == "snapshot":
                services = {item["name"]: decode_view(item) for item in data["services"]}
                self.snapshot = Snapshot(stack=data["stack"], seq=data["seq"], services=services)
                self._check_names()
            elif (numbered := decode_event(data)) is None:
                continue
            elif isinstance(numbered.event, Gap):
                return False
            else:
                self.snapshot = apply(self.snapshot, numbered)
            if self._is_over():
                return True
        if self.goal == "stopped":
            return True  # a daemon ends when nothing is left
        raise DaemonUnreachable("cannot wait any longer", why="the stack has ended meanwhile", fix="devenv up")

    def _is_over(self) -> bool:
        verdict = judge_wait(self.snapshot, self.names, self.goal)
        if verdict.failed:
            first = verdict.failed[0]
            why = "; ".join(_state_line(view) for view in verdict.failed)
            which = ", ".join(view.name for view in verdict.failed)
            raise NotReady(
                f"cannot wait for {which}: failed", why=why, fix=f"devenv logs {first.name}", details=first.tail
            )
        return verdict.is_met

    def _check_names(self) -> None:
        views = self.snapshot.services
        unknown = [name for name in self.names if name not in views] if views else []
        if unknown:
            raise UsageError(
                f"cannot wait for {unknown[0]}", why=f"the services are {', '.join(views)}", fix="devenv status"
            )
        never = [name for name in self.names if name in views and views[name].run in _NEVER_COMPLETES]
        if self.goal == "completed" and never:
            why = f"it is a {views[never[0]].run}; only tasks and containers complete"
            raise UsageError(f"cannot wait until {never[0]} is completed", why=why, fix=f"devenv wait {never[0]}")


def _state_line(view: ServiceView) -> str:
    return f"{view.name} is {view.state}" + (f" ({view.detail})" if view.detail else "")


def _require_daemon(session: Session) -> Client:
    client = session.client()
    if client is None:
        raise DaemonUnreachable("cannot follow the stack", why="nothing is running", fix="devenv up")
    return client


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    from devenv.domain.durations import parse_duration  # noqa: PLC0415

    seconds = parse_duration(text)
    if seconds is None:
        raise UsageError(f"cannot read --timeout {text}", why="a duration looks like 30s, 1m30s or 500ms")
    return seconds


class _ReaderGone(Exception):
    """Nobody reads standard output; no OSError, which the client would take for its own."""


@contextmanager
def _checks_reader() -> Iterator[None]:
    """Raise _ReaderGone in the body when nobody reads standard output any more, also while nothing happens."""

    def look(signum: int, frame: FrameType | None) -> None:
        del signum, frame
        if is_output_closed():
            raise _ReaderGone

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, 1.0, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


class _OutOfTime(Exception):
    """The alarm rang."""


@contextmanager
def _deadline(seconds: float | None) -> Iterator[None]:
    """Raise _OutOfTime in the body after `seconds`: the main thread sits in a read that has no deadline of its own."""
    if seconds is None:
        yield
        return

    def ring(signum: int, frame: FrameType | None) -> None:
        del signum, frame
        raise _OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
