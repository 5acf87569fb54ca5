"""Holds a tool's record against its files: what is pending, unknown, failed, edited.

One comparison for all tools: a set in the database against a set on disk. Must not know any tool but through its row.
Invariants: nothing is written, and each recorded migration counts once.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from devenv.schema.ir import Dialect
from devenv.schema.ports import CannotLook, LiveDatabase
from devenv.schema.records.files import FileSet, read_bytes, version_key
from devenv.schema.records.rows import Record, RecordTable
from devenv.schema.records.state import Edit, Migration, RecordState, ToolPlace
from devenv.schema.records.tools import TOOLS, Shape, Tool

FindBranch = Callable[[str, Path], str]
"""Says where version control has a migration that is unknown here: (id, folder) -> `branch X`, or ''."""

_COLUMNS = {
    Dialect.POSTGRESQL: (
        "SELECT a.attname FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = {name} AND n.nspname = {schema} "
        "AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped"
    ),
    Dialect.MYSQL: (
        "SELECT column_name FROM information_schema.columns WHERE table_name = {name} AND table_schema = {schema}"
    ),
    Dialect.SQLITE: "SELECT name FROM pragma_table_info({name})",
}

_MOST_SOUGHT = 3  # each costs a search through the history


def read_records(
    place: ToolPlace,
    live: LiveDatabase,
    *,
    version_table: str = "",
    version_schema: str = "",
    find_branch: FindBranch | None = None,
) -> RecordState:
    """Return the state of one tool; `version_table` is what the project calls its record. Raises CannotLook."""
    tool = TOOLS[place.tool]
    files = tool.read_files(place)
    name, schema = version_table or files.table, version_schema or files.table_schema
    table, shape = find_record(tool, live, name=name, schema=schema)
    record = _rename(shape.read(table), files.names) if shape else Record()
    pending, unknown = _compare(files, record)
    folder = Path(place.folder)
    sought = unknown[:_MOST_SOUGHT] if find_branch else ()
    branches = {id_: find_branch(id_, folder) for id_ in sought} if find_branch else {}
    implied = files.imply(frozenset(record.applied)).applied - set(record.applied)
    return RecordState(
        tool=tool.key,
        title=tool.title,
        table=table.title,
        folder=place.folder,
        has_table=shape is not None,
        known=files.migrations,
        applied=(
            *(one.id for one in files.migrations if one.id in implied or _is_covered(one.id, record)),
            *(id_ for id_ in record.applied if not files.is_foreign(id_)),
        ),
        pending=(*pending, *_find_reruns(tool, files, record)),
        unknown=unknown,
        branches={id_: branch for id_, branch in branches.items() if branch},
        failed=record.failed,
        edited=tuple(_find_edits(tool, files, record)),
        findings=(*files.findings, *record.findings),
        apply=files.apply or tool.command(tool.apply, place),
        make=files.make or tool.command(tool.make, place),
    )


def pick_recorded(places: Iterable[ToolPlace], live: LiveDatabase) -> tuple[ToolPlace, ...]:
    """Return `places` with one tool a folder: where files fit several tools, the one whose record is there.

    Where none or several of them have a record, the first stays. Raises CannotLook.
    """
    by_folder: dict[str, list[ToolPlace]] = {}
    for place in places:
        by_folder.setdefault(place.folder, []).append(place)
    return tuple(_pick(rivals, live) for rivals in by_folder.values())


def find_record(
    tool: Tool, live: LiveDatabase, *, name: str = "", schema: str = ""
) -> tuple[RecordTable, Shape | None]:
    """Return the tool's record in the database, and None with its usual place where there is none.

    Raises CannotLook where a table of that name is another tool's.
    """
    other: RecordTable | None = None
    for shape in tool.shapes:
        home = schema or (shape.schema if live.dialect is Dialect.POSTGRESQL else "")
        columns = _read_columns(live, name or shape.name, home)
        table = RecordTable(live=live, name=name or shape.name, schema=home, columns=columns)
        if shape.columns <= columns and not shape.lacks & columns:
            return table, shape
        other = table if columns else other
    if other is not None:
        owners = [one.title for one in TOOLS.values() if _owns(one, other)]
        whose = f"is the record of {' or '.join(owners)}" if owners else f"has the columns {_list(other.columns)}"
        raise CannotLook(
            f"the table {other.title} {whose}, not that of {tool.title}",
            code="other-record",
            fix=f"set `schema: {{migrations: {'|'.join(_keys(other)) or 'TOOL'}}}` in services.yaml",
        )
    usual = tool.shapes[0]
    home = schema or (usual.schema if live.dialect is Dialect.POSTGRESQL else "")
    return RecordTable(live=live, name=name or usual.name, schema=home), None


def _pick(rivals: list[ToolPlace], live: LiveDatabase) -> ToolPlace:
    if len(rivals) == 1:
        return rivals[0]
    return next((place for place in rivals if _has_record(place, live)), rivals[0])


def _has_record(place: ToolPlace, live: LiveDatabase) -> bool:
    try:
        return find_record(TOOLS[place.tool], live)[1] is not None
    except CannotLook as reason:
        if reason.code == "other-record":
            return False
        raise


def _owns(tool: Tool, table: RecordTable) -> bool:
    return any(
        shape.name == table.name and shape.columns <= table.columns and not shape.lacks & table.columns
        for shape in tool.shapes
    )


def _keys(table: RecordTable) -> list[str]:
    return [tool.key for tool in TOOLS.values() if _owns(tool, table)]


def _read_columns(live: LiveDatabase, name: str, schema: str) -> frozenset[str]:
    """Return a table's columns in lower case, none where there is no table."""
    known = {"name": _literal(name), "schema": _literal(schema or live.default_schema)}
    rows = live.query(_COLUMNS[live.dialect].format(**known))
    return frozenset(str(row[0]).lower() for row in rows)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _rename(record: Record, names: Mapping[str, str]) -> Record:
    if not names:
        return record
    return Record(
        applied=tuple(names.get(id_, id_) for id_ in record.applied),
        failed=record.failed,
        sums={names.get(id_, id_): checksum for id_, checksum in record.sums.items()},
        findings=record.findings,
    )


