"""An engine of the tests' own making: containers are values, and what happens to them is said.

Held to the same contract suite as the real adapter. Invariant: opens nothing and waits only on the event loop's clock,
so that virtual time passes in it; a container changes its state only where the real one would.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from devenv.app.ports import Container, ContainerExit, Inspection, Mount, PruneScope, Removal, ReportProgress
from devenv.domain.cleaning import PruneReport, Reclaimed
from devenv.domain.errors import HostError, PortHeld, StartFailed, StopFailed
from devenv.domain.holders import ContainerFacts
from devenv.domain.model import Port, Stop, Transport
from devenv.domain.probe import Executed

VERSION = "20.10.24"
_LIVE = frozenset({"running", "restarting"})
_ANONYMOUS_LENGTH = 64


def _echo(argv: tuple[str, ...]) -> Executed:
    return Executed(status=0, output="")


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeService:
    """What a container of the fake is like. Times are seconds of the event loop's clock.

    `start_error` refuses every start; `stops_after_s` is how long it takes to react to a stop (None: never, so that
    the whole grace passes), `clears_in_s` what the engine then takes to clear it away.
    """

    image: str = "fixture/busybox"
    output: tuple[str, ...] = ()
    port: Port | None = None
    health_test: tuple[str, ...] = ()
    volume: str = ""
    mounts: tuple[str, ...] = ()
    """Volumes that it mounts beside: external ones, and anonymous ones by their 64 digits."""
    needs: tuple[str, ...] = ()
    start_s: float = 0.0
    start_error: str = ""
    stops_after_s: float | None = 0.0
    clears_in_s: float = 0.0
    commands: Callable[[tuple[str, ...]], Executed] = _echo
    version: str = "1"
    """A part of the definition that changes nothing but its hash."""


@dataclass(slots=True, kw_only=True)
class _Row:
    """A container, and what became of it."""

    facts: Container
    log: list[str] = field(default_factory=list)
    restarts: int = 0
    ended: anyio.Event = field(default_factory=anyio.Event)


class FakeContainers:
    """The containers of one project. `calls` records what was asked, as (verb, service or detail)."""

    def __init__(self, services: Mapping[str, FakeService], *, project: str = "fake") -> None:
        self.services = dict(services)
        self.project = project
        self.calls: list[tuple[str, str]] = []
        self.images = {service.image for service in services.values()}
        self.unpullable: dict[str, str] = {}
        self.pull_s = 0.0
        self.held_ports: set[int] = set()
        self.unremovable: set[str] = set()
        self.in_use: dict[str, str] = {}
        self.unreachable = ""
        self.mounted: tuple[Mount, ...] = ()
        self.published_ports: dict[str, tuple[Port, ...]] = {}
        self._rows: dict[str, _Row] = {}
        self._numbers = itertools.count(1)
        self._listeners: list[MemoryObjectSendStream[ContainerExit]] = []
        self._volumes: set[str] = set()
        self._beside: set[str] = set()
        self._has_network = False

    # What happens to it.

    def end(self, service: str, exit_code: int) -> None:
        """Let the container of `service` end by itself."""
        self._end(self._find(service), exit_code)

    def vanish(self, service: str) -> None:
        """Remove the container of `service` by hand, as `docker rm -f` does."""
        row = self._find(service)
        if row.facts.state in _LIVE:
            self._end(row, 137)
        del self._rows[row.facts.id]
        self._tell(ContainerExit(id=row.facts.id, exit_code=None, removed=True))

    def crash_loop(self, service: str, restarts: int) -> None:
        """Let the engine restart the container of `service` again and again."""
        row = self._find(service)
        row.facts = replace(row.facts, state="restarting", exit_code=1)
        row.restarts = restarts

    def write(self, service: str, line: str) -> None:
        """Let the container of `service` write a line."""
        self._find(service).log.append(line)

    # What devenv asks.

    async def ping(self) -> str:
        """Return a version."""
        self._ask("ping", "")
        return VERSION

    async def list(self) -> tuple[Container, ...]:
        """Return all containers."""
        self._ask("list", "")
        return tuple(row.facts for row in self._rows.values())

    async def missing_images(self, services: Iterable[str]) -> tuple[str, ...]:
        """Return those whose image is not in `images`."""
        return tuple(name for name in services if self.services[name].image not in self.images)

    async def prepare(self, services: Iterable[str], *, build: bool, report: ReportProgress) -> None:
        """Add the images, unless `unpullable` has a reason against one."""
        for name in services:
            image = self.services[name].image
            self._ask("build" if build else "pull", name)
            await anyio.sleep(self.pull_s)
            if image in self.unpullable:
                what = f"cannot pull image {image} of service {name}"
                raise HostError(what, why=self.unpullable[image], fix=f"docker pull {image}")
            self.images.add(image)
            report(name, f"{image} is here", done=True)

    async def create(self, services: Iterable[str], *, force: bool = False) -> tuple[Container, ...]:
        """Make what is missing or different."""
        wanted = self._with_needs(tuple(services))
        self._ask("create", " ".join(wanted))
        self._has_network = True
        for name in wanted:
            spec = self.services[name]
            if spec.image not in self.images:
                raise StartFailed(
                    "cannot create the containers", why=f"No such image: {spec.image}", fix="devenv up --build"
                )
            old = next((row for row in self._rows.values() if row.facts.service == name), None)
            if old is None or old.facts.config_hash != self._hash(name) or (force and name in services):
                self._replace(name, old)
            if spec.volume:
                self._volumes.add(f"{self.project}_{spec.volume}")
        return await self.list()

    def publish(self, ports: Mapping[str, tuple[Port, ...]]) -> None:
        """Publish these instead."""
        self.published_ports = dict(ports)

    async def prune(self, scope: PruneScope) -> tuple[PruneReport, HostError | None]:
        """Remove what does not run and is not to stay."""
        self._ask("prune", "everything" if scope.everything else "")
        going = [row for row in self._rows.values() if row.facts.state not in _LIVE and row.facts.id not in scope.keep]
        if not scope.dry_run:
            for row in going:
                del self._rows[row.facts.id]
        names = tuple(row.facts.name for row in going)
        rows = (Reclaimed(kind="containers", names=names),) if names else ()
        return PruneReport(reclaimed=rows, is_dry_run=scope.dry_run), None

    async def mounts(self) -> tuple[Mount, ...]:
        """Return `mounted`."""
        return self.mounted

    def take_notes(self) -> tuple[str, ...]:
        """Have nothing to say."""
        return ()

    async def start(self, container: str) -> None:
        """Start it, unless its port is in `held_ports` or its service has a `start_error`."""
        row = self._get(container, "start")
        spec = self.services[row.facts.service]
        self._ask("start", row.facts.service)
        await anyio.sleep(spec.start_s)
        for port in self._ports(row.facts.service):
            if port.number in self.held_ports:
                what = f"cannot start {row.facts.service}: port {port.number} is held"
                raise PortHeld(what, why="port is already allocated", fix=f"devenv ports {port.number}")
        if spec.start_error:
            raise StartFailed(f"cannot start {row.facts.service}", why=spec.start_error, fix="")
        row.log[:] = spec.output
        row.ended = anyio.Event()
        row.facts = replace(row.facts, state="running", exit_code=None)

    async def inspect(self, container: str) -> Inspection:
        """Look at it."""
        row = self._get(container, "look at")
        facts, spec = row.facts, self.services[row.facts.service]
        running = facts.state == "running"
        return Inspection(
            id=facts.id,
            running=running,
            restarting=facts.state == "restarting",
            pid=1000 if running else 0,
            address="127.0.0.1" if running else "",
            exit_code=facts.exit_code,
            health_test=spec.health_test,
            restart_count=row.restarts,
            targets={p.number: p.target or p.number for p in self._ports(facts.service) if p.number} if running else {},
        )

    async def execute(self, container: str, argv: tuple[str, ...]) -> Executed:
        """Ask the service's `commands`."""
        row = self._get(container, f"run {argv[0]} in")
        if row.facts.state != "running":
            raise StartFailed(f"cannot run {argv[0]} in container {container[:12]}", why="it is not running", fix="")
        return self.services[row.facts.service].commands(argv)

    async def tail(self, container: str, lines: int) -> tuple[str, ...]:
        """Return the last lines."""
        row = self._rows.get(container)
        return tuple(row.log[-lines:]) if row and lines > 0 else ()

    async def stop(
        self, container: str, stop: Stop, *, declared: bool, on_quiet: Callable[[], None] = lambda: None
    ) -> None:
        """Let the time pass that its service takes to stop, at most the grace, and then `clears_in_s`."""
        row = self._rows.get(container)
        if row is None or row.facts.state not in _LIVE:
            return
        spec = self.services[row.facts.service]
        self._ask("stop", row.facts.service)
        reacts = spec.stops_after_s is not None and spec.stops_after_s <= stop.grace_s
        with anyio.move_on_after(
            spec.stops_after_s if reacts and spec.stops_after_s else 0.0 if reacts else stop.grace_s
        ):
            await row.ended.wait()
        if row.facts.state in _LIVE:
            on_quiet()
            await anyio.sleep(spec.clears_in_s)
            self._end(row, 0 if reacts else 137)

    async def remove(self, containers: Iterable[str], *, volumes: bool = False) -> None:
        """Remove what is stopped."""
        for container in containers:
            row = self._rows.get(container)
            if row is None:
                continue
            self._ask("remove", row.facts.service)
            if row.facts.state in _LIVE or row.facts.service in self.unremovable:
                raise StopFailed(f"cannot remove container {container[:12]}", why="it is running", fix="")
            del self._rows[container]
            if volumes:
                self._beside -= {name for name in row.facts.volumes if len(name) == _ANONYMOUS_LENGTH}
            self._tell(ContainerExit(id=container, exit_code=None, removed=True))

    async def remove_networks(self) -> Removal:
        """Remove the one network, unless `in_use` names who uses it."""
        self._ask("remove networks", "")
        removal = self._remove({f"{self.project}_default"} if self._has_network else set())
        self._has_network = bool(removal.kept)
        return removal

    async def volumes(self) -> tuple[str, ...]:
        """Return the volumes of the services made so far."""
        return tuple(sorted(self._volumes))

    async def find_volumes(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return those that are there."""
        return tuple(sorted(set(names) & (self._volumes | self._beside)))

    async def remove_volumes(self) -> Removal:
        """Remove them, unless `in_use` names who uses one."""
        removal = self._remove(self._volumes)
        self._volumes -= set(removal.removed)
        return removal

    async def published(self) -> Mapping[tuple[int, Transport], ContainerFacts]:
        """Return the ports of the running containers."""
        return {
            (port.number, port.transport): ContainerFacts(
                id=row.facts.id, name=row.facts.name, project=self.project, service=row.facts.service
            )
            for row in self._rows.values()
            if row.facts.state == "running"
            for port in self._ports(row.facts.service)
            if port.number
        }

    def exits(self) -> AsyncIterator[ContainerExit]:
        """Yield the exits from this call on."""
        send, receive = anyio.create_memory_object_stream[ContainerExit](1024)
        self._listeners.append(send)

        async def follow() -> AsyncIterator[ContainerExit]:
            try:
                async for one in receive:
                    yield one
            finally:
                self._listeners.remove(send)
                send.close()
                receive.close()

        return follow()

    def _remove(self, names: set[str]) -> Removal:
        return Removal(
            removed=tuple(sorted(names - set(self.in_use))),
            kept={name: f"{self.in_use[name]} uses it" for name in sorted(names & set(self.in_use))},
        )

    def _ask(self, verb: str, detail: str) -> None:
        if self.unreachable:
            raise HostError("cannot reach the Docker engine", why=self.unreachable, fix="sudo systemctl start docker")
        self.calls.append((verb, detail))

    def _with_needs(self, names: tuple[str, ...]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        pending = [*names]
        while pending:
            name = pending.pop(0)
            found.setdefault(name)
            pending += [need for need in self.services[name].needs if need not in found]
        return tuple(found)

    def _replace(self, name: str, old: _Row | None) -> None:
        if old is not None:
            if old.facts.state in _LIVE:
                self._end(old, 0)
            del self._rows[old.facts.id]
            self._tell(ContainerExit(id=old.facts.id, exit_code=None, removed=True))
        id_, mounts = f"{next(self._numbers):064x}", self.services[name].mounts
        facts = Container(
            id=id_,
            service=name,
            name=f"{self.project}-{name}-1",
            state="created",
            image_id=f"sha256:{self.services[name].image}",
            config_hash=self._hash(name),
            volumes=(*([f"{self.project}_{volume}"] if (volume := self.services[name].volume) else []), *mounts),
        )
        self._beside |= set(mounts)
        self._rows[id_] = _Row(facts=facts)

    def _hash(self, name: str) -> str:
        return f"{self.services[name].version}/{self.services[name].image}/{self._ports(name)}"

    def _ports(self, name: str) -> tuple[Port, ...]:
        port = self.services[name].port
        return self.published_ports.get(name, (port,) if port else ())

    def _end(self, row: _Row, exit_code: int) -> None:
        row.facts = replace(row.facts, state="exited", exit_code=exit_code)
        row.ended.set()
        self._tell(ContainerExit(id=row.facts.id, exit_code=exit_code))

    def _tell(self, exit_: ContainerExit) -> None:
        for listener in self._listeners:
            listener.send_nowait(exit_)

    def _find(self, service: str) -> _Row:
        return next(row for row in self._rows.values() if row.facts.service == service)

    def _get(self, container: str, verb: str) -> _Row:
        if container not in self._rows:
            raise StartFailed(f"cannot {verb} container {container[:12]}", why="No such container", fix="devenv up")
        return self._rows[container]
