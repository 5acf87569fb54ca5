"""Migration files on disk, as a set: what each one is called in the record, what it makes, what is wrong with it.

Must not know databases. Invariants: no file is read further than `LONGEST`; a file that cannot be read
is a finding and still a migration.
"""

import json
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from devenv.domain.findings import Finding, Severity, Topic
from devenv.schema.ports import CannotLook
from devenv.schema.records.state import Migration, ToolPlace
from devenv.schema.sql_text import Made, read_made

LONGEST = 1 << 24
"""Bytes of one file that are looked at; the rest of a longer one is data."""

MOST_FILES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Implied:
    """What recorded ids mean: all that has run, and what is neither run nor to be run (a squashed migration)."""

    applied: frozenset[str]
    moot: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSet:
    """A tool's migrations in the order in which they run.

    `names` gives the ids of those that the record calls otherwise. `imply` says what else the recorded ids mean,
    `is_foreign` which of them belong to files outside the repository.
    `apply` and `make` are commands that differ from the tool's usual ones; `table` is the record's configured name.
    """

    migrations: tuple[Migration, ...]
    findings: tuple[Finding, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    imply: Callable[[frozenset[str]], Implied] = lambda recorded: Implied(applied=recorded)
    is_foreign: Callable[[str], bool] = lambda _: False
    apply: str = ""
    make: str = ""
    table: str = ""
    table_schema: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How a tool names its files.

    `pattern` sees the path below the folder and has the groups `id` and, perhaps, `title`; where `id` took no part, the
    file's name is the id. `spell` writes an id as the record does. `down` begins the part of a file that undoes it.
    """

    pattern: re.Pattern[str]
    glob: str = "*"
    spell: Callable[[str], str] = str
    is_sql: bool = True
    down: re.Pattern[str] | None = None


def read_named_files(place: ToolPlace, naming: Naming, title: str) -> FileSet:
    """Read the files of a tool that knows them by their names alone. Raises CannotLook for an unreadable folder."""
    found: dict[str, Migration] = {}
    findings: list[Finding] = []
    folder = Path(place.folder)
    for path in list_files(folder, naming.glob):
        named = naming.pattern.fullmatch(path.relative_to(folder).as_posix())
        if named is None:
            continue
        id_ = naming.spell(named["id"]) if named["id"] else path.name
        if id_ in found:
            findings.append(say_duplicate(place, title, id_, path, found[id_].path))
            continue
        label = named.groupdict().get("title") or ""
        text, problem = _read_text(place, path)
        findings += problem
        made = _read_makings(naming, text)
        found[id_] = build_migration(id_, title=label.replace("_", " "), path=path, made=made)
    ordered = sorted(found.values(), key=lambda one: (not one.id[0].isdigit(), version_key(one.id), one.id))
    return FileSet(migrations=tuple(ordered), findings=tuple(findings))


def read_journal(place: ToolPlace) -> FileSet:
    """Read drizzle's migrations, in the order of its journal; a record knows each by the moment that this gives it."""
    folder = Path(place.folder)
    journal = folder / "meta" / "_journal.json"
    try:
        entries = [(str(entry["tag"]), str(entry["when"])) for entry in json.loads(read_bytes(journal))["entries"]]
    except OSError as error:
        return FileSet(migrations=(), findings=(say_unreadable(place, journal, error),))
    except (ValueError, KeyError, TypeError):
        shown = place.show(journal)
        mistake = say_mistake(
            "drizzle-journal", f"{shown} is no journal of drizzle", fix=f"git checkout -- {shown}", at=shown
        )
        return FileSet(migrations=(), findings=(mistake,))
    migrations: list[Migration] = []
    findings: list[Finding] = []
    for tag, _ in entries:
        path = folder / f"{tag}.sql"
        text, problem = _read_text(place, path)
        findings += problem
        migrations.append(build_migration(tag, path=path, made=read_made(text)))
    return FileSet(migrations=tuple(migrations), findings=tuple(findings), names={when: tag for tag, when in entries})


def list_files(folder: Path, glob: str = "*") -> tuple[Path, ...]:
    """Return the files below `folder` by name, at most `MOST_FILES`. Raises CannotLook."""
    try:
        if not folder.is_dir():
            raise CannotLook(
                f"the migrations folder {folder} does not exist", code="no-files", fix=f"ls {folder.parent}"
            )
        next(folder.iterdir(), None)  # glob is silent about a folder that may not be read
        found = [path for path in folder.glob(glob) if path.is_file()]
    except OSError as error:
        why = error.strerror or str(error)
        raise CannotLook(f"{folder} cannot be read: {why}", code="no-files", fix=f"ls -ld {folder}") from error
    return tuple(sorted(found)[:MOST_FILES])


def read_bytes(path: Path) -> bytes:
    """Return the beginning of a file. Raises OSError."""
    with path.open("rb") as opened:
        return opened.read(LONGEST)


def build_migration(id_: str, *, path: Path, made: Iterable[Made], title: str = "") -> Migration:
    """Return a migration with what it makes, names without their schema."""
    creates: set[str] = set()
    adds: set[tuple[str, str]] = set()
    lines: dict[str, int] = {}
    for one in made:
        table = one.table.rpartition(".")[2].lower()
        column = one.column.lower()
        if column:
            adds.add((table, column))
        else:
            creates.add(table)
        lines.setdefault(f"{table}.{column}" if column else table, one.line)
    return Migration(id=id_, title=title, path=str(path), creates=frozenset(creates), adds=frozenset(adds), lines=lines)


def version_key(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, for comparison: 1.10 follows 1.9, and 1.0 is 1."""
    numbers = [int(number) for number in re.findall(r"\d+", version)]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def say_duplicate(place: ToolPlace, title: str, id_: str, path: Path, other: str) -> Finding:
    """Return the finding that two files have one id."""
    return say_mistake(
        f"{place.tool}-duplicate:{id_}",
        f"two {title} migrations are called {id_}: {place.show(other)} and {place.show(path)}",
        fix=f"give {place.show(path)} an id of its own",
        at=place.show(path),
    )


def say_mistake(id_: str, text: str, *, fix: str, at: str) -> Finding:
    """Return the finding of a mistake that the tool itself will stumble over."""
    return Finding(id=id_, severity=Severity.ERROR, topic=Topic.MIGRATIONS, text=text, fix=fix, place=at)


def say_unreadable(place: ToolPlace, path: Path, error: OSError) -> Finding:
    """Return the finding that a file of the folder cannot be read."""
    why = error.strerror or str(error)
    return Finding(
        id=f"{place.tool}-unreadable:{path.name}",
        severity=Severity.UNKNOWN,
        topic=Topic.MIGRATIONS,
        text=f"the migration {place.show(path)} cannot be read: {why}",
        fix=f"ls -l {place.show(path)}",
        place=place.show(path),
    )


@contextmanager
def quiet_parsing() -> Iterator[None]:
    """Keep the parser's remarks on the user's code (an odd escape sequence) from being printed as our own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _read_text(place: ToolPlace, path: Path) -> tuple[str, tuple[Finding, ...]]:
    try:
        return read_bytes(path).decode("utf-8", errors="replace"), ()
    except OSError as error:
        return "", (say_unreadable(place, path, error),)


# `create_table :orders`, `create table("orders")`, `createTable('orders'`: Ruby, Elixir and JavaScript alike.
_TABLE_IN_CODE = re.compile(r"\bcreate[_ ]?table(?:IfNotExists)?!?[\s(:]*[\"'`]?(\w+)", re.IGNORECASE)
_COLUMN_IN_CODE = re.compile(
    r"\badd[_ ]?(?:column|reference)[\s(]*[:\"'`](\w+)[\"'`]?\s*,\s*[:\"'`](\w+)", re.IGNORECASE
)
_DOWN_IN_CODE = re.compile(
    r"\bdef\s+(?:self\.)?down\b|\bexports\.down\b|\bdown\s*[:(=]|\bdown\s+do\b|function\s+down\b"
)


def _read_makings(naming: Naming, text: str) -> Iterator[Made]:
    down = (naming.down or (None if naming.is_sql else _DOWN_IN_CODE)) and (naming.down or _DOWN_IN_CODE).search(text)
    up = text[: down.start()] if down else text
    if naming.is_sql:
        yield from read_made(up)
        return
    for table in _TABLE_IN_CODE.finditer(up):
        yield Made(table=table[1], line=up.count("\n", 0, table.start()) + 1)
    for column in _COLUMN_IN_CODE.finditer(up):
        yield Made(table=column[1], column=column[2], line=up.count("\n", 0, column.start()) + 1)
