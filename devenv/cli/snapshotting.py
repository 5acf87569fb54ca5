"""`devenv snapshot`: which database is meant, what is said before anything is replaced, and what came of it.

Must not know how a database is dumped. Invariant: nothing is replaced unless a person, or `--yes`, agreed to it after
what will be missing was said.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from devenv.adapters.snapshots.store import SnapshotStore
from devenv.adapters.snapshots.taking import (
    Looks,
    Restored,
    RunGate,
    find_database,
    look_ahead,
    restore_snapshot,
    take_snapshot,
    translating,
)
from devenv.cli.output import can_ask, format_table, here, print_aside, print_data
from devenv.cli.prompts import confirm
from devenv.cli.session import Session
from devenv.domain.database import Database
from devenv.domain.errors import DevenvError, SchemaDrift, UsageError, to_fields
from devenv.domain.findings import Severity, Verdict, blocks, encode_verdict
from devenv.domain.sizes import format_size
from devenv.domain.snapshots import Snapshot, describe_snapshot, encode_snapshot
from devenv.domain.subject import Subject

_HEADER = ("NAME", "SERVICE", "TAKEN (UTC)", "WHY", "TABLES", "ROWS", "SIZE", "COMMIT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a command works with: the stack's snapshots, how databases are looked at, and the gate (None: none)."""

    store: SnapshotStore
    looks: Looks
    run_gate: RunGate | None = None


def open_place(session: Session) -> Place:
    """Return the place of this stack."""
    from devenv.adapters.snapshots.looking import make_looks  # noqa: PLC0415 - not for `list` and `rm`
    from devenv.daemon.inspection import inspect_now  # noqa: PLC0415 - as above

    return Place(
        store=open_store(session),
        looks=make_looks(),
        run_gate=lambda subject: inspect_now(subject, session.paths.folder),
    )


def open_store(session: Session) -> SnapshotStore:
    """Return the snapshots of this stack."""
    return SnapshotStore(session.paths.folder / "snapshots")


def save_snapshots(session: Session, name: str, *, service: str | None, as_json: bool) -> int:
    """Dump one service's database, or each database of the stack once."""
    place = open_place(session)
    chosen = choose_databases(gather(session, (service,) if service else ()), place.looks)
    if name and len(chosen) > 1:
        names = [subject.service for subject in chosen]
        raise UsageError(
            f"cannot call {len(names)} snapshots {name}",
            why=f"these services have databases of their own: {', '.join(names)}",
            fix=f"devenv snapshot save {name} --service {names[0]}",
        )
    made = [
        take_snapshot(subject, store=place.store, looks=place.looks, say=print_aside, name=name) for subject in chosen
    ]
    if as_json:
        print_data(json.dumps({"version": 1, "snapshots": [encode_snapshot(one) for one in made]}))
    else:
        print_data("\n".join(f"{one.name}: {describe_snapshot(one)}" for one in made))
    return 0


def list_snapshots(session: Session, *, service: str | None, as_json: bool) -> int:
    """Print the snapshots, the newest first."""
    found = [one for one in open_store(session).list_snapshots() if service in {None, one.service}]
    if as_json:
        print_data(json.dumps({"version": 1, "snapshots": [encode_snapshot(one) for one in found]}))
    elif found:
        print_data(format_table(_HEADER, [_row(one) for one in found]))
    else:
        print_aside("no snapshots yet; `devenv snapshot save` takes one")
    return 0


def show_snapshot(session: Session, name: str, *, as_json: bool) -> int:
    """Print everything that is known of a snapshot."""
    store = open_store(session)
    snapshot = store.find(name)
    if as_json:
        print_data(json.dumps({**encode_snapshot(snapshot), "file": str(store.dump_of(snapshot))}))
    else:
        lines = [*describe(snapshot), f"  schema {snapshot.fingerprint}", f"  file {store.dump_of(snapshot)}"]
        print_data("\n".join(lines))
    return 0


def remove_snapshots(session: Session, names: tuple[str, ...], *, as_json: bool) -> int:
    """Remove snapshots; none of them where one is not there."""
    store = open_store(session)
    for snapshot in [store.find(name) for name in dict.fromkeys(names)]:
        store.remove(snapshot)
    if as_json:
        print_data(json.dumps({"version": 1, "removed": list(dict.fromkeys(names))}))
    else:
        print_aside(f"removed {', '.join(dict.fromkeys(names))}")
    return 0


def restore_by_name(session: Session, name: str, *, service: str | None, agreed: bool, as_json: bool) -> int:
    """Put a snapshot back into the database of its service, or of another."""
    snapshot = open_store(session).find(name)
    (subject,) = gather(session, (service or snapshot.service,))
    how = f"devenv snapshot restore {name} --yes" + (f" --service {service}" if service else "")
    return put_back(open_place(session), snapshot, subject, how=how, agreed=agreed, as_json=as_json)


