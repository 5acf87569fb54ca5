"""The engine's JSON as our values.

Must not call the engine. Invariant: a field that an engine leaves out (Podman, old and new versions) reads as empty,
never as a failure; a container's own address is given only where this machine has a direct way to it.
"""

import ipaddress
import re
import socket
from collections.abc import Mapping

from devenv.app.ports import Container, Inspection
from devenv.domain.holders import ContainerFacts
from devenv.domain.model import Transport

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ONE_OFF = "com.docker.compose.oneoff"
CONFIG_HASH = "com.docker.compose.config-hash"
WORKING_DIR = "com.docker.compose.project.working_dir"

_EXITED = re.compile(r"^(?:Exited|Dead|Restarting) \((-?\d+)\)")
_DISCARD_PORT = 9


def dig(raw: object, *path: str) -> object:
    """Return what lies at `path`, None where there is nothing."""
    for key in path:
        raw = raw.get(key) if isinstance(raw, Mapping) else None
    return raw


def read_text(raw: object, *path: str) -> str:
    """Return the text at `path`, ''."""
    found = dig(raw, *path)
    return found if isinstance(found, str) else ""


def read_number(raw: object, *path: str) -> int:
    """Return the whole number at `path`, 0."""
    found = dig(raw, *path)
    return found if isinstance(found, int) else 0


def read_map(raw: object, *path: str) -> Mapping[str, object]:
    """Return the object at `path`, empty where there is none."""
    found = dig(raw, *path)
    return found if isinstance(found, Mapping) else {}


def read_rows(raw: object, *path: str) -> tuple[object, ...]:
    """Return the array at `path`, empty where there is none."""
    found = dig(raw, *path)
    return tuple(found) if isinstance(found, list) else ()


def read_words(raw: object, *path: str) -> tuple[str, ...]:
    """Return the array of texts at `path`."""
    return tuple(str(word) for word in read_rows(raw, *path))


def read_container(raw: object) -> Container | None:
    """Return a row of the engine's list, None for a container of `docker compose run`."""
    labels = read_map(raw, "Labels")
    if read_text(labels, ONE_OFF).lower() == "true":
        return None
    ended = _EXITED.match(read_text(raw, "Status"))
    return Container(
        id=read_text(raw, "Id"),
        service=read_text(labels, SERVICE),
        name=read_name(raw),
        state=read_text(raw, "State"),
        image_id=read_text(raw, "ImageID"),
        exit_code=int(ended[1]) if ended else None,
        config_hash=read_text(labels, CONFIG_HASH),
        volumes=_read_volumes(raw),
    )


def _read_volumes(raw: object) -> tuple[str, ...]:
    mounts = [mount for mount in read_rows(raw, "Mounts") if read_text(mount, "Type") == "volume"]
    return tuple(sorted(name for mount in mounts if (name := read_text(mount, "Name"))))


def read_publishers(raw: object) -> dict[tuple[int, Transport], ContainerFacts]:
    """Return the host ports that a row of the engine's list publishes, with who it is."""
    labels = read_map(raw, "Labels")
    facts = ContainerFacts(
        id=read_text(raw, "Id"),
        name=read_name(raw),
        image=read_text(raw, "Image"),
        project=read_text(labels, PROJECT),
        service=read_text(labels, SERVICE),
        working_dir=read_text(labels, WORKING_DIR),
    )
    ports = [port for port in read_rows(raw, "Ports") if read_number(port, "PublicPort")]
    return {
        (read_number(port, "PublicPort"), Transport(read_text(port, "Type"))): facts
        for port in ports
        if read_text(port, "Type") in set(Transport)
    }


def read_inspection(raw: object, network_owner: object | None = None) -> Inspection:
    """Return what an inspection says; `network_owner` is that of the container whose network it shares, if so."""
    state = read_map(raw, "State")
    running = bool(state.get("Running")) and not state.get("Restarting")
    ended = not running and read_text(state, "Status") not in {"created", ""}
    address, published = find_address(raw if network_owner is None else network_owner)
    return Inspection(
        id=read_text(raw, "Id"),
        running=running,
        restarting=bool(state.get("Restarting")),
        pid=read_number(state, "Pid"),
        address=address if running else "",
        published=published,
        exit_code=read_number(state, "ExitCode") if ended else None,
        health_test=read_health_test(raw),
        restart_count=read_number(raw, "RestartCount"),
        error=read_text(state, "Error"),
        targets=_read_targets(raw if network_owner is None else network_owner),
        started_at=read_text(state, "StartedAt"),
    )


def read_health_test(raw: object) -> tuple[str, ...]:
    """Return the effective health check as a command line, () for none."""
    test = read_words(raw, "Config", "Healthcheck", "Test")
    match test:
        case ("CMD", *argv):
            return tuple(argv)
        case ("CMD-SHELL", command):
            shell = read_words(raw, "Config", "Shell") or ("/bin/sh", "-c")
            return (*shell, command)
        case _:
            return ()


def shares_network_of(raw: object) -> str:
    """Return the id of the container whose network this one uses, '' for its own."""
    mode = read_text(raw, "HostConfig", "NetworkMode")
    return mode.removeprefix("container:") if mode.startswith("container:") else ""


def find_address(raw: object) -> tuple[str, bool]:
    """Return a container's address as seen from this machine, and whether only its published side can be reached."""
    if read_text(raw, "HostConfig", "NetworkMode") == "host":
        return "127.0.0.1", False
    for network in read_map(raw, "NetworkSettings", "Networks").values():
        address = read_text(network, "IPAddress")
        if address and is_on_link(address, read_number(network, "IPPrefixLen")):
            return address, False
    return "", True


def is_on_link(address: str, prefix: int) -> bool:
    """Tell whether this machine has an address in the network of `address`: its bridge is here. Sends nothing."""
    try:
        network = ipaddress.ip_network(f"{address}/{prefix}", strict=False)
        family = socket.AF_INET if network.version == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.connect((address, _DISCARD_PORT))  # of a datagram socket: only a look at the routes
            return ipaddress.ip_address(asked.getsockname()[0]) in network
    except (OSError, ValueError):
        return False


def _read_targets(raw: object) -> dict[int, int]:
    """Map host ports to container ports; of two transports on one number TCP wins."""
    targets: dict[int, int] = {}
    ports = read_map(raw, "NetworkSettings", "Ports")
    for key in sorted(ports, key=lambda key: key.endswith("/tcp")):
        number = int(key.partition("/")[0])
        targets |= {int(read_text(binding, "HostPort")): number for binding in read_rows(ports, key)}
    return targets


def read_name(raw: object) -> str:
    """Return the name of a row of the engine's list."""
    names = read_words(raw, "Names")
    return names[0].lstrip("/") if names else ""
