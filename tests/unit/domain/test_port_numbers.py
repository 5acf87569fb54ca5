"""Which addresses collide, and which number is taken instead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devenv.domain.errors import PortHeld
from devenv.domain.holders import Holder
from devenv.domain.model import Port, Transport
from devenv.domain.port_numbers import AUTO_END, AUTO_START, EPHEMERAL_START, assign_ports, overlaps


def anything_goes(_port: Port) -> bool:
    """Call every port free."""
    return True


@pytest.mark.parametrize(
    ("host", "held_on"),
    [
        ("", "127.0.0.1"), ("", "::1"), ("", "0.0.0.0"), ("", "::"), ("", "192.168.1.5"), ("", "2001:db8::1"),
        ("127.0.0.1", "0.0.0.0"), ("127.0.0.1", "::"), ("127.0.0.1", "::1"), ("127.0.0.1", "::ffff:127.0.0.1"),
        ("localhost", "::1"), ("::1", "127.0.0.1"), ("[::1]", "0.0.0.0"), ("192.168.1.5", "::"), ("::", "10.0.0.1"),
        ("0.0.0.0", "::1"), ("127.0.0.1", ""), ("fe80::1%eth0", "fe80::1"), ("db.local", "10.0.0.1"),
    ],
)  # fmt: skip
def test_overlaps_is_true_when_a_server_or_localhost_would_collide(host: str, held_on: str) -> None:
    """Wildcards meet everything, and the two loopbacks each other."""
    assert overlaps(Port(number=80, host=host), Holder(port=80, address=held_on))


@pytest.mark.parametrize(
    ("host", "held_on"),
    [
        ("127.0.0.1", "192.168.1.5"), ("127.0.0.1", "127.0.0.53"), ("::1", "127.0.0.2"), ("10.0.0.1", "10.0.0.2"),
        ("2001:db8::1", "0.0.0.0"), ("::1", "2001:db8::1"),
    ],
)  # fmt: skip
def test_overlaps_is_false_when_the_addresses_are_apart(host: str, held_on: str) -> None:
    """A server elsewhere is in nobody's way."""
    assert not overlaps(Port(number=80, host=host), Holder(port=80, address=held_on))


def test_overlaps_is_false_when_number_or_transport_differ() -> None:
    """An `auto` port overlaps nothing either."""
    holder = Holder(port=80, address="")
    assert not overlaps(Port(number=81), holder)
    assert not overlaps(Port(number=80, transport=Transport.UDP), holder)
    assert not overlaps(Port(number=None), holder)


def test_assign_ports_keeps_what_has_a_number() -> None:
    """Nothing moves that need not, even where a sticky number is known."""
    wanted = {"api": (Port(number=8000),)}
    assert assign_ports(wanted, sticky={"api": (8001,)}, is_free=anything_goes) == wanted


def test_assign_ports_takes_the_next_free_number_when_a_port_moves() -> None:
    """Past held numbers and past those that other services want."""
    api, web = Port(number=8000), Port(number=8001)
    found = assign_ports(
        {"api": (api,), "web": (web,)},
        move={("api", api)},
        sticky={},
        is_free=lambda port: port.number != 8002,
    )
    assert [port.number for port in (*found["api"], *found["web"])] == [8003, 8001]


def test_assign_ports_takes_the_earlier_number_when_it_is_free() -> None:
    """A moved or `auto` port stays where it was."""
    api = Port(number=8000)
    wanted = {"api": (api, Port(number=None))}
    found = assign_ports(wanted, move={("api", api)}, sticky={"api": (8077, 21_000)}, is_free=anything_goes)
    assert [port.number for port in found["api"]] == [8077, 21_000]


def test_assign_ports_ignores_earlier_numbers_when_the_service_has_other_ports_now() -> None:
    """Positions would not match."""
    found = assign_ports({"api": (Port(number=None),)}, sticky={"api": (1, 2)}, is_free=anything_goes)
    assert found["api"][0].number not in {1, 2}


def test_assign_ports_raises_when_nothing_is_free() -> None:
    """Said as a held port, with what was tried."""
    with pytest.raises(PortHeld, match="for api"):
        assign_ports({"api": (Port(number=None),)}, sticky={}, is_free=lambda _port: False)


@given(
    counts=st.lists(st.integers(0, 3), max_size=6),
    held=st.sets(st.integers(AUTO_START, AUTO_END), max_size=50),
    spread=st.text(max_size=3),
)
def test_assign_ports_never_gives_a_number_twice(counts: list[int], held: set[int], spread: str) -> None:
    """Every `auto` port gets a free number of its own, below the ephemeral range."""
    wanted = {f"s{index}": tuple(Port(number=None) for _ in range(count)) for index, count in enumerate(counts)}
    found = assign_ports(wanted, sticky={}, is_free=lambda port: port.number not in held, spread=spread)
    numbers = [port.number or 0 for ports in found.values() for port in ports]
    assert len(set(numbers)) == len(numbers) == sum(counts)
    assert all(AUTO_START <= number < EPHEMERAL_START and number not in held for number in numbers)
