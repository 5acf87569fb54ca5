"""`down` and `stop`: reverse order, in parallel, complete, and honest about what is left."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from devenv.app.ports import Launch, Removal
from devenv.app.take_down import KINDS
from devenv.domain.lifecycle import State, Trigger
from devenv.domain.model import Stop
from tests.support.builders import ROOT, chain, container, external, service, stack, task
from tests.support.fakes_app import Rig
from tests.support.fakes_ports import make_holder

pytestmark = pytest.mark.anyio

ANONYMOUS = "3f" * 32


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


# Containers, and what the engine has beside them.


async def test_dependency_is_stopped_once_nothing_runs_of_its_dependents() -> None:
    """What the engine takes to clear a container away costs the chain once, not at each of its links."""
    rig = Rig(stack(container("db"), container("api", "db"), container("web", "api")))
    for name in ("db", "api", "web"):
        rig.containers.services[name] = replace(rig.containers.services[name], stops_after_s=1.0, clears_in_s=5.0)
    async with rig.serve():
        await rig.up()
        began = anyio.current_time()
        await rig.down()
        assert anyio.current_time() - began == pytest.approx(8.0, abs=0.01)
        stops = [service for verb, service in rig.containers.calls if verb == "stop"]
        assert stops == ["web", "api", "db"]


async def test_summary_lists_what_went_and_what_was_kept() -> None:
    """Services, containers and networks; named, external and anonymous volumes, each kind by itself."""
    rig = Rig(stack(container("db"), service("api", "db")))
    _mount(rig, "db", volume="data")
    async with rig.serve():
        await rig.up()
        assert (await rig.down()).summary == {
            "stopped": ["db", "api"],
            "containers": ["shop-db-1"],
            "networks": ["shop_default"],
            "removed_volumes": [],
            "kept_volumes": ["shop_data"],
            "external_volumes": ["cache"],
            "anonymous_volumes": [ANONYMOUS],
        }


async def test_volumes_option_takes_named_and_anonymous_ones_and_never_external_ones() -> None:
    """`-v` is about what the project made."""
    rig = Rig(stack(container("db")))
    _mount(rig, "db", volume="data")
    async with rig.serve():
        await rig.up()
        summary = (await rig.down(volumes=True)).summary
        assert summary["removed_volumes"] == sorted([ANONYMOUS, "shop_data"])
        assert (summary["kept_volumes"], summary["external_volumes"]) == ([], ["cache"])
        assert await rig.containers.find_volumes(["cache", ANONYMOUS]) == ("cache",)


async def test_container_that_cannot_be_removed_is_named() -> None:
    """By its name, once, with the command that removes it; what else there was has gone."""
    rig = Rig(stack(container("db"), container("cache")))
    rig.containers.unremovable.add("db")
    async with rig.serve():
        await rig.up()
        ended = await rig.down()
        assert ended.status == 5
        told = [(one["what"], one["fix"]) for one in ended.failures]
        assert told == [("cannot remove container shop-db-1", "docker rm -f shop-db-1")]
        assert ended.summary["containers"] == ["shop-cache-1"]
        assert rig.record.record is not None


@pytest.mark.parametrize(("name", "volumes"), [("shop_default", False), ("shop_data", True)], ids=["network", "volume"])
async def test_what_others_use_is_kept_and_named(name: str, volumes: bool) -> None:
    """A network or a volume that a container of somebody else uses: status 5 with who uses it, the rest has gone."""
    rig = Rig(stack(container("db")))
    _mount(rig, "db", volume="data")
    rig.containers.in_use[name] = "guest-1"
    async with rig.serve():
        await rig.up()
        ended = await rig.down(volumes=volumes)
        assert (ended.status, [one["why"] for one in ended.failures]) == (5, ["guest-1 uses it"])
        assert name in str(ended.failures[0]["what"])
        assert ended.summary["containers"] == ["shop-db-1"]
        rig.containers.in_use.clear()
        assert (await rig.down(volumes=volumes)).status == 0


async def test_container_that_is_made_meanwhile_is_removed_too() -> None:
    """Compose was cut off in mid-creation, and the engine finishes what it was asked for after the first look."""
    rig = Rig(stack(container("db")))
    remove_networks, late = rig.containers.remove_networks, ["db"]

    async def make_another() -> Removal:
        removed = await remove_networks()
        if late:
            await rig.containers.create([late.pop()])
        return removed

    rig.containers.remove_networks = make_another  # type: ignore[method-assign]
    async with rig.serve():
        await rig.up()
        ended = await rig.down()
        assert (ended.status, await rig.containers.list()) == (0, ())


async def test_engine_that_is_gone_is_told_once_with_what_it_has() -> None:
    """Status 3 and the services whose containers were out of reach; processes have ended."""
    rig = Rig(stack(container("db"), container("cache"), service("api", "db")))
    async with rig.serve():
        await rig.up()
        rig.containers.unreachable = "connection refused"
        ended = await rig.down()
        assert (ended.status, rig.alive) == (3, set())
        assert [one["what"] for one in ended.failures] == ["cannot end the containers of db, cache"]
        assert "connection refused" in str(ended.failures[0]["why"])
        assert len(ended.failures[0]["details"]) == 2  # type: ignore[arg-type]
        assert ended.summary["stopped"] == ["api"]


async def test_engine_that_is_gone_is_told_by_a_new_daemon_until_it_is_back() -> None:
    """The record knows that there are containers; nobody says that nothing is running."""
    rig = Rig(stack(container("db"), service("api", "db")))
    async with rig.serve():
        await rig.up()
    rig.containers.unreachable = "connection refused"
    for _ in range(2):
        rig.restart()
        async with rig.serve():
            ended = await rig.down()
            assert (ended.status, rig.alive) == (3, set())
            assert [one["what"] for one in ended.failures] == ["cannot end the containers of db"]
    rig.containers.unreachable = ""
    rig.restart()
    async with rig.serve():
        assert (await rig.down()).status == 0
        assert await rig.containers.list() == ()


async def test_missing_engine_is_no_news_to_a_stack_of_processes() -> None:
    """Nothing was ever in containers: nothing is said of an engine."""
    rig = Rig(stack(service("api")))
    rig.containers.unreachable = "connection refused"
    async with rig.serve():
        await rig.up()
        for stopped in (["api"], []):
            ended = await rig.down()
            assert (ended.status, ended.summary["stopped"]) == (0, stopped)
            assert "not_asked" not in ended.summary
        assert rig.opened == []


async def test_missing_engine_is_told_where_nobody_knows_what_runs() -> None:
    """No record, a configuration with containers: that nothing runs is not claimed; to ask for its volumes fails."""
    rig = Rig(stack(container("db")))
    rig.containers.unreachable = "connection refused"
    async with rig.serve():
        ended = await rig.down()
        assert ended.status == 0
        assert "connection refused" in str(ended.summary["not_asked"])
        assert (await rig.down(volumes=True)).status == 3  # that there are no volumes cannot be claimed


async def test_second_down_finds_nothing_and_says_so_in_the_same_shape() -> None:
    """Every kind is there, and empty."""
    rig = Rig(stack(container("db"), service("api", "db")))
    async with rig.serve():
        await rig.up()
        await rig.down()
        assert (await rig.down()).summary == {kind: [] for kind in KINDS}


async def test_two_downs_at_once_both_succeed() -> None:
    """One follows the other and finds nothing left."""
    rig = Rig(stack(service("a", stop=Stop(grace_s=5.0))))
    rig.processes.stubborn.add("a")
    async with rig.serve():
        await rig.up()
        first, second = rig.begin_down(), rig.begin_down()
        ends = [await rig.follow(first), await rig.follow(second)]
        assert sorted((end.status, end.summary["stopped"]) for end in ends) == [(0, []), (0, ["a"])]


# Ctrl-C.


async def test_first_interrupt_of_a_down_leaves_services_their_grace() -> None:
    """Half a `down` helps nobody: it goes on, and says what a second one does."""
    rig = Rig(stack(service("a", stop=Stop(grace_s=60.0))))
    rig.processes.stubborn.add("a")
    async with rig.serve():
        await rig.up()
        began = anyio.current_time()
        down = rig.begin_down()
        await anyio.sleep(1)
        rig.supervisor.cancel(down.id, now=False)
        assert (await rig.follow(down)).status == 0
        assert anyio.current_time() - began == pytest.approx(60.0, abs=0.01)
        assert any("Ctrl-C again" in note for note in await rig.notes())


async def test_second_interrupt_of_a_down_uses_the_hard_signal() -> None:
    """What is deaf to its signal is not waited for, and nothing is left."""
    rig = Rig(stack(*chain("a", "b", stop=Stop(grace_s=60.0))))
    rig.processes.stubborn |= {"a", "b"}
    async with rig.serve():
        await rig.up()
        began = anyio.current_time()
        down = rig.begin_down()
        await anyio.sleep(1)
        rig.supervisor.cancel(down.id, now=False)
        rig.supervisor.cancel(down.id, now=True)
        assert ((await rig.follow(down)).status, rig.alive) == (0, set())
        assert anyio.current_time() - began == pytest.approx(1.0, abs=0.01)


# Ports.


async def test_port_that_an_escaped_process_holds_is_named() -> None:
    """It cleared its marks and left the tree, but works in the project and has the port: status 5 and how to end it."""
    rig = Rig(stack(service("web", ports=(3000,))))
    async with rig.serve():
        await rig.up()
        with rig.ports.holding(make_holder(3000, command="node server.js", working_dir=ROOT, uid=1000)):
            ended = await rig.down()
        assert (ended.status, rig.alive) == (5, set())
        (failure,) = ended.failures
        assert failure["what"] == "cannot free port 3000 of web"
        assert "node server.js" in str(failure["why"])
        assert "4242" in str(failure["why"])
        assert failure["fix"] == "kill 4242"
        assert rig.record.record is not None


async def test_port_that_a_stranger_holds_is_a_warning() -> None:
    """Who took a port that our service never got is not ours to end, nor to fail for."""
    rig = Rig(stack(service("web", ports=(3000,))))
    async with rig.serve():
        await rig.up()
        with rig.ports.holding(make_holder(3000, command="thief", working_dir="/srv", uid=1000)):
            ended = await rig.down()
        assert ended.status == 0
        assert any("3000" in note and "thief" in note for note in await rig.notes())


async def test_port_that_is_let_go_of_soon_is_no_failure() -> None:
    """The kernel may close a socket a moment after its process has ended."""
    rig = Rig(stack(service("web", ports=(3000,))))
    holder = make_holder(3000, working_dir=ROOT, uid=1000)
    async with rig.serve():
        await rig.up()
        rig.ports.hold(holder)
        down = rig.begin_down()
        await anyio.sleep(1)
        rig.ports.release(holder)
        assert (await rig.follow(down)).status == 0


async def test_stop_of_one_service_looks_at_its_ports_and_no_others() -> None:
    """`stop web` is held to the same promise."""
    rig = Rig(stack(service("web", ports=(3000,)), service("api", ports=(8000,))))
    async with rig.serve():
        await rig.up()
        with rig.ports.holding(make_holder(3000, working_dir=ROOT, uid=1000)):
            assert (await rig.down("web")).status == 5
        with rig.ports.holding(make_holder(3000, working_dir=ROOT, uid=1000)):
            assert (await rig.down("api")).status == 0


async def test_ports_of_services_that_did_not_run_are_nobodys_business() -> None:
    """After `stop web` somebody may work on its port by hand."""
    rig = Rig(stack(service("web", ports=(3000,)), service("api")))
    async with rig.serve():
        await rig.up()
        await rig.down("web")
        with rig.ports.holding(make_holder(3000, working_dir=ROOT, uid=1000)):
            assert (await rig.down()).status == 0


async def test_strays_end_at_the_same_time_and_get_the_grace_of_the_request() -> None:
    """Two that are deaf take one grace, and it is the one that was asked for."""
    rig = Rig(stack(service("db")))
    rig.processes.stubborn |= {"lost", "gone"}
    async with rig.serve():
        await rig.up()
        for name in ("lost", "gone"):
            rig.processes.spawn(Launch(service=name, argv=("sleep", "9"), working_dir=ROOT, environment={}, log=""))
        began = anyio.current_time()
        assert (await rig.down(grace_s=2.0)).status == 0
        assert anyio.current_time() - began == pytest.approx(2.0, abs=0.01)


def _mount(rig: Rig, name: str, *, volume: str) -> None:
    """Give a container a named, an external and an anonymous volume."""
    mounts = ("cache", ANONYMOUS)
    rig.containers.services[name] = replace(rig.containers.services[name], volume=volume, mounts=mounts)
