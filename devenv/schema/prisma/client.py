"""The generated Prisma client against schema.prisma, and against the process that has loaded it.

Every generated client holds the text of the schema that it was made from; both are parsed, so that formatting and
comments do not count. Must not know node. Invariant: one cause is one finding, the first that has to be mended:
missing, then stale, then newer than the process.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devenv.domain.findings import Finding, Severity, Topic
from devenv.schema.ports import CannotLook
from devenv.schema.prisma.locate import climb, find_prisma_schema, read_package
from devenv.schema.prisma.model import (
    Argument,
    Attribute,
    Call,
    Field,
    Generator,
    Model,
    PrismaEnum,
    PrismaSchema,
    Value,
    Word,
)
from devenv.schema.prisma.parser import parse_prisma, read_prisma

_PROVIDERS = frozenset({"prisma-client-js", "prisma-client"})
_PACKAGE = "@prisma/client"
# Where a client keeps its schema: `prisma-client-js`, then `prisma-client` (ts, mts or cts), then the copy beside it.
_CLIENT_FILES = ("index.js", "internal/class.*", "client.*", "schema.prisma")
_SCHEMA_KEY = re.compile(r'"inlineSchema"\s*:\s*(?=")')
_VERSION = re.compile(r'"clientVersion"\s*:\s*"([^"]+)"')
_MOST_NAMED = 3
_OWN_GENERATE_S = 120.0  # `npm run dev` may generate first: the process is then older than the client that it loads
_START_SCRIPTS = ("dev", "start", "serve", "predev", "prestart")
_GENERATING = re.compile(r"generate|migrate dev|db push")
_NOT_IN_CLIENT = frozenset({"index", "fulltext"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One way in which the client is not what the schema says; `place` is in the schema, where there is one."""

    text: str
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Client:
    """A generated client: the file that has the schema's text, and who made it."""

    file: Path
    schema: PrismaSchema
    version: str


def check_client(schema_path: Path, folder: Path, *, process_started: float | None) -> tuple[Finding, ...]:
    """Hold the clients that the code of `folder` loads against the schema.

    `process_started` (UTC seconds) is when the process that loaded them began. Nothing is found where no package.json
    depends on @prisma/client, or where that is not installed: this is for the check of dependencies to say. Raises
    CannotLook where the schema cannot be read.
    """
    roots = (folder, schema_path if schema_path.is_dir() else schema_path.parent)
    if not _depends_on_client(roots):
        return ()
    installed = _find_package(roots)
    if installed is None:
        return ()
    schema = read_prisma(schema_path)
    generators = [generator for generator in schema.generators if generator.provider in _PROVIDERS]
    findings: list[Finding] = []
    for generator in generators:
        check = _Check(schema_path, folder, schema, f":{generator.name}" if len(generators) > 1 else "")
        findings += check.run(_output(generator, installed), _version_of(installed), process_started)
    return tuple(findings)


def list_changes(generated: PrismaSchema, wanted: PrismaSchema) -> tuple[Change, ...]:
    """Return what the schema has and the client does not, what differs, and what only the client has."""
    return (
        *_compare_models(generated, wanted),
        *_compare_enums(generated, wanted),
        *_compare_providers(generated, wanted),
    )


