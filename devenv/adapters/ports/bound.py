"""What is bound to which port, by whom, and where requests pile up: one answer for Linux and for everyone else.

Must not know containers or verdicts. Invariant: a socket whose owner may not be looked at is listed without pids, not
left out (on Linux; elsewhere the system hides it).
"""

import socket
from collections.abc import Collection
from dataclasses import dataclass

from devenv.adapters.ports import netlink
from devenv.adapters.ports import owners as proc_facts
from devenv.adapters.ports.netlink import Socket, State
from devenv.adapters.processes import identity
from devenv.domain.model import Transport

Place = tuple[int, Transport]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A bound socket; `pids` are the processes that have it open, of those the ones that started the others."""

    port: int
    transport: Transport
    address: str
    uid: int = -1
    pids: tuple[int, ...] = ()


def list_bound(places: Collection[Place]) -> list[Bound]:
    """Return what keeps `places` from others: listeners, bound sockets, any UDP socket."""
    ports = {port for port, _ in places}
    listed = list_servers(ports, udp_states=State.ANY)
    return [one for one in listed if (one.port, one.transport) in places]


def list_servers(ports: Collection[int] = (), *, udp_states: int = State.UNCONNECTED) -> list[Bound]:
    """Return what serves on this machine, or on one of `ports`."""
    if not identity.IS_LINUX:
        return [one for one in _list_by_psutil() if not ports or one.port in ports]
    try:
        sockets = netlink.list_sockets(Transport.TCP, State.LISTEN | State.BOUND, ports)
        sockets += netlink.list_sockets(Transport.UDP, udp_states, ports)
    except OSError:  # a sandbox without netlink
        return [one for one in _list_by_psutil() if not ports or one.port in ports]
    return _name_owners([one for one in sockets if one.port])


def list_clients(port: int) -> list[Bound]:
    """Return the connections that use TCP `port` on this side: they, too, keep a server from it."""
    if not identity.IS_LINUX:
        return []
    try:
        sockets = netlink.list_sockets(Transport.TCP, State.ANY & ~State.LISTEN, [port])
    except OSError:
        return []
    return _name_owners([one for one in sockets if one.inode])


def measure_waiting(ports: Collection[int]) -> dict[tuple[int, int], int]:
    """Return what waits unread on TCP `ports` by (port, inode): connections nobody accepted, bytes nobody read."""
    if not identity.IS_LINUX or not ports:
        return {}
    try:
        sockets = netlink.list_sockets(Transport.TCP, State.LISTEN | State.ESTABLISHED | State.CLOSE_WAIT, ports)
    except OSError:
        return {}
    return {(one.port, one.inode): one.unread for one in sockets if one.unread and one.inode}


def find_listeners(port: int, candidates: Collection[int]) -> tuple[bool, tuple[int, ...]]:
    """Return whether anyone listens on TCP `port`, and which of `candidates` do: 0.1 ms for a handful."""
    if identity.IS_LINUX:
        try:
            inodes = {one.inode for one in netlink.list_sockets(Transport.TCP, State.LISTEN, [port])}
        except OSError:
            return _find_listeners_by_psutil(port, candidates)
        owners = proc_facts.find_owners(inodes, candidates) if inodes and candidates else {}
        return bool(inodes), tuple(sorted({pid for pids in owners.values() for pid in pids}))
    return _find_listeners_by_psutil(port, candidates)


def _name_owners(sockets: list[Socket]) -> list[Bound]:
    owners = proc_facts.find_owners({one.inode for one in sockets}) if sockets else {}
    roots = {pids: proc_facts.list_roots(pids) for pids in set(owners.values())}
    return [
        Bound(
            port=one.port,
            transport=one.transport,
            address=one.address,
            uid=one.uid,
            pids=roots[owners[one.inode]] if one.inode in owners else (),
        )
        for one in sockets
    ]


def _list_by_psutil() -> list[Bound]:
    """Ask each process in turn: macOS gives a user no other list."""
    import psutil  # noqa: PLC0415 - 10 ms that Linux does not pay

    by_place: dict[tuple[int, Transport, str], set[int]] = {}
    for process in psutil.process_iter():
        try:
            connections = process.net_connections(kind="inet")
        except (psutil.Error, OSError):
            continue
        for one in connections:
            transport = Transport.UDP if one.type == socket.SOCK_DGRAM else Transport.TCP
            address, number = one.laddr or ("", 0)
            if number and (transport is Transport.UDP or one.status == psutil.CONN_LISTEN):
                by_place.setdefault((number, transport, address), set()).add(process.pid)
    return [
        Bound(port=port, transport=transport, address=address, pids=proc_facts.list_roots(pids))
        for (port, transport, address), pids in by_place.items()
    ]


def _find_listeners_by_psutil(port: int, candidates: Collection[int]) -> tuple[bool, tuple[int, ...]]:
    import psutil  # noqa: PLC0415 - 10 ms that Linux does not pay

    found: list[int] = []
    for pid in sorted(candidates):
        try:
            connections = psutil.Process(pid).net_connections(kind="tcp")
        except (psutil.Error, OSError):
            continue
        if any(one.status == psutil.CONN_LISTEN and one.laddr[1:2] == (port,) for one in connections):
            found.append(pid)
    return bool(found) or _answers(port), tuple(found)


def _answers(port: int) -> bool:
    """Tell whether a connection is accepted: the only question that costs no list."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as tried:
                tried.settimeout(0.2)
                tried.connect((address, port))
                return True
        except OSError:
            continue
    return False
