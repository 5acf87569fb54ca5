"""The rows of each tool's record, as one shape: what has run, what failed, with which checksum.

Must not know files. Invariant: rows are read in the order in which the migrations ran.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from devenv.domain.findings import Finding, Severity, Topic
from devenv.schema.ir import Dialect
from devenv.schema.ports import LiveDatabase
from devenv.schema.records.state import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a record says. `applied` are ids in their order, `sums` the checksums of some of them.

    Everything up to the version `floor` has run as well ('' for a record of single migrations). `rerun` are ids whose
    file is to run again once its checksum is another.
    """

    applied: tuple[str, ...] = ()
    failed: tuple[Failure, ...] = ()
    sums: dict[str, str] = field(default_factory=dict)
    floor: str = ""
    rerun: frozenset[str] = frozenset()
    foreign: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordTable:
    """The record as a table of an open database; `columns` are those that it has, in lower case."""

    live: LiveDatabase
    name: str
    schema: str = ""
    columns: frozenset[str] = frozenset()

    @property
    def title(self) -> str:
        """Return its name, with the schema where that is not the default one."""
        is_default = self.schema in {"", self.live.default_schema}
        return self.name if is_default else f"{self.schema}.{self.name}"

    def rows(self, *columns: str, order: str = "") -> list[tuple[object, ...]]:
        """Return these columns of all rows. Raises CannotLook."""
        wanted = ", ".join(quote(self.live.dialect, column) for column in columns)
        ordered = f" ORDER BY {quote(self.live.dialect, order)}" if order else ""
        return self.live.query(f"SELECT {wanted} FROM {self.quoted()}{ordered}")  # noqa: S608 - names are quoted

    def quoted(self) -> str:
        """Return its name for a query."""
        names = (self.schema, self.name) if self.schema else (self.name,)
        return ".".join(quote(self.live.dialect, name) for name in names)


ReadRows = Callable[[RecordTable], Record]


def quote(dialect: Dialect, name: str) -> str:
    """Return a name that the database takes as it is."""
    mark = "`" if dialect is Dialect.MYSQL else '"'
    return f"{mark}{name.replace(mark, mark * 2)}{mark}"


def read_ids(column: str, order: str = "") -> ReadRows:
    """Return the reader of a record that has a row for each migration that ran."""

    def read(table: RecordTable) -> Record:
        return Record(applied=tuple(str(row[0]) for row in table.rows(column, order=order or column)))

    return read


def read_numbers(column: str) -> ReadRows:
    """Return the reader of a record of numbers, however they are stored."""

    def read(table: RecordTable) -> Record:
        ids = [str(row[0]) for row in table.rows(column)]
        return Record(applied=tuple(sorted((str(int(one)) if one.isdigit() else one for one in ids), key=_by_number)))

    return read


def read_django(table: RecordTable) -> Record:
    """Read `django_migrations`."""
    return Record(applied=tuple(f"{app}.{name}" for app, name in table.rows("app", "name", order="id")))


def read_prisma(table: RecordTable) -> Record:
    """Read `_prisma_migrations`: a migration may have rows of failed attempts that were rolled back."""
    columns = ("migration_name", "checksum", "finished_at", "rolled_back_at", "started_at", "logs")
    applied: dict[str, str] = {}
    failed: dict[str, Failure] = {}
    for name, checksum, finished, rolled_back, started, logs in table.rows(*columns, order="started_at"):
        id_ = str(name)
        if rolled_back is not None:
            continue
        if finished is None:
            failed[id_] = Failure(id=id_, at=_show_time(started), message=_read_log(str(logs or "")))
        else:
            applied[id_] = str(checksum)
            failed.pop(id_, None)
    return Record(applied=tuple(applied), failed=tuple(failed.values()), sums=applied)


def read_golang_migrate(table: RecordTable) -> Record:
    """Read the one row of golang-migrate: the version, and whether the run to it failed half-way."""
    rows = table.rows("version", "dirty")
    if not rows or not str(rows[0][0]).isdigit():  # -1 is what a failed first step down leaves
        return Record()
    version, dirty = str(rows[0][0]), bool(rows[0][1])
    if dirty:
        return Record(failed=(Failure(id=version, message="it is marked dirty"),), floor=str(int(version) - 1))
    return Record(applied=(version,), floor=version)


