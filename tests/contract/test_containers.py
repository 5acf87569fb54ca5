"""What every engine promises: the real one through Docker, and the fake."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from devenv.app.ports import Container, ContainerExit, Containers, PruneScope, Removal
from devenv.domain.errors import PortHeld, StartFailed, StopFailed
from devenv.domain.model import Port, Stop
from devenv.domain.probe import Executed
from tests.support.compose_stack import END_ON_DEMAND, TRAP, compose_stack
from tests.support.engine import Engine
from tests.support.fakes_containers import FakeContainers, FakeService
from tests.support.wait import until_async

pytestmark = pytest.mark.anyio

DEADLINE_S = 10.0
HEALTH = ("wget", "-q", "http://127.0.0.1/")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """An engine with these services, none created yet: `web` and `worker`, which needs `web`; `shut`, whose port is
    held; `lost`, whose image is nowhere. `end` and `remove_by_hand` act from outside.
    """

    containers: Containers
    end: Callable[[str, int], Awaitable[None]]
    remove_by_hand: Callable[[str], Awaitable[None]]
    port: int

    async def create(self, service: str) -> Container:
        """Create one and return it."""
        return next(one for one in await self.containers.create([service]) if one.service == service)

    async def start(self, service: str) -> Container:
        """Create and start one; return it as it was created."""
        made = await self.create(service)
        await self.containers.start(made.id)
        return made

    async def find(self, service: str) -> Container:
        """Return it as it is listed now."""
        return next(one for one in await self.containers.list() if one.service == service)


@contextmanager
def fake_world(port: int) -> Iterator[World]:
    """Give the fake."""

    def answer(argv: tuple[str, ...]) -> Executed:
        return Executed(status=3, output="seen\n") if argv[0] == "/bin/sh" else Executed(status=127, output="not found")

    services = {
        "web": FakeService(output=("one", "two"), health_test=HEALTH, volume="data", commands=answer),
        "worker": FakeService(needs=("web",)),
        "shut": FakeService(port=Port(number=port, target=80)),
        "lost": FakeService(image="dvt.invalid/lost"),
    }
    fake = FakeContainers(services)
    fake.images.discard("dvt.invalid/lost")
    fake.held_ports.add(port)

    async def end(service: str, code: int) -> None:
        fake.end(service, code)

    async def remove_by_hand(service: str) -> None:
        fake.vanish(service)

    yield World(containers=fake, end=end, remove_by_hand=remove_by_hand, port=port)


@contextmanager
def real_world(engine: Engine, folder: Path, name: str, port: int) -> Iterator[World]:
    """Give the real one; without networks of their own its containers start twice as fast."""
    common = {"image": "fixture/busybox", "network_mode": "host"}
    services: dict[str, dict[str, object]] = {
        "web": {
            **common,
            "command": ["/bin/sh", "-c", f"{TRAP}; echo one; echo two; {END_ON_DEMAND}"],
            "healthcheck": {"test": ["CMD", *HEALTH], "interval": "300s"},
            "volumes": ["data:/data"],
        },
        "worker": {**common, "command": ["/bin/sh", "-c", f"{TRAP}; {END_ON_DEMAND}"], "depends_on": ["web"]},
        "shut": {"image": "fixture/busybox", "ports": [f"127.0.0.1:{port}:80"]},
        "lost": {**common, "image": "dvt.invalid/lost"},
    }
    with compose_stack(engine, folder, name, services, top={"volumes": {"data": {}}}) as stack:

        async def end(service: str, code: int) -> None:
            await stack.containers.execute((await stack.find(service)).id, ("/bin/sh", "-c", f"echo {code} >/tmp/end"))

        async def remove_by_hand(service: str) -> None:
            engine.run_docker("rm", "-f", (await stack.find(service)).id)

        yield World(containers=stack.containers, end=end, remove_by_hand=remove_by_hand, port=port)


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.engine)])
def world(request: pytest.FixtureRequest, tmp_path: Path, unique_name: str, free_port: int) -> Iterator[World]:
    """Return the world under test."""
    if request.param == "fake":
        with fake_world(free_port) as world:
            yield world
        return
    with real_world(request.getfixturevalue("engine"), tmp_path, unique_name, free_port) as world:
        yield world


@asynccontextmanager
async def watching(containers: Containers) -> AsyncIterator[Callable[[], Awaitable[ContainerExit]]]:
    """Follow exits; give a function that waits for the next one."""
    stream = containers.exits()
    send, receive = anyio.create_memory_object_stream[ContainerExit](100)

    async def follow() -> None:
        async for one in stream:
            await send.send(one)

    async def take() -> ContainerExit:
        with anyio.fail_after(DEADLINE_S):
            return await receive.receive()

    with send, receive:
        async with anyio.create_task_group() as group:
            group.start_soon(follow)
            yield take
            group.cancel_scope.cancel()


async def test_ping_returns_a_version_when_the_engine_answers(world: World) -> None:
    """The version starts with a number."""
    assert (await world.containers.ping())[0].isdigit()


async def test_list_is_empty_when_nothing_was_created(world: World) -> None:
    """Other projects' containers are not ours."""
    assert await world.containers.list() == ()