class _Check:
    """The checks of one client, and the words that they share."""

    def __init__(self, schema_path: Path, folder: Path, schema: PrismaSchema, suffix: str) -> None:
        self.schema_path = schema_path
        self.folder = folder
        self.schema = schema
        self.suffix = suffix

    def run(self, output: Path, installed_version: str, process_started: float | None) -> Iterator[Finding]:
        try:
            client = _read_client(output)
        except CannotLook as problem:
            yield self.finding("client-unreadable", problem.reason, severity=Severity.UNKNOWN, place=problem.place)
            return
        if client is None:
            yield self.finding(
                "client-missing",
                f"the Prisma client was never generated: nothing in {self.show(output)} "
                "(npm does not run install scripts by itself)",
            )
            return
        changes = list_changes(client.schema, self.schema)
        if changes:
            yield self.stale(changes)
        elif process_started is not None and self.is_newer(client.file, process_started):
            yield self.finding(
                "client-newer",
                f"the Prisma client in {self.show(output)} was generated after the process started, "
                "which still has the old one in memory",
                fix="devenv restart",
            )
        if client.version and installed_version and client.version != installed_version:
            yield self.finding(
                "client-version",
                f"the Prisma client was generated by {client.version}, and @prisma/client {installed_version} "
                "is installed",
                severity=Severity.WARNING,
            )

    def stale(self, changes: Sequence[Change]) -> Finding:
        named = ", ".join(change.text for change in changes[:_MOST_NAMED])
        more = len(changes) - _MOST_NAMED
        return self.finding(
            "client-stale",
            f"the Prisma client is not what {self.show(self.schema_path)} says: {named}"
            + (f" and {more} more" if more > 0 else ""),
            details=tuple(change.text for change in changes),
            place=next((change.place for change in changes if change.place), ""),
        )

    def is_newer(self, file: Path, process_started: float) -> bool:
        """Tell whether a client is newer than its process, and was not generated by the process's own start."""
        after_s = file.stat().st_mtime - process_started
        return after_s > (_OWN_GENERATE_S if _generates_at_start(self.folder) else 0.0)

    def show(self, path: Path) -> str:
        return os.path.relpath(path, self.folder)

    def finding(
        self,
        kind: str,
        text: str,
        *,
        fix: str = "",
        severity: Severity = Severity.ERROR,
        details: tuple[str, ...] = (),
        place: str = "",
    ) -> Finding:
        return Finding(
            id=f"{kind}{self.suffix}",
            severity=severity,
            topic=Topic.CLIENT,
            text=text,
            fix=fix or self.generate_command(),
            details=details,
            place=place,
        )

    def generate_command(self) -> str:
        is_found = find_prisma_schema(self.folder) == self.schema_path
        return "npx prisma generate" if is_found else f"npx prisma generate --schema {self.show(self.schema_path)}"


def _depends_on_client(roots: Sequence[Path]) -> bool:
    packages = (read_package(place) for root in roots for place in climb(root))
    groups = ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies")
    named = (package.get(group) for package in packages if package is not None for group in groups)
    return any(isinstance(group, dict) and _PACKAGE in group for group in named)


def _find_package(roots: Sequence[Path]) -> Path | None:
    """Return where node finds @prisma/client, links of pnpm and workspaces followed."""
    places = (place / "node_modules" / _PACKAGE for root in roots for place in climb(root))
    return next((place.resolve() for place in places if place.is_dir()), None)


def _output(generator: Generator, installed: Path) -> Path:
    if generator.output:
        return Path(os.path.normpath(Path(generator.folder) / generator.output))
    return installed.parent.parent / ".prisma" / "client"


def _version_of(installed: Path) -> str:
    package = read_package(installed) or {}
    version = package.get("version")
    return version if isinstance(version, str) else ""


def _generates_at_start(folder: Path) -> bool:
    package = read_package(folder) or {}
    scripts = package.get("scripts")
    named: Mapping[str, object] = scripts if isinstance(scripts, dict) else {}
    return any(name.startswith(_START_SCRIPTS) and _GENERATING.search(str(script)) for name, script in named.items())


def _read_client(output: Path) -> _Client | None:
    """Read the schema that a client was made from; None where there is no client, or the stub of an installation."""
    for file in (file for pattern in _CLIENT_FILES for file in sorted(output.glob(pattern))):
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            reason = f"{file} cannot be read: {error.strerror}"
            raise CannotLook(reason, code="client-unreadable", place=str(file)) from error
        schema = text if file.suffix == ".prisma" else _inline_schema(text, file)
        version = _VERSION.search(text)
        if schema is not None:
            parsed = parse_prisma(schema, str(file))
            return _Client(file=file, schema=parsed, version=version[1] if version else "")
    return None


