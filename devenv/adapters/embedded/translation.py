"""The process that stands in for a container: its command line, environment, port and stop signal.

Computes only, apart from reading which version made the data that are there. Must not know how servers are found or
started. Invariant: the command line holds no secret, and the port in it is a reference, so that a port may still move.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from devenv.adapters.embedded.binaries import Kind, Server, choose_server, has_extension
from devenv.adapters.embedded.commands import (
    Volume,
    find_init_scripts,
    quote_directive,
    read_postgres_settings,
    read_redis_options,
    read_volumes,
)
from devenv.adapters.embedded.data import data_folder
from devenv.adapters.embedded.server import CONFIG_VARIABLE, PASSWORD_VARIABLE
from devenv.domain.model import ContainerRun, Port, ProcessRun, Service, Stop, Transport
from devenv.domain.probe import Probe
from devenv.domain.references import REFERENCE, escape

_PORTS: Mapping[Kind, int] = {"postgres": 5432, "redis": 6379}
_DATA: Mapping[Kind, tuple[str, ...]] = {
    "postgres": ("/var/lib/postgresql", "/bitnami/postgresql", "/home/postgres/pgdata"),
    "redis": ("/data", "/bitnami/redis", "/bitnami/valkey"),
}
_EXTENSIONS = (("vector", "pgvector"), ("postgis", "postgis"), ("timescaledb", "timescaledb"))
_MAJOR = re.compile(r"(?:^|-)pg(\d+)|^v?(\d+)(?:\D|$)")
_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - what the user wrote
_TITLE_SINCE = (6, 2)


class CannotStandIn(Exception):
    """The container asks for something that only a container can do; the text says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """A container, and what was decided for its stand-in."""

    run: ContainerRun
    volumes: tuple[Volume, ...]
    server: Server
    arguments: tuple[str, ...]
    port: str
    hosts: tuple[str, ...]
    is_kept: bool

    def value(self, *names: str) -> str:
        """Return the first of the container's variables that is set."""
        return next((found for name in names if (found := self.run.environment.get(name, ""))), "")

    def process(self, *arguments: str, secrets: Mapping[str, str]) -> ProcessRun:
        """Return the launcher with `arguments`; it gets `secrets` in its environment."""
        launcher = (sys.executable, "-P", "-m", "devenv.adapters.embedded.server", self.server.kind)
        environment = {**self.run.environment, **secrets}
        return ProcessRun(argv=(*launcher, *self.arguments, *arguments), working_dir="/", environment=environment)


def stand_in(
    service: Service, run: ContainerRun, kind: Kind, *, data_root: str, reason: str, servers: Iterable[Server]
) -> tuple[Service, Server]:
    """Return `service` as a process, and the server that it runs; raises CannotStandIn. `servers` is not empty."""
    volumes = read_volumes(run.volumes)
    volume = _data_volume(volumes, kind)
    data = data_folder(data_root, volume=volume, service=service.name, kind=kind)
    extension = next((name for name, image in _EXTENSIONS if image in run.image), "")
    server = choose_server(servers, wanted=_made_by(data) or _read_major(run.image), extension=extension)
    assert server is not None
    ports = _choose_ports(service, kind)
    plan = _Plan(
        run=run,
        volumes=volumes,
        server=server,
        arguments=(
            f"--program={escape(server.program)}",
            f"--data={escape(str(data))}",
            f"--port={_port_text(service, ports)}",
        ),
        port=_port_text(service, ports),
        hosts=tuple(dict.fromkeys(port.host for port in ports)),
        is_kept=bool(volume),
    )
    try:
        process = _run_postgres(plan) if kind == "postgres" else _run_redis(plan)
    except ValueError as error:
        raise CannotStandIn(str(error)) from error
    probes = service.probes or (_prove_login(plan) if kind == "postgres" else ())
    lack = f", without {extension}" if extension and not has_extension(server, extension) else ""
    process = replace(process, stands_in_for=f"{run.image} ({reason}{lack})")
    return replace(service, run=process, ports=ports, probes=probes, stop=_choose_stop(service.stop, kind)), server


def _run_postgres(plan: _Plan) -> ProcessRun:
    if plan.value("POSTGRES_PASSWORD_FILE", "POSTGRESQL_PASSWORD_FILE"):
        raise ValueError("it reads its password from a file inside the container")
    user, database, password = _login(plan)
    is_open = plan.value("ALLOW_EMPTY_PASSWORD").lower() in {"yes", "true", "1"}
    settings = read_postgres_settings(plan.run.command, plan.run.environment, plan.volumes)
    pairs = {
        "--listen": "*" if _EVERYWHERE & {*plan.hosts} else ",".join(plan.hosts),
        "--user": user,
        "--database": database,
        "--auth": plan.value("POSTGRES_HOST_AUTH_METHOD") or ("trust" if is_open else "scram-sha-256"),
        "--initdb-arguments": plan.value("POSTGRES_INITDB_ARGS"),
    }
    scripts = [f"--script={path}" for path in find_init_scripts(plan.volumes)]
    arguments = [f"{name}={value}" for name, value in pairs.items() if value]
    return plan.process(*arguments, *scripts, "--", *settings, secrets={PASSWORD_VARIABLE: password})


