"""A new daemon in an old world: what it takes over, and what it does not believe."""

from __future__ import annotations

import anyio
import pytest

from devenv.app.ports import Launch
from devenv.domain.errors import UsageError
from devenv.domain.holders import ProcessId
from devenv.domain.lifecycle import State
from devenv.domain.model import Restart
from tests.support.builders import NEVER_READY, ROOT, container, ends_with, ready_after, service, stack, task
from tests.support.fakes_app import Rig

pytestmark = pytest.mark.anyio


async def test_running_process_is_adopted_by_its_identity() -> None:
    """Pid and start time agree: it is watched again, and the next `up` keeps it."""
    rig = Rig(stack(service("db", ports=(5432,))))
    async with rig.serve():
        await rig.up()
        first = rig.pid_of("db")
    rig.restart()
    async with rig.serve():
        assert (await rig.reaching("db", State.READY)).pid == first.pid
        ended = await rig.up()
        assert ended.summary["steps"] == [{"service": "db", "action": "keep", "why": ""}]
        assert rig.spawned == ["db"]


async def test_up_right_after_the_start_of_a_daemon_starts_nothing_twice() -> None:
    """What is adopted is on the board before anybody may ask."""
    rig = Rig(stack(service("a"), service("b", "a"), container("c")))
    async with rig.serve():
        await rig.up()
    rig.restart()
    async with rig.serve():
        await rig.up()
        assert sorted(rig.spawned) == ["a", "b"]


async def test_recycled_pid_is_not_adopted() -> None:
    """A process with the same pid and another start is a stranger."""
    rig = Rig(stack(service("db")))
    async with rig.serve():
        await rig.up()
        old = rig.pid_of("db")
    rig.processes.end(old, 0)
    rig.processes._all[ProcessId(pid=old.pid, started=99.0)] = rig.processes._all.pop(old)
    rig.restart()
    async with rig.serve():
        assert rig.view("db").state is State.STOPPED
        assert rig.supervisor.is_idle


async def test_marked_process_is_adopted_without_a_record() -> None:
    """The daemon died before it wrote anything down; the marker tells whose the process is."""
    rig = Rig(stack(service("db")))
    rig.processes.spawn(Launch(service="db", argv=("sleep", "9"), working_dir=ROOT, environment={}, log=""))
    async with rig.serve():
        assert (await rig.reaching("db", State.READY)).pid == rig.pid_of("db").pid
        assert (await rig.down()).status == 0
        assert rig.alive == set()


async def test_marked_process_of_a_service_that_is_gone_from_the_file_is_adopted() -> None:
    """Enough is known to watch it and to end it."""
    rig = Rig(stack(service("db")))
    rig.processes.spawn(Launch(service="old", argv=("sleep", "9"), working_dir=ROOT, environment={}, log=""))
    async with rig.serve():
        assert (await rig.reaching("old", State.READY)).run == "process"
        await rig.down()
        assert rig.alive == set()


async def test_running_container_is_adopted() -> None:
    """By the labels of its project: it is watched by events again, and `down` removes it."""
    rig = Rig(stack(container("db")))
    async with rig.serve():
        await rig.up()
    rig.restart()
    async with rig.serve():
        await rig.reaching("db", State.READY)
        rig.containers.end("db", 1)
        await rig.reaching("db", State.FAILED)
        await rig.down()
        assert await rig.containers.list() == ()


async def test_adopted_container_is_started_again_by_its_policy() -> None:
    """A restart needs no new container."""
    rig = Rig(stack(container("db", restart=Restart.ON_FAILURE)))
    async with rig.serve():
        await rig.up()
    rig.restart()
    async with rig.serve():
        await rig.reaching("db", State.READY)
        rig.containers.end("db", 1)
        await rig.reaching("db", State.BACKOFF)
        await rig.reaching("db", State.READY)


async def test_what_ended_meanwhile_is_shown_as_stopped() -> None:
    """Nobody knows how it ended, and that is what is said."""
    rig = Rig(stack(service("db"), container("cache")))
    async with rig.serve():
        await rig.up()
        pid = rig.pid_of("db")
    rig.processes.end(pid, 1)
    rig.containers.end("cache", 1)
    rig.restart()
    async with rig.serve():
        for name in ("db", "cache"):
            view = rig.view(name)
            assert (view.state, view.pid, view.detail) == (State.STOPPED, None, "ended while no daemon was watching")
        assert (await rig.up()).status == 0


async def test_what_waited_is_shown_as_stopped_by_a_new_daemon() -> None:
    """Nobody waits any more."""
    rig = Rig(stack(service("db", run=ends_with(1)), service("api", "db")))
    async with rig.serve():
        await rig.up()
    rig.restart()
    async with rig.serve():
        assert (rig.view("api").state, rig.view("api").detail) == (State.STOPPED, "")
        assert rig.view("db").state is State.FAILED


async def test_completed_task_is_remembered() -> None:
    """It is shown as completed, and runs again with the next `up`."""
    rig = Rig(stack(task("migrate"), service("api", "migrate")))
    async with rig.serve():
        await rig.up()
    rig.restart()
    async with rig.serve():
        assert rig.view("migrate").state is State.COMPLETED
        await rig.up()
        assert rig.spawned == ["migrate", "api", "migrate"]


