"""MySQL and MariaDB: mysqldump, and on failure the present state put back.

Neither has transactions over tables, and the login that the usual images make may create no second database; tables
with triggers, and views, cannot be moved between databases anyway. So a restore first drops every table in one
statement (which waits for all its locks before it drops any, and changes nothing where it gives up), loads the dump,
and where that fails, or is interrupted, loads the dump of what was there a moment ago. Only a kill -9 in between
leaves less than that; the dump is then still listed, and `devenv snapshot restore` loads it.

Invariant: `restore` raises only after the former state is back, or says in its words that it is not.
"""

import gzip
import itertools
import os
import re
import select
import shutil
import subprocess
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, cast

from devenv.adapters.snapshots.access import Access, Roles
from devenv.adapters.snapshots.tools import Program, ask_program, running
from devenv.domain.errors import DatabaseFailed, HostError
from devenv.domain.snapshots import Snapshot
from devenv.schema.ports import CannotLook

LOCK_WAIT_S = 10
"""How long a restore waits for somebody else's lock."""

_CHUNK_BYTES = 1 << 20
_LOCKED = "1205"
_NAMES = {"dump": ("mariadb-dump", "mysqldump"), "client": ("mariadb", "mysql")}
_OPTIONS = (
    "--single-transaction", "--quick", "--routines", "--triggers", "--events", "--hex-blob", "--no-tablespaces",
    "--skip-lock-tables", "--default-character-set=utf8mb4", "--skip-dump-date",
)  # fmt: skip
_TABLES = "select table_name, table_type from information_schema.tables where table_schema = database()"
_ROUTINES = "select routine_name, routine_type from information_schema.routines where routine_schema = database()"
_EVENTS = "select event_name, 'EVENT' from information_schema.events where event_schema = database()"
_ROWS = "select coalesce(sum(table_rows), 0) from information_schema.tables where table_schema = database()"
_OTHERS = (
    "select id, user, command, time from information_schema.processlist"
    " where db = database() and id <> connection_id() and state not like 'Waiting for table%' order by id"
)
_WAITING = (
    "select id from information_schema.processlist"
    " where db = database() and state like 'Waiting for table%' and time >= {seconds}"
)


def dump(access: Access, target: Path) -> Roles:
    """Write the database into `target`; it has no roles of its own."""
    program, is_mariadb = _find_program(access, "dump")
    more = () if is_mariadb else ("--set-gtid-purged=OFF", "--column-statistics=0")
    arguments = (*_login(access, is_mariadb=is_mariadb), *_OPTIONS, *more, access.database.name)
    what = f"cannot dump {access.database.describe()}"
    with (
        target.open("xb") as file,
        gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1, mtime=0) as packed,
        running(program, *arguments, stdout=subprocess.PIPE) as running_dump,
    ):
        for chunk in _read_while_moving(access, cast("IO[bytes]", running_dump.process.stdout), what):
            packed.write(chunk)
        running_dump.require(what)
    return Roles()


def restore(access: Access, source: Path, snapshot: Snapshot, fallback: Path) -> None:
    """Replace everything that is there by `source`; where that fails put back `fallback`."""
    what = f"cannot restore {snapshot.name}"
    untouched = f"{what}; {access.database.describe()} is as it was"
    there = _list_objects(access)
    is_emptied = False
    try:
        said = _run(access, write_drops(*there), untouched)
        if not said:
            is_emptied = True
            said = _load(access, source, untouched)
    except BaseException:
        if is_emptied or _list_objects(access) != there:
            _put_back(access, fallback, what)
        raise
    if not is_emptied and _list_objects(access) == there:
        raise _explain_refusal(access, untouched, said)
    if said:
        _put_back(access, fallback, what)
        raise DatabaseFailed(untouched, why=f"the server says: {said}")


def count_rows(access: Access) -> int:
    """Return the server's estimate."""
    return int(str(access.ask(_ROWS)[0][0]))


def quote(name: str) -> str:
    """Return an identifier as SQL writes it."""
    return "`" + name.replace("`", "``") + "`"


def write_drops(tables: Iterable[tuple[str, str]], others: Iterable[tuple[str, str]]) -> str:
    """Return SQL that drops `tables` (name, type) first, all in one statement, then views and the `others`."""
    kinds: dict[str, list[str]] = {"BASE TABLE": [], "VIEW": [], "SEQUENCE": []}
    for name, kind in tables:
        kinds["VIEW" if "VIEW" in kind else kind if kind in kinds else "BASE TABLE"].append(quote(name))
    words = {"BASE TABLE": "TABLE", "VIEW": "VIEW", "SEQUENCE": "SEQUENCE"}
    lines = [_limit_waiting(), "SET SESSION foreign_key_checks = 0;"]
    lines += [f"DROP {words[kind]} IF EXISTS {', '.join(names)};" for kind, names in kinds.items() if names]
    lines += [f"DROP {kind} IF EXISTS {quote(name)};" for name, kind in others]
    return "\n".join(lines) + "\n"


def _limit_waiting() -> str:
    return f"SET SESSION lock_wait_timeout = {LOCK_WAIT_S};"


