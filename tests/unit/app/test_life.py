"""A service's life after its start: restarts, backoff, crash loops, sickness, ends; containers and externals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import anyio
import pytest

from devenv.app.ports import Launch
from devenv.domain.holders import ProcessId
from devenv.domain.lifecycle import CALM_S, State
from devenv.domain.model import Condition, Restart
from devenv.domain.probe import NotYet, Outcome, Passed, Target
from tests.support.builders import (
    NEVER_READY,
    container,
    ends_with,
    external,
    on,
    process,
    ready_after,
    service,
    stack,
    task,
)
from tests.support.fakes_app import Rig
from tests.support.fakes_ports import make_holder

pytestmark = pytest.mark.anyio


@dataclass(frozen=True, kw_only=True)
class Moody:
    """A probe that passes while `well` says so."""

    kind: ClassVar[str] = "moody"
    well: list[bool] = field(default_factory=lambda: [True])

    def describe(self) -> str:
        return "moody"

    async def check(self, target: Target) -> Outcome:
        await anyio.lowlevel.checkpoint()
        return Passed() if self.well[0] else NotYet(reason="HTTP 503")


async def test_failed_service_starts_again_when_its_policy_says_so() -> None:
    """`restart: on-failure` starts it again after a pause, and the dependents never notice a new order."""
    rig = Rig(stack(service("api", restart=Restart.ON_FAILURE)))
    async with rig.serve():
        await rig.up()
        rig.end("api", 1)
        view = await rig.reaching("api", State.BACKOFF)
        assert (view.restarts, view.exit_code, view.pid) == (1, 1, None)
        assert view.detail == "exited with status 1; starts again in 0.5 s"
        await rig.reaching("api", State.READY)
        assert rig.spawned == ["api", "api"]


async def test_backoff_doubles_when_failures_follow_each_other() -> None:
    """The pauses of a service that was ready once: 0.5, 1, 2 and 4 s, then it is given up."""
    rig = Rig(stack(service("api", restart=Restart.ON_FAILURE)))
    pauses = []
    async with rig.serve():
        await rig.up()
        for _ in range(4):
            rig.end("api", 1)
            await rig.reaching("api", State.BACKOFF)
            since = anyio.current_time()
            await rig.reaching("api", State.PROBING)
            pauses.append(anyio.current_time() - since)
            await rig.reaching("api", State.READY)
        rig.end("api", 1)
        view = await rig.reaching("api", State.FAILED)
        assert pauses == pytest.approx([0.5, 1.0, 2.0, 4.0])
        assert "5 times in a row" in view.detail


async def test_failures_are_forgotten_when_a_service_was_calm() -> None:
    """After a minute up the next pause is the first one again."""
    rig = Rig(stack(service("api", restart=Restart.ON_FAILURE)))
    async with rig.serve():
        await rig.up()
        for _ in range(10):
            await anyio.sleep(CALM_S + 1)
            rig.end("api", 1)
            assert (await rig.reaching("api", State.BACKOFF)).detail.endswith("starts again in 0.5 s")
            await rig.reaching("api", State.READY)


async def test_crash_loop_before_ready_ends_the_up() -> None:
    """A start that keeps failing is given up after three times, with the count and the last lines."""
    rig = Rig(stack(service("api", run=ends_with(7), restart=Restart.ON_FAILURE)))
    async with rig.serve():
        began = anyio.current_time()
        ended = await rig.up()
        assert ended.status == 5
        assert "exited with status 7 after 0.0 s, 3 times in a row" in str(ended.failures[0]["why"])
        assert anyio.current_time() - began == pytest.approx(1.5, abs=0.1)
        assert rig.view("api").restarts == 2


async def test_missing_program_is_not_started_again() -> None:
    """Status 127 would be the same the next time."""
    rig = Rig(stack(service("api", run=ends_with(127), restart=Restart.ALWAYS)))
    async with rig.serve():
        await rig.up()
        assert rig.spawned == ["api"]


async def test_clean_end_after_ready_stops_the_service() -> None:
    """A server that ended by itself with success has not failed."""
    rig = Rig(stack(service("api")))
    async with rig.serve():
        await rig.up()
        rig.end("api", 0)
        assert (await rig.reaching("api", State.STOPPED)).detail == "exited with status 0"


async def test_end_before_ready_fails_even_with_success() -> None:
    """A server that exits 0 before anybody could use it did not start."""
    rig = Rig(stack(service("api", run=ends_with(0), probes=ready_after(1.0))))
    async with rig.serve():
        assert (await rig.up()).status == 5


async def test_crash_after_ready_fails_with_its_last_lines() -> None:
    """What it wrote since its start is kept with the failure."""
    rig = Rig(stack(service("api")))
    async with rig.serve():
        await rig.up()
        rig.logs.write("api", "boot\nTraceback: boom\n")
        rig.end("api", 1)
        view = await rig.reaching("api", State.FAILED)
        assert view.tail == ("boot", "Traceback: boom")
        assert view.pid is None


async def test_workers_of_the_last_life_are_ended_before_a_new_start() -> None:
    """A crashed root leaves children that have its port; they go before the next one comes."""
    rig = Rig(stack(service("api", restart=Restart.ON_FAILURE)))
    async with rig.serve():
        await rig.up()
        root = rig.pid_of("api")
        worker = rig.processes.spawn(rig.processes.started[0])
        rig.processes.end(root, 1)
        await rig.reaching("api", State.BACKOFF)
        await rig.reaching("api", State.READY)
        assert not rig.processes.is_alive(worker)


async def test_service_is_unhealthy_while_its_probes_fail() -> None:
    """Three failures in a row sicken it, one success heals it; it is never started anew for that."""
    probe = Moody()
    rig = Rig(stack(service("api", probes=(probe,))))
    async with rig.serve():
        await rig.up()
        probe.well[0] = False
        assert (await rig.reaching("api", State.UNHEALTHY)).detail == "HTTP 503"
        probe.well[0] = True
        assert (await rig.reaching("api", State.READY)).health == "healthy"
        assert rig.spawned == ["api"]


async def test_sick_container_that_ends_is_seen() -> None:
    """An end is possible from every state in which something runs."""
    probe = Moody()
    rig = Rig(stack(container("db", probes=(probe,))))
    async with rig.serve():
        await rig.up()
        probe.well[0] = False
        await rig.reaching("db", State.UNHEALTHY)
        rig.containers.end("db", 1)
        assert (await rig.reaching("db", State.FAILED)).exit_code == 1


async def test_task_that_fails_names_its_command_and_status() -> None:
    """A task's failure is a failure to complete."""
    rig = Rig(stack(task("migrate", status=4), service("api", on("migrate", Condition.COMPLETED))))
    async with rig.serve():
        ended = await rig.up()
        assert ended.failures[0]["what"] == "cannot complete migrate"
        assert "`sh -c 'exit 4'` exited with status 4" in str(ended.failures[0]["why"])
        assert rig.spawned == ["migrate"]


