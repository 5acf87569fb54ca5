"""Ports before and during an `up`: numbers, holders, consent, moves, and what is taken in between."""

from __future__ import annotations

import pytest

from devenv.domain.holders import ContainerFacts, Holder
from devenv.domain.model import OnConflict, Port
from tests.support.builders import ROOT, container, process, service, stack
from tests.support.fakes_app import Rig
from tests.support.fakes_ports import make_holder

pytestmark = pytest.mark.anyio

STRANGER = make_holder(8000, pid=4242, uid=1000, command="python -m http.server", working_dir="/elsewhere")
LEFTOVER = make_holder(8000, pid=4243, uid=1000, command="node old.js", working_dir=f"{ROOT}/web")
FOREIGN = Holder(port=8000, address="0.0.0.0", container=ContainerFacts(id="beef", name="old-web-1", project="old"))


def api(policy: OnConflict = OnConflict.ASK, number: int | None = 8000) -> Rig:
    """Return a stack of one server on one port."""
    return Rig(stack(service("api", ports=(Port(number=number, on_conflict=policy),))))


async def test_up_starts_nothing_when_a_port_is_held() -> None:
    """All conflicts come in one answer, before anything is started or stopped."""
    rig = Rig(stack(service("db"), service("api", ports=(8000,)), service("web", ports=(8000 + 1,))))
    rig.ports.hold(STRANGER)
    rig.ports.hold(make_holder(8001, pid=5, uid=1000, command="ruby", working_dir="/elsewhere"))
    async with rig.serve():
        ended = await rig.up()
        assert (ended.status, ended.failures[0]["code"]) == (4, "port-held")
        assert [one["port"] for one in ended.failures[0]["conflicts"]] == [8000, 8001]  # type: ignore[attr-defined]
        assert (rig.spawned, rig.ended_foreign) == ([], [])
        assert len(rig.ports.looks) == 1


async def test_holder_is_ended_when_the_prompt_was_answered() -> None:
    """A decision names the holder, and only that one is stopped."""
    rig = api()
    rig.ports.hold(STRANGER)
    async with rig.serve():
        conflict = (await rig.up()).failures[0]["conflicts"][0]  # type: ignore[index]
        assert conflict["can_ask"] is True
        assert (await rig.up(decisions={conflict["key"]: "stop"})).status == 0
        assert STRANGER.process is not None
        assert rig.ended_foreign == [STRANGER.process.id]


async def test_leftover_is_ended_without_asking() -> None:
    """The user's own, inside this project, started by nobody we know."""
    rig = api()
    rig.ports.hold(LEFTOVER)
    async with rig.serve():
        assert (await rig.up()).status == 0
        assert any("left over from earlier work" in text for text in await rig.notes())


async def test_container_of_another_project_is_stopped_with_consent() -> None:
    """`--free-ports` is consent for containers too, and it is the container that is stopped, not Docker's proxy."""
    rig = api()
    rig.ports.hold(FOREIGN)
    async with rig.serve():
        assert (await rig.up()).status == 4
        assert (await rig.up(free_ports=True)).status == 0
        assert rig.ended_foreign == ["beef"]


async def test_port_moves_when_its_policy_says_so() -> None:
    """The next free number is taken, announced, and given to everyone who refers to it."""
    web = service("web", "api", run=process("sleep", "${api.port}"))
    rig = Rig(stack(service("api", ports=(Port(number=8000, on_conflict=OnConflict.MOVE),)), web))
    rig.ports.hold(STRANGER)
    async with rig.serve():
        assert (await rig.up()).status == 0
        assert rig.view("api").ports == (8001,)
        assert rig.processes.started[1].argv == ("sleep", "8001")
        assert rig.processes.started[1].environment["API_PORT"] == "8001"
        assert any("moves from port 8000 to 8001" in text for text in await rig.notes("warning"))


async def test_moved_service_stays_where_it_is_when_up_comes_again() -> None:
    """Its old port being free again is no reason to start it anew."""
    rig = api(OnConflict.MOVE)
    rig.ports.hold(STRANGER)
    async with rig.serve():
        await rig.up()
        rig.ports.release(STRANGER)
        ended = await rig.up()
        assert ended.summary["steps"] == [{"service": "api", "action": "keep", "why": ""}]
        assert rig.view("api").ports == (8001,)


async def test_moved_container_is_published_on_its_new_port() -> None:
    """Compose is told the port that was found, else it would publish the one in its file."""
    rig = Rig(stack(container("db", ports=(Port(number=8000, target=80, on_conflict=OnConflict.MOVE),))))
    rig.ports.hold(STRANGER)
    async with rig.serve():
        assert (await rig.up()).status == 0
        assert [port.number for port in rig.containers.published_ports["db"]] == [8001]


