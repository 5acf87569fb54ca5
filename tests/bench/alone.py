"""The services of the seven by themselves: from the engine's start to the first answer, and how long their end takes.

Uses nothing of devenv or Compose but `create`. Invariant: while one is measured, no other starts, stops or is removed.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.bench.lab import Failed, Lab

WEB = {"api": 8000, "signup": 8002, "docs": 3000, "bouncer": 8080, "web": 5173}


@dataclass(slots=True, kw_only=True)
class Alone:
    """The seconds that each service takes by itself, and (`network`) the removal of their empty network."""

    starts: dict[str, list[float]] = field(default_factory=dict)
    stops: dict[str, list[float]] = field(default_factory=dict)
    removals: dict[str, list[float]] = field(default_factory=dict)
    network: list[float] = field(default_factory=list)

    @property
    def ends(self) -> dict[str, list[float]]:
        """Return stop and removal as one."""
        return {
            name: [stop_s + removal_s for stop_s, removal_s in zip(stops, self.removals[name], strict=True)]
            for name, stops in self.stops.items()
        }


def measure_alone(lab: Lab, folder: Path, more: Mapping[str, str], seen: Alone) -> None:
    """Measure each service by itself: from the engine's start to its first answer, its stop, and its removal."""
    from docker import APIClient

    project = f"{lab.prefix}i"
    lab.run(lab.compose(project, "create"), folder, more)
    client = APIClient(version="auto")
    try:
        rows = client.containers(all=True, filters={"label": f"com.docker.compose.project={project}"})
        found = {row["Labels"]["com.docker.compose.service"]: row["Id"] for row in rows}
        for name in lab.shuffled(found):
            one = found[name]
            _clock(seen.starts, name, lambda one=one, name=name: (client.start(one), _await_answer(client, one, name)))  # type: ignore[misc]
            _clock(seen.stops, name, lambda one=one: client.stop(one))  # type: ignore[misc]
            _clock(seen.removals, name, lambda one=one: client.remove_container(one, v=True))  # type: ignore[misc]
        began = time.monotonic()
        client.remove_network(f"{project}_default")
        seen.network.append(time.monotonic() - began)
    finally:
        client.close()
        lab.clear_project(project)


def _clock(samples: dict[str, list[float]], name: str, action: Callable[[], object]) -> None:
    began = time.monotonic()
    action()
    samples.setdefault(name, []).append(time.monotonic() - began)


def _await_answer(client: Any, container: str, name: str) -> None:
    networks = client.inspect_container(container)["NetworkSettings"]["Networks"]
    address = next(iter(networks.values()))["IPAddress"]
    deadline = time.monotonic() + 30
    while not _answers(address, name):
        if time.monotonic() > deadline:
            raise Failed(f"{name} does not answer")
        time.sleep(0.005)


def _answers(address: str, name: str) -> bool:
    import http.client
    import socket

    import pg8000.dbapi
    import pg8000.exceptions

    try:
        if name == "postgres":
            pg8000.dbapi.connect(user="app", password="app", database="app", host=address, timeout=2).close()
        elif name == "redis":
            with socket.create_connection((address, 6379), 1) as line:
                line.sendall(b"PING\r\n")
                return line.recv(16).startswith(b"+PONG")
        else:
            connection = http.client.HTTPConnection(address, WEB[name], timeout=1)
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
    except (OSError, pg8000.exceptions.Error, http.client.HTTPException):
        return False
    return True


def read_needs(file: Path) -> dict[str, tuple[str, ...]]:
    """Return what each service of a Compose file depends on."""
    services = yaml.safe_load(file.read_text())["services"]
    return {name: tuple(spec.get("depends_on", ())) for name, spec in services.items()}


def find_longest(needs: Mapping[str, Iterable[str]], costs: Mapping[str, float]) -> tuple[float, list[str]]:
    """Return the longest path through the graph, with what it costs."""
    known: dict[str, tuple[float, list[str]]] = {}

    def reach(name: str) -> tuple[float, list[str]]:
        if name not in known:
            before = max((reach(need) for need in needs[name]), default=(0.0, []))
            known[name] = (before[0] + costs[name], [*before[1], name])
        return known[name]

    return max(reach(name) for name in needs)
