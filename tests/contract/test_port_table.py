"""What every port table promises: the real one, on sockets of this very process, and the fake."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import anyio
import pytest

from devenv.adapters.ports.table import HostPortTable
from devenv.adapters.processes.identity import read_identity
from devenv.app.ports import PortTable
from devenv.domain.errors import PortHeld
from devenv.domain.holders import Holder, ProcessFacts
from devenv.domain.model import Port, Transport
from devenv.domain.port_numbers import EPHEMERAL_START
from tests.support.fakes_ports import FakePortTable

pytestmark = pytest.mark.anyio

TCP, UDP = Transport.TCP, Transport.UDP
OTHER_PID = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A table, and a way to hold a port in its world as this process."""

    table: PortTable
    hold: Callable[[int, str, Transport], AbstractContextManager[object]]


@contextmanager
def open_socket(port: int, host: str, transport: Transport) -> Iterator[socket.socket]:
    """Listen on a real port, as a server does."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM if transport is UDP else socket.SOCK_STREAM) as held:
        if family == socket.AF_INET6:
            held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if transport is TCP:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((host, port))
        if transport is TCP:
            held.listen()
        yield held


@pytest.fixture(params=["real", "fake"])
def case(request: pytest.FixtureRequest) -> Case:
    """Return the table under test."""
    if request.param == "real":
        return Case(table=HostPortTable(), hold=open_socket)
    fake = FakePortTable()
    identity = read_identity(os.getpid())
    assert identity is not None

    def hold(port: int, host: str, transport: Transport) -> AbstractContextManager[object]:
        process = ProcessFacts(id=identity, uid=os.getuid())
        return fake.holding(Holder(port=port, address=host, transport=transport, process=process))

    return Case(table=fake, hold=hold)


async def test_holders_names_the_process_when_a_port_is_held(case: Case, free_port: int) -> None:
    """The holder is this process, by pid and start time, with the address of its socket."""
    with case.hold(free_port, "127.0.0.1", TCP):
        (holder,) = await case.table.holders([(free_port, TCP)])
    assert holder.process is not None
    assert holder.process.id == read_identity(os.getpid())
    assert (holder.port, holder.address, holder.transport) == (free_port, "127.0.0.1", TCP)


async def test_holders_is_empty_when_ports_are_free(case: Case, free_port: int) -> None:
    """A free port has no holder, and no ports have none either."""
    assert await case.table.holders([(free_port, TCP), (free_port, UDP)]) == ()
    assert await case.table.holders([]) == ()


async def test_holders_tells_transports_apart_when_only_udp_is_held(case: Case, free_port: int) -> None:
    """UDP and TCP of one number are two ports."""
    with case.hold(free_port, "127.0.0.1", UDP):
        assert await case.table.holders([(free_port, TCP)]) == ()
        (holder,) = await case.table.holders([(free_port, UDP)])
    assert holder.transport is UDP


async def test_holders_answers_for_all_when_several_are_held(
    case: Case, free_ports: Callable[[int], list[int]]
) -> None:
    """One look answers for many ports, and for no other ones."""
    first, second, third = free_ports(3)
    with case.hold(first, "127.0.0.1", TCP), case.hold(second, "::1", TCP), case.hold(third, "127.0.0.1", TCP):
        found = await case.table.holders([(first, TCP), (second, TCP)])
    assert sorted((one.port, one.address) for one in found) == sorted([(first, "127.0.0.1"), (second, "::1")])


async def test_all_listeners_lists_it_when_a_port_is_served(case: Case, free_port: int) -> None:
    """What serves is in the list, which is sorted by port."""
    with case.hold(free_port, "127.0.0.1", TCP):
        found = await case.table.all_listeners()
    assert free_port in [one.port for one in found]
    assert [one.port for one in found] == sorted(one.port for one in found)


@pytest.mark.parametrize("held_on", ["127.0.0.1", "0.0.0.0", "::1", "::"])
@pytest.mark.parametrize("host", ["", "127.0.0.1", "localhost", "::1"])
async def test_is_bindable_is_false_when_localhost_is_held(case: Case, free_port: int, held_on: str, host: str) -> None:
    """Either family of `localhost` counts: a client may reach the wrong server by the other one."""
    port = Port(number=free_port, host=host)
    assert case.table.is_bindable(port)
    with case.hold(free_port, held_on, TCP):
        assert not case.table.is_bindable(port)
    assert case.table.is_bindable(port)


async def test_is_bindable_is_true_when_only_the_other_transport_is_held(case: Case, free_port: int) -> None:
    """A UDP socket keeps nobody from TCP."""
    with case.hold(free_port, "127.0.0.1", UDP):
        assert case.table.is_bindable(Port(number=free_port))
        assert not case.table.is_bindable(Port(number=free_port, transport=UDP))


async def test_listener_pids_names_the_candidate_when_it_listens(case: Case, free_port: int) -> None:
    """Only candidates are named, but that anyone listens is always said."""
    assert case.table.listener_pids(free_port, frozenset({os.getpid()})) == (False, ())
    with case.hold(free_port, "127.0.0.1", TCP):
        assert case.table.listener_pids(free_port, frozenset({os.getpid(), OTHER_PID})) == (True, (os.getpid(),))
        assert case.table.listener_pids(free_port, frozenset({OTHER_PID})) == (True, ())
        assert case.table.listener_pids(free_port, frozenset()) == (True, ())


async def test_find_free_goes_on_when_ports_are_held_or_avoided(case: Case, free_port: int) -> None:
    """Held and avoided numbers are passed over, whatever the transport."""
    with case.hold(free_port, "127.0.0.1", UDP):
        found = case.table.find_free(start=free_port, avoid=frozenset({free_port + 1}))
    assert free_port + 1 < found < EPHEMERAL_START


async def test_find_free_raises_when_nothing_is_left(case: Case) -> None:
    """The ephemeral range is never entered."""
    with pytest.raises(PortHeld):
        case.table.find_free(start=EPHEMERAL_START, avoid=frozenset())


async def test_wait_free_returns_when_the_port_is_let_go(case: Case, free_port: int) -> None:
    """The wait ends with the holder, long before the deadline."""
    freed: list[bool] = []

    async def wait() -> None:
        freed.append(await case.table.wait_free(Port(number=free_port), 5.0))

    with anyio.fail_after(4):
        async with anyio.create_task_group() as tasks:
            with case.hold(free_port, "::1", TCP):
                tasks.start_soon(wait)
                await anyio.sleep(0.02)
                assert freed == []
    assert freed == [True]


async def test_wait_free_gives_up_when_the_deadline_passes(case: Case, free_port: int) -> None:
    """A port that stays held is said to be."""
    with case.hold(free_port, "127.0.0.1", TCP):
        assert not await case.table.wait_free(Port(number=free_port), 0.03)
