"""Late values in texts: `${api.port}`, `${api.url}` and `$$`.

Environment variables are replaced when a file is read; references to services wait until the ports are known.
Invariant: after `resolve` no text of a service holds a reference, and `$$` has become `$`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

from devenv.domain.model import ContainerRun, ExternalRun, Port, Service, Transport

REFERENCE = re.compile(r"\$\$|\$\{(?P<service>[A-Za-z0-9_-]+)\.(?P<field>port|url)\}")

T = TypeVar("T")


def escape(text: str) -> str:
    """Protect `text` from `substitute`: the value of a variable is never read as a reference."""
    return text.replace("$", "$$")


def find_references(text: str) -> list[tuple[str, str]]:
    """Return the (service, field) pairs that `text` refers to, in order."""
    return [(found["service"], found["field"]) for found in REFERENCE.finditer(text) if found["service"]]


def substitute(text: str, lookup: Callable[[str, str], str]) -> str:
    """Replace the references in `text`; `lookup(service, field)` gives each value."""
    return REFERENCE.sub(lambda found: lookup(found["service"], found["field"]) if found["service"] else "$", text)


def resolve(service: Service, services: Mapping[str, Service]) -> Service:
    """Return `service` with every reference in its texts replaced by the ports and addresses in `services`.

    Ports must have numbers by now. Raises KeyError for a reference that the configuration should have refused.
    """
    return _deep(service, lambda text: substitute(text, lambda name, field: _look_up(services[name], field)))


def resolve_texts(texts: Mapping[str, str], services: Mapping[str, Service]) -> dict[str, str]:
    """Return `texts` with every reference replaced; one to a service that is not among `services` becomes empty."""

    def lookup(name: str, field: str) -> str:
        return _look_up(services[name], field) if name in services else ""

    return {name: substitute(text, lookup) for name, text in texts.items()}


def first_port(service: Service) -> int:
    """Return the port that `${service.port}` means: the first TCP one, else the first."""
    tcp = [port.number for port in service.ports if port.transport is Transport.TCP]
    numbers = [number for number in (tcp or [port.number for port in service.ports]) if number is not None]
    return numbers[0]


def service_url(service: Service) -> str:
    """Return where a client on this machine reaches `service`; empty where it has no port."""
    if isinstance(service.run, ExternalRun):
        return service.run.url
    if not service.ports:
        return ""
    port = next((port for port in service.ports if port.transport is Transport.TCP), service.ports[0])
    return f"{_scheme(service, port)}://{_client_host(port)}:{first_port(service)}"


def shown_url(service: Service) -> str:
    """Return `service_url` as it may be shown: without a password, and without a query, which may hold one."""
    return _PASSWORD.sub(r"//\1@", service_url(service)).partition("?")[0]


_PASSWORD = re.compile(r"//([^/@:]*):[^/]*@")


def _look_up(service: Service, field: str) -> str:
    return service_url(service) if field == "url" else str(first_port(service))


_SCHEMES = {5432: "postgresql", 3306: "mysql", 6379: "redis", 27017: "mongodb", 5672: "amqp", 9092: "kafka"}


def _scheme(service: Service, port: Port) -> str:
    if port.transport is Transport.UDP:
        return "udp"
    inside = port.target if isinstance(service.run, ContainerRun) else port.number
    known = _SCHEMES.get(inside or 0)
    if known is None and port.target is not None:
        known = _SCHEMES.get(port.target)
    return known or "http"


def _client_host(port: Port) -> str:
    if port.host in {"", "0.0.0.0", "::", "localhost"}:  # noqa: S104 - read, not bound
        return "127.0.0.1"
    return f"[{port.host}]" if ":" in port.host else port.host


def _deep(value: T, change: Callable[[str], str]) -> T:
    """Apply `change` to every text inside `value`: dataclasses, tuples and mappings are walked."""
    result: Any = value
    if isinstance(value, str) and not isinstance(value, StrEnum):
        result = change(value)
    elif is_dataclass(value) and not isinstance(value, type):
        changed = {item.name: _deep(getattr(value, item.name), change) for item in fields(value) if item.init}
        result = replace(value, **changed)
    elif isinstance(value, tuple):
        result = tuple(_deep(item, change) for item in value)
    elif isinstance(value, Mapping):
        result = {key: _deep(item, change) for key, item in value.items()}
    return result  # type: ignore[no-any-return]
