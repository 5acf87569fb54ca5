"""PostgreSQL: pg_dump's custom format, put back in ONE transaction of the same database.

The transaction drops what is there, replays what pg_restore prints, and commits at the very end: whatever cuts it off
(a damaged dump, a lock, Ctrl-C, kill -9) is rolled back by the server. A second database swapped in would need the
right to create one and the end of every connection, loses settings of the database, and stays behind after a kill;
here idle connections may stay, and a non-superuser can restore what it owns. Its price is the lock table: about 700
tables with five indexes fit a server's default (tried: 500 do, 1,000 do not), more need max_locks_per_transaction.

Invariant: the script holds no COMMIT before pg_restore has ended well and psql has replayed all that it printed; psql
that reads an early end of file commits nothing.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import IO, cast

from devenv.adapters.embedded.binaries import find_servers
from devenv.adapters.snapshots.access import Access, Roles
from devenv.adapters.snapshots.tools import Program, Running, ask_program, read_version, running
from devenv.domain.database import Database
from devenv.domain.errors import DatabaseFailed, DevenvError, HostError
from devenv.domain.sizes import count
from devenv.domain.snapshots import Snapshot
from devenv.schema.ports import CannotLook

LOCK_WAIT_S = 10
"""How long a restore or a dump waits for somebody else's lock."""

_CHUNK_BYTES = 1 << 20
_SPEED = "--compress=1"
_REPLAYED = b"devenv-replayed\n"
_LOCKED, _TOO_MANY_LOCKS = "55P03", "53200"
_DUMP_LOCKED = re.compile(r"due to (?:lock|statement) timeout.*LOCK TABLE", re.DOTALL)
"""How pg_dump says that it waited in vain: it passes on the words, not the code."""
_HEADER = re.compile(rb"-- (?:Data for )?Name: (.*); Type: ([A-Z -]+); Schema: ")
_HEAD_TYPES = frozenset({b"SCHEMA", b"EXTENSION", b"COMMENT"})
_TRANSACTION_TIMEOUT_SINCE = 17

_ROLES = """
with mine as (select oid from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'),
 owned(owner, acl) as (
  select relowner, relacl from pg_class where relnamespace in (select oid from mine)
  union all select proowner, proacl from pg_proc where pronamespace in (select oid from mine)
  union all select typowner, typacl from pg_type where typnamespace in (select oid from mine)
  union all select nspowner, nspacl from pg_namespace where oid in (select oid from mine)
  union all select defaclrole, defaclacl from pg_default_acl)
select 'owner', rolname from pg_roles where oid in (select owner from owned) and rolname !~ '^pg_'
union select 'grantee', rolname from pg_roles
 where oid in (select (aclexplode(acl)).grantee from owned where acl is not null) and rolname !~ '^pg_'
order by 1, 2
"""
_MEMBERSHIPS = "select rolname, pg_has_role(current_user, oid, 'MEMBER') from pg_roles"
_ROWS = """
select coalesce(sum(greatest(s.n_live_tup, c.reltuples, 0)), 0)::bigint
from pg_stat_user_tables s join pg_class c on c.oid = s.relid
"""
_HOLDERS = """
select distinct a.pid, coalesce(nullif(a.application_name, ''), 'no name'), a.usename,
 coalesce(a.state, a.backend_type, 'at work'), coalesce(extract(epoch from now() - a.xact_start), 0)::int
from pg_locks l join pg_stat_activity a on a.pid = l.pid
where l.granted and l.locktype = 'relation' and l.relation >= 16384 and a.pid <> pg_backend_pid()
 and l.database = (select oid from pg_database where datname = current_database())
order by 1
"""

