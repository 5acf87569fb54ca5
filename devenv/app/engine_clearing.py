"""Removes what one Compose project has on the engine, and looks again until the engine lists nothing of it.

Must not know services. Invariant: what is said to have gone was looked for afterwards and not found; a volume that is
not the project's own is never removed.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from devenv.app.ports import Container, Containers, Removal
from devenv.app.together import attempt_all
from devenv.domain.errors import DevenvError, StopFailed
from devenv.domain.model import Stop

ROUNDS = 3
"""So often at most: a creation that was cut off may still make a container after the first look."""
_LIVE = frozenset({"running", "restarting", "paused"})
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


@dataclass(slots=True, kw_only=True)
class EngineClearing:
    """One clearing. With `volumes` the project's named and anonymous volumes go as well."""

    engine: Containers
    volumes: bool
    failures: list[DevenvError] = field(default_factory=list)
    _seen: dict[str, Container] = field(default_factory=dict)
    _left: tuple[Container, ...] = ()
    _networks: set[str] = field(default_factory=set)
    _named: set[str] = field(default_factory=set)

    async def look(self) -> None:
        """Keep in mind which containers there are."""
        self._left = await self.engine.list()
        self._seen |= {one.id: one for one in self._left}

    async def clear(self) -> None:
        """Remove everything; `failures` has what is left. Raises HostError where the engine cannot be asked."""
        await self.look()
        for _ in range(ROUNDS):
            self.failures = [
                *await _take([partial(self._stop, one) for one in self._left if one.state in _LIVE]),
                *await _take([self._remove_networks, self._remove_containers_and_volumes]),
            ]
            await self.look()
            if not self._left or self.failures:
                break
        self.failures += [_still_there(one, "the engine still lists it") for one in self._left]
        self.failures = list({failure.what: failure for failure in reversed(self.failures)}.values())[::-1]

    async def summarize(self) -> dict[str, list[str]]:
        """Return by kind the names of what went and of what was kept."""
        left = {one.id for one in self._left}
        foreign = {name for one in self._seen.values() for name in one.volumes} - self._named
        anonymous = {name for name in foreign if _ANONYMOUS.fullmatch(name)}
        named, there = set(await self.engine.volumes()), set(await self.engine.find_volumes(foreign))
        return {
            "containers": sorted(one.name for id_, one in self._seen.items() if id_ not in left),
            "networks": sorted(self._networks),
            "removed_volumes": sorted((self._named - named) | (anonymous - there)),
            "kept_volumes": sorted(named),
            "external_volumes": sorted(there - anonymous),
            "anonymous_volumes": sorted(anonymous & there),
        }

    async def _stop(self, one: Container) -> list[DevenvError]:
        """End one that no service of ours answers for."""
        return await _attempt(one, self.engine.stop(one.id, Stop(), declared=False))

    async def _remove_networks(self) -> list[DevenvError]:
        """Remove them while stopped containers are still being removed: they hold on to no network."""
        removal = await self.engine.remove_networks()
        self._networks |= set(removal.removed)
        return _tell_kept("network", removal)

    async def _remove_containers_and_volumes(self) -> list[DevenvError]:
        failures = await _take([partial(self._remove, one) for one in self._left])
        self._named |= set(await self.engine.volumes())
        return [*failures, *(_tell_kept("volume", await self.engine.remove_volumes()) if self.volumes else [])]

    async def _remove(self, one: Container) -> list[DevenvError]:
        return await _attempt(one, self.engine.remove([one.id], volumes=self.volumes))


async def _take(steps: list[Callable[[], Awaitable[list[DevenvError]]]]) -> list[DevenvError]:
    """Take all steps at once; return what they could not remove. Raises the first failure that is the engine's own."""
    failures: list[DevenvError] = []
    for result in await attempt_all(steps):
        if isinstance(result, DevenvError):
            raise result
        failures += result
    return failures


async def _attempt(container: Container, action: Awaitable[None]) -> list[DevenvError]:
    try:
        await action
    except StopFailed as error:
        return [_still_there(container, error.why)]
    return []


def _still_there(container: Container, why: str) -> DevenvError:
    return StopFailed(f"cannot remove container {container.name}", why=why, fix=f"docker rm -f {container.name}")


def _tell_kept(kind: str, removal: Removal) -> list[DevenvError]:
    return [
        StopFailed(f"cannot remove {kind} {name}", why=why, fix=f"docker ps -a --filter {kind}={name}")
        for name, why in removal.kept.items()
    ]
