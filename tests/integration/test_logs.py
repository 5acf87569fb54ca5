"""Rotation under a writer at full speed, killed rotations, and readers at the same time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from devenv.adapters.logs import layout as log_layout
from devenv.adapters.logs import reader as log_reader
from devenv.adapters.logs.files import LogFiles
from devenv.adapters.logs.layout import LogNames, Step
from devenv.adapters.logs.rotation import Rotation, probe_collapse
from devenv.domain.cleaning import LogRules
from tests.support.wait import until_async

pytestmark = pytest.mark.anyio

WRITER = """
import os, sys
for first in range(0, int(sys.argv[1]), 20):
    os.write(1, b"".join(b"line %09d %060d\\n" % (n, 0) for n in range(first, first + 20)))
"""
LINES = 400_000
CAP = 2 << 20


@pytest.fixture
def names(tmp_path: Path) -> LogNames:
    """Return the names of one log, on a file system that the test needs."""
    assert probe_collapse(tmp_path) or sys.platform != "linux", "the tests need ext4, XFS or F2FS for their folders"
    return LogNames(folder=tmp_path, service="web")


def write_lines(names: LogNames, first: int, count: int) -> None:
    """Append numbered lines, as a service does."""
    with names.log.open("ab") as file:
        file.write(b"".join(b"line %09d\n" % number for number in range(first, first + count)))


def read_numbers(names: LogNames) -> list[int]:
    """Return the numbers of all lines that a reader sees."""
    return [int(line.text.split()[1]) for line in log_reader.read_lines(names.folder, ["web"])]


@pytest.fixture
def writer(names: LogNames) -> Iterator[subprocess.Popen[bytes]]:
    """Start a service that appends `LINES` lines at full speed."""
    with names.log.open("ab") as output:
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(LINES)], stdout=output)
    yield process
    process.kill()
    process.wait()


async def test_rotation_loses_nothing_when_written_and_read_at_full_speed(
    names: LogNames, writer: subprocess.Popen[bytes]
) -> None:
    """Every line is there once, in order, over all pieces, for a follower of the moment and a reader afterwards."""
    logs = LogFiles(names.folder, cap_bytes=CAP, keep=1000)
    over = False
    followed: list[int] = []

    def follow() -> None:
        lines = log_reader.follow(names.folder, {"web": 0}, is_over=lambda: over)
        followed.extend(int(line.text.split()[1]) for line in lines)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(logs.tend)
            async with anyio.create_task_group() as readers:
                readers.start_soon(anyio.to_thread.run_sync, follow)
                await anyio.to_thread.run_sync(writer.wait)
                over = True
            group.cancel_scope.cancel()
    assert len(names.list_old()) >= 2
    assert followed == list(range(LINES))
    assert read_numbers(names) == list(range(LINES))
    assert logs.size("web") == LINES * 76


async def test_tend_rotates_when_the_cap_is_reached(names: LogNames) -> None:
    """A log that has become quiet is cut at the cap, and only so many old pieces stay."""
    logs = LogFiles(names.folder, cap_bytes=10_000, keep=2)

    async def is_rotated() -> bool:
        return names.log.stat().st_size < 10_000

    async with anyio.create_task_group() as group:
        group.start_soon(logs.tend)
        for round_number in range(4):
            write_lines(names, round_number * 1000, 1000)
            await until_async(is_rotated, deadline_s=5, what="a rotation")
        group.cancel_scope.cancel()
    numbers = read_numbers(names)
    assert len(names.list_old()) == 2
    assert numbers == list(range(numbers[0], 4000))
    assert numbers[0] > 0


def _without_note(rotation: Rotation, step: Callable[[], object]) -> None:
    """Do a step as if killed before it was noted."""
    before = log_layout.read_base(rotation.names)
    step()
    log_layout.write_base(rotation.names, before)


def _collapsed(rotation: Rotation, fd: int) -> None:
    rotation.punch(fd)
    rotation.collapse(fd)


def _named(rotation: Rotation, fd: int) -> None:
    _collapsed(rotation, fd)
    rotation.names.new.replace(rotation.names.old(log_layout.read_base(rotation.names).base))


STEPS: dict[str, Callable[[Rotation, int], object]] = {
    "copied": lambda rotation, fd: (rotation, fd),
    "punched, not noted": lambda rotation, fd: _without_note(rotation, lambda: rotation.punch(fd)),
    "punched": Rotation.punch,
    "collapsed": _collapsed,
    "named, not noted": _named,
}


@pytest.mark.parametrize("killed_when", STEPS)
@pytest.mark.parametrize("recovers", [False, True], ids=["read as it is", "recovered"])
def test_rotation_loses_nothing_when_killed(names: LogNames, killed_when: str, *, recovers: bool) -> None:
    """Whatever line the kill hits, each line is seen once: by a reader at once, and after the next daemon's repair."""
    rotation = Rotation(names, keep=3)
    write_lines(names, 0, 1000)
    rotation.rotate()
    write_lines(names, 1000, 2000)
    fd = os.open(names.log, os.O_RDWR)
    rotation.copy(fd)
    STEPS[killed_when](rotation, fd)
    os.close(fd)
    write_lines(names, 3000, 500)
    if recovers:
        LogFiles(names.folder).recover()
        assert log_layout.read_base(names).step is Step.NONE
        assert not names.new.exists()
        rotation.rotate()
    assert read_numbers(names) == list(range(3500)), killed_when
    assert log_layout.read_layout(names).end == 3500 * 15


