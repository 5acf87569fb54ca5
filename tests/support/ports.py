"""Ports for tests, below the range that the kernel gives out by itself (32768 and up).

Must not know what they are for. Invariant: a port is given out once per process, and was free on IPv4 and IPv6, for TCP
and UDP, when it was given out.
"""

from __future__ import annotations

import errno
import random
import socket

_RANGE = range(20_000, 32_000)
_ATTEMPTS = 2_000
_given: set[int] = set()
_random = random.SystemRandom()


def take_ports(count: int) -> list[int]:
    """Return `count` free ports, none of them given out before; raises AssertionError where the range is used up."""
    return [_take_port() for _ in range(count)]


def is_bindable(port: int) -> bool:
    """Say whether all four of TCP and UDP on IPv4 and IPv6 can be bound on every address right now."""
    kinds = [(family, kind) for family in _families() for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
    return all(_can_bind(family, kind, port) for family, kind in kinds)


def _take_port() -> int:
    for _ in range(_ATTEMPTS):
        port = _random.choice(_RANGE)
        if port not in _given and is_bindable(port):
            _given.add(port)
            return port
    raise AssertionError(f"no free port in {_RANGE} after {_ATTEMPTS} tries")


def _families() -> list[socket.AddressFamily]:
    return [socket.AF_INET, socket.AF_INET6] if socket.has_ipv6 else [socket.AF_INET]


def _can_bind(family: socket.AddressFamily, kind: socket.SocketKind, port: int) -> bool:
    try:
        with socket.socket(family, kind) as tried:
            if kind == socket.SOCK_STREAM:  # as servers do: connections that ended are in nobody's way
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                tried.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            tried.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
    except OSError as error:
        # a kernel without IPv6 has nobody there
        return error.errno in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}
    return True
