"""Numbers and addresses of ports: which ones collide, and which one to take instead.

Must not know who holds a port. Invariant: no two ports of an assignment have the same number and transport unless the
configuration itself gave both.
"""

import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address

from devenv.domain.errors import PortHeld
from devenv.domain.holders import Holder
from devenv.domain.model import Port, Service

AUTO_START, AUTO_END = 20_000, 32_000
EPHEMERAL_START = 32_768
"""From here on the system gives numbers to outgoing connections; nothing is assigned there by us."""
LAST_PORT = 65_535

Address = IPv4Address | IPv6Address


def overlaps(port: Port, holder: Holder) -> bool:
    """Tell whether `holder` keeps a server from `port`, or could be reached in its place through `localhost`."""
    return (
        port.number == holder.port
        and port.transport is holder.transport
        and _addresses_overlap(read_address(port.host), read_address(holder.address))
    )


def read_address(text: str) -> Address | None:
    """Return the address in `text` (`[::1]`, `fe80::1%eth0`, `::ffff:127.0.0.1` and `localhost` too), None for all."""
    bare = text.strip("[]").split("%", 1)[0]
    if bare == "localhost":
        return IPv4Address("127.0.0.1")
    try:
        found = ip_address(bare)
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return None if found == IPv4Address(0) else found


def with_numbers(service: Service, numbers: tuple[int, ...]) -> Service:
    """Return `service` with the numbers that its ports were given; unchanged where they are not as many."""
    if len(numbers) != len(service.ports):
        return service
    ports = tuple(replace(port, number=number) for port, number in zip(service.ports, numbers, strict=True))
    return replace(service, ports=ports)


def assign_ports(
    wanted: Mapping[str, tuple[Port, ...]],
    *,
    move: Collection[tuple[str, Port]] = (),
    sticky: Mapping[str, tuple[int, ...]],
    is_free: Callable[[Port], bool],
    spread: str = "",
) -> Mapping[str, tuple[Port, ...]]:
    """Return `wanted` with a number for every `auto` port and another one for those in `move`.

    `sticky` are the numbers of an earlier run, by service and position; they are taken again where they are free.
    `is_free` must also be true for a number that only this very service holds. `spread` (the stack's key) keeps
    different stacks from trying the same numbers. Raises PortHeld where no number is left.
    """
    fixed = {(port.number, port.transport) for ports in wanted.values() for port in ports if port.number is not None}
    taken = set(fixed)

    def choose(service: str, position: int, port: Port) -> Port:
        if port.number is not None and (service, port) not in move:
            return port
        for number in _candidates(port, _earlier(sticky, wanted, service, position), f"{spread}/{service}"):
            candidate = replace(port, number=number)
            if (number, port.transport) not in taken and is_free(candidate):
                taken.add((number, port.transport))
                return candidate
        raise PortHeld(
            f"cannot find another port for {service}",
            why=f"every number from {port.number or AUTO_START} on is held",
            fix="devenv ports",
        )

    return {
        service: tuple(choose(service, position, port) for position, port in enumerate(ports))
        for service, ports in wanted.items()
    }


def _addresses_overlap(ours: Address | None, theirs: Address | None) -> bool:
    if ours is None or theirs is None:
        other = ours or theirs
        # 0.0.0.0 reaches no IPv6 address but the one that `localhost` also means
        return other is None or ours is None or other.version == 4 or other.is_loopback or other == IPv6Address(0)
    if IPv6Address(0) in {ours, theirs}:
        return True
    localhost = {IPv4Address("127.0.0.1"), IPv6Address("::1")}
    return ours == theirs or {ours, theirs} == localhost


def _earlier(
    sticky: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[Port, ...]], service: str, position: int
) -> int | None:
    """Return the earlier number, where the service still has as many ports as then."""
    numbers = sticky.get(service, ())
    return numbers[position] if len(numbers) == len(wanted[service]) else None


def _candidates(port: Port, earlier: int | None, seed: str) -> Iterator[int]:
    if earlier is not None and earlier != port.number:
        yield earlier
    if port.number is not None:
        yield from range(port.number + 1, EPHEMERAL_START if port.number < EPHEMERAL_START else LAST_PORT + 1)
    first = AUTO_START + zlib.crc32(seed.encode()) % (AUTO_END - AUTO_START)
    yield from range(first, AUTO_END)
    yield from range(AUTO_START, first)