def _list_objects(access: Access) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the tables (name, type), and what else there is."""
    tables = [(str(name), str(kind)) for name, kind in access.ask(_TABLES)]
    others = [(str(name), str(kind)) for query in (_ROUTINES, _EVENTS) for name, kind in access.ask(query)]
    return tables, others


def _read_while_moving(access: Access, output: IO[bytes], what: str) -> Iterator[bytes]:
    """Give what a dump writes. Raises DatabaseFailed where it waits for a lock: it has no limit of its own."""
    while True:
        ready, _, _ = select.select([output], [], [], LOCK_WAIT_S)
        if not ready and access.ask(_WAITING.format(seconds=LOCK_WAIT_S)):
            raise _explain_lock(access, what)
        if ready:
            chunk = os.read(output.fileno(), _CHUNK_BYTES)
            if not chunk:
                return
            yield chunk


def _put_back(access: Access, fallback: Path, what: str) -> None:
    access.say("putting back what was there before")
    broken = f"{what}, and cannot put back what was there"
    fix = f"devenv snapshot restore {fallback.parent.name}"
    said = _run(access, write_drops(*_list_objects(access)), broken) or _load(access, fallback, broken)
    if said:
        raise DatabaseFailed(broken, why=f"the server says: {said}", fix=fix)


def _run(access: Access, script: str, what: str) -> str:
    """Run SQL; return what the server refused, '' where it did all."""
    return _feed(access, what, [script.encode()])


def _load(access: Access, source: Path, what: str) -> str:
    with gzip.open(source) as packed:
        chunks = iter(lambda: packed.read(_CHUNK_BYTES), b"")
        return _feed(access, what, itertools.chain([f"{_limit_waiting()}\n".encode()], chunks))


def _feed(access: Access, what: str, chunks: Iterable[bytes]) -> str:
    program, is_mariadb = _find_program(access, "client")
    arguments = (*_login(access, is_mariadb=is_mariadb), "--batch", "--default-character-set=utf8mb4")
    with running(program, *arguments, access.database.name, stdin=subprocess.PIPE) as client:
        script = cast("IO[bytes]", client.process.stdin)
        try:
            for chunk in chunks:
                script.write(chunk)
            script.close()
        except BrokenPipeError:
            pass  # the client has ended, and says why
        except (OSError, EOFError, zlib.error) as error:  # the dump's own compression is damaged
            return str(error)
        if client.wait() == 0:
            return ""
        # In front of the error stands the whole statement, the user's rows in it.
        errors = [line for line in client.error().splitlines() if line.startswith("ERROR ")]
        if not errors:
            raise DatabaseFailed(what, why=f"{program.name} ended with status {client.wait()}")
        return errors[-1]


def _explain_refusal(access: Access, what: str, said: str) -> DatabaseFailed:
    found = re.search(r"ERROR (\d+)", said)
    if found and found[1] == _LOCKED:
        return _explain_lock(access, what)
    return DatabaseFailed(what, why=f"the server says: {said}")


def _explain_lock(access: Access, what: str) -> DatabaseFailed:
    others = _describe_others(access)
    why = f"another connection kept a lock for more than {LOCK_WAIT_S} s: {'; '.join(others) or 'it has gone now'}"
    return DatabaseFailed(what, why=why, fix="end its transaction, or stop the service that holds it, and repeat")


def _describe_others(access: Access) -> list[str]:
    """Return which other connections the database has, as far as this login may see them."""
    try:
        rows = access.ask(_OTHERS)
    except CannotLook:
        return []
    return [f"connection {id_} of {user}, {command} for {time} s" for id_, user, command, time in rows]


def _login(access: Access, *, is_mariadb: bool) -> tuple[str, ...]:
    database = access.database
    if database.socket and not access.server.container:
        place: tuple[str, ...] = (f"--socket={database.socket}",)
    else:
        inside = bool(access.server.container)
        host = "127.0.0.1" if inside else database.host
        port = (access.server.inner_port or 3306) if inside else database.port
        place = ("--protocol=tcp", f"--host={host}", f"--port={port}")
    # A newer MariaDB client insists on TLS that it can verify, which a development server does not have.
    plain = ("--ssl", "--skip-ssl-verify-server-cert") if database.needs_tls else ("--skip-ssl",)
    modes = ("--ssl-mode=REQUIRED",) if database.needs_tls else ()
    # --no-defaults: a password in the user's own my.cnf would go before ours.
    return ("--no-defaults", *place, f"--user={database.user or 'root'}", *(plain if is_mariadb else modes))


def _find_program(access: Access, role: str) -> tuple[Program, bool]:
    """Return the program, and whether it is MariaDB's. Raises HostError."""
    names = _NAMES[role]
    # Both read it; an option file would put the password on disk.
    secrets = {"MYSQL_PWD": access.database.password}
    candidates = list(names)
    if access.server.programs:
        candidates = [str(Path(access.server.programs) / name) for name in names] + candidates
    for name in candidates:
        path = name if access.server.container else shutil.which(name)
        if path and (said := ask_program(Program(path=path, container=access.server.container), "--version")):
            return Program(path=path, container=access.server.container, secrets=secrets), "mariadb" in said.lower()
    where = f"container {access.server.container[:12]}" if access.server.container else "this machine"
    fix = f"apt-get install {'mariadb-client' if 'MariaDB' in access.version else 'default-mysql-client'}"
    raise HostError(f"cannot run {names[-1]}", why=f"{where} has neither {' nor '.join(names)}", fix=fix)