async def test_service_moves_to_the_port_that_the_file_says_now() -> None:
    """A changed port is a change: the service is started anew on it, after the holder of the new one was seen."""
    rig = api()
    async with rig.serve():
        await rig.up()
        rig.change(service("api", ports=(9000,)))
        rig.ports.hold(make_holder(9000, pid=9, uid=1000, command="ruby", working_dir="/elsewhere"))
        assert (await rig.up()).status == 4
        assert rig.view("api").ports == (8000,)
        rig.ports.held.clear()
        ended = await rig.up()
        assert ended.summary["steps"][0]["action"] == "replace"  # type: ignore[index]
        assert rig.view("api").ports == (9000,)


async def test_changed_port_is_seen_by_a_new_daemon() -> None:
    """What the file said before is in the run record: a changed number is told from a moved one."""
    rig = api()
    async with rig.serve():
        await rig.up()
    rig.change(service("api", ports=(9000,)))
    rig.restart()
    async with rig.serve():
        await rig.up()
        assert rig.view("api").ports == (9000,)


async def test_auto_port_keeps_its_number_while_the_service_runs() -> None:
    """Any free port will do, but not another one at each `up`."""
    rig = api(number=None)
    async with rig.serve():
        await rig.up()
        first = rig.view("api").ports
        rig.ports.hold(make_holder(first[0], pid=rig.pid_of("api").pid, started=rig.pid_of("api").started))
        await rig.up()
        assert (rig.view("api").ports, rig.spawned) == (first, ["api"])


async def test_port_taken_after_the_check_names_who_has_it() -> None:
    """The server's own complaint is completed by a second look."""
    rig = Rig(stack(service("api", ports=(8000,), run=process("sh", "-c", "sleep"))))
    real_spawn = rig.processes.spawn

    def spawn(launch: object) -> object:
        rig.ports.hold(STRANGER)
        started = real_spawn(launch)  # type: ignore[arg-type]
        rig.logs.write("api", "OSError: [Errno 98] Address already in use\n")
        rig.processes.end(started, 1)
        return started

    rig.processes.spawn = spawn  # type: ignore[method-assign,assignment]
    async with rig.serve():
        failure = (await rig.up()).failures[0]
        assert (failure["code"], failure["fix"]) == ("port-held", "devenv up --free-ports   (or: kill 4242)")
        assert "taken between the check and the start: pid 4242" in str(failure["why"])
        assert "OSError: [Errno 98] Address already in use" in failure["details"]  # type: ignore[operator]


async def test_container_that_never_ran_is_removed_when_its_port_was_taken() -> None:
    """It may keep the port; the next `up` makes a new one and succeeds."""
    rig = Rig(stack(container("db", ports=(8000,))))
    async with rig.serve():
        rig.containers.held_ports.add(8000)
        assert (await rig.up()).status == 4
        assert await rig.containers.list() == ()
        rig.containers.held_ports.clear()
        assert (await rig.up()).status == 0


async def test_our_own_marked_process_is_ended_before_the_start() -> None:
    """What an earlier life left behind under our marker goes, with or without a port."""
    from devenv.app.ports import Launch

    rig = Rig(stack(service("worker")))
    async with rig.serve():
        stray = rig.processes.spawn(
            Launch(service="worker", argv=("sleep", "9"), working_dir=ROOT, environment={}, log="")
        )
        assert (await rig.up()).status == 0
        assert not rig.processes.is_alive(stray)


async def test_up_says_who_starts_the_holder_again() -> None:
    """A port that is held again by a sibling of the one that was stopped names their parent."""
    from devenv.domain.holders import ProcessId

    parent = ProcessId(pid=7, started=1.0)
    facts = {"uid": 1000, "command": "worker", "working_dir": "/elsewhere", "parent": parent, "parent_command": "runsv"}
    rig = api(OnConflict.FREE)
    rig.ports.hold(make_holder(8000, pid=100, **facts))
    async with rig.serve():
        real = rig.supervisor.crew.tools.stop_foreign

        async def respawn(holder: ProcessId, grace_s: float, *, protect: frozenset[int]) -> tuple[ProcessId, ...]:
            await real(holder, grace_s, protect=protect)
            rig.ports.hold(make_holder(8000, pid=101, **facts))
            return ()

        from dataclasses import replace

        rig.supervisor.crew.tools = replace(rig.supervisor.crew.tools, stop_foreign=respawn)
        ended = await rig.up()
        assert ended.status == 4
        assert "runsv pid 7 started it again" in str(ended.failures[0]["why"])