_EMPTY = """
DO $devenv$
DECLARE one record;
BEGIN
  FOR one IN SELECT extname FROM pg_extension
    WHERE oid >= 16384 AND pg_has_role(current_user, extowner, 'MEMBER') ORDER BY oid
  LOOP EXECUTE format('DROP EXTENSION IF EXISTS %I CASCADE', one.extname); END LOOP;
  FOR one IN
    WITH own AS (
      SELECT oid FROM pg_namespace n WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
        AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_namespace'::regclass AND e.objid = n.oid
                        AND e.deptype = 'e')),
    part AS (
      SELECT d.classid, d.objid FROM pg_depend d WHERE d.refclassid = 'pg_namespace'::regclass
        AND d.refobjid IN (SELECT oid FROM own) AND d.deptype = 'n' AND d.classid <> 'pg_extension'::regclass
      UNION ALL SELECT 'pg_publication'::regclass, oid FROM pg_publication
      UNION ALL SELECT 'pg_event_trigger'::regclass, oid FROM pg_event_trigger
      UNION ALL SELECT 'pg_foreign_server'::regclass, oid FROM pg_foreign_server
      UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper
      UNION ALL SELECT 'pg_cast'::regclass, oid FROM pg_cast WHERE oid >= 16384)
    SELECT CASE known.type WHEN 'composite type' THEN 'type' WHEN 'statistics object' THEN 'statistics'
             ELSE replace(known.type, '-', ' ') END AS type, known.identity
    FROM part, LATERAL pg_identify_object(part.classid, part.objid, 0) known
    WHERE NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = part.classid AND e.objid = part.objid
                      AND e.deptype IN ('e', 'i') AND e.refobjid <> e.objid) AND known.identity IS NOT NULL
    ORDER BY known.type <> 'table', part.objid
  LOOP EXECUTE format('DROP %s IF EXISTS %s CASCADE', one.type, one.identity); END LOOP;
  FOR one IN SELECT nspname FROM pg_namespace n
    WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid)
      AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_namespace'::regclass AND e.objid = n.oid
                      AND e.deptype = 'e')
  LOOP EXECUTE format('DROP SCHEMA IF EXISTS %I', one.nspname); END LOOP;
  PERFORM lo_unlink(oid) FROM pg_largeobject_metadata WHERE pg_has_role(current_user, lomowner, 'MEMBER');
END $devenv$;
"""


def dump(access: Access, target: Path) -> Roles:
    """Write the database into `target`, and return the roles that it names."""
    what = f"cannot dump {access.database.describe()}"
    roles = _read_roles(access)
    program = _find_program(access, "pg_dump")
    arguments = ("--format=custom", _SPEED, "--no-subscriptions", f"--lock-wait-timeout={LOCK_WAIT_S * 1000}")
    with target.open("xb") as file, _tool(access, program, *arguments, stdout=subprocess.PIPE) as running_dump:
        shutil.copyfileobj(cast("IO[bytes]", running_dump.process.stdout), file, _CHUNK_BYTES)
        if running_dump.wait() != 0 and _DUMP_LOCKED.search(running_dump.error()):
            raise _explain_lock(access, what)
        running_dump.require(what)
    return roles


