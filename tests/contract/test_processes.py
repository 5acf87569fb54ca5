"""What every `Processes` does, the fake's and the machine's."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from devenv.adapters.processes.host import HostProcesses
from devenv.app.ports import Launch, Processes
from devenv.domain.errors import StartFailed
from devenv.domain.holders import ProcessId
from devenv.domain.model import Stop
from tests.support.fakes_processes import FakeProcesses

pytestmark = pytest.mark.anyio

SLEEP = ("sleep", "300")


@pytest.fixture(params=["fake", "host"])
async def processes(request: pytest.FixtureRequest, unique_name: str) -> AsyncIterator[Processes]:
    """Give one implementation after the other, and end what a test left."""
    made: Processes = FakeProcesses() if request.param == "fake" else HostProcesses(unique_name)
    yield made
    for service, roots in made.find_marked().items():
        await made.stop_tree(roots, service, Stop(signal="KILL"))


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    """Return a launch of something that runs on."""
    return Launch(
        service="web",
        argv=SLEEP,
        working_dir=str(tmp_path),
        environment=dict(os.environ),
        log=str(tmp_path / "web.log"),
    )


def shell(launch: Launch, script: str) -> Launch:
    """Return `launch` with a shell command."""
    return replace(launch, argv=("sh", "-c", script))


async def test_is_alive_when_spawned(processes: Processes, launch: Launch) -> None:
    """What was started lives."""
    assert processes.is_alive(processes.spawn(launch))


async def test_is_alive_denies_when_the_start_differs(processes: Processes, launch: Launch) -> None:
    """A recycled pid is another process."""
    process = processes.spawn(launch)
    assert not processes.is_alive(ProcessId(pid=process.pid, started=process.started + 1))


async def test_wait_exit_gives_the_status_when_it_ends(processes: Processes, launch: Launch) -> None:
    """The exit status is the program's own."""
    process = processes.spawn(shell(launch, "exit 3"))
    with anyio.fail_after(5):
        assert await processes.wait_exit(process) == 3
    assert not processes.is_alive(process)


async def test_wait_exit_gives_the_status_when_asked_twice(processes: Processes, launch: Launch) -> None:
    """Reaping a process does not lose its status."""
    process = processes.spawn(shell(launch, "exit 4"))
    with anyio.fail_after(5):
        assert [await processes.wait_exit(process) for _ in range(2)] == [4, 4]


async def test_wait_exit_gives_nothing_when_never_started_here(processes: Processes) -> None:
    """A process that is not there has ended, with a status nobody knows."""
    with anyio.fail_after(5):
        assert await processes.wait_exit(ProcessId(pid=2**22 - 7, started=1.0)) is None


async def test_stop_tree_ends_by_the_signal_when_obeyed(processes: Processes, launch: Launch) -> None:
    """The status tells the signal."""
    process = processes.spawn(launch)
    with anyio.fail_after(5):
        assert await processes.stop_tree([process], "web", Stop(signal="INT")) == ()
        assert await processes.wait_exit(process) == -signal.SIGINT


async def test_stop_tree_wakes_the_waiting_when_it_ends(processes: Processes, launch: Launch) -> None:
    """Whoever waits for the exit learns of it."""
    process = processes.spawn(launch)
    seen: list[int | None] = []

    async def wait() -> None:
        seen.append(await processes.wait_exit(process))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await processes.stop_tree([process], "web", Stop())
    assert seen == [-signal.SIGTERM]


async def test_stop_tree_leaves_nothing_when_already_dead(processes: Processes, launch: Launch) -> None:
    """Stopping what has ended is no failure."""
    process = processes.spawn(shell(launch, "exit 0"))
    with anyio.fail_after(5):
        await processes.wait_exit(process)
        assert await processes.stop_tree([process], "web", Stop()) == ()


async def test_stop_tree_finds_by_service_when_no_roots_are_given(processes: Processes, launch: Launch) -> None:
    """The marks are enough."""
    process = processes.spawn(launch)
    with anyio.fail_after(5):
        assert await processes.stop_tree([], "web", Stop()) == ()
    assert not processes.is_alive(process)


async def test_stop_tree_spares_other_services(processes: Processes, launch: Launch) -> None:
    """Only the named service ends."""
    process, other = processes.spawn(launch), processes.spawn(replace(launch, service="api"))
    with anyio.fail_after(5):
        await processes.stop_tree([process], "web", Stop())
    assert processes.is_alive(other)


async def test_find_marked_lists_by_service(processes: Processes, launch: Launch) -> None:
    """Every live process is found again under its service."""
    process = processes.spawn(launch)
    assert processes.find_marked() == {"web": (process,)}


async def test_find_marked_lists_nothing_when_ended(processes: Processes, launch: Launch) -> None:
    """What has ended is not found."""
    process = processes.spawn(shell(launch, "exit 0"))
    with anyio.fail_after(5):
        await processes.wait_exit(process)
    assert processes.find_marked() == {}


async def test_tree_pids_has_the_root(processes: Processes, launch: Launch) -> None:
    """The root is a member of its own tree."""
    process = processes.spawn(launch)
    assert process.pid in processes.tree_pids(process, "web")


async def test_spawn_names_the_program_when_it_is_missing(processes: Processes, launch: Launch) -> None:
    """A missing program is a known failure with its name."""
    with pytest.raises(StartFailed, match="cannot start web") as caught:
        processes.spawn(replace(launch, argv=("devenv-no-such-program",)))
    assert "devenv-no-such-program" in caught.value.why
    assert caught.value.fix


async def test_spawn_names_the_folder_when_it_is_missing(processes: Processes, launch: Launch) -> None:
    """A missing working directory is not mistaken for a missing program."""
    with pytest.raises(StartFailed) as caught:
        processes.spawn(replace(launch, working_dir="/nonexistent/here"))
    assert "/nonexistent/here does not exist" in caught.value.why


async def test_run_returns_status_and_output(processes: Processes, launch: Launch) -> None:
    """A command beside a service tells how it ended."""
    result = await processes.run(shell(launch, "echo hello"), 5)
    assert (result.status, result.output) == (0, "hello\n")


async def test_run_kills_when_it_takes_too_long(processes: Processes, launch: Launch) -> None:
    """A hanging command costs no more than its time."""
    with anyio.fail_after(5):
        result = await processes.run(launch, 0.02)
    assert result.status == -signal.SIGKILL
    assert "0.02 s" in result.output


async def test_run_says_127_when_the_program_is_missing(processes: Processes, launch: Launch) -> None:
    """A probe's missing program is an answer, not an exception."""
    assert (await processes.run(replace(launch, argv=("devenv-no-such-program",)), 5)).status == 127
