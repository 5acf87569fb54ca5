"""SQLite: its own backup interface, both ways.

A backup reads a consistent state while others write, and written into a database it is one transaction of that
database: readers see the old or the new, a kill is rolled back by whoever opens it next, WAL files are honoured. A file
renamed into place would leave open readers on the old one, and an old WAL file beside the new database.

Invariant: a copy that fails its integrity check never gets into the user's database.
"""

import gzip
import shutil
import time
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, cast

from devenv.adapters.snapshots.access import Access, Roles
from devenv.domain.errors import DatabaseFailed
from devenv.domain.snapshots import Snapshot

if TYPE_CHECKING:
    import sqlite3
    from typing import IO

LOCK_WAIT_S = 10
"""How long a restore waits for a reader or writer that keeps the file locked."""

_PAGES = 4096
_RETRY_S = 0.1


def dump(access: Access, target: Path) -> Roles:
    """Write a copy of the file into `target`."""
    what = f"cannot copy {access.database.describe()}"
    plain = target.with_name("copy")
    try:
        with closing(_connect(Path(access.database.name), mode="ro")) as source, closing(_connect(plain)) as copy:
            _copy(source, copy, what)
        with plain.open("rb") as file, gzip.open(target, "xb", compresslevel=1) as packed:
            shutil.copyfileobj(file, cast("IO[bytes]", packed))
    except _errors() as error:
        raise DatabaseFailed(what, why=f"SQLite says: {error}") from error
    finally:
        plain.unlink(missing_ok=True)
    return Roles()


def restore(access: Access, source: Path, snapshot: Snapshot, fallback: Path) -> None:
    """Replace the file's contents by `source` in one transaction."""
    what = f"cannot restore {snapshot.name}; {access.database.describe()} is as it was"
    plain = fallback.with_name("copy")
    try:
        with gzip.open(source) as packed, plain.open("wb") as file:
            shutil.copyfileobj(packed, file)
        with closing(_connect(plain)) as copy, closing(_connect(Path(access.database.name))) as target:
            _check(copy, what)
            _copy(copy, target, what)
    except _errors() as error:
        raise DatabaseFailed(what, why=f"SQLite says: {error}") from error
    finally:
        plain.unlink(missing_ok=True)


def count_rows(access: Access) -> int:
    """Count them: there is no estimate."""
    names = [str(name) for (name,) in access.ask("select name from sqlite_master where type = 'table'")]
    counts = [f'select count(*) from "{name.replace(chr(34), chr(34) * 2)}"' for name in names]  # noqa: S608 - a name
    return sum(int(str(access.ask(query)[0][0])) for query in counts)


def _copy(source: "sqlite3.Connection", target: "sqlite3.Connection", what: str) -> None:
    source.backup(target, pages=_PAGES, progress=_give_up_after(LOCK_WAIT_S, what), sleep=_RETRY_S)


def _give_up_after(deadline_s: float, what: str) -> Callable[[int, int, int], None]:
    """Return a function that is told of every step, and raises where none has got on for so long."""
    last = (-1, time.monotonic())

    def look(status: int, remaining: int, total: int) -> None:
        nonlocal last
        del status, total
        if remaining != last[0]:
            last = (remaining, time.monotonic())
        elif time.monotonic() - last[1] > deadline_s:
            why = f"another process kept the file locked for more than {deadline_s:g} s"
            raise DatabaseFailed(what, why=why, fix="stop the service that has it open, and repeat")

    return look


def _check(copy: "sqlite3.Connection", what: str) -> None:
    said = [str(row[0]) for row in copy.execute("pragma integrity_check(5)")]
    if said != ["ok"]:
        raise DatabaseFailed(what, why=f"the copy is damaged: {'; '.join(said)}")


def _connect(path: Path, *, mode: str = "rwc") -> "sqlite3.Connection":
    import sqlite3  # noqa: PLC0415 - only who has such a file pays for it

    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=1.0, isolation_level=None)


def _errors() -> tuple[type[Exception], ...]:
    import sqlite3  # noqa: PLC0415 - as above

    return (sqlite3.Error, OSError, EOFError, zlib.error)
