"""The checks with everything that they need, for the command line and for the daemon's worker.

Constructs what looks: databases, interpreters, snapshots. Must not word anything. Invariant: nothing is written but
remembered models and snapshots, both below the stack's own state folder.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import anyio.from_thread

from devenv.domain.database import parse_url
from devenv.domain.errors import DevenvError
from devenv.domain.findings import Finding, Severity, Topic, Verdict
from devenv.domain.subject import Subject, at_server
from devenv.schema.differences import Difference
from devenv.schema.discover import find_database_url
from devenv.schema.inspection import Tools, find_settings_url, look
from devenv.schema.ports import CannotLook, LiveDatabase

FLUSH_S = 30.0


def make_tools(state_dir: Path) -> Tools:
    """Return what looks at databases and models; remembered models lie in `state_dir`."""
    from devenv.adapters.databases.opening import open_database  # noqa: PLC0415 - loads no driver before it is needed
    from devenv.adapters.git.history import find_branch  # noqa: PLC0415
    from devenv.adapters.models.reader import read_models  # noqa: PLC0415
    from devenv.adapters.processes.identity import read_began_at  # noqa: PLC0415

    return Tools(
        open_database=open_database,
        read_models=partial(read_models, cache_dir=state_dir / "models", check=_raise_if_cancelled),
        began_at=read_began_at,
        find_branch=find_branch,
    )


def _raise_if_cancelled() -> None:
    """Raise in a thread whose task was cancelled: a hung import must not be waited for."""
    with suppress(RuntimeError):  # no thread of a task: in the main thread Ctrl-C raises by itself
        anyio.from_thread.check_cancelled()


async def inspect(subject: Subject, state_dir: Path) -> tuple[Verdict, tuple[Difference, ...]]:
    """Check a service's database against its code; return the verdict and every difference."""
    return await look(subject, make_tools(state_dir))


def inspect_now(subject: Subject, state_dir: Path) -> Verdict:
    """Check a service where no event loop runs."""
    verdict, _ = anyio.run(inspect, subject, state_dir)
    return verdict


def migrate_now(subject: Subject, state_dir: Path, say: Callable[[str], None]) -> Verdict:
    """Snapshot, run the service's own command, check; what goes wrong on the way is a finding."""
    from devenv.adapters.snapshots.looking import make_looks  # noqa: PLC0415 - only migrations need it
    from devenv.adapters.snapshots.migrating import describe_failure, migrate  # noqa: PLC0415
    from devenv.adapters.snapshots.store import SnapshotStore  # noqa: PLC0415

    store = SnapshotStore(state_dir / "snapshots")
    subject = name_database(subject, state_dir)
    try:
        outcome = migrate(
            subject, store=store, looks=make_looks(), run_gate=lambda one: inspect_now(one, state_dir), say=say
        )
        if outcome.status != 0:
            return _to_verdict(subject, describe_failure(outcome))
        flush_caches(subject, say)
    except DevenvError as error:
        return _to_verdict(subject, error)
    return outcome.verdict or Verdict(service=subject.service)


def flush_caches(subject: Subject, say: Callable[[str], None]) -> None:
    """Drop the keys that a schema change makes worthless, where `flush_on_migrate` asks for it. Raises HostError."""
    for url, patterns in subject.flushes.items():
        from devenv.adapters.caches import flush  # noqa: PLC0415 - loads the client library, for few stacks

        deleted = flush(url, patterns, deadline_s=FLUSH_S)
        say(f"{deleted} keys of {', '.join(patterns)} dropped from the cache (flush_on_migrate)")


def _to_verdict(subject: Subject, error: DevenvError) -> Verdict:
    finding = Finding(
        id="migrate-failed",
        severity=Severity.ERROR,
        topic=Topic.MIGRATIONS,
        text=f"{error.what}: {error.why}",
        fix=error.fix,
        details=error.details,
    )
    return Verdict(service=subject.service, findings=(finding,))


def find_missing_tables(subject: Subject, state_dir: Path) -> Verdict:
    """Return a verdict with one finding where an import lacks tables."""
    from devenv.schema.seeding import describe_missing, missing_tables  # noqa: PLC0415 - only imports need it

    files = [Path(path) for path in subject.imports]
    finding: Finding | None = None
    try:
        live = _open(subject, state_dir)
        try:
            missing = missing_tables(files, live)
            if missing:
                finding = describe_missing(files, missing, place=live.place, fix=f"devenv check {subject.service}")
        finally:
            live.close()
    except CannotLook as problem:
        finding = Finding(
            id=problem.code, severity=problem.severity, topic=Topic.IMPORT, text=problem.reason, fix=problem.fix
        )
    return Verdict(service=subject.service, findings=(finding,) if finding is not None else ())


def place_server(subject: Subject) -> Subject:
    """Return `subject` with its database, also where only the `.env` beside the code names it, and with its server.

    Frameworks read that file themselves, so no variable of the service says it.
    """
    try:
        url = find_database_url(subject) or _find_in_dotenv(subject)
        if not url:
            return subject
        named = replace(subject, rules=replace(subject.rules, database=url))
        return at_server(named, parse_url(url, subject.code.folder))
    except (CannotLook, ValueError):
        return subject


def name_database(subject: Subject, state_dir: Path) -> Subject:
    """Return what `place_server` does, and ask the project's own settings (Django's, say) where nothing else tells."""
    placed = place_server(subject)
    if placed.rules.database:
        return placed
    url = find_settings_url(subject, make_tools(state_dir))
    return place_server(replace(subject, rules=replace(subject.rules, database=url))) if url else placed


def _find_in_dotenv(subject: Subject) -> str:
    from devenv.config.text.problems import Problems  # noqa: PLC0415 - only where no variable names a database
    from devenv.config.text.variables import Variables, load_env_files  # noqa: PLC0415

    path = str(Path(subject.code.folder) / ".env")
    found = load_env_files([path], Variables(layers=[subject.code.environment]), Problems(subject.code.folder))
    return find_database_url(replace(subject, code=replace(subject.code, environment=found))) if found else ""


def _open(subject: Subject, state_dir: Path) -> LiveDatabase:
    url = find_database_url(subject) or find_settings_url(subject, make_tools(state_dir))
    if not url:
        raise CannotLook(
            f"no variable of {subject.service} names a database",
            code="database-unknown",
            severity=Severity.UNKNOWN,
            fix=f"set DATABASE_URL in the environment of {subject.service}",
        )
    return make_tools(state_dir).open_database(url, folder=subject.code.folder)
