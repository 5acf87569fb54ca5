"""Operations: one at a time, interrupted, hurried, followed; the record of them, and the fold of their events."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from devenv.app.ports import Launch
from devenv.app.requests import DownRequest
from devenv.domain.errors import HostError, UsageError
from devenv.domain.events import OperationEnded, OperationStarted, Snapshot, apply
from devenv.domain.holders import ProcessId
from devenv.domain.lifecycle import State
from devenv.domain.model import Stop
from tests.support.builders import NEVER_READY, chain, container, process, ready_after, service, stack, task
from tests.support.fakes_app import READING, Rig

pytestmark = pytest.mark.anyio


async def test_interrupt_stops_only_what_this_up_launched() -> None:
    """What ran before stays; what this `up` started is gone, and the status is 130."""
    rig = Rig(stack(service("db"), service("api", "db"), service("web", probes=NEVER_READY)))
    async with rig.serve():
        await rig.up("db")
        operation = rig.begin_up()
        await rig.reaching("web", State.PROBING)
        rig.supervisor.cancel(operation.id, now=False)
        ended = await rig.follow(operation)
        assert (ended.status, ended.failures[0]["code"]) == (130, "interrupted")
        assert rig.alive == {"db"}


async def test_interrupt_leaves_no_container_behind() -> None:
    """Containers that Compose was still making are removed when they are there."""
    rig = Rig(stack(container("db"), service("api", probes=NEVER_READY)))
    real_create = rig.containers.create

    async def create_slowly(services: object, *, force: bool = False) -> object:
        await anyio.sleep(3)
        return await real_create(services, force=force)  # type: ignore[arg-type]

    rig.containers.create = create_slowly  # type: ignore[method-assign,assignment]
    async with rig.serve():
        operation = rig.begin_up()
        await anyio.sleep(1)
        rig.supervisor.cancel(operation.id, now=False)
        assert (await rig.follow(operation)).status == 130
        assert await rig.containers.list() == ()
        assert ("start", "db") not in rig.containers.calls


async def test_interrupt_finishes_the_stop_of_what_is_replaced() -> None:
    """A service is never left half stopped, where nobody would stop it any more."""
    rig = Rig(stack(service("db", stop=Stop(grace_s=5.0))))
    rig.processes.stubborn.add("db")
    async with rig.serve():
        await rig.up()
        operation = rig.begin_up(force_recreate=True)
        await rig.reaching("db", State.STOPPING)
        rig.supervisor.cancel(operation.id, now=False)
        assert (await rig.follow(operation)).status == 130
        assert (rig.view("db").state, rig.alive) == (State.STOPPED, set())
        assert (await rig.down()).status == 0


async def test_second_interrupt_turns_gentle_stops_hard() -> None:
    """Nobody waits for a grace any more."""
    rig = Rig(stack(service("db", stop=Stop(grace_s=30.0), probes=NEVER_READY)))
    rig.processes.stubborn.add("db")
    async with rig.serve():
        operation = rig.begin_up()
        await rig.reaching("db", State.PROBING)
        began = anyio.current_time()
        rig.supervisor.cancel(operation.id, now=False)
        await rig.reaching("db", State.STOPPING)
        await anyio.sleep(2)
        rig.supervisor.cancel(operation.id, now=True)
        await rig.follow(operation)
        assert anyio.current_time() - began == pytest.approx(2.0, abs=0.01)
        assert rig.processes.stops[-1] == ("db", Stop(signal="KILL", grace_s=0.0))


async def test_hurry_ends_with_its_operation() -> None:
    """What ran before a hurried `up` is stopped gently by the next `down`."""
    rig = Rig(stack(service("db"), service("api", "db", probes=NEVER_READY)))
    async with rig.serve():
        await rig.up("db")
        operation = rig.begin_up()
        await rig.reaching("api", State.PROBING)
        rig.supervisor.cancel(operation.id, now=True)
        await rig.follow(operation)
        await rig.down()
        assert rig.processes.stops[-1] == ("db", Stop())


async def test_second_up_follows_the_first() -> None:
    """It waits for its turn, is told so, and then finds everything running."""
    rig = Rig(stack(service("db", probes=ready_after(5.0))))
    async with rig.serve():
        first = rig.begin_up()
        await rig.reaching("db", State.PROBING)
        second = rig.begin_up()
        ended = await rig.follow(second)
        assert first.ended.is_set()
        assert ended.summary["steps"] == [{"service": "db", "action": "keep", "why": ""}]
        assert "`devenv up` is under way: following it" in await rig.notes()
        assert rig.spawned == ["db"]


async def test_operations_never_overlap() -> None:
    """Each begins after the end of the one before."""
    rig = Rig(stack(service("db", probes=ready_after(5.0))))
    async with rig.serve():
        operations = [rig.begin_up(), rig.begin_up(), rig.begin_down("db")]
        for operation in operations:
            await rig.follow(operation)
        turns = [
            (type(one.event).__name__, one.event.operation)
            for one in await rig.history()
            if isinstance(one.event, OperationStarted | OperationEnded)
        ]
        assert [name for name, _ in turns] == ["OperationStarted", "OperationEnded"] * 3


async def test_waiting_up_can_be_interrupted_before_its_turn() -> None:
    """Ctrl-C on an `up` that follows another ends it at once, and the other goes on."""
    rig = Rig(stack(service("db", probes=ready_after(50.0))))
    async with rig.serve():
        first = rig.begin_up()
        await rig.reaching("db", State.PROBING)
        second = rig.begin_up()
        rig.supervisor.cancel(second.id, now=False)
        began = anyio.current_time()
        assert (await rig.follow(second)).status == 130
        assert anyio.current_time() == began
        assert (await rig.follow(first)).status == 0


async def test_down_ends_an_up_that_is_under_way() -> None:
    """The `up` is told why, and the `down` leaves nothing."""
    rig = Rig(stack(service("db"), service("api", "db", probes=NEVER_READY)))
    async with rig.serve():
        up = rig.begin_up()
        await rig.reaching("api", State.PROBING)
        down = await rig.down()
        ended = await rig.follow(up)
        assert (ended.status, ended.failures[0]["why"]) == (130, "`devenv down` was asked for meanwhile")
        assert (down.status, rig.alive) == (0, set())


async def test_stop_of_one_service_does_not_end_an_up() -> None:
    """It waits for its turn."""
    rig = Rig(stack(service("db", probes=ready_after(5.0)), service("other")))
    async with rig.serve():
        up = rig.begin_up()
        await rig.reaching("other", State.READY)
        assert (await rig.down("other")).status == 0
        assert (await rig.follow(up)).status == 0


async def test_cancel_of_an_unknown_operation_does_nothing() -> None:
    """It may have ended meanwhile."""
    rig = Rig(stack(service("db")))
    async with rig.serve():
        rig.supervisor.cancel("up-99", now=True)
        assert (await rig.up()).status == 0


async def test_configuration_that_cannot_be_read_is_answered_with_its_error() -> None:
    """Nothing has been started, and what ran goes on."""
    rig = Rig(stack(service("db")))
    async with rig.serve():
        await rig.up()
        rig.load_error = UsageError("cannot read services.yaml", why="it is empty", fix="devenv config")
        ended = await rig.up()
        assert (ended.status, ended.failures[0]["what"]) == (2, "cannot read services.yaml")
        assert rig.alive == {"db"}


async def test_bug_ends_the_operation_and_not_the_daemon() -> None:
    """The end is published with status 70 and the place of the report."""
    rig = Rig(stack(service("db")))
    rig.supervisor._report_bug = lambda error: "see crash.txt"
    async with rig.serve():
        rig.load_error = ZeroDivisionError("oops")
        ended = await rig.up()
        assert (ended.status, ended.failures[0]["why"]) == (70, "ZeroDivisionError('oops')")
        rig.load_error = None
        assert (await rig.up()).status == 0


async def test_services_outlive_the_daemon() -> None:
    """When the supervisor ends, what it started runs on, and the record knows it."""
    rig = Rig(stack(service("db")))
    async with rig.serve():
        await rig.up()
        started = rig.pid_of("db")
    assert rig.alive == {"db"}
    assert rig.record.record is not None
    assert rig.record.record.services["db"].process == started


async def test_record_is_written_once_for_changes_that_come_together() -> None:
    """Fifty services that start one after the other within a moment cost a handful of writes."""
    rig = Rig(stack(*(service(f"s{number}", probes=ready_after(number / 1000)) for number in range(50))))
    async with rig.serve():
        await rig.up()
        await anyio.sleep(1)
        assert rig.record.saves < 10


async def test_record_knows_a_process_soon_after_its_start() -> None:
    """A daemon that is killed a moment later has written down what it started."""
    rig = Rig(stack(service("db", probes=NEVER_READY)))
    async with rig.serve():
        rig.begin_up()
        await rig.reaching("db", State.PROBING)
        await anyio.sleep(0.05)
        assert rig.record.record is not None
        assert rig.record.record.services["db"].process == rig.pid_of("db")


async def test_full_disk_is_said_and_stops_nothing() -> None:
    """A record that cannot be written is a warning: what runs, runs."""
    rig = Rig(stack(service("db")))

    def refuse(record: object) -> None:
        raise HostError("cannot write the run record", why="no space left on device", fix="df -h")

    rig.record.save = refuse  # type: ignore[method-assign]
    async with rig.serve():
        assert (await rig.up()).status == 0
        assert "cannot write the run record: no space left on device" in await rig.notes("warning")


async def test_folded_events_equal_the_snapshot() -> None:
    """A reader that saw every event knows what the supervisor would answer."""
    rig = Rig(stack(*chain("a", "b"), task("t", "a"), container("c", ports=(5432,))))
    async with rig.serve():
        await rig.up()
        rig.end("b", 1)
        await rig.reaching("b", State.FAILED)
        await rig.down("a")
        await rig.up()
        folded = Snapshot(stack=rig.supervisor.snapshot().stack)
        for numbered in await rig.history():
            folded = apply(folded, numbered)
        assert folded == rig.supervisor.snapshot()


async def test_supervisor_is_idle_when_nothing_runs() -> None:
    """So the daemon knows when it may end."""
    rig = Rig(stack(service("db")))
    async with rig.serve():
        assert rig.supervisor.is_idle
        operation = rig.begin_up()
        assert not rig.supervisor.is_idle
        await rig.follow(operation)
        assert not rig.supervisor.is_idle
        await rig.down()
        assert rig.supervisor.is_idle
        assert rig.supervisor.down.is_set()


async def test_place_beside_a_service_has_its_environment() -> None:
    """`exec` and `run` see what the service itself sees."""
    one = service("api", "db", ports=(8000,), run=replace(process(), environment={"MODE": "dev"}))
    rig = Rig(stack(service("db", ports=(5432,)), one))
    async with rig.serve():
        await rig.up()
        place = await rig.supervisor.describe_place("api", READING)
        environment = place["environment"]
        assert environment == {
            **READING.environment,
            "DB_PORT": "5432",
            "DB_URL": "postgresql://127.0.0.1:5432",
            "PORT": "8000",
            "MODE": "dev",
        }


async def test_place_of_the_stack_has_everybodys_address() -> None:
    """`run -- CMD` sees all services that run, and the stack's own variables with their references replaced."""
    declared = {"COST": "5$$", "WHERE": "${db.url}/app"}
    rig = Rig(stack(service("db", ports=(5432,)), environment=declared))
    async with rig.serve():
        await rig.up()
        place = await rig.supervisor.describe_place(None, READING)
        assert place["environment"] == {
            **READING.environment,
            "COST": "5$",
            "WHERE": "postgresql://127.0.0.1:5432/app",
            "DB_PORT": "5432",
            "DB_URL": "postgresql://127.0.0.1:5432",
        }


