"""Identity as Linux tells it and as psutil tells it elsewhere: the same answers but for the unit of the start."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Coroutine, Iterator

import anyio
import psutil
import pytest

from devenv.adapters.processes import exits as process_exit
from devenv.adapters.processes import identity
from devenv.adapters.processes.identity import ProcessStat
from devenv.domain.holders import ProcessId
from tests.support.wait import until

ReadStat = Callable[[int], ProcessStat | None]
READERS = [identity.read_stat, identity.read_psutil_stat]
MARKERS = [identity.read_markers, identity.read_psutil_markers]


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """Start a marked child in a session of its own."""
    environ = {**os.environ, identity.STACK_MARKER: "key", identity.SERVICE_MARKER: "web"}
    process = subprocess.Popen(["sleep", "60"], env=environ, start_new_session=True)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("read_stat", READERS)
def test_stat_tells_the_place_in_the_tree(read_stat: ReadStat, child: subprocess.Popen[bytes]) -> None:
    """Parent, group and session are what was asked for at the start."""
    stat = read_stat(child.pid)
    assert stat is not None
    assert (stat.parent, stat.group, stat.session, stat.ended) == (os.getpid(), child.pid, child.pid, False)


@pytest.mark.parametrize("read_stat", READERS)
def test_stat_is_the_same_when_asked_again(read_stat: ReadStat, child: subprocess.Popen[bytes]) -> None:
    """The start does not move, or nothing could be compared."""
    assert read_stat(child.pid) == read_stat(child.pid)


@pytest.mark.parametrize("read_stat", READERS)
def test_stat_says_ended_when_a_zombie(read_stat: ReadStat, child: subprocess.Popen[bytes]) -> None:
    """A process that waits to be reaped has ended."""
    child.kill()
    until(lambda: (stat := read_stat(child.pid)) and stat.ended, deadline_s=5, what="a zombie")


@pytest.mark.parametrize("read_stat", READERS)
def test_stat_is_nothing_when_nobody_has_the_pid(read_stat: ReadStat, child: subprocess.Popen[bytes]) -> None:
    """A reaped pid is nobody's."""
    child.kill()
    child.wait()
    assert read_stat(child.pid) is None


@pytest.mark.parametrize("read_markers", MARKERS)
def test_markers_are_read_when_set(
    read_markers: Callable[[int], tuple[str, str]], child: subprocess.Popen[bytes]
) -> None:
    """The marks of the child are its own, not ours."""
    until(lambda: read_markers(child.pid) == ("key", "web"), deadline_s=5, what="the marks after exec")


@pytest.mark.parametrize("read_markers", MARKERS)
def test_markers_are_empty_when_nobody_has_the_pid(read_markers: Callable[[int], tuple[str, str]]) -> None:
    """Nobody has no marks."""
    assert read_markers(2**22 - 7) == ("", "")


@pytest.mark.anyio
@pytest.mark.parametrize("wait", [process_exit.wait_ended, process_exit.poll_ended])
async def test_wait_returns_when_it_ends(
    wait: Callable[[ProcessId], Coroutine[None, None, None]], child: subprocess.Popen[bytes]
) -> None:
    """The event and the poll notice the same end."""
    process = identity.read_identity(child.pid)
    assert process is not None
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(wait, process)
            child.kill()


def test_ancestors_end_with_the_first() -> None:
    """The way up is psutil's way up."""
    expected = tuple(one.pid for one in psutil.Process().parents())
    assert tuple(pid for pid in identity.list_ancestors(os.getpid()) if pid) == expected


def test_environment_and_folder_are_read(child: subprocess.Popen[bytes]) -> None:
    """What a stop command inherits is what the service had."""
    until(lambda: "DEVENV_SERVICE" in identity.read_environment(child.pid), deadline_s=5, what="the environment")
    assert identity.read_environment(child.pid)["DEVENV_SERVICE"] == "web"
    assert identity.read_working_dir(child.pid) == os.getcwd()  # noqa: PTH109 - a string is compared
