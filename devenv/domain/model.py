"""The stack as values: services, how they run, what they need.

Built by `devenv.config`, read by everyone. Texts of a service (command, environment, probe fields) may still hold
references such as `${api.port}` and the escape `$$`; `devenv.domain.references.resolve` replaces them once the
ports are known. Invariant: values are frozen, and a `Stack` that exists is consistent (every dependency defined, no
cycle, no two services on one port).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import ClassVar

from devenv.domain.cleaning import CleanRules, LogRules
from devenv.domain.git_rules import GitRules
from devenv.domain.probe import Probe


class Condition(StrEnum):
    """What a dependent waits for."""

    STARTED = "started"
    READY = "ready"
    COMPLETED = "completed"


class Transport(StrEnum):
    """A port's protocol."""

    TCP = "tcp"
    UDP = "udp"


class OnConflict(StrEnum):
    """What `up` may do when a port is held by something that is not ours."""

    ASK = "ask"
    FREE = "free"
    MOVE = "move"
    FAIL = "fail"


class Restart(StrEnum):
    """When a service that ended is started again."""

    NO = "no"
    ON_FAILURE = "on-failure"
    ALWAYS = "always"


class OnDrift(StrEnum):
    """What a database that differs from the code means for "ready"."""

    FAIL = "fail"
    WARN = "warn"


class EngineChoice(StrEnum):
    """Where Compose services run."""

    AUTO = "auto"
    DOCKER = "docker"
    EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A place in a file, counted from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port that a service listens on.

    `number` is the port on this machine, None where any free one will do (`auto`). `host` is the address it is
    published on, empty for all. `target` is the port inside the container, None for a process.
    """

    number: int | None
    host: str = ""
    target: int | None = None
    transport: Transport = Transport.TCP
    on_conflict: OnConflict = OnConflict.ASK
    mark: Mark | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """An edge: `service` must meet `condition` first; one that is not `required` may fail or be missing."""

    service: str
    condition: Condition = Condition.READY
    required: bool = True
    mark: Mark | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """How a service is ended: `signal` first, the hard one after `grace_s` seconds.

    An empty `signal` is the service's own: what the container asks for, TERM for a process.
    """

    signal: str = ""
    grace_s: float = 10.0
    command: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCommand:
    """The health check that a Compose service declares (images may declare one too; the engine knows)."""

    test: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRun:
    """A Compose service. `spec_hash` changes when anything in its Compose definition does.

    `environment` and `volumes` (`name or path:target`) are kept for the embedded servers, which honour them.
    """

    kind: ClassVar[str] = "container"
    image: str
    builds: bool = False
    spec_hash: str = ""
    health: HealthCommand | None = None
    container_name: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRun:
    """A dev server: `argv` runs in `working_dir` (absolute) with `environment` added to the user's own."""

    kind: ClassVar[str] = "process"
    argv: tuple[str, ...]
    working_dir: str
    environment: Mapping[str, str] = field(default_factory=dict)
    stands_in_for: str = ""
    """The image that an embedded server stands in for, with its reason; empty for the user's own processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    """A command that runs once per `up` and completes."""

    kind: ClassVar[str] = "task"
    argv: tuple[str, ...]
    working_dir: str
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalRun:
    """Something that runs elsewhere; we only check it."""

    kind: ClassVar[str] = "external"
    url: str


Run = ContainerRun | ProcessRun | TaskRun | ExternalRun


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaRules:
    """How a service's database is held against its code; what is empty is found in the service's own files.

    `database` is a URL. `models` is `module:attribute`, or the path of a schema.prisma, alembic.ini or manage.py.
    `migrations` names a tool, or the folder of its files. `migrate` is the command that mends the database, and
    `auto_migrate` lets `up` run it. `ignore` holds globs of table names; `accepted` are the ids of intended differences
    (globs too), read from the file `accept`.
    """

    database: str = ""
    models: str = ""
    migrations: str = ""
    migrate: tuple[str, ...] = ()
    auto_migrate: bool = False
    ignore: tuple[str, ...] = ()
    accept: str = ""
    accepted: tuple[str, ...] = ()
    on_drift: OnDrift = OnDrift.FAIL
    mark: Mark | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRules:
    """What a Redis-like cache may hold: the longest TTL in seconds by key pattern (`booking:*`), None for any TTL.

    `url` is empty for the service's own address; `flush_on_migrate` drops the declared keys after a migration.
    """

    url: str = ""
    prefixes: Mapping[str, float | None] = field(default_factory=dict)
    flush_on_migrate: bool = False
    mark: Mark | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentRules:
    """What `devenv check` asks of the variables that a service gets.

    `required` must have a value; `forbidden` maps a variable to the values that it must not have, none for any;
    `placeholders` are the values of the file `example` (an `.env.example`); `secrets` are further variables that are
    held to the rules for passwords.
    """

    required: tuple[str, ...] = ()
    forbidden: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    example: str = ""
    placeholders: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A node of the graph. `ready_timeout_s` is how long its gate may take after its start."""

    name: str
    run: Run
    ports: tuple[Port, ...] = ()
    depends_on: tuple[Dependency, ...] = ()
    probes: tuple[Probe, ...] = ()
    ready_timeout_s: float = 60.0
    restart: Restart = Restart.NO
    stop: Stop = field(default_factory=Stop)
    profiles: tuple[str, ...] = ()
    schema: SchemaRules | None = None
    """None where nothing is asked of its database."""
    imports: tuple[str, ...] = ()
    """Absolute paths of the SQL files that a task loads."""
    cache: CacheRules | None = None
    env: EnvironmentRules | None = None
    mark: Mark | None = None

    @property
    def kind(self) -> str:
        """Return how it runs, in one word: container, process, task or external."""
        return self.run.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeProject:
    """The Compose side of a stack: what `docker compose` is called with.

    `model` is the resolved project as `docker compose config --format json` prints it. `environment` holds what its
    files were interpolated with.
    """

    name: str
    files: tuple[str, ...]
    directory: str
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    model: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The whole file. `root` is the folder of its first file; `files` is everything that was read.

    `services` holds only those that the chosen profiles enable, in the order of the files.
    """

    name: str
    root: str
    files: tuple[str, ...]
    services: Mapping[str, Service]
    compose: ComposeProject | None = None
    engine: EngineChoice = EngineChoice.AUTO
    environment: Mapping[str, str] = field(default_factory=dict)
    env: EnvironmentRules | None = None
    """What is asked of `variables`, beside what single services ask of theirs."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Everything that `${VAR}` may mean: the user's environment over the env files."""
    git: GitRules | None = None
    clean: CleanRules | None = None
    notes: tuple[str, ...] = ()
    """What was left out or decided while reading, one sentence each; always shown."""

    @property
    def log_rules(self) -> LogRules:
        """Return when logs are rotated."""
        return self.clean.logs if self.clean else LogRules()


def fingerprint(service: Service, inherited: Mapping[str, str] | None = None) -> str:
    """Return a hash that changes when a running `service` would have to be recreated.

    `inherited` is what it is told of its dependencies: a moved port changes it. Probes, dependencies, restart and stop
    settings take effect without a new start, and so do not count.
    """
    run = asdict(service.run)
    if isinstance(service.run, ContainerRun):
        run = {"spec": service.run.spec_hash, "image": service.run.image}
    ports = [(port.number, port.host, port.target, port.transport) for port in service.ports]
    text = json.dumps([service.kind, run, ports, dict(inherited or {})], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