async def test_place_of_an_unknown_service_is_refused() -> None:
    """With the names that there are."""
    rig = Rig(stack(service("db")))
    async with rig.serve():
        with pytest.raises(UsageError) as caught:
            await rig.supervisor.describe_place("dp", READING)
        assert caught.value.why == "the services are db"


async def test_unknown_service_cannot_be_stopped() -> None:
    """The answer names what was started."""
    rig = Rig(stack(service("db")))
    async with rig.serve():
        await rig.up()
        ended = await rig.follow(rig.supervisor.begin_down(DownRequest(services=("dp",))))
        assert (ended.status, ended.failures[0]["why"]) == (2, "the services that were started are db")


async def test_bug_in_one_service_fails_that_service_alone() -> None:
    """The daemon and everything else live on, and the crash file's path is the fix."""
    rig = Rig(stack(service("broken"), service("well")))
    real_spawn = rig.processes.spawn

    def spawn(launch: Launch) -> ProcessId:
        if launch.service == "broken":
            raise RuntimeError("nobody thought of this")
        return real_spawn(launch)

    rig.processes.spawn = spawn  # type: ignore[method-assign]
    rig.report_bug = lambda error: f"less {error}"
    async with rig.serve():
        ended = await rig.up()
        assert (ended.status, ended.failures[0]["code"]) == (70, "bug")
        assert "nobody thought of this" in str(ended.failures[0]["why"])
        assert (rig.view("broken").state, rig.view("well").state) == (State.FAILED, State.READY)
        assert (await rig.down()).status == 0