def restore(access: Access, source: Path, snapshot: Snapshot, fallback: Path) -> None:
    """Replace everything that is there by `source`, or change nothing."""
    del fallback  # the transaction is one already
    choices = _choose_roles(access, snapshot)
    reader = _find_program(access, "pg_restore")
    writer = _find_program(access, "psql")
    what = f"cannot restore {snapshot.name}; {access.database.describe()} is as it was"
    quiet = ("--no-psqlrc", "--quiet", "--output=/dev/null", "--set=ON_ERROR_STOP=1", "--set=VERBOSITY=verbose")
    with (
        source.open("rb") as file,
        running(reader, "--file=-", *choices, stdin=file, stdout=subprocess.PIPE) as read,
        _tool(access, writer, *quiet, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as written,
    ):
        script = cast("IO[bytes]", written.process.stdin)
        output = cast("IO[bytes]", read.process.stdout)
        is_replayed = False
        try:
            _begin(script)
            for line in soften(output, major=read_version(access.version)[0], kept=_list_kept_extensions(access)):
                script.write(line)
            shutil.copyfileobj(output, script, _CHUNK_BYTES)
            read.require(what)
            # Much of it waits in the pipe: psql would carry out a COMMIT behind that although we were killed meanwhile.
            script.write(b"\n\\o\n\\echo " + _REPLAYED)
            script.flush()
            is_replayed = cast("IO[bytes]", written.process.stdout).readline() == _REPLAYED
            script.write(b"COMMIT;\n" if is_replayed else b"")
            script.close()
        except BrokenPipeError:
            pass  # psql has ended, and says why
        if written.wait() != 0 or not is_replayed:
            raise _explain(access, what, written.error())


def count_rows(access: Access) -> int:
    """Return what the server's statistics say."""
    return int(str(access.ask(_ROWS)[0][0]))


def soften(lines: IO[bytes], *, major: int, kept: Iterable[str]) -> Iterator[bytes]:
    """Give the head of a script, up to its first table, without what a server of `major` or this login refuses.

    `kept` are extensions that are there already and belong to somebody else: their comment is not ours to write, and
    the schema that holds them exists.
    """
    drops = tuple(f"COMMENT ON EXTENSION {name} ".encode() for one in kept for name in (one, f'"{one}"'))
    if major < _TRANSACTION_TIMEOUT_SINCE:
        drops = (*drops, b"SET transaction_timeout ")
    for line in lines:
        header = _HEADER.match(line)
        if header and header[2] not in _HEAD_TYPES:
            yield line
            return
        if line.startswith(b"CREATE SCHEMA "):
            yield line.replace(b"CREATE SCHEMA ", b"CREATE SCHEMA IF NOT EXISTS ", 1)
        elif not line.startswith(drops):
            yield line


def _begin(script: IO[bytes]) -> None:
    script.write(b"BEGIN;\nSET LOCAL client_min_messages = warning;\n")
    script.write(f"SET LOCAL lock_timeout = '{LOCK_WAIT_S}s';\n".encode())
    script.write(_EMPTY.encode())


def _read_roles(access: Access) -> Roles:
    rows = [(str(kind), str(name)) for kind, name in access.ask(_ROLES)]
    return Roles(
        owners=tuple(name for kind, name in rows if kind == "owner"),
        grantees=tuple(name for kind, name in rows if kind == "grantee"),
    )


def _choose_roles(access: Access, snapshot: Snapshot) -> tuple[str, ...]:
    """Return the options that leave out owners and grants that this server or this login cannot give."""
    roles = {str(name): bool(is_member) for name, is_member in access.ask(_MEMBERSHIPS)}
    foreign = [name for name in snapshot.owners if not roles.get(name, False)]
    absent = [name for name in snapshot.grantees if name not in roles]
    if foreign:
        access.say(f"owners are not restored, all will belong to {access.database.user}: no right to {_list(foreign)}")
    if absent:
        access.say(f"privileges are not restored: the server has no role {_list(absent)}")
    return (*(["--no-owner"] if foreign else []), *(["--no-privileges"] if absent else []))


def _list_kept_extensions(access: Access) -> list[str]:
    return [
        str(name)
        for (name,) in access.ask(
            "select extname from pg_extension where not pg_has_role(current_user, extowner, 'MEMBER')"
        )
    ]


def _list(names: list[str]) -> str:
    return ", ".join(names)


@contextmanager
def _tool(
    access: Access, program: Program, *arguments: str, stdin: int | None = None, stdout: int | None = None
) -> Iterator[Running]:
    """Run a program that logs in; where the block ends early, end what it was doing inside the server too."""
    mark = f"devenv-{token_hex(6)}"
    marked = replace(program, secrets={**program.secrets, "PGAPPNAME": mark})
    has_ended = False
    try:
        with running(marked, *_login(access), *arguments, stdin=stdin, stdout=stdout) as tool:
            yield tool
            has_ended = tool.process.poll() is not None
    finally:
        if not has_ended:
            _end_session(access, mark)


def _end_session(access: Access, mark: str) -> None:
    """End the server's side of a tool that was cut off: it would finish its statement first, and hold its locks."""
    with suppress(DevenvError):
        words = f"select pg_terminate_backend(pid) from pg_stat_activity where application_name = '{mark}'"  # noqa: S608 - ours
        ask_program(_find_program(access, "psql"), *_login(access), "--no-psqlrc", "--command", words)


def _login(access: Access) -> tuple[str, ...]:
    database = access.database
    host, port = (str(Path(database.socket).parent) if database.socket else database.host), database.port
    if access.server.container:
        host, port = "127.0.0.1", access.server.inner_port or 5432
    user = database.user or "postgres"
    return (
        f"--host={host}",
        f"--port={port}",
        f"--username={user}",
        f"--dbname={database.name or user}",
        "--no-password",
    )


def _secrets(database: Database) -> dict[str, str]:
    password = {"PGPASSWORD": database.password} if database.password else {}
    tls = {"PGSSLMODE": "require"} if database.needs_tls else {}
    return {**password, **tls, "PGCONNECT_TIMEOUT": "10", "PGCLIENTENCODING": "UTF8"}


def _find_program(access: Access, name: str) -> Program:
    """Return the program of the server's own version, else the next newer one. Raises HostError."""
    secrets = _secrets(access.database)
    if access.server.container:
        return Program(path=name, container=access.server.container, secrets=secrets)
    major = (read_version(access.version) or (0,))[0]
    found = {
        str(path): version[0]
        for path in _list_candidates(access.server.programs, name)
        if (version := read_version(ask_program(Program(path=str(path)), "--version")))
    }
    fitting = {path: version for path, version in found.items() if version >= major}
    if fitting:
        return Program(path=min(fitting, key=fitting.__getitem__), secrets=secrets)
    why = f"the server is {access.version}, and there is no {name}"
    if found:
        why = f"the server is {access.version}, and {name} {max(found.values())} is older than it"
    raise HostError(f"cannot run {name}", why=why, fix=f"apt-get install postgresql-client-{major}")


def _list_candidates(programs: str, name: str) -> Iterator[Path]:
    if programs:
        yield Path(programs) / name
    on_path = shutil.which(name)
    folders = [Path("/usr/lib/postgresql").glob("*/bin"), Path("/opt/homebrew/opt").glob("*/bin")]
    yield from (path for folder in folders for one in sorted(folder) if (path := one / name).exists())
    if on_path:
        yield Path(on_path)
    yield from (path for server in find_servers("postgres") if (path := Path(server.program).with_name(name)).exists())


def _explain(access: Access, what: str, said: str) -> DatabaseFailed:
    found = re.search(r": +([0-9A-Z]{5}): (.+)", said)
    code, message = (found[1], found[2]) if found else ("", said.splitlines()[-1] if said else "psql failed")
    if code == _LOCKED:
        return _explain_lock(access, what)
    if code == _TOO_MANY_LOCKS:
        why = "the server's lock table is too small for so many tables in one transaction"
        return DatabaseFailed(what, why=why, fix="set max_locks_per_transaction = 512 and restart the server")
    return DatabaseFailed(what, why=f"PostgreSQL says: {message}" + (f" ({code})" if code else ""))


def _explain_lock(access: Access, what: str) -> DatabaseFailed:
    holders = _describe_holders(access)
    why = f"another connection kept a lock for more than {LOCK_WAIT_S} s: {'; '.join(holders) or 'it has gone now'}"
    return DatabaseFailed(what, why=why, fix="end its transaction, or stop the service that holds it, and repeat")


def _describe_holders(access: Access) -> list[str]:
    """Return who holds locks on the database's tables now."""
    try:
        rows = access.ask(_HOLDERS)
    except CannotLook:
        return []
    return [
        f"pid {pid} ({application}) of {user}, {state}, its transaction {count(int(str(age)), 'second')} old"
        for pid, application, user, state, age in rows
    ]
