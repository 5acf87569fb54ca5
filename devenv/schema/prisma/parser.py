"""Reads a schema.prisma, or a folder of them, and checks that its names fit together.

Must not know databases. Invariant: a `PrismaSchema` has no name twice and no field of an unknown type; every other file
is a `CannotLook` with its `file:line`.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from devenv.schema.ports import CannotLook
from devenv.schema.prisma.model import (
    Attribute,
    Call,
    Datasource,
    EnumValue,
    Field,
    Generator,
    Model,
    ModelKind,
    PrismaEnum,
    PrismaSchema,
    Value,
    Word,
)
from devenv.schema.prisma.syntax import FIELD_BLOCKS, Block, Entry, SyntaxMistake, parse_blocks

SCALARS = frozenset(
    {"String", "Boolean", "Int", "BigInt", "Float", "Decimal", "DateTime", "Json", "Bytes", "Unsupported"}
)

_LARGEST_BYTES = 32 * 1024 * 1024
_FIELD_LISTS = ("id", "unique", "index", "fulltext")


def read_prisma(path: Path) -> PrismaSchema:
    """Read one file, or every `*.prisma` below a folder.

    Raises CannotLook: `prisma-missing`, `prisma-binary` (or not UTF-8), `prisma-syntax`.
    """
    files = list_files(path)
    if not files:
        raise CannotLook(f"there is no {path}, or no .prisma file in it", code="prisma-missing", place=str(path))
    return _assemble(str(path), [(str(file), _read_text(file)) for file in files])


def parse_prisma(text: str, path: str) -> PrismaSchema:
    """Read the text of a schema; `path` is what places call it. Raises CannotLook (`prisma-syntax`)."""
    return _assemble(path, [(path, text)])


def list_files(path: Path) -> tuple[Path, ...]:
    """Return the files of a schema, all of those below it for a folder; none where there is nothing."""
    if path.is_file():
        return (path,)
    found: list[Path] = []
    for place, folders, files in os.walk(path):
        folders[:] = [name for name in folders if name != "node_modules" and not name.startswith(".")]
        found += (Path(place) / name for name in files if name.endswith(".prisma"))
    return tuple(sorted(found))


def _read_text(file: Path) -> str:
    try:
        if file.stat().st_size > _LARGEST_BYTES:
            reason = f"{file} has more than {_LARGEST_BYTES // 1024**2} MiB, which no schema has"
            raise CannotLook(reason, code="prisma-binary", place=f"{file}:1")
        data = file.read_bytes()
    except OSError as error:
        raise CannotLook(f"{file} cannot be read: {error.strerror}", code="prisma-missing", place=str(file)) from error
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise CannotLook(f"{file} is binary, no Prisma schema", code="prisma-binary", place=f"{file}:{line}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        reason = f"{file} is not UTF-8: byte 0x{data[error.start]:02x} in line {line}"
        raise CannotLook(reason, code="prisma-binary", place=f"{file}:{line}") from error


@dataclass(slots=True, kw_only=True)
class _Draft:
    """What was read so far."""

    datasources: list[Datasource] = field(default_factory=list)
    generators: list[Generator] = field(default_factory=list)
    models: list[Model] = field(default_factory=list)
    enums: list[PrismaEnum] = field(default_factory=list)


def _assemble(path: str, texts: Iterable[tuple[str, str]]) -> PrismaSchema:
    draft = _Draft()
    for file, text in texts:
        try:
            blocks = parse_blocks(text)
        except SyntaxMistake as mistake:
            _refuse(f"{file}:{mistake.line}", mistake.message)
        for block in blocks:
            _add(draft, block, file)
    types: tuple[Model | PrismaEnum, ...] = (*draft.models, *draft.enums)
    _refuse_twice((named.name, named.place) for named in types)
    _refuse_twice(("datasource", source.place) for source in draft.datasources)
    known = SCALARS | {model.name for model in draft.models} | {enum.name for enum in draft.enums}
    for model in draft.models:
        _check_model(model, known)
    return PrismaSchema(
        path=path,
        datasource=draft.datasources[0] if draft.datasources else None,
        generators=tuple(draft.generators),
        models=tuple(draft.models),
        enums=tuple(draft.enums),
    )


def _add(draft: _Draft, block: Block, file: str) -> None:
    if block.keyword in FIELD_BLOCKS:
        draft.models.append(_model(block, file))
    elif block.keyword == "enum":
        draft.enums.append(_enum(block, file))
    elif block.keyword == "datasource":
        draft.datasources.append(_datasource(block, file))
    else:
        draft.generators.append(_generator(block, file))


def _model(block: Block, file: str) -> Model:
    _refuse_twice((f"{block.name}.{entry.name}", f"{file}:{entry.line}") for entry in block.entries)
    return Model(
        name=block.name,
        kind=ModelKind(block.keyword),
        fields=tuple(_field(entry, file) for entry in block.entries),
        attributes=block.attributes,
        place=f"{file}:{block.line}",
    )


def _field(entry: Entry, file: str) -> Field:
    return Field(
        name=entry.name,
        type=entry.type,
        arity=entry.arity,
        unsupported=entry.unsupported,
        attributes=entry.attributes,
        place=f"{file}:{entry.line}",
    )


def _enum(block: Block, file: str) -> PrismaEnum:
    _refuse_twice((f"{block.name}.{entry.name}", f"{file}:{entry.line}") for entry in block.entries)
    return PrismaEnum(
        name=block.name,
        values=tuple(EnumValue(name=entry.name, stored=_stored(entry)) for entry in block.entries),
        attributes=block.attributes,
        place=f"{file}:{block.line}",
    )


def _stored(entry: Entry) -> str:
    return next((found.text("name", 0) for found in entry.attributes if found.name == "map"), entry.name)


def _datasource(block: Block, file: str) -> Datasource:
    settings = _settings(block)
    url = settings.get("url")
    variable = _quoted(url.arguments[0].value) if isinstance(url, Call) and url.name == "env" and url.arguments else ""
    return Datasource(
        name=block.name,
        provider=_quoted(settings.get("provider")),
        url=_quoted(url),
        url_variable=variable,
        relation_mode=_quoted(settings.get("relationMode")) or "foreignKeys",
        schemas=tuple(_quoted(item) for item in _items(settings.get("schemas"))),
        extensions=tuple(_extension(item) for item in _items(settings.get("extensions"))),
        place=f"{file}:{block.line}",
    )


def _generator(block: Block, file: str) -> Generator:
    settings = _settings(block)
    return Generator(
        name=block.name,
        provider=_quoted(settings.get("provider")),
        folder=str(Path(file).parent),
        output=_quoted(settings.get("output")),
        place=f"{file}:{block.line}",
    )


def _extension(value: Value) -> str:
    """Return the name in the database of `citext` or `uuidOssp(map: "uuid-ossp")`."""
    if isinstance(value, Call):
        return Attribute(name="", arguments=value.arguments).text("map") or value.name
    return value.text if isinstance(value, Word) else ""


def _settings(block: Block) -> dict[str, Value]:
    return {entry.name: entry.value for entry in block.entries}


def _items(value: Value | None) -> tuple[Value, ...]:
    return value if isinstance(value, tuple) else ()


def _quoted(value: Value | None) -> str:
    return value if isinstance(value, str) else ""


def _check_model(model: Model, known: frozenset[str] | set[str]) -> None:
    for found in model.fields:
        if found.type not in known:
            _refuse(found.place, f"field {model.name}.{found.name} has the unknown type {found.type}")
    names = {found.name for found in model.fields}
    file = model.place.rpartition(":")[0]
    for attribute in model.attributes:
        unknown = [name for name in key_fields(attribute) if name.partition(".")[0] not in names]
        if attribute.name in _FIELD_LISTS and unknown:
            _refuse(f"{file}:{attribute.line}", f"@@{attribute.name} names {unknown[0]}, which {model.name} lacks")
    for found in model.fields:
        relation = found.attribute("relation")
        unknown = [name for name in name_fields(relation.get("fields")) if name not in names] if relation else []
        if unknown:
            _refuse(found.place, f"relation {model.name}.{found.name} names {unknown[0]}, which {model.name} lacks")


def key_fields(attribute: Attribute) -> tuple[str, ...]:
    """Return the fields that `@@id`, `@@unique` or `@@index` lists; a bare `@@index(name)` is a list of one."""
    return tuple(name_fields(attribute.get("fields", 0)))


def name_fields(value: Value | None) -> Iterator[str]:
    """Give the names of `[title(sort: Desc), slug]`."""
    for item in value if isinstance(value, tuple) else (value,):
        if isinstance(item, Word):
            yield item.text
        elif isinstance(item, Call):
            yield item.name


def _refuse_twice(named: Iterable[tuple[str, str]]) -> None:
    seen: dict[str, str] = {}
    for name, place in named:
        if name in seen:
            _refuse(place, f"{name} is defined twice, first at {seen[name]}")
        seen[name] = place


def _refuse(place: str, message: str) -> NoReturn:
    raise CannotLook(f"{place}: {message}", code="prisma-syntax", fix="npx prisma validate", place=place)
