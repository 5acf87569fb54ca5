"""Giving the engine's disk space back: the containers, networks, images and build cache that nobody uses.

Owns what counts as unused. Must not know the host's files or why a container is to stay. Invariants: no volume and
nothing that runs is ever removed; without `everything` nothing is removed that does not carry the project's Compose
label, except build cache, which has no owner and goes only by rules that the user wrote; bytes are the engine's count
of what went.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from devenv.adapters.engine.faults import unwrap
from devenv.adapters.engine.line import EngineLine
from devenv.adapters.engine.line import Refused as EngineRefused
from devenv.adapters.engine.look import PROJECT, SERVICE, read_map, read_number, read_rows, read_text, read_words
from devenv.app.ports import Mount, PruneScope
from devenv.domain.cleaning import BuildCacheRules, PruneReport, Reclaimed, Refused
from devenv.domain.errors import HostError

if TYPE_CHECKING:
    from docker import APIClient

CALL_S = 1800.0
"""How long the engine may take for one answer: gigabytes of small files take minutes to remove."""

YOUNG_S = 600.0
"""What another project made this recently may be part of an `up` that has not come far yet."""

_NOT_FOUND = 404
_STOPPED = ("exited", "created", "dead")
_OWN_NETWORKS = frozenset({"bridge", "host", "none", "ingress", "docker_gwbridge", "podman"})
_FRONTEND = frozenset({"internal", "frontend"})


class EnginePrune:
    """One look at one engine, and what goes by it. `project` is the Compose project, '' for a stack without one."""

    def __init__(self, line: EngineLine, project: str, scope: PruneScope) -> None:
        self._line = line
        self._project = project
        self._scope = scope
        self._labels: dict[str, object] = {} if scope.everything else {"label": [f"{PROJECT}={project}"]}
        self._refused: list[Refused] = []
        self._going: set[str] = set()

    async def run(self) -> tuple[PruneReport, HostError | None]:
        """Do it; return what went, and the failure that ended it early."""
        reclaimed: list[Reclaimed] = []
        failure: HostError | None = None
        try:
            for kind, step in self._steps():
                if found := await self._take(kind, step):
                    reclaimed.append(found)
        except HostError as error:
            failure = error
        report = PruneReport(reclaimed=tuple(reclaimed), refused=tuple(self._refused), is_dry_run=self._scope.dry_run)
        return report, failure

    def _steps(self) -> Iterator[tuple[str, "_Step"]]:
        """Yield what is done, in the order in which one thing frees the next."""
        if self._project or self._scope.everything:
            yield "containers", self._prune_containers
            yield "networks", self._prune_networks
            yield "images", self._prune_images
        if self._scope.build_cache is not None or self._scope.everything:
            yield "build cache", self._prune_cache

    async def _take(self, kind: str, step: "_Step") -> Reclaimed | None:
        """Take one step; what the engine itself refuses ends this step, not the others."""
        try:
            return await step()
        except EngineRefused as error:
            self._refused.append(Refused(name=kind, why=f"the engine says: {unwrap(error.text)}"))
            return None

    async def _prune_containers(self) -> Reclaimed | None:
        filters = {**self._labels, "status": list(_STOPPED)}
        rows = await self._list(lambda client: client.containers(all=True, size=True, filters=filters))
        names: list[str] = []
        size = 0
        for row in rows:
            id_, name = read_text(row, "Id"), _name_container(row)
            if why := self._find_reason(row):
                self._refused.append(Refused(name=name, why=why))
            elif self._scope.dry_run or await self._remove(name, partial(_remove_container, id_)):
                self._going.add(id_)
                names.append(name)
                size += read_number(row, "SizeRw")
        return _tell("containers", names, size)

    def _find_reason(self, container: object) -> str:
        """Return why a container that does not run is to stay all the same, '' where it is not."""
        if read_text(container, "Id") in self._scope.keep:
            return "the stack that runs counts on it"
        is_new = read_text(container, "State") == "created" and _is_young(read_number(container, "Created"))
        return "it was made a moment ago and may be about to start" if is_new and self._is_foreign(container) else ""

    async def _prune_networks(self) -> Reclaimed | None:
        rows = await self._list(lambda client: client.networks(filters=self._labels or None))
        used = {
            name
            for container in await self._list_containers()
            for network, facts in read_map(container, "NetworkSettings", "Networks").items()
            for name in (network, read_text(facts, "NetworkID"))
        }
        names: list[str] = []
        for row in rows:
            id_, name = read_text(row, "Id"), read_text(row, "Name")
            is_own = name in _OWN_NETWORKS or read_text(row, "Scope") == "swarm"
            if is_own or not used.isdisjoint({id_, name}):
                continue
            if self._is_foreign(row) and _is_young(_read_time(read_text(row, "Created"))):
                self._refused.append(Refused(name=name, why="it was made a moment ago and may be about to be used"))
            elif self._scope.dry_run or await self._remove(name, partial(_remove_network, id_)):
                names.append(name)
        return _tell("networks", names, 0)

    async def _prune_images(self) -> Reclaimed | None:
        """Remove images without a name, with `everything` all that no container has."""
        filters = {"dangling": not self._scope.everything, **self._labels}
        listed = None if self._scope.everything else filters
        used = {read_text(container, "ImageID") for container in await self._list_containers()}
        rows = await self._list(lambda client: client.images(filters=listed))
        unused = {read_text(row, "Id"): _name_image(row) for row in rows if read_text(row, "Id") not in used}
        if not unused:
            return None
        if self._scope.dry_run:
            return _tell("images", unused.values(), await self._weigh_images(unused), note=_SHARED)
        answer = await self._ask(lambda client: client.prune_images(filters=filters))
        gone = {read_text(row, "Deleted") for row in read_rows(answer, "ImagesDeleted")}
        names = [name for id_, name in unused.items() if id_ in gone]
        return _tell("images", names, read_number(answer, "SpaceReclaimed"))

    async def _weigh_images(self, ids: Iterable[str]) -> int:
        """Return the bytes that no other image shares with one of `ids`."""
        wanted = set(ids)
        usage = await self._ask(lambda client: client.df())
        rows = [row for row in read_rows(usage, "Images") if read_text(row, "Id") in wanted]
        return sum(read_number(row, "Size") - max(0, read_number(row, "SharedSize")) for row in rows)

    async def _prune_cache(self) -> Reclaimed | None:
        """Remove what was not used for as long as the rules say, then the oldest until no more is left than they say.

        The engine would take both limits of one call together, and remove only what breaks both.
        """
        if self._scope.dry_run:
            return await self._weigh_cache()
        names: list[str] = []
        size = 0
        for settings in _limits(self._scope.build_cache):
            answer = await self._ask(partial(_prune_builds, settings))
            names += [id_[:12] for id_ in read_words(answer, "CachesDeleted")]
            size += read_number(answer, "SpaceReclaimed")
        return _tell("build cache", names, size)

    async def _weigh_cache(self) -> Reclaimed | None:
        """Return what `_prune_cache` would remove, as far as it can be told before: the engine chooses by itself."""
        usage = await self._ask(lambda client: client.df())
        rows = [row for row in read_rows(usage, "BuildCache") if not read_map(row).get("Shared")]
        rules = self._scope.build_cache
        free = [row for row in rows if not read_map(row).get("InUse")]
        if rules is None:
            return _tell("build cache", _ids(free), _weigh(free))
        free = [row for row in free if read_text(row, "Type") not in _FRONTEND]
        limit = time.time() - rules.older_than_s if rules.older_than_s is not None else 0.0
        old = [row for row in free if 0.0 < _read_time(read_text(row, "LastUsedAt")) < limit]
        rest = _weigh(rows) - _weigh(old)
        above = 0 if rules.keep_bytes is None else max(0, rest - rules.keep_bytes)
        size = _weigh(old) + min(above, _weigh(free) - _weigh(old))
        return _tell("build cache", _ids(old), size, note="of the whole engine") if size or old else None

    async def _remove(self, name: str, call: "Callable[[APIClient], object]") -> bool:
        """Remove one thing; False where it has gone meanwhile, or is in use after all, which is told."""
        try:
            await self._line.ask(call, abandon=False)
        except EngineRefused as error:
            if error.status != _NOT_FOUND:
                self._refused.append(Refused(name=name, why=unwrap(error.text)))
            return False
        return True

    def _is_foreign(self, row: object) -> bool:
        return not self._project or read_text(read_map(row, "Labels"), PROJECT) != self._project

    async def _list_containers(self) -> list[object]:
        """Return all containers of the engine but those that go."""
        rows = await self._list(lambda client: client.containers(all=True))
        return [row for row in rows if read_text(row, "Id") not in self._going]

    async def _list(self, call: "Callable[[APIClient], object]") -> tuple[object, ...]:
        return tuple(cast("list[object]", await self._ask(call) or []))

    async def _ask(self, call: "Callable[[APIClient], object]") -> object:
        return await self._line.wait(call)


_Step = Callable[[], Awaitable[Reclaimed | None]]
_SHARED = "at most: layers that are also build cache stay until that goes"


async def find_mounts(line: EngineLine, project: str) -> tuple[Mount, ...]:
    """Return the folders of this machine that running containers have mounted, and those that volumes live in."""
    rows = cast("list[object]", await line.ask(lambda client: client.containers()))
    found = [
        Mount(
            path=read_text(mount, "Source"),
            who=f"container {_name_container(row)} has it mounted",
            is_ours=bool(project) and read_text(read_map(row, "Labels"), PROJECT) == project,
        )
        for row in rows
        for mount in read_rows(row, "Mounts")
        if read_text(mount, "Type") == "bind"
    ]
    volumes = read_rows(await line.ask(lambda client: client.volumes()), "Volumes")
    devices = {read_text(row, "Options", "device"): read_text(row, "Name") for row in volumes}
    found += [
        Mount(path=device, who=f"volume {name} keeps its data there", is_ours=True)
        for device, name in devices.items()
        if device.startswith("/")
    ]
    return tuple(found)


def _remove_container(id_: str, client: "APIClient") -> None:
    client.remove_container(id_)


def _remove_network(id_: str, client: "APIClient") -> None:
    client.remove_network(id_)


def _prune_builds(settings: dict[str, Any], client: "APIClient") -> object:
    return client.prune_builds(**settings)


def _limits(rules: BuildCacheRules | None) -> Iterator[dict[str, Any]]:
    """Yield what each call to the engine is told to remove."""
    if rules is None:
        yield {"all": True}
        return
    if rules.older_than_s is not None:
        yield {"filters": {"until": f"{int(rules.older_than_s)}s"}}
    if rules.keep_bytes is not None:
        yield {"keep_storage": rules.keep_bytes}


def _tell(kind: str, names: Iterable[str], size: int, *, note: str = "") -> Reclaimed | None:
    """Return a row of the report, None where there is nothing to tell."""
    told = tuple(names)
    return Reclaimed(kind=kind, names=told, bytes=size, note=note) if told or size else None


def _ids(rows: Iterable[object]) -> list[str]:
    return [read_text(row, "ID")[:12] for row in rows]


def _weigh(rows: Iterable[object]) -> int:
    return sum(read_number(row, "Size") for row in rows)


def _name_container(row: object) -> str:
    names = read_words(row, "Names")
    return names[0].lstrip("/") if names else read_text(row, "Id")[:12]


def _name_image(row: object) -> str:
    """Return an image's names, or its id with the service that it was built for."""
    tags = [tag for tag in read_words(row, "RepoTags") if tag != "<none>:<none>"]
    id_ = read_text(row, "Id").removeprefix("sha256:")[:12]
    service = read_text(read_map(row, "Labels"), SERVICE)
    return ", ".join(tags) or (f"{id_} of {service}" if service else id_)


def _is_young(made: float) -> bool:
    return time.time() - made < YOUNG_S


def _read_time(text: str) -> float:
    """Return an engine's time in seconds since the epoch, 0 where it gives none that can be read."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
