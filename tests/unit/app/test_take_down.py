"""`down` and `stop`: reverse order, in parallel, complete, and honest about what is left."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from devenv.app.ports import Launch
from devenv.domain.lifecycle import State, Trigger
from devenv.domain.model import Stop
from tests.support.builders import ROOT, chain, container, external, service, stack, task
from tests.support.fakes_app import Rig

pytestmark = pytest.mark.anyio


async def test_down_stops_dependents_first() -> None:
    """The order of the start, turned round."""
    rig = Rig(stack(*chain("a", "b", "c")))
    async with rig.serve():
        await rig.up()
        assert (await rig.down()).status == 0
        assert rig.stopped == ["c", "b", "a"]


async def test_down_takes_as_long_as_its_longest_chain() -> None:
    """Services that do not depend on each other stop at the same time."""
    slow = {"stop": Stop(grace_s=4.0)}
    rig = Rig(stack(*chain("a", "b", **slow), *(service(f"x{number}", **slow) for number in range(5))))
    rig.processes.stubborn |= {"a", "b", *(f"x{number}" for number in range(5))}
    async with rig.serve():
        await rig.up()
        began = anyio.current_time()
        await rig.down()
        assert anyio.current_time() - began == pytest.approx(8.0, abs=0.01)


async def test_grace_of_the_request_wins_over_that_of_the_service() -> None:
    """`down --timeout` is for all."""
    rig = Rig(stack(service("a", stop=Stop(signal="INT", grace_s=60.0))))
    rig.processes.stubborn.add("a")
    async with rig.serve():
        await rig.up()
        began = anyio.current_time()
        await rig.down(grace_s=1.0)
        assert anyio.current_time() - began == pytest.approx(1.0, abs=0.01)
        assert rig.processes.stops == [("a", Stop(signal="INT", grace_s=1.0))]


async def test_failing_stop_is_reported_and_does_not_stop_the_rest() -> None:
    """What cannot be ended is named once; everything else is gone, and the record still knows it."""
    rig = Rig(stack(service("a"), service("stuck", "a"), service("b")))
    rig.processes.immortal.add("stuck")
    async with rig.serve():
        await rig.up()
        ended = await rig.down()
        assert ended.status == 5
        assert [failure["what"] for failure in ended.failures] == ["cannot end every process of stuck"]
        assert rig.alive == {"stuck"}
        assert rig.view("stuck").state is State.FAILED
        assert rig.record.record is not None


async def test_down_can_be_tried_again_after_a_failing_stop() -> None:
    """The second one finds what the first one left."""
    rig = Rig(stack(service("stuck")))
    rig.processes.immortal.add("stuck")
    async with rig.serve():
        await rig.up()
        await rig.down()
        rig.processes.immortal.clear()
        assert ((await rig.down()).status, rig.alive) == (0, set())


async def test_down_removes_containers_and_networks_and_keeps_volumes() -> None:
    """What is kept is named."""
    rig = Rig(stack(container("db"), service("api", "db")))
    rig.containers.services["db"] = replace(rig.containers.services["db"], volume="data")
    async with rig.serve():
        await rig.up()
        ended = await rig.down()
        assert ended.summary["networks"] == ["shop_default"]
        assert ended.summary["kept_volumes"] == ["shop_data"]
        assert await rig.containers.list() == ()


async def test_down_removes_volumes_when_asked() -> None:
    """`-v` says which went."""
    rig = Rig(stack(container("db")))
    rig.containers.services["db"] = replace(rig.containers.services["db"], volume="data")
    async with rig.serve():
        await rig.up()
        ended = await rig.down(volumes=True)
        assert ended.summary["removed_volumes"] == ["shop_data"]
        assert await rig.containers.volumes() == ()


async def test_down_ends_strays_that_carry_our_marker() -> None:
    """Children that a crashed daemon never wrote down are found by their marker."""
    rig = Rig(stack(service("db")))
    async with rig.serve():
        await rig.up()
        rig.processes.spawn(Launch(service="lost", argv=("sleep", "9"), working_dir=ROOT, environment={}, log=""))
        assert (await rig.down()).status == 0
        assert rig.alive == set()


async def test_stray_that_survives_is_reported() -> None:
    """Success is never claimed while something of ours runs."""
    rig = Rig(stack(service("db")))
    rig.processes.immortal.add("lost")
    async with rig.serve():
        await rig.up()
        rig.processes.spawn(Launch(service="lost", argv=("sleep", "9"), working_dir=ROOT, environment={}, log=""))
        ended = await rig.down()
        assert [failure["what"] for failure in ended.failures] == ["cannot end every process of lost"]


async def test_down_finds_containers_that_nobody_remembers() -> None:
    """A run record that was lost does not leave containers behind: the configuration names their project."""
    rig = Rig(stack(container("db")))
    async with rig.serve():
        await rig.up()
    rig.record.record = None
    rig.restart()
    async with rig.serve():
        assert (await rig.down()).status == 0
        assert await rig.containers.list() == ()


async def test_down_with_an_engine_that_is_gone_keeps_the_record() -> None:
    """The containers are still there when the engine is back, and so is what is known of them."""
    rig = Rig(stack(container("db"), service("api")))
    async with rig.serve():
        await rig.up()
        rig.containers.unreachable = "connection refused"
        ended = await rig.down()
        assert (ended.status, rig.alive) == (3, set())
        assert rig.record.record is not None
        rig.containers.unreachable = ""
        assert (await rig.down()).status == 0
        assert await rig.containers.list() == ()


async def test_down_forgets_the_stack_when_all_of_it_is_gone() -> None:
    """No record is left, and the services are seen as stopped."""
    rig = Rig(stack(service("db")))
    async with rig.serve():
        await rig.up()
        await rig.down()
        assert rig.view("db").state is State.STOPPED
        assert rig.supervisor.crew.runners == {}
    assert rig.record.record is None


async def test_down_of_nothing_succeeds() -> None:
    """There is nothing to be done, and that is no failure."""
    rig = Rig(stack(service("db")))
    async with rig.serve():
        assert (await rig.down()).status == 0


async def test_up_works_again_after_down() -> None:
    """A full circle, twice."""
    rig = Rig(stack(container("db"), task("migrate", "db"), service("api", "db"), external("billing")))
    async with rig.serve():
        for _ in range(2):
            assert (await rig.up()).status == 0
            assert (await rig.down()).status == 0
        assert rig.alive == set()


async def test_stop_of_one_service_leaves_the_rest() -> None:
    """Its container stays, with what it wrote inside; its neighbours run on."""
    rig = Rig(stack(container("db"), service("api", "db")))
    async with rig.serve():
        await rig.up()
        assert (await rig.down("db")).status == 0
        assert (rig.view("db").state, rig.view("api").state) == (State.STOPPED, State.READY)
        assert [one.state for one in await rig.containers.list()] == ["exited"]
        assert (await rig.up("db")).status == 0


async def test_stop_can_be_finished_when_it_was_given_up_half_way() -> None:
    """A service that is already stopping is ended, not refused."""
    rig = Rig(stack(service("db")))
    async with rig.serve():
        await rig.up()
        runner = rig.supervisor.crew.runners["db"]
        with anyio.CancelScope() as scope:
            scope.cancel()
            await runner.stop()
        if rig.view("db").state is State.READY:
            rig.supervisor.crew.board.move("db", Trigger.STOP)
        assert (await rig.down()).status == 0
        assert rig.alive == set()


async def test_services_that_depend_on_each_other_in_two_configurations_are_stopped() -> None:
    """Two configurations may disagree about who comes first; nobody waits for ever."""
    rig = Rig(stack(service("a"), service("b", "a")))
    async with rig.serve():
        await rig.up()
        rig.stack = stack(service("b"))
        await rig.up(force_recreate=True)
        runners = rig.supervisor.crew.runners
        runners["a"].service = service("a", "b")
        runners["b"].service = service("b", "a")
        with anyio.fail_after(100):
            assert (await rig.down()).status == 0
        assert rig.alive == set()