async def test_create_makes_what_a_service_needs_when_it_depends_on_another(world: World) -> None:
    """Both are there, in state `created`, with a hash of their definition."""
    made = await world.containers.create(["worker"])
    assert {(one.service, one.state) for one in made} == {("web", "created"), ("worker", "created")}
    assert all(one.config_hash and one.image_id and one.exit_code is None for one in made)


async def test_create_keeps_the_container_when_nothing_changed(world: World) -> None:
    """The second call returns the same id, though it runs."""
    first = await world.start("web")
    second = await world.create("web")
    assert (second.id, second.state) == (first.id, "running")


async def test_create_makes_a_new_container_when_forced(world: World) -> None:
    """A running one is replaced by a fresh one."""
    first = await world.start("web")
    await world.containers.create(["web"], force=True)
    second = await world.find("web")
    assert second.id != first.id
    assert second.state == "created"


async def test_create_says_which_image_when_it_is_missing(world: World) -> None:
    """No container is made of an image that is not here."""
    assert await world.containers.missing_images(["web", "lost"]) == ("lost",)
    with pytest.raises(StartFailed) as failed:
        await world.containers.create(["lost"])
    assert "dvt.invalid/lost" in failed.value.why


async def test_inspect_tells_of_a_running_container_when_it_was_started(world: World) -> None:
    """It runs, has a pid, an address on this machine and the health check of its definition."""
    made = await world.start("web")
    seen = await world.containers.inspect(made.id)
    assert (seen.id, seen.running, seen.restarting, seen.exit_code) == (made.id, True, False, None)
    assert (seen.address, seen.published, seen.health_test) == ("127.0.0.1", False, HEALTH)
    assert seen.pid > 0


async def test_inspect_has_no_exit_code_when_it_was_never_started(world: World) -> None:
    """A created container neither runs nor has ended."""
    seen = await world.containers.inspect((await world.create("web")).id)
    assert (seen.running, seen.exit_code, seen.address) == (False, None, "")


async def test_inspect_fails_when_the_container_is_gone(world: World) -> None:
    """An id that nobody has is a failure of the start, not of the host."""
    with pytest.raises(StartFailed):
        await world.containers.inspect("0" * 64)


async def test_start_names_the_port_when_it_is_held(world: World) -> None:
    """The container stays `created` and can be removed; nothing keeps its network."""
    with _holding(world.port):
        made = await world.create("shut")
        with pytest.raises(PortHeld) as held:
            await world.containers.start(made.id)
    assert f"port {world.port} is held" in held.value.what
    assert "shut" in held.value.what
    assert (await world.find("shut")).state == "created"
    await world.containers.remove([made.id])
    assert len((await world.containers.remove_networks()).removed) == 1


async def test_start_fails_when_the_container_is_gone(world: World) -> None:
    """A container that was removed meanwhile cannot start."""
    with pytest.raises(StartFailed):
        await world.containers.start("0" * 64)


async def test_execute_returns_status_and_output_when_the_command_ends(world: World) -> None:
    """Both streams come back, with the status."""
    made = await world.start("web")
    done = await world.containers.execute(made.id, ("/bin/sh", "-c", "echo seen; exit 3"))
    assert done == Executed(status=3, output="seen\n")


async def test_execute_returns_a_status_when_the_program_is_not_there(world: World) -> None:
    """A missing program is an answer, as from a shell."""
    made = await world.start("web")
    done = await world.containers.execute(made.id, ("dvt-no-such-program",))
    assert done.status in {126, 127}
    assert "not found" in done.output


async def test_execute_fails_when_the_container_does_not_run(world: World) -> None:
    """There is nothing to run it in."""
    made = await world.create("web")
    with pytest.raises(StartFailed):
        await world.containers.execute(made.id, ("/bin/sh", "-c", "true"))