async def test_processes_of_another_boot_are_not_believed() -> None:
    """After a reboot pids mean nothing; all is stopped, and `up` starts it."""
    rig = Rig(stack(service("db")))
    async with rig.serve():
        await rig.up()
        old = rig.pid_of("db")
    rig.processes._all[old].launch = Launch(
        service="somebody-elses", argv=("sleep", "9"), working_dir=ROOT, environment={}, log=""
    )
    rig.processes.find_marked = dict  # type: ignore[method-assign]
    rig.restart(boot="another")
    async with rig.serve():
        assert rig.view("db").state is State.STOPPED
        assert rig.processes.is_alive(old)


async def test_configuration_that_cannot_be_read_does_not_keep_a_daemon_from_adopting() -> None:
    """What runs can be watched and ended from the record alone."""
    rig = Rig(stack(service("db"), container("cache")))
    async with rig.serve():
        await rig.up()
    rig.load_error = UsageError("cannot read services.yaml", why="line 3")
    rig.restart()
    async with rig.serve():
        await rig.reaching("db", State.READY)
        await rig.reaching("cache", State.READY)
        assert any("without its configuration" in text for text in await rig.notes("warning"))
        assert (await rig.down()).status == 0
        assert (rig.alive, await rig.containers.list()) == (set(), ())


async def test_adopted_service_passes_its_gate_anew() -> None:
    """Running is not ready: it is asked before it is called so, and its first time to ready is kept."""
    rig = Rig(stack(service("db", probes=ready_after(3.0))))
    async with rig.serve():
        await rig.up()
    rig.change(service("db", probes=ready_after(1.0)))
    rig.restart()
    async with rig.serve():
        assert rig.view("db").state is State.PROBING
        view = await rig.reaching("db", State.READY)
        assert view.ready_after_s == pytest.approx(3.0, abs=0.1)


async def test_adopted_service_that_does_not_pass_its_gate_fails() -> None:
    """As any other; it stays up for a look."""
    rig = Rig(stack(service("db")))
    async with rig.serve():
        await rig.up()
    rig.change(service("db", probes=NEVER_READY, ready_timeout_s=5.0))
    rig.restart()
    async with rig.serve():
        await rig.reaching("db", State.FAILED)
        assert rig.alive == {"db"}


async def test_container_that_is_a_process_by_now_is_adopted_as_a_container() -> None:
    """The file changed its mind while no daemon ran: what runs is what it was, and `up` replaces it."""
    rig = Rig(stack(container("db"), container("other")))
    async with rig.serve():
        await rig.up()
    rig.stack = stack(service("db"), container("other"))
    rig.restart()
    async with rig.serve():
        assert (await rig.reaching("db", State.READY)).container
        assert (await rig.up()).status == 0
        assert rig.alive == {"db"}
        assert [one.state for one in await rig.containers.list() if one.service == "db"] == ["exited"]


async def test_engine_that_does_not_answer_is_said_when_a_daemon_adopts() -> None:
    """Processes are taken over all the same."""
    rig = Rig(stack(container("cache"), service("db")))
    async with rig.serve():
        await rig.up()
    rig.containers.unreachable = "connection refused"
    rig.restart()
    async with rig.serve():
        await rig.reaching("db", State.READY)
        assert "cannot reach the Docker engine: connection refused" in await rig.notes("warning")


async def test_death_of_the_daemon_in_mid_up_leaves_nothing_unknown() -> None:
    """Killed while services start: the next daemon finds all of it, and `down` ends all of it."""
    rig = Rig(stack(service("a", probes=NEVER_READY), container("c", probes=NEVER_READY), service("b", "a")))
    async with rig.serve():
        rig.begin_up()
        await rig.reaching("c", State.PROBING)
        await rig.reaching("a", State.PROBING)
        await anyio.sleep(0.1)
    rig.restart()
    async with rig.serve():
        assert (await rig.down()).status == 0
        assert (rig.alive, await rig.containers.list()) == (set(), ())


async def test_containers_that_were_never_started_are_removed_by_a_new_daemon() -> None:
    """Compose had made them when the daemon died; nothing else of the stack knows of them."""
    rig = Rig(stack(service("db", run=ends_with(1)), container("cache", "db")))
    async with rig.serve():
        await rig.up()
        assert [one.state for one in await rig.containers.list()] == ["created"]
    rig.restart()
    async with rig.serve():
        assert (await rig.down()).status == 0
        assert await rig.containers.list() == ()


async def test_container_is_found_when_only_a_marker_was_left() -> None:
    """The record is lost and a process lives: the configuration still names the containers' project."""
    rig = Rig(stack(service("db"), container("cache")))
    async with rig.serve():
        await rig.up()
    rig.record.record = None
    rig.restart()
    async with rig.serve():
        assert (await rig.down()).status == 0
        assert (rig.alive, await rig.containers.list()) == (set(), ())
