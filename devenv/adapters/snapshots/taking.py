"""Takes a snapshot of a service's database and puts one back: which kind it is, what is noted, in which order.

Must not ask nor print: whoever calls says what may be done, and is told what is done. Invariant: nothing is put back
before its dump has been read whole and a safety snapshot of the present state is kept.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from devenv import __version__
from devenv.adapters.git.history import read_commit
from devenv.adapters.snapshots import mysql, postgres, sqlite
from devenv.adapters.snapshots.access import Access, Kind
from devenv.adapters.snapshots.store import DUMP, SnapshotStore, hash_file
from devenv.domain.database import Database, parse_url
from devenv.domain.errors import NotReady, UsageError
from devenv.domain.findings import Verdict
from devenv.domain.snapshots import Snapshot, Why, is_name, suggest_name
from devenv.domain.subject import Subject, at_server
from devenv.schema.fingerprint import fingerprint_schema
from devenv.schema.gap import describe_gap, order_applied
from devenv.schema.ports import CannotLook, LiveDatabase, OpenDatabase
from devenv.schema.records.state import RecordState

ReadRecords = Callable[[Subject, LiveDatabase], tuple[RecordState, ...]]
FindUrl = Callable[[Subject], str]
RunGate = Callable[[Subject], Verdict]
Say = Callable[[str], None]

_KINDS: dict[str, Kind] = {"postgresql": postgres, "mysql": mysql, "sqlite": sqlite}


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """How databases are looked at, handed in so that this room knows neither drivers nor migration tools."""

    find_url: FindUrl
    open_database: OpenDatabase
    read_records: ReadRecords


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore came to. `is_same_schema` is None where the fingerprint was made by another devenv."""

    snapshot: Snapshot
    safety: Snapshot
    is_same_schema: bool | None = None


def take_snapshot(
    subject: Subject,
    *,
    store: SnapshotStore,
    looks: Looks,
    say: Say,
    why: Why = Why.ASKED,
    name: str = "",
    spared: str = "",
) -> Snapshot:
    """Dump the service's database and keep it under `name`, or one made of service and time. Raises DevenvError.

    `spared` is a snapshot that stays although automatic ones are too many.
    """
    what = f"cannot take a snapshot for {subject.service}"
    taken = [one.name for one in store.list_snapshots()]
    _check_name(name, taken)
    with translating(what, subject), store.stage() as staged:
        database = find_database(subject, looks)
        with opened(subject, looks) as live:
            schema = live.introspect()
            records = order_applied(looks.read_records(subject, live))
            access = _access(subject, looks, database, live.version, say)
            kind = _KINDS[database.dialect]
            rows = kind.count_rows(access)
            roles = kind.dump(access, staged / DUMP)
            taken_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            commit, has_changes = read_commit(Path(subject.repository))
            snapshot = Snapshot(
                name=name or suggest_name(subject.service, taken_at, taken),
                service=subject.service,
                why=why,
                taken_at=taken_at,
                database=database.describe(),
                dialect=database.dialect,
                server_version=live.version,
                fingerprint=fingerprint_schema(schema),
                checksum=hash_file(staged / DUMP),
                size_bytes=(staged / DUMP).stat().st_size,
                devenv_version=__version__,
                tables=tuple(table.title for table in schema.tables),
                rows=rows,
                extensions=schema.extensions,
                migrations=records,
                owners=roles.owners,
                grantees=roles.grantees,
                commit=commit,
                has_changes=has_changes,
            )
        store.keep(staged, snapshot, spared=spared)
    return snapshot


def look_ahead(snapshot: Snapshot, subject: Subject, *, looks: Looks) -> tuple[str, ...]:
    """Return what the checkout will miss once `snapshot` is in the service's database, one sentence each."""
    with translating(f"cannot look at the database of {subject.service}", subject):
        database = find_database(subject, looks)
        with opened(subject, looks) as live:
            states = looks.read_records(subject, live)
            gap = describe_gap(snapshot, states, [table.title for table in live.introspect().tables])
    if database.describe() != snapshot.database:
        return (f"it was taken from {snapshot.database} and goes into {database.describe()}", *gap)
    return gap


def restore_snapshot(snapshot: Snapshot, subject: Subject, *, store: SnapshotStore, looks: Looks, say: Say) -> Restored:
    """Put `snapshot` in the place of everything in the service's database, a safety snapshot taken first.

    Raises DevenvError, the database as it was where its words do not say otherwise.
    """
    what = f"cannot restore {snapshot.name}"
    store.verify(snapshot)
    with store.changing(subject.service), translating(what, subject):
        database = find_database(subject, looks)
        if database.dialect != snapshot.dialect:
            why = f"it is a dump of {snapshot.server_version}, and {subject.service} has {database.describe()}"
            raise UsageError(what, why=why, fix="devenv snapshot list")
        safety = take_snapshot(subject, store=store, looks=looks, say=say, why=Why.RESTORE, spared=snapshot.name)
        say(f"kept what is there now as {safety.name}")
        access = _access(subject, looks, database, safety.server_version, say)
        _KINDS[database.dialect].restore(access, store.dump_of(snapshot), snapshot, store.dump_of(safety))
        with opened(subject, looks) as live:
            found = fingerprint_schema(live.introspect())
    is_comparable = snapshot.devenv_version == __version__
    return Restored(
        snapshot=snapshot,
        safety=safety,
        is_same_schema=found == snapshot.fingerprint if is_comparable else None,
    )


def find_database(subject: Subject, looks: Looks) -> Database:
    """Return which database the service has. Raises CannotLook, UsageError where it has none."""
    url = looks.find_url(subject)
    if not url:
        raise UsageError(
            f"cannot tell which database {subject.service} has",
            why="neither its schema rules nor its environment name one",
            fix="write `database: ${DATABASE_URL}` under `schema:` in services.yaml",
        )
    try:
        return parse_url(url, subject.code.folder)
    except ValueError as error:
        raise UsageError(f"cannot read the database URL of {subject.service}", why=str(error)) from error


@contextmanager
def opened(subject: Subject, looks: Looks) -> Iterator[LiveDatabase]:
    """Give the service's database, opened for reading. Raises CannotLook."""
    live = looks.open_database(looks.find_url(subject), folder=subject.code.folder)
    try:
        yield live
    finally:
        live.close()


def _access(subject: Subject, looks: Looks, database: Database, version: str, say: Say) -> Access:
    def ask(sql: str) -> list[tuple[object, ...]]:
        """Ask on a connection of its own: one that stayed open would keep locks that a restore waits for."""
        with opened(subject, looks) as live:
            return live.query(sql)

    server = subject.server if subject.server.service else at_server(subject, database).server
    return Access(database=database, server=server, version=version, ask=ask, say=say)


@contextmanager
def translating(what: str, subject: Subject) -> Iterator[None]:
    """Turn a database that cannot be looked at into an error with a fix."""
    try:
        yield
    except CannotLook as silence:
        fix = silence.fix or f"devenv up {subject.server.service or subject.service}"
        raise NotReady(what, why=silence.reason, fix=fix, details=silence.details) from silence


def _check_name(name: str, taken: list[str]) -> None:
    if name and not is_name(name):
        why = "a name has letters, digits, dots, dashes and underscores, and begins with a letter or digit"
        raise UsageError(f"cannot name a snapshot {name!r}", why=why, fix="devenv snapshot save before-demo")
    if name in taken:
        why = "there is one of that name"
        raise UsageError(f"cannot name the snapshot {name}", why=why, fix=f"devenv snapshot rm {name}")
