"""What is to be checked: one service's code, and the database that it works on.

Pure values, complete: whoever has a `Subject` needs neither configuration nor daemon. Invariant: no text in it holds a
reference (`${api.port}`) any more.
"""

import posixpath
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from devenv.domain.database import Database, ServerPlace
from devenv.domain.holders import ProcessId
from devenv.domain.model import ContainerRun, Mark, OnDrift, ProcessRun, SchemaRules, Service, TaskRun
from devenv.domain.references import service_url


@dataclass(frozen=True, slots=True, kw_only=True)
class CodePlace:
    """Where a service's own code can be run: its folder, its whole environment, its program line.

    `container` is the id of the running container that the code lives in, '' on this machine.
    """

    folder: str
    environment: Mapping[str, str] = field(default_factory=dict)
    argv: tuple[str, ...] = ()
    container: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """`rules` are the service's own, resolved; `repository` is the folder that is searched for what has moved.

    `imports` are the SQL files that it loads. `process` is the one that runs its code, None where none does. `servers`
    are the stack's own, by their port on this machine; `server` is the one with the tools of this database, once it is
    known. `flushes` are the key patterns that a migration drops, by the URL of their cache.
    """

    service: str
    rules: SchemaRules
    code: CodePlace
    repository: str
    imports: tuple[str, ...] = ()
    process: ProcessId | None = None
    servers: Mapping[int, ServerPlace] = field(default_factory=dict)
    server: ServerPlace = field(default_factory=ServerPlace)
    flushes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def make_subject(
    service: Service,
    services: Mapping[str, Service],
    environment: Mapping[str, str],
    *,
    root: str,
    containers: Mapping[str, str],
    process: ProcessId | None = None,
) -> Subject:
    """Return the subject of `service`, whose texts are resolved.

    `containers` are the ids of those that run, by service. Code in a container is looked for in the stack's folder: a
    Compose file does not say where it lies on this machine.
    """
    run = service.run
    is_own = isinstance(run, ProcessRun | TaskRun)
    code = CodePlace(
        folder=run.working_dir if isinstance(run, ProcessRun | TaskRun) else root,
        environment=environment,
        argv=run.argv if isinstance(run, ProcessRun | TaskRun) else (),
        container="" if is_own else containers.get(service.name, ""),
    )
    return Subject(
        service=service.name,
        rules=service.schema or SchemaRules(),
        code=code,
        repository=root,
        imports=service.imports,
        process=process,
        servers=find_servers(services, containers),
        flushes=find_flushes(services),
    )


def find_servers(services: Mapping[str, Service], containers: Mapping[str, str]) -> dict[int, ServerPlace]:
    """Return where the servers of a stack have their own tools, by each port on this machine."""
    found: dict[int, ServerPlace] = {}
    for name, service in services.items():
        for port in service.ports:
            if port.number is None:
                continue
            if isinstance(service.run, ContainerRun) and containers.get(name):
                place = ServerPlace(service=name, container=containers[name], inner_port=port.target or port.number)
            elif isinstance(service.run, ProcessRun) and service.run.stands_in_for:
                program = next((word for word in service.run.argv if word.startswith(_PROGRAM)), "")
                place = ServerPlace(service=name, programs=posixpath.dirname(program.removeprefix(_PROGRAM)))
            else:
                continue
            found[port.number] = place
    return found


def find_flushes(services: Mapping[str, Service]) -> dict[str, tuple[str, ...]]:
    """Return the key patterns that a schema change makes worthless, by the URL of their cache."""
    return {
        service.cache.url or service_url(service): tuple(service.cache.prefixes)
        for service in services.values()
        if service.cache is not None and service.cache.flush_on_migrate
    }


def at_server(subject: Subject, database: Database) -> Subject:
    """Return `subject` with the server of its own stack that holds `database`, where one does."""
    is_here = database.host in {"127.0.0.1", "localhost", "::1", "0.0.0.0"}  # noqa: S104 - read, not bound
    return replace(subject, server=subject.servers.get(database.port, ServerPlace())) if is_here else subject


_PROGRAM = "--program="


def encode_subject(subject: Subject) -> dict[str, Any]:
    """Return a subject as plain data, for the process that checks it; holds the environment, secrets included."""
    return asdict(subject)


def decode_subject(data: Mapping[str, Any]) -> Subject:
    """Rebuild the subject that `encode_subject` took apart."""
    rules: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in data["rules"].items()
    }
    rules["on_drift"] = OnDrift(rules["on_drift"])
    rules["mark"] = Mark(**rules["mark"]) if rules["mark"] is not None else None
    code = {**data["code"], "argv": tuple(data["code"]["argv"])}
    return Subject(
        service=data["service"],
        rules=SchemaRules(**rules),
        code=CodePlace(**code),
        repository=data["repository"],
        imports=tuple(data["imports"]),
        process=ProcessId(**data["process"]) if data["process"] is not None else None,
        flushes={url: tuple(patterns) for url, patterns in data["flushes"].items()},
        servers={int(port): ServerPlace(**place) for port, place in data["servers"].items()},
        server=ServerPlace(**data["server"]),
    )
