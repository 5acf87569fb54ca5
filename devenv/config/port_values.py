"""The forms in which services.yaml gives ports: 8000, "8000-8003", "127.0.0.1:8000", auto, or a mapping.

As `values`: what YAML gave to values of the domain, or ValueError with one plain sentence. Invariant: a port has a
number from 1 to 65535, or None for `auto`.
"""

from collections.abc import Callable
from typing import TypeVar

from devenv.config.values import ON_CONFLICT, TRANSPORTS, read_choice, read_plain, say
from devenv.domain.model import OnConflict, Port, Transport

_MAX_RANGE = 200

T = TypeVar("T")


def read_ports(value: object) -> tuple[Port, ...]:
    """Return the port or ports of one entry: 8000, "8000-8003", "127.0.0.1:8000", auto or a mapping with `port`."""
    if isinstance(value, dict):
        return _ports_of_mapping(value)
    if isinstance(value, bool) or value is None or isinstance(value, list | float):
        raise ValueError(f'{say(value)} is not a port; write 8000, "8000-8003" or auto')
    text, transport = _split_transport(read_plain(value).strip())
    host, text = _split_host(text)
    return tuple(Port(number=number, host=host, transport=transport) for number in _numbers(text))


def _ports_of_mapping(value: dict[str, object]) -> tuple[Port, ...]:
    if "port" not in value:
        raise ValueError('needs "port"')
    ports = read_ports(value["port"]) if not isinstance(value["port"], dict) else ()
    if not ports:
        raise ValueError("port must be a number, a range or auto")
    host = _named("host", value, read_plain)
    transport = _named("protocol", value, lambda word: read_choice(word, TRANSPORTS))
    answer = _named("on_conflict", value, lambda word: read_choice(word, ON_CONFLICT))
    return tuple(
        Port(
            number=port.number,
            host=port.host if host is None else _check_host(host),
            transport=transport or port.transport,
            on_conflict=answer or OnConflict.ASK,
        )
        for port in ports
    )


def _named(key: str, value: dict[str, object], read: Callable[[object], T]) -> T | None:
    """Read a key that may be missing; its name is put before what is wrong with it."""
    if value.get(key) is None:
        return None
    try:
        return read(value[key])
    except ValueError as error:
        raise ValueError(f"{key} {error}") from None


def _split_transport(text: str) -> tuple[str, Transport]:
    if "/" not in text:
        return text, Transport.TCP
    text, word = text.rsplit("/", 1)
    return text, read_choice(word, TRANSPORTS)


def _split_host(text: str) -> tuple[str, str]:
    if ":" not in text:
        return "", text
    host, port = text.rsplit(":", 1)
    if host.isdecimal():
        raise ValueError(f'"{text}" maps a port as for a container; a process listens itself, so write {host}')
    return _check_host(host.strip("[]")), port


def _check_host(host: str) -> str:
    import ipaddress  # noqa: PLC0415 - only for ports with an address

    if host in {"", "localhost"}:
        return host and "127.0.0.1"
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise ValueError(f'"{host}" is not an address of this machine; write 127.0.0.1') from None


def _numbers(text: str) -> tuple[int | None, ...]:
    if text == "auto":
        return (None,)
    first, dash, last = text.partition("-")
    if not _is_number(first) or (dash and not _is_number(last)):
        raise ValueError(f'"{text}" is not a port; write 8000, "8000-8003" or auto')
    start, end = int(first), int(last) if dash else int(first)
    for number in (start, end):
        if not 1 <= number <= 65535:
            raise ValueError(
                f"{number} is not a port: ports are 1 to 65535" + ("" if number else ", or auto for a free one")
            )
    if end < start:
        raise ValueError(f"the range {text} ends before it begins")
    if end - start >= _MAX_RANGE:
        raise ValueError(f"the range {text} has more than {_MAX_RANGE} ports")
    return tuple(range(start, end + 1))


def _is_number(text: str) -> bool:
    return text.isdecimal() and text.isascii() and len(text) <= 9