async def test_program_that_is_not_there_fails_its_service() -> None:
    """The words come from the one who could not start it."""
    rig = Rig(stack(service("api", run=process("uvicorm"))))
    async with rig.serve():
        ended = await rig.up()
        assert ended.failures[0]["why"] == "the program uvicorm was not found in PATH"
        assert await rig.states("api") == ["stopped", "waiting", "starting", "failed"]


async def test_external_service_is_checked_and_never_started() -> None:
    """It is ready when its probe passes, and `down` leaves it alone."""
    rig = Rig(stack(external("billing", probes=ready_after(2.0))))
    async with rig.serve():
        assert (await rig.up()).status == 0
        assert (await rig.down()).status == 0
        assert (rig.spawned, rig.stopped) == ([], [])


async def test_external_service_that_does_not_answer_fails() -> None:
    """Its gate has a deadline as any other's."""
    rig = Rig(stack(external("billing", probes=NEVER_READY, ready_timeout_s=3.0)))
    async with rig.serve():
        assert (await rig.up()).failures[0]["code"] == "not-ready"


async def test_container_that_ends_before_ready_fails_at_once() -> None:
    """The engine's event is enough: no timeout is waited for, and the last lines are there."""
    rig = Rig(stack(container("db", probes=NEVER_READY)))
    async with rig.serve():
        began = anyio.current_time()
        operation = rig.begin_up()
        await rig.reaching("db", State.PROBING)
        rig.containers.write("db", "FATAL: no space left")
        rig.containers.end("db", 1)
        ended = await rig.follow(operation)
        assert anyio.current_time() - began < 1.0
        assert ended.failures[0]["details"] == ["FATAL: no space left"]
        assert "`container fixture/busybox` exited with status 1" in str(ended.failures[0]["why"])