def _compare(files: FileSet, record: Record) -> tuple[tuple[Migration, ...], tuple[str, ...]]:
    """Return the files without a record and the records without a file."""
    on_disk = {one.id for one in files.migrations}
    recorded = frozenset(record.applied)
    implied = files.imply(recorded)
    begun = implied.applied | implied.moot | {failure.id for failure in record.failed}
    pending = tuple(one for one in files.migrations if one.id not in begun and not _is_covered(one.id, record))
    unknown = tuple(
        id_ for id_ in record.applied if id_ not in on_disk and id_ not in record.foreign and not files.is_foreign(id_)
    )
    return pending, unknown


def _is_covered(id_: str, record: Record) -> bool:
    """Tell whether the record says of a whole range of versions that it has run, with this one in it."""
    is_version = id_[:1].isdigit() and id_ not in record.applied
    return bool(record.floor) and is_version and version_key(id_) <= version_key(record.floor)


def _find_reruns(tool: Tool, files: FileSet, record: Record) -> Iterable[Migration]:
    """Give what has run and is to run again because its file is another by now (Flyway's R__ files)."""
    for one in files.migrations:
        if one.id in record.rerun and tool.sums is not None:
            content = _read(one)
            # With placeholders, the checksum is that of the file after they were filled in.
            if content is not None and b"${" not in content and tool.sums(content) != record.sums.get(one.id):
                yield one


def _find_edits(tool: Tool, files: FileSet, record: Record) -> Iterable[Edit]:
    if tool.sums is None:
        return
    for one in files.migrations:
        recorded = record.sums.get(one.id)
        content = _read(one) if recorded and one.id not in record.rerun else None
        if content is None or tool.sums(content) == recorded:
            continue
        unix = content.replace(b"\r\n", b"\n")
        spellings = {tool.sums(unix), tool.sums(unix.replace(b"\n", b"\r\n"))}
        yield Edit(id=one.id, path=one.path, only_line_endings=recorded in spellings)


def _read(migration: Migration) -> bytes | None:
    try:
        return read_bytes(Path(migration.path))
    except OSError:
        return None  # that it cannot be read is a finding of the files


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
