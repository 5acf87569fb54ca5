"""Lets Compose services run without Docker: which image an embedded server can stand in for, and as what process.

A service that is translated is an ordinary process from then on. Looks for server programs (2 ms each, blocking: call
it in a worker thread), otherwise only computes. Must not start servers or know engines. Invariant: nothing that a
service asks for is dropped in silence, and no secret stands in a command line.
"""

import os
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from devenv.adapters.embedded.binaries import Kind, Server, find_servers
from devenv.adapters.embedded.translation import CannotStandIn, stand_in
from devenv.domain.errors import HostError
from devenv.domain.model import ContainerRun, Service, Stack

Servers = Mapping[Kind, tuple[Server, ...]]

_IMAGES: Mapping[str, Kind] = {
    **dict.fromkeys(("postgres", "postgresql", "postgis", "pgvector", "timescaledb", "timescaledb-ha"), "postgres"),
    **dict.fromkeys(("redis", "valkey", "redis-stack", "redis-stack-server", "valkey-bundle"), "redis"),
}
_INSTALL = "pip install 'devenv-stack[embedded]'"


def classify_image(image: str) -> Kind | None:
    """Return which server can stand in for `image`, whatever its registry, tag or digest; None for none."""
    without_tag = re.sub(r":[^/:]*$", "", image.partition("@")[0])  # a registry's port stays
    return _IMAGES.get(without_tag.rsplit("/", 1)[-1].lower())


def translate(service: Service, *, data_root: str, reason: str, servers: Servers | None = None) -> Service:
    """Return `service` as a process of this machine; its data live below `data_root` (one for each stack).

    Raises HostError where there is no stand-in. `servers` replaces the search for programs.
    """
    return _translate(service, data_root, reason, servers)[0]


def translate_stack(
    stack: Stack,
    *,
    data_root: str,
    reason: str,
    needed: Collection[str] | None = None,
    servers: Servers | None = None,
) -> Stack:
    """Return `stack` with every container (of those `needed`) replaced, and a note that says so.

    `compose` is None where no container is left. Raises one HostError for all that have no stand-in.
    """
    services, chosen, failures = dict(stack.services), dict[str, Server](), dict[str, HostError]()
    for name, service in stack.services.items():
        if isinstance(service.run, ContainerRun) and (needed is None or name in needed):
            try:
                services[name], chosen[name] = _translate(service, data_root, reason, servers)
            except HostError as error:
                failures[name] = error
    if failures:
        raise _join(failures)
    if not chosen:
        return stack
    compose = stack.compose if any(isinstance(one.run, ContainerRun) for one in services.values()) else None
    return replace(stack, services=services, compose=compose, notes=(*stack.notes, _note(reason, chosen)))


def start_docker() -> str:
    """Return the command that starts Docker on this machine."""
    if sys.platform == "darwin":
        return "open -a Docker"
    command = "systemctl start docker" if Path("/run/systemd/system").exists() else "service docker start"
    return command if os.geteuid() == 0 else f"sudo {command}"


def _translate(service: Service, data_root: str, reason: str, servers: Servers | None) -> tuple[Service, Server]:
    run = service.run
    assert isinstance(run, ContainerRun)
    what = f"cannot run service {service.name} without a Docker engine"
    kind = None if run.builds else classify_image(run.image)
    if kind is None:
        why = "it is built from a Dockerfile" if run.builds else f"its image {run.image} has no embedded stand-in"
        raise HostError(what, why=f"{why}; {reason}", fix=start_docker())
    found = find_servers(kind) if servers is None else servers[kind]
    if not found:
        why = f"there is no {kind} server on this machine to stand in for its image {run.image}; {reason}"
        raise HostError(what, why=why, fix=_INSTALL)
    try:
        return stand_in(service, run, kind, data_root=data_root, reason=reason, servers=found)
    except CannotStandIn as error:
        raise HostError(what, why=f"its image is {run.image}, but {error}; {reason}", fix=start_docker()) from error


def _join(failures: Mapping[str, HostError]) -> HostError:
    if len(failures) == 1:
        return next(iter(failures.values()))
    return HostError(
        f"cannot run services {_and(list(failures))} without a Docker engine",
        why="; ".join(f"{name}: {failure.why.split('; ')[0]}" for name, failure in failures.items()),
        fix=next(iter(failures.values())).fix,
    )


def _note(reason: str, chosen: Mapping[str, Server]) -> str:
    labels = ", ".join(dict.fromkeys(server.label for server in chosen.values()))
    verb = "run as embedded servers" if len(chosen) > 1 else "runs as an embedded server"
    return f"{reason}: {_and(list(chosen))} {verb} ({labels})"


def _and(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
