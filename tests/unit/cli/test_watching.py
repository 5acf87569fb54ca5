"""`devenv events` and `devenv wait` against a daemon that says what the test wants."""

from __future__ import annotations

import json

import pytest

from devenv.api.wire import decode_view
from devenv.cli.main import run
from devenv.cli.watching import event_lines, judge_wait
from devenv.domain.events import Snapshot
from tests.unit.cli.stacks import StackFolder, change, serve, snapshot, view


def _snapshot(**states: str) -> Snapshot:
    return Snapshot(services={name: decode_view(view(name, state)) for name, state in states.items()})


@pytest.mark.parametrize(
    ("states", "names", "goal", "met"),
    [
        ({"api": "ready", "migrate": "completed"}, (), "ready", True),
        ({"api": "ready", "docs": "stopped"}, (), "ready", True),
        ({"api": "ready", "docs": "stopped"}, ("docs",), "ready", False),
        ({"api": "probing"}, (), "ready", False),
        ({}, (), "ready", False),
        ({}, (), "stopped", True),
        ({"api": "ready"}, ("migrate",), "ready", False),
        ({"api": "ready"}, ("api",), "completed", False),
        ({"api": "stopped", "migrate": "completed", "web": "failed"}, (), "stopped", True),
        ({"api": "stopping"}, (), "stopped", False),
    ],
)
def test_wait_is_over_when_all_have_arrived(
    states: dict[str, str], names: tuple[str, ...], goal: str, met: bool
) -> None:
    """Without names it is about what takes part, of which there must be something."""
    assert judge_wait(_snapshot(**states), names, goal).is_met is met


def test_wait_ends_when_a_change_makes_it_true(stack: StackFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """The event decides, at once; the stream goes on."""
    events = [snapshot(view("api", "probing")), change(2, view("api", "ready"), "probing")]
    with serve(stack.paths, {"/v1/events": events}, hang=True):
        assert run(["wait", "api", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == {"version": 1, "status": 0, "for": "ready", "services": [{"name": "api", "state": "ready"}]}


def test_wait_fails_when_a_service_fails(stack: StackFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """The service, its reason and its last lines."""
    failed = view("api", "failed", detail="exit 3", tail=["boom"])
    with serve(stack.paths, {"/v1/events": [snapshot(view("api", "probing")), change(2, failed)]}, hang=True):
        assert run(["wait"]) == 5
    said = capsys.readouterr().err
    assert "cannot wait for api: failed" in said
    assert "api is failed (exit 3)" in said
    assert "| boom" in said


def test_wait_fails_when_the_time_is_over(stack: StackFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """Who has not arrived is said."""
    with serve(stack.paths, {"/v1/events": [snapshot(view("api", "probing"))]}, hang=True):
        assert run(["wait", "--timeout", "50ms"]) == 5
    assert "api is probing" in capsys.readouterr().err


def test_wait_starts_anew_when_events_were_missed(stack: StackFolder) -> None:
    """A gap means to read the snapshot again."""
    answers = {"/v1/events": [snapshot(view("api", "probing")), {"kind": "gap", "seq": 9, "at": 1.0, "missed": 7}]}
    with serve(stack.paths, answers) as daemon:

        class Second(list[object]):
            def __iter__(self):  # type: ignore[no-untyped-def]
                first = len(daemon.asked) == 1
                return iter(answers["/v1/events"] if first else [snapshot(view("api", "ready"))])

        daemon.answers = {"/v1/events": Second()}
        assert run(["wait"]) == 0
        assert len(daemon.asked) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["wait", "nope"], "the services are api"),
        (["wait", "--for", "happy"], "ready, completed, stopped"),
        (["wait", "--for", "completed", "api"], "only tasks and containers complete"),
        (["wait", "--timeout", "soon"], "a duration looks like"),
    ],
)
def test_wait_is_refused_when_it_can_never_end(
    stack: StackFolder, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """A mistake is said instead of waited for."""
    with serve(stack.paths, {"/v1/events": [snapshot(view("api", "ready"))]}, hang=True):
        assert run(arguments) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("command", ["wait", "events"])
def test_daemon_is_missed_when_nothing_runs(
    stack: StackFolder, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Exit status 8 and the command that starts the stack."""
    assert stack.folder.is_dir()
    assert run([command]) == 8
    assert "fix: devenv up" in capsys.readouterr().err


def test_wait_for_stopped_ends_when_nothing_runs(stack: StackFolder) -> None:
    """Nothing running is what was wished."""
    assert stack.folder.is_dir()
    assert run(["wait", "--for", "stopped"]) == 0


def test_events_are_json_lines_when_asked(stack: StackFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """Every line is an object with its version, unchanged otherwise."""
    sent = [snapshot(view("api", "probing")), change(2, view("api", "ready"), "probing")]
    with serve(stack.paths, {"/v1/events": sent}):
        assert run(["events", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [{"version": 1, **line} for line in sent]


def test_events_end_with_the_snapshot_when_not_followed(stack: StackFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """`--no-follow` takes a look."""
    with serve(stack.paths, {"/v1/events": [snapshot(view("api", "ready"))]}, hang=True):
        assert run(["events", "--no-follow"]) == 0
    assert capsys.readouterr().out == "✔ api: ready\n"


def test_event_has_no_line_when_only_facts_changed() -> None:
    """A state is told once."""
    assert event_lines(change(2, view("api", "ready"), "ready")) == []


def test_event_has_no_line_when_its_kind_is_unknown() -> None:
    """A newer daemon may say more."""
    assert event_lines({"kind": "weather", "seq": 1, "at": 1.0}) == []


def test_operation_is_told_when_it_ends() -> None:
    """Verb, time and status."""
    ended = {"kind": "ended", "seq": 1, "at": 1.0, "operation": "up-1", "verb": "up", "status": 5, "elapsed_s": 2.0}
    assert event_lines(ended)[0].endswith("up ended after 2.0 s with status 5")