def put_back(place: Place, snapshot: Snapshot, subject: Subject, *, how: str, agreed: bool, as_json: bool) -> int:
    """Say what will be missing, ask, restore, check. `how` is the command that agrees beforehand."""
    for line in (*describe(snapshot), *(f"  {gap}" for gap in look_ahead(snapshot, subject, looks=place.looks))):
        print_aside(line)
    target = database_of(subject, place.looks).describe()
    if not agreed and not can_ask(here()):
        why = f"it replaces everything in {target}, and nobody can be asked here"
        raise UsageError(f"cannot restore {snapshot.name}", why=why, fix=how)
    if not agreed and not confirm(f"Replace everything in {target}?"):
        print_aside("nothing was changed")
        return UsageError.exit_status
    restored = restore_snapshot(snapshot, subject, store=place.store, looks=place.looks, say=print_aside)
    verdict = place.run_gate(subject) if place.run_gate else None
    drift = describe_drift(verdict, f"{snapshot.name} is restored, but it is not what {subject.service} expects")
    if as_json:
        print_data(json.dumps(_encode_restored(restored, verdict, drift)))
        return drift.exit_status if drift else 0
    print_data(f"restored {snapshot.name} into {target}")
    if restored.is_same_schema is False:
        print_aside("its schema differs from what the snapshot was made of: devenv schema diff")
    print_aside(f"to go back: devenv snapshot restore {restored.safety.name}")
    if drift:
        raise drift
    return 0


def describe_drift(verdict: Verdict | None, what: str) -> SchemaDrift | None:
    """Return the error of a gate that blocks, None where it is passed or was not asked."""
    if verdict is None or not blocks(verdict):
        return None
    first, *others = verdict.of(Severity.ERROR)
    return SchemaDrift(what, why=first.text, fix=first.fix, details=tuple(other.text for other in others))


def describe(snapshot: Snapshot) -> tuple[str, ...]:
    """Return a snapshot in a few lines."""
    changes = " with changes" if snapshot.has_changes else ""
    commit = f", commit {snapshot.commit[:10]}{changes}" if snapshot.commit else ""
    when = f"{_show_time(snapshot.taken_at)} UTC{_describe_age(snapshot.taken_at)}"
    return (
        f"snapshot {snapshot.name} of {snapshot.service} ({snapshot.why}): {describe_snapshot(snapshot)}",
        f"  taken {when} from {snapshot.database} ({snapshot.server_version}){commit}",
    )


def gather(session: Session, names: tuple[str, ...]) -> list[Subject]:
    """Return what the services' databases are. Raises UsageError where there is none."""
    from devenv.cli.subjects import gather_subjects  # noqa: PLC0415 - reads the configuration
    from devenv.daemon.inspection import name_database  # noqa: PLC0415 - not for `list` and `rm`

    found = gather_subjects(session, names)
    if not found:
        why = f"{names[0]} has no schema rules" if names else "no service of this stack has schema rules"
        fix = "write `schema: {database: ${DATABASE_URL}}` for the service in services.yaml"
        raise UsageError("cannot find a database", why=why, fix=fix)
    return [name_database(subject, session.paths.folder) for subject in found]


def choose_databases(subjects: list[Subject], looks: Looks) -> list[Subject]:
    """Return one service for each database: the first, or the first that says how to migrate it."""
    chosen: dict[Database, Subject] = {}
    for subject in sorted(subjects, key=lambda one: not one.rules.migrate):
        chosen.setdefault(database_of(subject, looks), subject)
    return [subject for subject in subjects if subject in chosen.values()]


def database_of(subject: Subject, looks: Looks) -> Database:
    """Return the service's database. Raises DevenvError where it cannot be told."""
    with translating(f"cannot tell which database {subject.service} has", subject):
        return find_database(subject, looks)


def encode_failures(errors: list[DevenvError]) -> dict[str, object]:
    """Return the fields of a JSON answer that tell how it ended."""
    return {"version": 1, "status": errors[0].exit_status if errors else 0, "failures": [to_fields(e) for e in errors]}


def _encode_restored(restored: Restored, verdict: Verdict | None, drift: SchemaDrift | None) -> dict[str, object]:
    return {
        **encode_failures([drift] if drift else []),
        "restored": restored.snapshot.name,
        "safety": restored.safety.name,
        "is_same_schema": restored.is_same_schema,
        "verdict": encode_verdict(verdict) if verdict else None,
    }


def _row(snapshot: Snapshot) -> tuple[str, ...]:
    return (
        snapshot.name,
        snapshot.service,
        _show_time(snapshot.taken_at),
        str(snapshot.why),
        f"{len(snapshot.tables):,}",
        f"{snapshot.rows:,}",
        format_size(snapshot.size_bytes),
        snapshot.commit[:10] + ("+" if snapshot.has_changes else ""),
    )


def _show_time(taken_at: str) -> str:
    return taken_at[: len("2025-01-31T14:05:09")].replace("T", " ")


def _describe_age(taken_at: str) -> str:
    """Return ` (3 days ago)`, '' for a time that cannot be read."""
    try:
        age_s = (datetime.now(UTC) - datetime.fromisoformat(taken_at)).total_seconds()
    except ValueError:
        return ""
    for unit, length_s in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if age_s >= length_s:
            number = int(age_s // length_s)
            return f" ({number} {unit}{'s' if number > 1 else ''} ago)"
    return " (just now)"