def _inline_schema(text: str, file: Path) -> str | None:
    found = _SCHEMA_KEY.search(text)
    if found is None:
        return None
    try:
        return str(json.JSONDecoder().raw_decode(text, found.end())[0])
    except ValueError as error:
        reason = f"{file} is cut off in the middle of its schema"
        raise CannotLook(reason, code="client-unreadable", place=str(file)) from error


def _compare_models(generated: PrismaSchema, wanted: PrismaSchema) -> Iterator[Change]:
    old = {model.name: model for model in generated.models}
    for model in wanted.models:
        if model.name not in old:
            yield Change(text=f"it lacks {model.kind} {model.name}", place=model.place)
        else:
            yield from _compare_fields(old[model.name], model)
    new = {model.name for model in wanted.models}
    yield from (
        Change(text=f"it still has {model.kind} {model.name}") for model in old.values() if model.name not in new
    )


def _compare_fields(old: Model, model: Model) -> Iterator[Change]:
    fields = {field.name: field for field in old.fields}
    for field in model.fields:
        title = f"{model.name}.{field.name}"
        before = fields.get(field.name)
        if before is None:
            yield Change(text=f"it lacks {title}", place=field.place)
        elif before.describe_type() != field.describe_type():
            types = f"generated {before.describe_type()}, schema {field.describe_type()}"
            yield Change(text=f"{title} {types}", place=field.place)
        elif _meaning(before) != _meaning(field):
            yield Change(text=f"attributes of {title} changed", place=field.place)
    new = {field.name for field in model.fields}
    yield from (
        Change(text=f"it still has {model.name}.{name}", place=model.place) for name in fields if name not in new
    )
    if (old.kind, _meaning(old)) != (model.kind, _meaning(model)):
        yield Change(text=f"attributes of {model.name} changed", place=model.place)


def _compare_enums(generated: PrismaSchema, wanted: PrismaSchema) -> Iterator[Change]:
    old = {enum.name: enum for enum in generated.enums}
    for enum in wanted.enums:
        before = old.get(enum.name)
        if before is None:
            yield Change(text=f"it lacks enum {enum.name}", place=enum.place)
            continue
        values = {value.name: value.stored for value in before.values}
        new = {value.name: value.stored for value in enum.values}
        for name, stored in new.items():
            if name not in values:
                yield Change(text=f"it lacks {enum.name}.{name}", place=enum.place)
            elif values[name] != stored:
                yield Change(text=f"{enum.name}.{name} generated {values[name]!r}, schema {stored!r}", place=enum.place)
        gone = (name for name in values if name not in new)
        yield from (Change(text=f"it still has {enum.name}.{name}", place=enum.place) for name in gone)
        if _meaning(before) != _meaning(enum):
            yield Change(text=f"attributes of {enum.name} changed", place=enum.place)
    names = {enum.name for enum in wanted.enums}
    yield from (Change(text=f"it still has enum {name}") for name in old if name not in names)


def _compare_providers(generated: PrismaSchema, wanted: PrismaSchema) -> Iterator[Change]:
    before, now = generated.datasource, wanted.datasource
    if before and now and before.provider != now.provider:
        yield Change(text=f"generated for {before.provider}, schema {now.provider}", place=now.place)


def _meaning(of: Field | Model | PrismaEnum) -> frozenset[str]:
    """Return the attributes that a client is made from, whatever their order and line."""
    return frozenset(_write_attribute(attribute) for attribute in of.attributes if attribute.name not in _NOT_IN_CLIENT)


def _write_attribute(attribute: Attribute) -> str:
    return f"{attribute.name}({_write_arguments(attribute.arguments)})"


def _write_arguments(arguments: Sequence[Argument]) -> str:
    named = sorted(f"{argument.name}: {_write_value(argument.value)}" for argument in arguments if argument.name)
    return ", ".join([*(_write_value(argument.value) for argument in arguments if not argument.name), *named])


def _write_value(value: Value) -> str:
    match value:
        case str():
            return json.dumps(value)
        case Word():
            return value.text
        case Call():
            return f"{value.name}({_write_arguments(value.arguments)})"
        case _:
            return f"[{', '.join(map(_write_value, value))}]"
