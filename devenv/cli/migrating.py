"""`devenv migrate`: each database once, then the words of what came of it.

Must not run anything itself. Invariant: whatever goes wrong after a snapshot was taken, the way back is said.
"""

import json
from dataclasses import dataclass

from devenv.adapters.snapshots.migrating import MigrateOutcome, describe_failure, encode_outcome, migrate
from devenv.cli.output import print_aside, print_data
from devenv.cli.session import Session
from devenv.cli.snapshotting import (
    Place,
    choose_databases,
    describe_drift,
    encode_failures,
    gather,
    open_place,
    put_back,
)
from devenv.domain.errors import DevenvError, SchemaDrift, UsageError
from devenv.domain.snapshots import find_rollback
from devenv.domain.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrateOptions:
    """The options of `devenv migrate`."""

    with_snapshot: bool = True
    allow_destructive: bool = False
    as_json: bool = False


def migrate_services(session: Session, names: tuple[str, ...], options: MigrateOptions) -> int:
    """Migrate the databases of the named services, or of all; stops at the first that fails."""
    place = open_place(session)
    outcomes: list[MigrateOutcome] = []
    failure: DevenvError | None = None
    for subject in choose_databases(gather(session, names), place.looks):
        outcome = _migrate_one(subject, place, options)
        outcomes.append(outcome)
        unflushed = _flush_caches(subject) if outcome.status == 0 else None
        failure = find_failure(outcome) or unflushed
        if failure:
            break
        if not options.as_json:
            print_data(f"{outcome.service}: migrated in {outcome.took_s:.1f} s{_way_back(outcome)}")
    if options.as_json:
        ending = encode_failures([failure] if failure else [])
        print_data(json.dumps({**ending, "migrations": [encode_outcome(outcome) for outcome in outcomes]}))
        return failure.exit_status if failure else 0
    if failure:
        raise failure
    return 0


def roll_back(session: Session, names: tuple[str, ...], *, agreed: bool, as_json: bool) -> int:
    """Restore the snapshot that the last migration of the service began with."""
    place = open_place(session)
    subjects = choose_databases(gather(session, names), place.looks)
    if len(subjects) > 1:
        services = ", ".join(subject.service for subject in subjects)
        fix = f"devenv migrate --rollback {subjects[0].service}"
        raise UsageError("cannot roll back", why=f"several services have databases: {services}", fix=fix)
    (subject,) = subjects
    snapshot = find_rollback(place.store.list_snapshots(), subject.service)
    if snapshot is None:
        why = f"no migration of {subject.service} has kept a snapshot"
        raise UsageError("cannot roll back", why=why, fix="devenv snapshot list")
    how = f"devenv migrate --rollback {subject.service} --yes"
    return put_back(place, snapshot, subject, how=how, agreed=agreed, as_json=as_json)


def find_failure(outcome: MigrateOutcome) -> DevenvError | None:
    """Return what keeps the outcome from being well, with the way back."""
    if outcome.status != 0:
        return describe_failure(outcome)
    what = f"{outcome.service} is migrated, but its database is still not what the code expects"
    drift = describe_drift(outcome.verdict, what)
    if drift is None or outcome.snapshot is None:
        return drift
    back = (f"to go back: devenv migrate --rollback {outcome.service}",)
    return SchemaDrift(drift.what, why=drift.why, fix=drift.fix, details=(*drift.details, *back))


def _migrate_one(subject: Subject, place: Place, options: MigrateOptions) -> MigrateOutcome:
    return migrate(
        subject,
        store=place.store,
        looks=place.looks,
        run_gate=place.run_gate,
        say=print_aside,
        with_snapshot=options.with_snapshot,
        allow_destructive=options.allow_destructive,
    )


def _flush_caches(subject: Subject) -> DevenvError | None:
    """Drop what the new schema makes worthless in the caches; return what kept it from that."""
    from devenv.daemon.inspection import flush_caches  # noqa: PLC0415 - loads what a rollback does not need

    try:
        flush_caches(subject, print_aside)
    except DevenvError as error:
        return error
    return None


def _way_back(outcome: MigrateOutcome) -> str:
    return f"; to go back: devenv migrate --rollback {outcome.service}" if outcome.snapshot else ""