async def test_tail_returns_the_last_lines_when_there_are_more(world: World) -> None:
    """Only as many as asked for, without their line ends."""
    made = await world.start("web")
    await _until_written(world, made, ("one", "two"))
    assert await world.containers.tail(made.id, 1) == ("two",)
    assert await world.containers.tail("0" * 64, 1) == ()


async def test_exits_tells_the_status_when_a_container_ends(world: World) -> None:
    """The exit comes once, with the status; the list knows it too."""
    async with watching(world.containers) as take:
        made = await world.start("web")
        await world.end("web", 7)
        assert await take() == ContainerExit(id=made.id, exit_code=7)

    async def is_listed() -> bool:
        return (await world.find("web")).exit_code == 7

    await until_async(is_listed, deadline_s=DEADLINE_S, what="the list to follow the event")


async def test_exits_tells_of_the_removal_when_a_container_is_removed_by_hand(world: World) -> None:
    """First that it was killed, then that it is gone."""
    async with watching(world.containers) as take:
        made = await world.start("web")
        await world.remove_by_hand("web")
        assert await take() == ContainerExit(id=made.id, exit_code=137)
        assert await take() == ContainerExit(id=made.id, exit_code=None, removed=True)


async def test_stop_ends_a_container_when_it_reacts(world: World) -> None:
    """It ends with its own status; to stop it again does nothing."""
    async with watching(world.containers) as take:
        made = await world.start("web")
        await _until_written(world, made, ("one", "two"))
        quiet: list[bool] = []
        await world.containers.stop(made.id, Stop(), declared=False, on_quiet=lambda: quiet.append(True))
        assert quiet == [True]
        assert await take() == ContainerExit(id=made.id, exit_code=0)
        await world.containers.stop(made.id, Stop(), declared=True)
    assert (await world.find("web")).state == "exited"


async def test_stop_does_nothing_when_the_container_is_gone(world: World) -> None:
    """What is not there is stopped."""
    await world.containers.stop("0" * 64, Stop(), declared=True)


async def test_remove_takes_stopped_containers_only_when_asked(world: World) -> None:
    """A running one is refused; a stopped one goes; one that is gone is no error."""
    made = await world.start("web")
    with pytest.raises(StopFailed):
        await world.containers.remove([made.id])
    await world.containers.stop(made.id, Stop(), declared=False)
    await world.containers.remove([made.id, "0" * 64])
    assert await world.containers.list() == ()


async def test_remove_volumes_takes_the_projects_volumes_when_its_containers_are_gone(world: World) -> None:
    """The named volume was made with the container and is named when it goes."""
    made = await world.create("web")
    (name,) = await world.containers.volumes()
    assert name.endswith("_data")
    await world.containers.remove([made.id])
    assert await world.containers.find_volumes([name, "dvt-no-such-volume"]) == (name,)
    assert await world.containers.remove_volumes() == Removal(removed=(name,))
    assert await world.containers.volumes() == ()
    assert await world.containers.find_volumes([name]) == ()


async def test_prune_removes_what_does_not_run_and_is_not_to_stay(world: World) -> None:
    """A dry run names the same and removes nothing; the second prune has nothing to do."""
    web = await world.start("web")
    worker = await world.create("worker")
    await world.containers.remove_networks()  # the real project's, which these two do not use
    kept, failure = await world.containers.prune(PruneScope(keep=frozenset({worker.id})))
    assert (kept.reclaimed, failure) == ((), None)
    ahead, _ = await world.containers.prune(PruneScope(dry_run=True))
    assert len(await world.containers.list()) == 2
    report, _ = await world.containers.prune(PruneScope())
    assert [(row.kind, row.names) for row in report.reclaimed] == [("containers", (worker.name,))]
    assert (ahead.reclaimed, ahead.is_dry_run, report.is_dry_run) == (report.reclaimed, True, False)
    assert [one.id for one in await world.containers.list()] == [web.id]
    assert (await world.containers.prune(PruneScope()))[0].reclaimed == ()


async def _until_written(world: World, made: Container, lines: tuple[str, ...]) -> None:
    async def has_written() -> bool:
        return await world.containers.tail(made.id, 5) == lines

    await until_async(has_written, deadline_s=DEADLINE_S, what="its first lines")


@contextmanager
def _holding(port: int) -> Iterator[None]:
    """Listen on `port`."""
    import socket

    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", port))
        held.listen()
        yield