def _login(plan: _Plan) -> tuple[str, str, str]:
    """Return user, database and password."""
    user = plan.value("POSTGRES_USER", "POSTGRESQL_USERNAME") or "postgres"
    database = plan.value("POSTGRES_DB", "POSTGRESQL_DATABASE") or user
    return user, database, plan.value("POSTGRES_PASSWORD", "POSTGRESQL_PASSWORD")


def _prove_login(plan: _Plan) -> tuple[Probe, ...]:
    """Return what stands for the image's `pg_isready`: PostgreSQL listens a while before it lets anybody in."""
    from devenv.probes.sql import Sql  # noqa: PLC0415 - whoever only asks what is embedded needs no event loop

    user, database, password = (quote(text.replace("$$", "$"), safe="") for text in _login(plan))
    host = "127.0.0.1" if _EVERYWHERE & {*plan.hosts} else plan.hosts[0]
    place = f"[{host}]" if ":" in host else host
    secret = f":{password}" if password else ""
    return (Sql(value=f"postgresql://{user}{secret}@{place}:{plan.port}/{database}"),)


def _run_redis(plan: _Plan) -> ProcessRun:
    if plan.value("REDIS_PASSWORD_FILE", "VALKEY_PASSWORD_FILE"):
        raise ValueError("it reads its password from a file inside the container")
    options = read_redis_options(plan.run.command, plan.run.environment, plan.volumes)
    everywhere = ("*", "-::*") if plan.server.major >= 7 else ("0.0.0.0",)  # noqa: S104 - what the user wrote
    lines = [quote_directive("bind", *(everywhere if _EVERYWHERE & {*plan.hosts} else plan.hosts))]
    lines.append("protected-mode no")  # as in the image
    if not plan.is_kept and not options.config:
        lines.append('save ""')
    if "bitnami" in plan.run.image and (password := plan.value("REDIS_PASSWORD", "VALKEY_PASSWORD")):
        lines.append(quote_directive("requirepass", password))
    lines += options.lines
    if _version(plan.server) >= _TITLE_SINCE:
        lines.append("set-proc-title no")  # the title would overwrite the marks in its environment
    config = [f"--config={options.config}"] if options.config else []
    return plan.process(*config, secrets={CONFIG_VARIABLE: "\n".join(lines)})


def _data_volume(volumes: Iterable[Volume], kind: Kind) -> str:
    """Return what the container keeps its data in: a name, or a path of this machine; empty for nothing lasting."""
    tops = tuple(f"{top}/" for top in _DATA[kind])
    return next((one.source for one in volumes if one.source and f"{one.target}/".startswith(tops)), "")


def _made_by(data: Path) -> int | None:
    """Return the major version of PostgreSQL that made `data`, which no other can read."""
    try:
        return int((data / "PG_VERSION").read_text())
    except (OSError, ValueError):
        return None


def _read_major(image: str) -> int | None:
    tag = re.search(r":([^/:]*)$", image.partition("@")[0])
    found = _MAJOR.search(tag[1]) if tag else None
    return int(found[1] or found[2]) if found else None


def _version(server: Server) -> tuple[int, ...]:
    return tuple(int(number) for number in server.version.split("."))


def _choose_ports(service: Service, kind: Kind) -> tuple[Port, ...]:
    """Return the one port that a server can listen on, on each address it is published on.

    Where none is published any free one of this machine is taken: there is no container network to be reached by.
    """
    tcp = [port for port in service.ports if port.transport is Transport.TCP]
    main = next((port for port in tcp if port.target == _PORTS[kind]), next(iter(tcp), None))
    if main is None:
        return (Port(number=None, host="127.0.0.1", target=_PORTS[kind]),)
    return tuple(port for port in tcp if port.number == main.number and port.target == main.target)


def _port_text(service: Service, ports: tuple[Port, ...]) -> str:
    """Return a reference where the name allows one: a port in the way may still be moved."""
    reference = f"${{{service.name}.port}}"
    return reference if REFERENCE.fullmatch(reference) else str(ports[0].number)


def _choose_stop(stop: Stop, kind: Kind) -> Stop:
    """Ask PostgreSQL for its fast shutdown, as the image does: TERM would wait until every client has gone."""
    return replace(stop, signal=stop.signal or ("INT" if kind == "postgres" else ""), command=None)
