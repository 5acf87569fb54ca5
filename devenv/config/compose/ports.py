"""Compose's short forms of ports to the long one: "8080:80", "127.0.0.1:9000-9002:90-92/udp", "443".

As `compose_forms`: raises ValueError with one plain sentence. Invariant: one long port for each port of the container;
a range of published ports for one of them stays a range, from which the engine takes one.
"""

import re

from devenv.config.compose.values import Spec, read_whole, scalar_text
from devenv.config.values import list_one

_PORT = re.compile(
    r"(?:(?P<host>\[[^\]]*\]|[^:]*):)?(?:(?P<published>[\d-]*):)?(?P<target>[\d-]+)(?:/(?P<protocol>\w+))?"
)


def read_ports(value: object) -> list[Spec]:
    """Return all ports of a service in their long form."""
    return [port for item in list_one(value) for port in _port(item)]


def _port(item: object) -> list[Spec]:
    if isinstance(item, dict):
        port: Spec = {"mode": "ingress", "protocol": "tcp", **item, "target": read_whole(item.get("target"))}
        _check_port(str(port["target"]))
        if port.get("published") is not None:
            port["published"] = scalar_text(port["published"])
            for end in str(port["published"]).split("-"):
                _check_port(end)
        return [port]
    text = scalar_text(item)
    found = _split_port(text)
    if found is None:
        raise ValueError(f'"{text}" is not a port; write "8080:80"')
    return _expand_port(text, *found)


def _split_port(text: str) -> tuple[str, str, str, str] | None:
    """Return host, published, target and protocol."""
    found = _PORT.fullmatch(text)
    if found is None:
        return None
    host, published = found["host"] or "", found["published"]
    if published is None and re.fullmatch(r"[\d-]+", host):
        host, published = "", host
    return host.strip("[]"), published or "", found["target"], found["protocol"] or "tcp"


def _expand_port(text: str, host: str, published: str, target: str, protocol: str) -> list[Spec]:
    targets, sources = _range(target), _range(published) if published else []
    if sources and len(targets) > 1 and len(sources) != len(targets):
        raise ValueError(f'"{text}" pairs {len(sources)} ports with {len(targets)}')
    ports: list[Spec] = []
    for index, number in enumerate(targets):
        port: Spec = {"mode": "ingress", "target": number, "protocol": protocol}
        if host:
            port["host_ip"] = host
        if sources:
            port["published"] = published if len(targets) == 1 else str(sources[index])
        ports.append(port)
    return ports


def _range(text: str) -> list[int]:
    first, dash, last = text.partition("-")
    start = _check_port(first)
    end = _check_port(last) if dash else start
    if end < start or end - start > 1000:
        raise ValueError(f'"{text}" is not a range of ports')
    return list(range(start, end + 1))


def _check_port(text: str) -> int:
    if not text.isdecimal() or not text.isascii() or not 0 <= int(text[:9]) <= 65535 or len(text) > 9:
        raise ValueError(f"{text} is not a port: ports are 1 to 65535")
    return int(text)
