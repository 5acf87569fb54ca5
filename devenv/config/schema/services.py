"""The keys of services.yaml that say what runs: the stack's own, and those of a service.

Only shapes: what holds between keys is checked where they are put together.
"""

from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, cast

from pydantic import BeforeValidator, Field, PlainValidator, TypeAdapter, ValidationError, WithJsonSchema

from devenv.config import shapes, values
from devenv.config.mistakes import Mistake, explain_union, unknown_key
from devenv.config.port_values import read_ports
from devenv.config.schema.fields import Argv, Duration, Flag, Input, PlainText, Text, Texts
from devenv.domain.model import Condition, EngineChoice, OnDrift, Port, Restart
from devenv.domain.probe import Probe

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Variables = Annotated[dict[str, str | None], PlainValidator(values.read_variables), WithJsonSchema(shapes.ENVIRONMENT)]
ConditionWord = Annotated[
    Condition, PlainValidator(values.read_condition), WithJsonSchema({"enum": list(values.CONDITIONS)})
]


class StopInput(Input):
    """`stop:` how a service is ended."""

    signal: (
        Annotated[
            str,
            PlainValidator(values.read_signal),
            WithJsonSchema({"enum": [*values.SIGNALS, *(f"SIG{s}" for s in values.SIGNALS)]}),
        ]
        | None
    ) = Field(None, description="The gentle signal that is sent first: the container's own, or TERM, by default.")
    grace: Duration = Field(10.0, description="How long the service has to end before it is killed.")
    command: Argv | None = Field(None, description="A command that ends the service, run before the signal.")


class PortInput(Input):
    """The long form of an entry of `ports:`; read by `read_ports`, here for unknown keys and the schema."""

    port: Annotated[object, WithJsonSchema({"type": ["integer", "string"]})] = Field(
        description="The port, a range of ports, or auto for any free one."
    )
    host: Annotated[object, WithJsonSchema({"type": "string"})] = Field(None, description="The address to listen on.")
    on_conflict: Annotated[object, WithJsonSchema({"enum": list(values.ON_CONFLICT)})] = Field(
        "ask", description="What `up` does when a stranger has the port: ask, free it, move to another, or fail."
    )
    protocol: Annotated[object, WithJsonSchema({"enum": list(values.TRANSPORTS)})] = Field(
        "tcp", description="tcp or udp."
    )


class SchemaInput(Input):
    """`schema:` how the service's database is held against its code; what is left out is found."""

    database: Text | None = Field(None, description="The database's URL; found in the service's own environment.")
    models: PlainText | None = Field(
        None, description="module:attribute (SQLAlchemy), or the path of schema.prisma, alembic.ini or manage.py."
    )
    migrations: PlainText | None = Field(None, description="The migration tool's name, or the folder of its files.")
    migrate: Argv | None = Field(None, description="The command that brings the database up to date.")
    auto_migrate: Flag = Field(default=False, description="Whether `up` runs `migrate`, after a snapshot.")
    ignore: Texts = Field((), description="Tables to leave out, as globs: audit_*.")
    accept: PlainText | None = Field(None, description="A YAML file with the ids of intended differences.")
    on_drift: (
        Annotated[
            OnDrift,
            PlainValidator(partial(values.read_choice, choices=values.ON_DRIFT)),
            WithJsonSchema({"enum": list(values.ON_DRIFT)}),
        ]
        | None
    ) = Field(None, description="Whether drift fails the service, or is only said: fail or warn.")


class CacheInput(Input):
    """`cache:` what a Redis-like cache may hold."""

    url: Text | None = Field(None, description="The cache's URL; the service's own address by default.")
    prefixes: Annotated[
        dict[str, float | None], PlainValidator(values.read_prefixes), WithJsonSchema(shapes.PREFIXES)
    ] = Field({}, description="The longest time to live by key pattern, such as booking:*: 1h; any: whatever it is.")
    flush_on_migrate: Flag = Field(default=False, description="Whether a migration drops the declared keys.")


class EnvInput(Input):
    """`env:` what `devenv check` asks of variables."""

    required: Texts = Field((), description="Variables that must have a value.")
    forbidden: Annotated[
        dict[str, tuple[str, ...]], PlainValidator(values.read_forbidden), WithJsonSchema(shapes.FORBIDDEN)
    ] = Field({}, description="Values that a variable must not have; without a value: the variable must not be set.")
    secrets: Texts = Field((), description="Further variables that must not have default or weak values.")
    example: PlainText | None = Field(None, description="The file whose values are placeholders; .env.example.")


class DependencyInput(Input):
    """The long form of an entry of `depends_on:`."""

    condition: ConditionWord | None = Field(None, description="What to wait for: ready, started or completed.")
    required: Flag = Field(default=True, description="Whether this service cannot start without the other one.")


def _port(value: object) -> tuple[Port, ...]:
    if isinstance(value, dict):
        PortInput.model_validate(value)
    return read_ports(value)


