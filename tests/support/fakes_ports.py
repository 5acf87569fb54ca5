"""A port table of the tests' own making: what holds a port is said, not opened.

Held to the same contract suite as the real one. Invariant: never touches a socket; `wait_free` waits on the event
loop's clock, so that virtual time passes in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import anyio

from devenv.domain.errors import PortHeld
from devenv.domain.holders import Holder, ProcessFacts, ProcessId
from devenv.domain.model import Port, Transport
from devenv.domain.port_numbers import EPHEMERAL_START, overlaps

_POLL_S = 0.005


class FakePortTable:
    """Ports held by whatever `hold` was given; `looks` are the questions asked of `holders`."""

    def __init__(self, *held: Holder) -> None:
        self.held: list[Holder] = list(held)
        self.looks: list[frozenset[tuple[int, Transport]]] = []

    def hold(self, holder: Holder) -> None:
        """Let `holder` hold its port from now on."""
        self.held.append(holder)

    def release(self, holder: Holder) -> None:
        """Let go of the port of `holder`."""
        self.held.remove(holder)

    @contextmanager
    def holding(self, holder: Holder) -> Iterator[Holder]:
        """Hold until the end of the `with`."""
        self.hold(holder)
        try:
            yield holder
        finally:
            self.release(holder)

    async def holders(self, ports: Iterable[tuple[int, Transport]]) -> tuple[Holder, ...]:
        """Return what holds one of `ports`."""
        places = frozenset(ports)
        self.looks.append(places)
        return tuple(one for one in self.held if (one.port, one.transport) in places)

    async def all_listeners(self) -> tuple[Holder, ...]:
        """Return all that is held, sorted by port."""
        return tuple(sorted(self.held, key=lambda one: (one.port, one.transport, one.address)))

    def is_bindable(self, port: Port) -> bool:
        """Tell whether nothing overlaps `port`."""
        return not any(overlaps(port, one) for one in self.held)

    def listener_pids(self, port: int, candidates: frozenset[int]) -> tuple[bool, tuple[int, ...]]:
        """Return whether TCP `port` is held, and by which of `candidates`."""
        listening = [one for one in self.held if one.port == port and one.transport is Transport.TCP]
        pids = {one.process.id.pid for one in listening if one.process}
        return bool(listening), tuple(sorted(pids & candidates))

    def find_free(self, *, start: int, avoid: frozenset[int]) -> int:
        """Return the first port from `start` on that nothing holds."""
        held = {one.port for one in self.held} | avoid
        for number in range(start, EPHEMERAL_START):
            if number not in held:
                return number
        raise PortHeld("cannot find a free port", why=f"every port from {start} on is held", fix="devenv ports")

    async def wait_free(self, port: Port, deadline_s: float) -> bool:
        """Wait until nothing overlaps `port`."""
        with anyio.move_on_after(deadline_s):
            while not self.is_bindable(port):  # noqa: ASYNC110 - polled, as by the real one
                await anyio.sleep(_POLL_S)
            return True
        return False


def make_holder(port: int, *, pid: int = 4242, address: str = "127.0.0.1", **facts: object) -> Holder:
    """Return a process that holds TCP `port`; `facts` are fields of its ProcessFacts."""
    started = facts.pop("started", 1000)
    assert isinstance(started, int | float)
    process = ProcessFacts(id=ProcessId(pid=pid, started=started), **facts)  # type: ignore[arg-type]
    return Holder(port=port, address=address, process=process, uid=process.uid)