def test_rotation_starts_anew_when_killed_while_copying(names: LogNames) -> None:
    """Half a copy is no copy."""
    write_lines(names, 0, 1000)
    names.new.write_bytes(b"half a co")
    LogFiles(names.folder).recover()
    assert not names.new.exists()
    assert read_numbers(names) == list(range(1000))


@pytest.mark.parametrize("stops_at", ["copied", "emptied", "done"])
def test_rotation_without_collapse_keeps_what_stands_still(names: LogNames, stops_at: str) -> None:
    """Where the file system cannot collapse, copying and emptying loses nothing of a quiet log, killed or not."""
    rotation = Rotation(names, keep=3, can_collapse=False)
    write_lines(names, 0, 1000)
    fd = os.open(names.log, os.O_RDWR)
    rotation.copy(fd)
    if stops_at != "copied":
        rotation.empty(fd)
    os.close(fd)
    if stops_at == "done":
        rotation.finish()
    write_lines(names, 1000, 10)
    assert read_numbers(names) == list(range(1010))
    rotation.recover()
    assert read_numbers(names) == list(range(1010))


def test_rotation_says_so_when_the_copy_fails(names: LogNames, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be copied is not cut, the failure is said once, and the service goes on."""
    logs = LogFiles(names.folder)
    write_lines(names, 0, 1000)
    names.new.mkdir()
    logs.rotate("web")
    logs.rotate("web")
    assert len([one for one in caplog.records if "cannot rotate" in one.message]) == 1
    assert read_numbers(names) == list(range(1000))


def test_offsets_go_on_when_somebody_empties_the_log(names: LogNames) -> None:
    """`> web.log` by hand loses the lines, not the count."""
    logs = LogFiles(names.folder)
    write_lines(names, 0, 100)
    logs.look()
    os.truncate(names.log, 0)
    logs.look()
    start = logs.size("web")
    write_lines(names, 100, 1)
    assert start == 1500
    assert logs.read_since("web", start, 100) == "line 000000100\n"


def test_look_costs_nothing_when_fifty_logs_are_idle(tmp_path: Path) -> None:
    """Two looks a second at fifty idle logs take less than half a percent of a core."""
    logs = LogFiles(tmp_path)
    for number in range(50):
        write_lines(LogNames(folder=tmp_path, service=f"s{number}"), 0, 10)
    logs.look()
    began = time.process_time()
    for _ in range(20):
        logs.look()
    assert (time.process_time() - began) / 20 * 2 < 0.005


def test_read_lines_merges_by_time(tmp_path: Path) -> None:
    """Lines of two services come in the order in which they were written."""
    logs = LogFiles(tmp_path)
    for number in range(4):
        log = LogNames(folder=tmp_path, service="ab"[number % 2]).log
        with log.open("a") as file:
            file.write(f"{number}\n")
        os.utime(log, (1000 + number, 1000 + number))
        logs.look()
    lines = list(log_reader.read_lines(tmp_path, ["b", "a"]))
    assert [(line.service, line.at, line.text) for line in lines] == [
        ("a", 1000, "0"),
        ("b", 1001, "1"),
        ("a", 1002, "2"),
        ("b", 1003, "3"),
    ]
    assert [line.text for line in log_reader.read_lines(tmp_path, ["a", "b"], since=1002)] == ["2", "3"]
    assert [line.text for line in log_reader.read_lines(tmp_path, ["a", "b"], last=2)] == ["2", "3"]
    assert [line.text for line in log_reader.read_lines(tmp_path, ["a", "b"], grep=re.compile("[03]"))] == ["0", "3"]


def test_read_lines_finds_the_last_when_they_are_far_back(names: LogNames) -> None:
    """Looking backwards goes on until enough lines match."""
    write_lines(names, 0, 100_000)
    lines = log_reader.read_lines(names.folder, ["web"], last=2, grep=re.compile("00000000[01]$"))
    assert [line.text for line in lines] == ["line 000000000", "line 000000001"]


def test_read_lines_is_safe_when_lines_are_long_and_binary(names: LogNames) -> None:
    """A line of 150,000 bytes comes in pieces of 64 KiB, and no byte can move the cursor."""
    names.log.write_bytes(b"x" * 150_000 + b"\n\x1b[2J\x00\xff\x1b[31mred\x1b[0m\n")
    lines = list(log_reader.read_lines(names.folder, ["web"]))
    assert [len(line.text) for line in lines[:3]] == [65536, 65536, 150_000 - 2 * 65536]
    assert lines[3].text == "\\xffred"


def test_follow_yields_a_line_without_its_end_when_over(names: LogNames) -> None:
    """The last words of a crash are seen."""
    names.log.write_bytes(b"whole\nhalf")
    lines = log_reader.follow(names.folder, {"web": 0}, is_over=lambda: True)
    assert [line.text for line in lines] == ["whole", "half"]


async def test_rotation_follows_the_rules_that_it_is_given(tmp_path: Path) -> None:
    """Size and number of `clean.logs`, from the moment on that they are known; none kept is none kept."""
    logs = LogFiles(tmp_path)
    names = LogNames(folder=tmp_path, service="web")
    for keep in (2, 0):
        logs.limit(LogRules(size_bytes=64_000, keep=keep))
        for _ in range(5):
            with names.log.open("ab") as file:
                file.write((b"y" * 79 + b"\n") * 1000)
            logs.look()
            logs.look()  # a log that grows at this moment may reach several caps first
            assert logs.due(time.monotonic()) == ["web"]
            logs.rotate("web")
        assert len(names.list_old()) == keep


async def test_prune_removes_the_logs_of_other_services_and_pieces_beyond_the_rules(tmp_path: Path) -> None:
    """A service whose name begins alike stays, and a file that is none of a log's; offsets stay true."""
    logs = LogFiles(tmp_path)
    for file in ("gone.log", "gone.log.0", "gone.log.new", "gone.base", "gone.idx", "web-2.log", "notes.txt"):
        (tmp_path / file).write_bytes(b"x" * 5000)
    names = LogNames(folder=tmp_path, service="web")
    for _ in range(4):
        with names.log.open("ab") as file:
            file.write((b"y" * 79 + b"\n") * 1000)
        logs.look()
        logs.rotate("web")
    assert len(names.list_old()) == 3
    size = logs.size("web")
    logs.limit(LogRules(keep=1))
    ahead = await logs.prune({"web", "web-2"}, dry_run=True)
    assert (tmp_path / "gone.log").exists()
    report = await logs.prune({"web", "web-2"}, dry_run=False)
    assert report == ahead
    assert {name for name in report.names if name.startswith("gone.")} == {
        "gone.log", "gone.log.0", "gone.log.new", "gone.base", "gone.idx",
    }  # fmt: skip
    assert len(report.names) == 7
    assert report.bytes > 150_000
    assert (len(names.list_old()), logs.size("web")) == (1, size)
    assert (tmp_path / "notes.txt").exists()
    assert (tmp_path / "web-2.log").exists()
    assert names.log.exists()
    assert logs.read_since("web", 0, 100) != ""


async def test_a_log_that_was_pruned_begins_anew_with_its_service(tmp_path: Path) -> None:
    """The service comes back into the configuration: what it writes is read from its first byte."""
    logs = LogFiles(tmp_path)
    log = tmp_path / "web.log"
    log.write_bytes(b"old\n" * 1000)
    logs.look()
    await logs.prune((), dry_run=False)
    assert not log.exists()
    log.write_bytes(b"new\n")
    logs.look()
    assert logs.tail("web", 5) == ("new",)
    assert logs.size("web") == 4
