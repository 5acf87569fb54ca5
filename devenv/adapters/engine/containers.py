"""The Docker engine as the shell needs it: the containers of one Compose project.

Implements `devenv.app.ports.Containers`. Owns nothing itself: asks the engine through `engine_line`, makes containers
through Compose, reads answers with `engine_look`. Must not know the order of services or what a gate is. Invariant:
whatever it removes or stops carries the project's Compose label, so `docker compose` sees the same project.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import anyio

from devenv.adapters.engine.compose import Compose
from devenv.adapters.engine.ending import end_container
from devenv.adapters.engine.endpoint import find_endpoint
from devenv.adapters.engine.events import ExitWatch
from devenv.adapters.engine.execution import execute
from devenv.adapters.engine.faults import describe_start_failure
from devenv.adapters.engine.images import Images
from devenv.adapters.engine.line import EngineLine, Refused, run_all
from devenv.adapters.engine.logs import iter_lines, read_tail
from devenv.adapters.engine.look import (
    PROJECT,
    SERVICE,
    read_container,
    read_inspection,
    read_map,
    read_name,
    read_publishers,
    read_rows,
    read_text,
    shares_network_of,
)
from devenv.adapters.engine.pruning import CALL_S as PRUNE_CALL_S
from devenv.adapters.engine.pruning import EnginePrune, find_mounts
from devenv.app.ports import Container, ContainerExit, Inspection, Mount, PruneScope, Removal, ReportProgress
from devenv.domain.cleaning import PruneReport
from devenv.domain.errors import DevenvError, HostError, StartFailed, StopFailed
from devenv.domain.holders import ContainerFacts
from devenv.domain.model import ComposeProject, Port, Stop, Transport
from devenv.domain.probe import Executed

_NOT_FOUND = 404
_GONE_S = 30.0
_LIVE = frozenset({"running", "restarting", "paused"})


def _ignore_outage(error: HostError | None) -> None:
    """Tell nobody."""


class DockerEngine:
    """The containers of `project`. `state_dir` is a folder for files that Compose is given beside the user's.

    `environment` is what the docker command would see: it chooses the engine (DOCKER_HOST, DOCKER_CONTEXT).
    `report_outage` is told when the event stream loses the engine (the reason) and finds it again (None).
    """

    def __init__(
        self,
        project: ComposeProject,
        *,
        state_dir: Path,
        environment: Mapping[str, str],
        report_outage: Callable[[HostError | None], None] = _ignore_outage,
    ) -> None:
        self._project = project
        self._line = EngineLine(find_endpoint(environment))
        self._compose = Compose(project, state_dir=state_dir, environment=environment)
        self._images = Images(project, self._line, self._compose)
        self._report_outage = report_outage
        self._labels: dict[str, object] = {"label": [f"{PROJECT}={project.name}"]}

    def warm(self) -> None:
        """Load the SDK and connect, in whatever thread this is; a failure shows up at the first real call."""
        try:
            self._line.ask_now(lambda client: client.base_url)
        except DevenvError:
            return

    def take_notes(self) -> tuple[str, ...]:
        """Return what was decided without being asked, one sentence each, and forget it."""
        return self._compose.take_notes()

    def close(self) -> None:
        """Close the connections."""
        self._line.close()

    async def ping(self) -> str:
        """Return the engine's version; raises HostError where it does not answer."""
        return (await self._line.greet()).version

    async def list(self) -> tuple[Container, ...]:
        """Return the project's containers, stopped ones too, without those of `docker compose run`."""
        rows = await self._line.ask(lambda client: client.containers(all=True, filters=self._labels))
        return tuple(one for row in cast("tuple[object, ...]", rows) if (one := read_container(row)))

    async def missing_images(self, services: Iterable[str]) -> tuple[str, ...]:
        """Return those of `services` whose image is not here."""
        return await self._images.find_missing(services)

    async def prepare(self, services: Iterable[str], *, build: bool, report: ReportProgress) -> None:
        """Pull or build the images of `services`, in parallel. Raises HostError naming service and image."""
        await self._images.prepare(tuple(services), build=build, report=report)

    async def create(self, services: Iterable[str], *, force: bool = False) -> tuple[Container, ...]:
        """Make the containers of `services` (and what they need) without starting them; changed ones anew.

        One that runs and has to be made anew is stopped here first: Compose would wait its whole grace.
        """
        names = tuple(services)
        greeting = self._line.greeting or await self._line.greet()
        self._compose.fit_engine(greeting.api)
        await self._stop_changed(names, force=force)
        await self._compose.create(names, force=force)
        return await self.list()

    def publish(self, ports: Mapping[str, tuple[Port, ...]]) -> None:
        """From now on let `create` publish exactly these ports of these services (all ports of each)."""
        self._compose.publish(ports)

    async def start(self, container: str) -> None:
        """Start it. Raises PortHeld, StartFailed or HostError with the engine's own cause translated."""
        try:
            await self._line.ask(lambda client: client.start(container), abandon=False)
        except Refused as refused:
            raise describe_start_failure(await self._name(container), refused.text) from refused

    async def inspect(self, container: str) -> Inspection:
        """Look at one container. Raises StartFailed where it is gone."""
        try:
            raw = await self._line.ask(lambda client: client.inspect_container(container))
            owner = shares_network_of(raw)
            if not owner:
                return read_inspection(raw)
            return read_inspection(raw, await self._line.ask(lambda client: client.inspect_container(owner)))
        except Refused as refused:
            raise StartFailed(
                f"cannot look at container {container[:12]}", why=f"the engine says: {refused.text}", fix="devenv up"
            ) from refused

    async def execute(self, container: str, argv: tuple[str, ...]) -> Executed:
        """Run a command inside; cancelling it ends the command where this user may."""
        return await execute(self._line, container, argv)

    async def tail(self, container: str, lines: int) -> tuple[str, ...]:
        """Return the last lines of its log since its last start, clean and each at most 500 characters."""
        return await read_tail(self._line, container, lines)

    def iter_logs(
        self, container: str, *, since: float = 0.0, tail: int | None = None, follow: bool = False
    ) -> AsyncIterator[tuple[float, str]]:
        """Yield (seconds since the epoch, text); with `follow` until the container ends."""
        return iter_lines(self._line, container, since=since, tail=tail, follow=follow)

    async def stop(
        self, container: str, stop: Stop, *, declared: bool, on_quiet: Callable[[], None] = lambda: None
    ) -> None:
        """End it, not waiting for an init that can only ignore the signal. `declared`: use `stop` over the engine's.

        `on_quiet` is called where it is seen that nothing of it runs any more while the engine still clears it away.
        """
        await end_container(self._line, container, stop if declared else None, on_quiet)

    async def remove(self, containers: Iterable[str], *, volumes: bool = False) -> None:
        """Remove stopped containers; with `volumes` their anonymous volumes. Raises StopFailed for a running one."""
        await run_all([partial(self._remove, container, volumes=volumes) for container in containers])

    async def remove_networks(self) -> Removal:
        """Remove the project's own networks, but for those that others use."""
        rows = await self._line.ask(lambda client: client.networks(filters=self._labels))
        names = {read_text(row, "Id"): read_text(row, "Name") for row in cast("tuple[object, ...]", rows)}
        return await self._remove_each("network", names)

    async def volumes(self) -> tuple[str, ...]:
        """Return the names of the project's named volumes."""
        found = await self._line.ask(lambda client: client.volumes(filters=self._labels))
        return tuple(sorted(read_text(row, "Name") for row in read_rows(found, "Volumes")))

    async def find_volumes(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return those of `names` that are there, whoever made them."""
        wanted = set(names)
        if not wanted:
            return ()
        found = await self._line.ask(lambda client: client.volumes(filters={"name": sorted(wanted)}))
        return tuple(sorted(wanted & {read_text(row, "Name") for row in read_rows(found, "Volumes")}))

    async def remove_volumes(self) -> Removal:
        """Remove the project's named volumes (external ones are never the project's), but for those in use."""
        names = {name: name for name in await self.volumes()}
        return await self._remove_each("volume", names)

    async def prune(self, scope: PruneScope) -> tuple[PruneReport, HostError | None]:
        """Remove what nobody uses; return what went, and the failure that ended it early. Never touches a volume."""
        line = EngineLine(self._line.endpoint, call_s=PRUNE_CALL_S)
        try:
            return await EnginePrune(line, self._project.name, scope).run()
        finally:
            line.close()

    async def mounts(self) -> tuple[Mount, ...]:
        """Return the folders of this machine that the engine's containers which run, and its volumes, work in."""
        return await find_mounts(self._line, self._project.name)

    def exits(self) -> AsyncIterator[ContainerExit]:
        """Yield the project's container exits from this call on, as they happen, for ever.

        An engine that goes away yields nothing and is waited for; `report_outage` hears of it.
        """
        return ExitWatch(self._line, self._project.name, self._report_outage).follow()

    async def published(self) -> Mapping[tuple[int, Transport], ContainerFacts]:
        """Return which running container of the whole engine publishes each host port, in one call."""
        table: dict[tuple[int, Transport], ContainerFacts] = {}
        for row in await self._line.list_running():
            table |= read_publishers(row)
        return table

    async def _stop_changed(self, names: Sequence[str], *, force: bool) -> None:
        running = [one for one in await self.list() if one.service in names and one.state in _LIVE]
        if not running:
            return
        hashes = {} if force else await self._compose.hash_services()
        images = {} if force else await self._images.find_ids({one.service for one in running})
        changed = [
            one.id
            for one in running
            if force
            or hashes.get(one.service, one.config_hash) != one.config_hash
            or images.get(one.service, one.image_id) != one.image_id
        ]
        await run_all([partial(end_container, self._line, id_, None) for id_ in changed])

    async def _remove(self, container: str, *, volumes: bool) -> None:
        try:
            await self._line.ask(lambda client: client.remove_container(container, v=volumes), abandon=False)
        except Refused as refused:
            if refused.status == _NOT_FOUND:
                return
            if "already in progress" in refused.text:
                await self._await_removal(container)
                return
            raise StopFailed(
                f"cannot remove container {container[:12]}", why=refused.text, fix=f"docker rm -f {container[:12]}"
            ) from refused

    async def _await_removal(self, container: str) -> None:
        """Wait for the removal that somebody else has begun."""
        with anyio.move_on_after(_GONE_S):
            try:
                await self._line.wait(lambda client: client.wait(container, condition="removed"))
            except Refused as refused:
                if refused.status != _NOT_FOUND:
                    raise

    async def _remove_each(self, kind: str, names: Mapping[str, str]) -> Removal:
        """Remove networks or volumes by id; those that the engine refuses are kept, with who uses them."""
        removed: list[str] = []
        kept: dict[str, str] = {}

        async def remove(id_: str) -> None:
            try:
                await self._line.ask(
                    lambda client: client.remove_network(id_) if kind == "network" else client.remove_volume(id_)
                )
            except Refused as refused:
                if refused.status != _NOT_FOUND:
                    users = await self._find_users(kind, id_)
                    kept[names[id_]] = f"{users} uses it" if users else f"the engine says: {refused.text}"
                return
            removed.append(names[id_])

        await run_all([partial(remove, id_) for id_ in names])
        return Removal(removed=tuple(sorted(removed)), kept=kept)

    async def _find_users(self, kind: str, id_: str) -> str:
        """Return the names of the containers that use a network or a volume, '' for nobody."""
        rows = cast(
            "list[object]", await self._line.ask(lambda client: client.containers(all=True, filters={kind: [id_]}))
        )
        return ", ".join(sorted(read_name(row) for row in rows))

    async def _name(self, container: str) -> str:
        """Return the service's name of a container, for an error."""
        try:
            raw = await self._line.ask(lambda client: client.inspect_container(container))
        except HostError:
            return container[:12]
        return read_text(read_map(raw, "Config", "Labels"), SERVICE) or read_text(raw, "Name").lstrip("/")
