"""What a sync left undone, as the errors that the user reads.

Pure. Invariant: a report that is not complete has at least one failure, and one that is complete has none.
"""

from collections.abc import Iterator

from devenv.domain.errors import SyncIncomplete
from devenv.domain.syncing import MirrorReport, Outcome, Promoted, Promoting, PushRow, RepositoryReport, SyncReport

_VERBS = {
    Outcome.BEHIND: "cannot push {branch} of {name} to {remote}: it is behind",
    Outcome.DIVERGED: "cannot push {branch} of {name} to {remote}: both have commits that the other lacks",
}


def find_failures(report: SyncReport) -> tuple[SyncIncomplete, ...]:
    """Return one error for everything that was not done, in the order of the report."""
    found: list[SyncIncomplete] = []
    for mirror in report.mirrors:
        found += _of_mirror(mirror)
    for repository in report.repositories:
        found += _of_repository(repository)
    return tuple(found)


def _of_repository(report: RepositoryReport) -> Iterator[SyncIncomplete]:
    for remark in report.remarks:
        if remark.blocks:
            yield SyncIncomplete(f"cannot sync all of {report.name}", why=remark.text, fix=remark.fix)
    if report.promoted is not None and not report.promoted.is_done:
        yield _of_promotion(report.name, report.promoted)
    for row in report.rows:
        if not row.is_done:
            yield _of_row(report.name, row)


def _of_promotion(name: str, promoted: Promoted) -> SyncIncomplete:
    what = f"cannot promote {promoted.source} to {promoted.target} in {name}"
    if promoted.how is not Promoting.CONFLICT:
        return SyncIncomplete(what, why=promoted.why, fix=promoted.fix)
    why = promoted.why or f"{len(promoted.conflicts)} files were changed on both sides; nothing was changed here"
    return SyncIncomplete(what, why=why, fix=promoted.fix, details=promoted.conflicts)


def _of_row(name: str, row: PushRow) -> SyncIncomplete:
    words = _VERBS.get(row.outcome, "cannot push {branch} of {name} to {remote}")
    what = words.format(branch=row.branch, name=name, remote=row.remote)
    return SyncIncomplete(what, why=row.why, fix=row.fix)


def _of_mirror(report: MirrorReport) -> Iterator[SyncIncomplete]:
    for remark in report.remarks:
        if remark.blocks:
            yield SyncIncomplete(f"cannot mirror to {report.target}", why=remark.text, fix=remark.fix)
    for edited in report.edited:
        yield SyncIncomplete(
            f"cannot overwrite {edited.path}",
            why=f"{edited.why} (in {report.target}); it was left as it is",
            fix=f"move what is there to {report.source}, or delete it there, then: devenv sync",
            details=tuple(edited.diff.splitlines()),
        )
