"""The ports of this machine: who holds one, whether it can be bound, which one is free.

Implements `PortTable`. Must not judge whose a holder is, nor end it. Invariant: a holder that is named was seen with
the socket open in this very look; Docker's proxy is never named as a process where the engine names its container.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import replace

import anyio
import anyio.to_thread

from devenv.adapters.ports import binding as bind_test
from devenv.adapters.ports import bound as bound_sockets
from devenv.adapters.ports import owners as proc_facts
from devenv.adapters.ports.bound import Bound, Place
from devenv.domain.errors import HostError, PortHeld
from devenv.domain.holders import ContainerFacts, Holder, ProcessFacts
from devenv.domain.model import Port, Transport
from devenv.domain.ownership import is_engine
from devenv.domain.port_numbers import EPHEMERAL_START

Published = Callable[[], Awaitable[Mapping[Place, ContainerFacts]]]

_HUNG_AFTER_S = 0.03
_POLL_FIRST_S, _POLL_LAST_S = 0.005, 0.1


class HostPortTable:
    """Asks the kernel, and the engine for what its containers publish (`published`, one call a look)."""

    def __init__(self, published: Published | None = None) -> None:
        self._published = published

    async def holders(self, ports: Iterable[Place]) -> tuple[Holder, ...]:
        """Return everything that holds one of `ports`, in one look: a holder for each socket and owner."""
        places = frozenset(ports)
        if not places:
            return ()
        containers = await self._list_published()
        found = await anyio.to_thread.run_sync(_look, places, containers)
        hung = await _find_hung({one.port for one in found if one.transport is Transport.TCP})
        return tuple(replace(one, hung=True) if _is_in(one, hung) else one for one in found)

    async def all_listeners(self) -> tuple[Holder, ...]:
        """Return everything that serves on this machine, sorted by port."""
        containers = await self._list_published()
        found = await anyio.to_thread.run_sync(_look_at_all, containers)
        return tuple(sorted(found, key=lambda one: (one.port, one.transport, one.address)))

    def is_bindable(self, port: Port) -> bool:
        """Tell whether a service could bind `port` right now, on IPv4 and IPv6."""
        return bind_test.is_bindable(port)

    def listener_pids(self, port: int, candidates: frozenset[int]) -> tuple[bool, tuple[int, ...]]:
        """Return whether anyone listens on TCP `port`, and which of `candidates` do."""
        return bound_sockets.find_listeners(port, candidates)

    def find_free(self, *, start: int, avoid: frozenset[int]) -> int:
        """Return the first port from `start` on, below the ephemeral range, that is free for TCP and UDP.

        Raises PortHeld where there is none.
        """
        for number in range(start, EPHEMERAL_START):
            if number not in avoid and all(self.is_bindable(Port(number=number, transport=one)) for one in Transport):
                return number
        raise PortHeld(
            "cannot find a free port",
            why=f"every port from {start} to {EPHEMERAL_START - 1} is held",
            fix="devenv ports",
        )

    async def wait_free(self, port: Port, deadline_s: float) -> bool:
        """Wait until `port` is bindable and no container publishes it; False after `deadline_s`.

        Polled, from every 5 ms to every 100 ms: no system tells when a port becomes free.
        """
        poll_s = _POLL_FIRST_S
        with anyio.move_on_after(deadline_s):
            while not (self.is_bindable(port) and await self._is_unpublished(port)):
                await anyio.sleep(poll_s)
                poll_s = min(poll_s * 1.5, _POLL_LAST_S)
            return True
        return False

    async def _is_unpublished(self, port: Port) -> bool:
        """Ask the engine, too: without its userland proxy a published port has no socket to collide with."""
        return (port.number, port.transport) not in await self._list_published()

    async def _list_published(self) -> Mapping[Place, ContainerFacts]:
        if self._published is None:
            return {}
        try:
            return await self._published()
        except HostError:
            # no engine, no containers; what it left running still shows as its proxies
            return {}


def _look(places: frozenset[Place], containers: Mapping[Place, ContainerFacts]) -> list[Holder]:
    found = _name_holders(bound_sockets.list_bound(places), containers)
    seen = {(one.port, one.transport) for one in found}
    for number, transport in sorted(places - seen):
        if (number, transport) in containers:
            found.append(_publish(number, transport, "", containers[number, transport]))
        elif transport is Transport.TCP and not bind_test.is_bindable(Port(number=number)):
            found += _name_holders(bound_sockets.list_clients(number), {})
    return found


def _look_at_all(containers: Mapping[Place, ContainerFacts]) -> list[Holder]:
    found = _name_holders(bound_sockets.list_servers(), containers)
    seen = {(one.port, one.transport) for one in found}
    return found + [_publish(*place, "", facts) for place, facts in containers.items() if place not in seen]


def _name_holders(sockets: Iterable[Bound], containers: Mapping[Place, ContainerFacts]) -> list[Holder]:
    """Make a holder of each socket and owner; read each process once."""
    read: dict[int, ProcessFacts | None] = {}
    found: dict[Holder, None] = {}
    for one in sockets:
        for pid in one.pids:
            if pid not in read:
                read[pid] = proc_facts.read_facts(pid)
        owners = [facts for pid in one.pids if (facts := read[pid])]
        found |= dict.fromkeys(_name_socket(one, owners, containers.get((one.port, one.transport))))
    return list(found)


def _name_socket(one: Bound, owners: Collection[ProcessFacts], container: ContainerFacts | None) -> list[Holder]:
    if container and all(is_engine(owner.command) for owner in owners):
        return [_publish(one.port, one.transport, one.address, container)]
    if owners:
        return [_hold(one, owner) for owner in owners]
    # its owner ended during the look, or may not be looked at: the bind test tells these apart
    gone = bool(one.pids) and bind_test.is_bindable(Port(number=one.port, host=one.address, transport=one.transport))
    return [] if gone else [_hold(one, None)]


def _hold(one: Bound, owner: ProcessFacts | None) -> Holder:
    uid = one.uid if owner is None else owner.uid
    return Holder(port=one.port, address=one.address, transport=one.transport, process=owner, uid=uid)


def _publish(port: int, transport: Transport, address: str, container: ContainerFacts) -> Holder:
    return Holder(port=port, address=address, transport=transport, container=container)


async def _find_hung(ports: Collection[int]) -> frozenset[int]:
    """Return those TCP `ports` where the same requests wait unread in two looks, 30 ms apart."""
    before = await anyio.to_thread.run_sync(bound_sockets.measure_waiting, ports)
    if not before:
        return frozenset()
    await anyio.sleep(_HUNG_AFTER_S)
    after = await anyio.to_thread.run_sync(bound_sockets.measure_waiting, {port for port, _ in before})
    return frozenset(port for (port, inode), amount in before.items() if after.get((port, inode), 0) >= amount)


def _is_in(holder: Holder, hung: frozenset[int]) -> bool:
    return holder.transport is Transport.TCP and holder.port in hung
