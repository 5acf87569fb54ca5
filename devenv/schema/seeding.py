"""Whether the tables that an import file writes to exist yet.

Reads files of any size as a stream, plain or gzipped. Must not know services, nor run an import. Invariant: a table is
missing only where the files write to it, do not make it themselves, and no schema that they choose has it.
"""

import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import IO, cast

from devenv.domain.findings import Finding, Severity, Topic
from devenv.schema.ir import Dialect
from devenv.schema.ports import CannotLook, LiveDatabase
from devenv.schema.sql_text import made_by, read_statements, written_by

_CHUNK = 1 << 20
_LONGEST_LINE = 1 << 24
_SHOWN = 3

_CHOSEN = re.compile(r"SET\s+(?:LOCAL\s+|SESSION\s+)?search_path\s*(?:=|TO)\s*(.+)|USE\s+(\S+)\s*$", re.IGNORECASE)
_INCLUDED = re.compile(r"(?:\\i(?:r|nclude(?:_relative)?)?|\.read|source)\s+(['\"]?)(.{1,250}?)\1\s*$", re.IGNORECASE)
_NO_TABLES = ("sqlite_", "pg_catalog.", "information_schema.")

_TABLES = {
    Dialect.POSTGRESQL: (
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')"
    ),
    Dialect.MYSQL: "SELECT table_schema, table_name FROM information_schema.tables",
    Dialect.SQLITE: "SELECT 'main', name FROM sqlite_master WHERE type IN ('table', 'view')",
}


@dataclass(kw_only=True)
class _Effects:
    """What the files do: tables written and made (as written), schemas that they choose for names without one."""

    written: dict[str, None] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    schemas: set[str] = field(default_factory=set)
    read: set[Path] = field(default_factory=set)


def missing_tables(files: Sequence[Path], live: LiveDatabase) -> tuple[str, ...]:
    """Return the tables that `files` write to and that neither exist nor are made by them, in the order of writing.

    Raises CannotLook for a file that cannot be read or is no SQL, and for a database that does not answer.
    """
    effects = _Effects()
    for path in files:
        _read_effects(path, effects)
    if not effects.written:
        return ()
    default = live.default_schema.lower()
    existing = {f"{str(schema).lower()}.{str(name).lower()}" for schema, name in live.query(_TABLES[live.dialect])}
    made = {_qualify(name, default) for name in effects.made}
    chosen = effects.schemas | {default}
    return tuple(
        name
        for name in effects.written
        if not name.startswith(_NO_TABLES)
        and not {_qualify(name, schema) for schema in chosen} & (existing | made)
        and name.rpartition(".")[2] not in effects.made
    )


def describe_missing(files: Sequence[Path], missing: Sequence[str], *, place: str, fix: str = "") -> Finding:
    """Return the finding for tables that `missing_tables` gave; `place` is the database in words."""
    shown = ", ".join(missing[:_SHOWN])
    match len(missing):
        case 1:
            what = f"it writes to {shown}, which does not exist yet"
        case 2:
            what = f"it writes to {shown}; neither exists yet"
        case count if count <= _SHOWN:
            what = f"it writes to {shown}; none of them exists yet"
        case count:
            what = f"it writes to {count} tables that do not exist yet: {shown} and {count - _SHOWN} more"
    return Finding(
        id="import-tables",
        severity=Severity.ERROR,
        topic=Topic.IMPORT,
        text=f"Import {', '.join(path.name for path in files)} not started: {what} in {place}.",
        fix=fix,
        details=tuple(missing) if len(missing) > _SHOWN else (),
    )


def _read_effects(path: Path, effects: _Effects) -> None:
    """Add what a file does, and what those do that it includes, as far as they are found beside it."""
    effects.read.add(path)
    for statement in read_statements(_read_chunks(path)):
        if included := _INCLUDED.match(statement.text):
            inner = path.parent / included[2]
            if inner.is_file() and inner not in effects.read:
                _read_effects(inner, effects)
        effects.written.update(dict.fromkeys(written_by(statement)))
        effects.made.update(made.table for made in made_by(statement) if not made.column)
        if chosen := _CHOSEN.match(statement.text):
            names = (chosen[1] or chosen[2]).split(",")
            effects.schemas.update(name.strip().strip("\"`'").lower() for name in names)


def _read_chunks(path: Path) -> Iterator[str]:
    """Give a file's text in chunks that end where lines do."""
    try:
        with path.open("rb") as plain:
            start = plain.read(4096)
            plain.seek(0)
            is_gzip = start.startswith(b"\x1f\x8b")
            with cast("IO[bytes]", gzip.open(plain) if is_gzip else plain) as opened:
                yield from _decode(path, opened, _peek(opened) if is_gzip else start)
    except FileNotFoundError:
        raise CannotLook(
            f"{path} does not exist", code="import-missing", severity=Severity.ERROR, fix=f"ls {path.parent}"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise CannotLook(f"{path} cannot be read: {why}", code="import-unreadable", fix=f"ls -l {path}") from error


def _peek(opened: IO[bytes]) -> bytes:
    start = opened.read(4096)
    opened.seek(0)
    return start


def _decode(path: Path, opened: IO[bytes], start: bytes) -> Iterator[str]:
    is_utf16 = start.startswith((b"\xff\xfe", b"\xfe\xff"))  # what PowerShell makes of `pg_dump > seed.sql`
    if b"\0" in start and not is_utf16:
        kind = "an archive of pg_dump" if start.startswith(b"PGDMP") else "a binary file"
        raise CannotLook(
            f"{path.name} is {kind} and no SQL: which tables it writes to cannot be told",
            code="import-binary",
            fix=f"pg_restore --file=seed.sql {path.name}" if start.startswith(b"PGDMP") else "",
        )
    with TextIOWrapper(opened, encoding="utf-16" if is_utf16 else "utf-8-sig", errors="replace") as text:
        while chunk := text.read(_CHUNK):
            yield chunk + text.readline(_LONGEST_LINE)


def _qualify(name: str, schema: str) -> str:
    return name if "." in name else f"{schema}.{name}"