Ports = Annotated[
    tuple[Annotated[tuple[Port, ...], PlainValidator(_port)], ...],
    BeforeValidator(values.list_one),
    WithJsonSchema({"anyOf": [*shapes.PORT["anyOf"], {"type": "array", "items": shapes.PORT}]}),
]
Edges = Annotated[
    dict[str, Annotated[DependencyInput, BeforeValidator(values.map_edge)]],
    BeforeValidator(values.map_edges),
    WithJsonSchema(shapes.EDGES),
]


class ServiceInput(Input):
    """One entry of `services:`."""

    nested: ClassVar[Mapping[str, type[Input]]] = {
        "ports": PortInput,
        "depends_on": DependencyInput,
        "stop": StopInput,
        "schema": SchemaInput,
        "cache": CacheInput,
        "env": EnvInput,
    }

    command: Argv | None = Field(
        None, description="A dev server: text for the shell, or a list of program and arguments."
    )
    task: Argv | None = Field(None, description="A command that runs once per `up`; success is `completed`.")
    external: Text | None = Field(None, description="The URL of something that runs elsewhere and is only checked.")
    working_dir: PlainText | None = Field(
        None, description="Where the command runs, relative to this file; its folder by default."
    )
    ports: Ports = Field((), description="The ports that the service listens on; the first is its PORT.")
    environment: Variables = Field({}, description="Variables for this service; no value means the user's own.")
    env_file: Texts = Field((), description="Files with KEY=value lines for this service.")
    depends_on: Edges = Field({}, description="What must be ready, started or completed before this starts.")
    ready: Annotated[object, WithJsonSchema(shapes.later("Ready"))] = Field(
        None, description="What proves that the service is usable; with a port, its port by default."
    )
    restart: (
        Annotated[
            Restart,
            PlainValidator(partial(values.read_choice, choices=values.RESTARTS)),
            WithJsonSchema({"enum": list(values.RESTARTS)}),
        ]
        | None
    ) = Field(None, description="When the service is started again after it ended: no, on-failure or always.")
    stop: StopInput | None = Field(None, description="How the service is ended.")
    profiles: Texts = Field((), description="The service takes part only with one of these profiles chosen.")
    schema_: Annotated[SchemaInput | None, BeforeValidator(values.map_switch), WithJsonSchema(shapes.SCHEMA)] = Field(
        None, alias="schema", description="Holds the service's database against its code before it is ready."
    )
    import_: Texts = Field(
        (), alias="import", description="SQL files that the task loads; it waits for the tables that they write to."
    )
    cache: CacheInput | None = Field(None, description="What this Redis-like cache may hold.")
    env: EnvInput | None = Field(None, description="What `devenv check` asks of the service's variables.")


class StackInput(Input):
    """services.yaml."""

    nested: ClassVar[Mapping[str, type[Input]]] = {"env": EnvInput}

    name: Annotated[str, PlainValidator(values.read_project_name), WithJsonSchema({"type": "string"})] | None = Field(
        None, description="The stack's name; the folder's name by default."
    )
    compose: Texts = Field((), description="Compose files whose services join the stack under their own names.")
    env_file: Texts = Field(
        (), description="Files with KEY=value lines: for ${VAR} in this file, and for all processes."
    )
    engine: (
        Annotated[
            EngineChoice,
            PlainValidator(partial(values.read_choice, choices=values.ENGINES)),
            WithJsonSchema({"enum": list(values.ENGINES)}),
        ]
        | None
    ) = Field(None, description="Where Compose services run: auto (Docker, else embedded), docker or embedded.")
    environment: Variables = Field({}, description="Variables for all processes and tasks.")
    env: EnvInput | None = Field(None, description="What `devenv check` asks of every service's variables.")
    git: Annotated[object, WithJsonSchema(shapes.later("GitInput"))] = Field(
        None, description="What `up` and `sync` do with the git repositories."
    )
    clean: Annotated[object, WithJsonSchema(shapes.later("CleanInput"))] = Field(
        None, description="What `down --prune` and `prune` may remove, and how long logs may grow."
    )
    services: Annotated[
        object, WithJsonSchema({"type": "object", "additionalProperties": shapes.later("ServiceInput")})
    ] = Field(None, description="The services by name.")


NOTHING_READ = ServiceInput.model_validate({})


def read_probe(kind: type[Probe], options: Mapping[str, object]) -> Probe | list[Mistake]:
    """Build a probe from `value` and options, or say what is wrong with them."""
    known = option_names(kind)
    mistakes = [unknown_key((name,), known) for name in options if name not in {"value", *known}]
    try:
        probe = TypeAdapter(kind).validate_python(
            {name: options[name] for name in options if name in {"value", *known}}
        )
    except ValidationError as error:
        return mistakes + explain_union([{**detail} for detail in error.errors(include_url=False)])
    return mistakes or probe


def option_names(kind: type[Probe]) -> tuple[str, ...]:
    """Return the names of a probe's options, its own value left out."""
    return tuple(
        item.name for item in fields(cast("type[DataclassInstance]", kind)) if item.init and item.name != "value"
    )
