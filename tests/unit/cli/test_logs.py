"""`devenv logs`: which lines, in which order, and how they look."""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator, Iterator

import pytest

from devenv.adapters.logs.reader import LogLine
from devenv.cli.logs import following as following_logs
from devenv.cli.logs.choice import LogOptions, read_choice, read_moment
from devenv.cli.logs.following import merge
from devenv.cli.logs.lines import Style
from devenv.cli.main import run
from devenv.domain.errors import UsageError
from tests.unit.cli.stacks import StackFolder, serve

NOON = 1_736_942_400.0  # 2025-01-15T12:00:00Z
LINE = LogLine(service="api", at=NOON, text="hello")


def test_prefix_is_padded_when_another_name_is_longer() -> None:
    """The names form a column."""
    style = Style()
    style.make_room(["api", "postgres"])
    assert style.format(LINE) == "api      | hello"


def test_prefix_is_left_out_when_not_wanted() -> None:
    """Only the text is left."""
    assert Style(prefix=False).format(LINE) == "hello"


def test_each_service_has_its_colour_when_colour_is_on() -> None:
    """Two services differ, and a service keeps its colour."""
    style = Style(colour=True)
    first, other = style.format(LINE), style.format(LogLine(service="web", at=NOON, text="x"))
    assert first == style.format(LINE) == "\x1b[36mapi | \x1b[0mhello"
    assert other.startswith("\x1b[33mweb")


def test_colour_ends_with_the_line_when_a_service_leaves_it_on() -> None:
    """One service's red does not run into the next one's line."""
    line = LogLine(service="api", at=NOON, text="\x1b[31mred")
    assert Style(colour=True).format(line).endswith("red\x1b[0m")


def test_json_line_has_service_time_and_text_when_asked() -> None:
    """The documented shape, with its version."""
    expected = {"version": 1, "service": "api", "at": "2025-01-15T12:00:00.000+00:00", "text": "hello"}
    assert json.loads(Style(as_json=True).format(LINE)) == expected


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10m", NOON - 600),
        ("1h30m", NOON - 5400),
        ("2025-01-15T11:00:00Z", NOON - 3600),
        ("2025-01-15T12:30:00+01:00", NOON - 1800),
    ],
)
def test_moment_is_read_when_duration_or_time(text: str, seconds: float) -> None:
    """A duration counts back from now, a time is a time."""
    assert read_moment("--since", text, NOON) == seconds


def test_moment_names_the_option_when_unreadable() -> None:
    """The words as typed, and what would do."""
    with pytest.raises(UsageError, match=r"cannot read --since 25:99"):
        read_moment("--since", "25:99", NOON)


@pytest.mark.parametrize("options", [LogOptions(grep="("), LogOptions(last=-1)])
def test_choice_is_refused_when_it_makes_no_sense(options: LogOptions) -> None:
    """A broken expression and a negative number are usage errors."""
    with pytest.raises(UsageError):
        read_choice(options, now=NOON)


def test_choice_holds_the_expression_when_given() -> None:
    """`--grep` is a regular expression."""
    assert read_choice(LogOptions(grep="a.c"), now=NOON).grep == re.compile("a.c")


def test_logs_are_merged_when_nothing_runs(stack: StackFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """After `down` the files are still read, in the order of time."""
    stack.write_log("api", "late\n")
    stack.write_log("migrate", "early\n")
    os.utime(stack.paths.logs / "migrate.log", (NOON, NOON))
    assert run(["logs"]) == 0
    assert capsys.readouterr().out == "migrate | early\napi     | late\n"


def test_logs_end_with_the_last_of_each_service_when_tailed(
    stack: StackFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """`-n` counts for each service, so that a loud one hides nobody."""
    stack.write_log("api", "1\n2\n3\n")
    stack.write_log("migrate", "a\nb\n")
    assert run(["logs", "-n", "1", "--no-prefix"]) == 0
    assert sorted(capsys.readouterr().out.split()) == ["3", "b"]


def test_logs_leave_lines_out_when_grepped(stack: StackFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """Only matching lines, the last of them."""
    stack.write_log("api", "GET /a\nPOST /b\nGET /c\n")
    assert run(["logs", "api", "--grep", "^GET", "-n", "1", "--no-prefix"]) == 0
    assert capsys.readouterr().out == "GET /c\n"


def test_logs_are_empty_when_all_is_later_than_until(stack: StackFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """`--until` cuts off the end."""
    stack.write_log("api", "x\n")
    assert run(["logs", "--until", "1h"]) == 0
    assert capsys.readouterr().out == ""


def test_logs_refuse_a_name_when_it_is_unknown(stack: StackFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """The known names are said."""
    stack.write_log("api", "x\n")
    assert run(["logs", "nope"]) == 2
    assert "there are api" in capsys.readouterr().err


def test_logs_say_so_when_there_are_none(stack: StackFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """No output, one sentence, no failure."""
    assert stack.folder.is_dir()
    assert run(["logs"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no logs yet" in captured.err


def test_logs_show_only_the_stacks_services_when_a_daemon_answers(
    stack: StackFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log of a service that left the file long ago is read only by name."""
    stack.write_log("api", "x\n")
    stack.write_log("gone", "y\n")
    status = {"version": 1, "services": [{"name": "api", "run": "process", "container": ""}]}
    with serve(stack.paths, {"/v1/status": [status]}):
        assert run(["logs"]) == 0
        assert run(["logs", "gone"]) == 0
    assert capsys.readouterr().out == "api | x\ngone | y\n"


def test_old_file_is_not_read_when_the_service_is_a_container_now(
    stack: StackFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an embedded server wrote is no log of the container that has not been made yet."""
    stack.write_log("db", "embedded\n")
    status = {"version": 1, "services": [{"name": "db", "run": "container", "container": ""}]}
    with serve(stack.paths, {"/v1/status": [status]}):
        assert run(["logs", "db"]) == 0
    assert capsys.readouterr().out == ""


async def _stream(*lines: LogLine) -> AsyncIterator[LogLine]:
    for line in lines:
        yield line


@pytest.mark.anyio
async def test_streams_are_merged_by_time() -> None:
    """Each stream is in order; so is the whole."""
    a, b, c, d = (LogLine(service=name, at=at, text="") for name, at in (("x", 1), ("y", 2), ("x", 3), ("y", 4)))
    assert [line async for line in merge([_stream(a, c), _stream(), _stream(b, d)])] == [a, b, c, d]


def test_following_ends_when_the_stack_ends(
    stack: StackFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes is shown once, also of a service that joins, and nothing of its earlier life."""
    monkeypatch.setattr(following_logs, "LOOK_S", 0.2)
    stack.write_log("api", "before\n")
    stack.write_log("late", "earlier life\n")
    looks: list[list[str]] = []

    class Looks(list[object]):
        def __iter__(self) -> Iterator[object]:
            looks.append(["api"] if len(looks) == 0 else ["api", "late"])
            if len(looks) == 2:
                for name in ("api", "late"):
                    with (stack.paths.logs / f"{name}.log").open("a") as log:
                        log.write("after\n")
            if len(looks) == 3:
                stack.paths.socket.unlink()
            rows = [{"name": name, "run": "process", "container": ""} for name in looks[-1]]
            return iter([{"version": 1, "services": rows}])

    with serve(stack.paths, {"/v1/status": Looks()}):
        assert run(["logs", "-f"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.split(" | ")[1] for line in lines) == ["after", "after", "before"]
    assert lines[0] == "api | before"