def read_goose(table: RecordTable) -> Record:
    """Read `goose_db_version`: of each version the latest row counts."""
    state: dict[str, bool] = {}
    for version, is_applied in table.rows("version_id", "is_applied", order="id"):
        state.pop(str(version), None)
        state[str(version)] = bool(is_applied)
    return Record(applied=tuple(version for version, is_applied in state.items() if is_applied and version != "0"))


def read_flyway(table: RecordTable) -> Record:
    """Read Flyway's history: a version may be undone, deleted by `repair`, or covered by a baseline."""
    columns = ("version", "script", "type", "checksum", "success", "installed_on", "description")
    applied: dict[str, str] = {}
    failed: dict[str, Failure] = {}
    repeated: set[str] = set()
    elsewhere: set[str] = set()
    floor = ""
    for version, script, kind, checksum, success, at, description in table.rows(*columns, order="installed_rank"):
        id_ = str(version) if version is not None else str(script).rpartition("/")[2]
        applied.pop(id_, None)
        failed.pop(id_, None)
        if str(kind) == "SCHEMA" or str(kind) == "DELETE" or str(kind).startswith("UNDO"):
            continue
        if str(kind) == "BASELINE":
            floor = id_
        elif success:
            applied[id_] = "" if checksum is None else str(checksum)
            repeated |= {id_} if version is None else set()
            elsewhere |= set() if str(kind) == "SQL" else {id_}
        else:
            failed[id_] = Failure(id=id_, at=_show_time(at), message=str(description))
    return Record(
        applied=tuple(applied),
        failed=tuple(failed.values()),
        sums={id_: checksum for id_, checksum in applied.items() if checksum},
        floor=floor,
        rerun=frozenset(repeated),
        foreign=frozenset(elsewhere),  # written in Java: their files are classes
    )


def read_sqlx(table: RecordTable) -> Record:
    """Read `_sqlx_migrations`."""
    columns = ("version", "success", "checksum", "installed_on", "description")
    applied: dict[str, str] = {}
    failed: list[Failure] = []
    for version, success, checksum, at, description in table.rows(*columns, order="version"):
        if success:
            applied[str(version)] = _as_hex(checksum)
        else:
            failed.append(Failure(id=str(version), at=_show_time(at), message=str(description)))
    return Record(applied=tuple(applied), failed=tuple(failed), sums=applied)


def read_knex(table: RecordTable) -> Record:
    """Read `knex_migrations`, and whether a run holds the lock beside it."""
    record = read_ids("name", order="id")(table)
    lock = RecordTable(live=table.live, name=f"{table.name}_lock", schema=table.schema)
    if not table.live.has_table(lock.name, lock.schema) or not any(row[0] for row in lock.rows("is_locked")):
        return record
    stuck = Finding(
        id="knex-lock",
        severity=Severity.WARNING,
        topic=Topic.MIGRATIONS,
        text=f"knex's migrations are locked ({lock.title}.is_locked is 1): a run was interrupted, or is under way",
        fix="npx knex migrate:unlock",
    )
    return Record(applied=record.applied, findings=(stuck,))


def read_sequel_version(table: RecordTable) -> Record:
    """Read Sequel's `schema_info`: one number, up to which all has run."""
    versions = [str(row[0]) for row in table.rows("version")]
    return Record(applied=tuple(version for version in versions if version != "0"), floor=max(versions, default=""))


def read_drizzle(table: RecordTable) -> Record:
    """Read drizzle's record: a migration is known by the moment that its journal gives it."""
    rows = table.rows("created_at", "hash", order="id")
    sums = {str(created_at): str(hash_) for created_at, hash_ in rows}
    return Record(applied=tuple(sums), sums=sums)


def _by_number(id_: str) -> tuple[int, str]:
    return (int(id_) if id_.isdigit() else 0, id_)


def _show_time(value: object) -> str:
    if isinstance(value, int) and 0 < value < 1 << 45:  # milliseconds, as Prisma writes them to SQLite
        value = datetime.fromtimestamp(value / 1000, tz=UTC)
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value or "")


def _as_hex(value: object) -> str:
    return bytes(value).hex() if isinstance(value, bytes | bytearray | memoryview) else str(value)


def _read_log(logs: str) -> str:
    """Return what went wrong of Prisma's log of a failed migration: the database's words, else its first line."""
    _, found, after = logs.partition("Database error:")
    return (after if found else logs).strip().partition("\n")[0].strip()
