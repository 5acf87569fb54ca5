"""Whether a port could be bound right now, found out by binding it.

Must not know who holds it. Invariant: nothing stays bound, and nobody sees a connection.

A server sets SO_REUSEADDR, and so does the test: on Linux that looks past what a former server left in TIME_WAIT but
never past a listener. On BSD and macOS it looks past a listener on another address, so there every address is tried.
"""

import errno
import socket
import sys

from devenv.domain.model import Port, Transport
from devenv.domain.port_numbers import read_address

_NOBODYS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EACCES, errno.EPERM}
"""No such address or family here, or a port below 1024 that is not for us to bind: nobody holds it for that."""

_LOOPBACK = ("127.0.0.1", "::1")
_ALL = ("0.0.0.0", "::")  # noqa: S104 - bound for microseconds, never listening


def is_bindable(port: Port) -> bool:
    """Tell whether every address that `port` means is free, on IPv4 and IPv6. A port without number is."""
    if port.number is None:
        return True
    return all(_can_bind(address, port.number, port.transport) for address in list_addresses(port.host))


def list_addresses(host: str) -> tuple[str, ...]:
    """Return what to bind for `host`: loopback and all addresses stand for both families, as `localhost` does."""
    address = read_address(host)
    if address is None or str(address) == "::":
        return _ALL if sys.platform == "linux" else _ALL + _LOOPBACK
    if str(address) in _LOOPBACK:
        return _LOOPBACK if sys.platform == "linux" else _LOOPBACK + _ALL
    return (str(address),)


def _can_bind(address: str, number: int, transport: Transport) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_DGRAM if transport is Transport.UDP else socket.SOCK_STREAM
    try:
        with socket.socket(family, kind) as tried:
            if family == socket.AF_INET6:
                tried.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if transport is Transport.TCP:  # for UDP it would share the port with anyone
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((address, number))
    except OSError as error:
        return error.errno in _NOBODYS
    return True