async def test_container_that_is_gone_when_it_is_looked_at_fails_its_service() -> None:
    """An end before the first look is a failure of the service, not of the daemon."""
    rig = Rig(stack(container("db", probes=NEVER_READY), service("api")))
    real_start = rig.containers.start

    async def start_and_end(container_id: str) -> None:
        await real_start(container_id)
        rig.containers.end("db", 3)

    rig.containers.start = start_and_end  # type: ignore[method-assign]
    async with rig.serve():
        ended = await rig.up()
        assert (ended.status, rig.view("db").exit_code) == (5, 3)
        assert rig.view("api").state is State.READY


async def test_container_that_crashed_is_started_again_as_it_is() -> None:
    """A restart starts the same container; Compose is not asked again."""
    rig = Rig(stack(container("db", restart=Restart.ON_FAILURE)))
    async with rig.serve():
        await rig.up()
        first = rig.view("db").container
        rig.containers.end("db", 1)
        await rig.reaching("db", State.BACKOFF)
        assert (await rig.reaching("db", State.READY)).container == first
        assert [verb for verb, _ in rig.containers.calls].count("create") == 1


async def test_container_that_completes_meets_its_dependents() -> None:
    """A Compose service that somebody awaits as completed is not asked to stay."""
    rig = Rig(stack(container("seed"), service("api", on("seed", Condition.COMPLETED))))
    async with rig.serve():
        operation = rig.begin_up()
        await rig.reaching("seed", State.PROBING)
        rig.containers.end("seed", 0)
        assert (await rig.follow(operation)).status == 0


async def test_container_removed_by_hand_fails_its_service() -> None:
    """`docker rm -f` is seen by the event, and the next `up` makes a new one."""
    rig = Rig(stack(container("db")))
    async with rig.serve():
        await rig.up()
        rig.containers.vanish("db")
        await rig.reaching("db", State.FAILED)
        assert (await rig.up()).status == 0


async def test_engine_lost_after_the_start_fails_the_service_not_the_daemon() -> None:
    """What cannot be looked at any more is failed, in words."""
    rig = Rig(stack(container("db", probes=NEVER_READY), service("api")))
    real_start = rig.containers.start

    async def start_and_lose(container_id: str) -> None:
        await real_start(container_id)

        async def gone(_: str) -> None:
            from devenv.domain.errors import HostError

            raise HostError("cannot reach the Docker engine", why="connection refused", fix="start it")

        rig.containers.inspect = gone  # type: ignore[method-assign,assignment]

    rig.containers.start = start_and_lose  # type: ignore[method-assign]
    async with rig.serve():
        ended = await rig.up()
        assert (ended.status, ended.failures[0]["why"]) == (3, "connection refused")
        assert rig.view("api").state is State.READY


@dataclass(frozen=True, kw_only=True)
class Answers:
    """A probe of the service's port: whoever has it answers."""

    kind: ClassVar[str] = "answers"
    asks_port: ClassVar[bool] = True
    is_watched: ClassVar[bool] = False

    def describe(self) -> str:
        return "answers"

    async def check(self, target: Target) -> Outcome:
        await anyio.lowlevel.checkpoint()
        return Passed()


async def test_stale_process_that_answers_in_its_place_is_not_ready_by_name() -> None:
    """An answer counts only where the listener is part of the service itself."""
    rig = Rig(stack(service("api", ports=(8000,), probes=(Answers(),))))
    real_spawn = rig.processes.spawn

    def spawn(launch: Launch) -> ProcessId:
        rig.ports.hold(make_holder(8000, pid=4242, uid=1000, command="python old.py", working_dir="/elsewhere"))
        return real_spawn(launch)

    rig.processes.spawn = spawn  # type: ignore[method-assign]
    async with rig.serve():
        ended = await rig.up()
        assert ended.failures[0]["code"] == "not-ready"
        assert 'port 8000 is answered by pid 4242 "python old.py"' in str(ended.failures[0]["why"])


async def test_listener_of_its_own_tree_is_ready() -> None:
    """Root or child, marked or not."""
    rig = Rig(stack(service("api", ports=(8000,), probes=(Answers(),))))
    real_spawn = rig.processes.spawn

    def spawn(launch: Launch) -> ProcessId:
        started = real_spawn(launch)
        rig.ports.hold(make_holder(8000, pid=started.pid, started=started.started))
        return started

    rig.processes.spawn = spawn  # type: ignore[method-assign]
    async with rig.serve():
        assert (await rig.up()).status == 0
