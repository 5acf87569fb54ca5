"""What a sync left undone, as the errors that the user reads.

Pure. Invariant: a report that is not complete has at least one failure, and one that is complete has none.
"""

from collections.abc import Iterable, Iterator

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
            yield SyncIncomplete(
                f"cannot sync all of {report.name}", why=remark.text, fix=remark.fix, details=remark.details
            )
    if report.promoted is not None and not report.promoted.is_done:
        yield _of_promotion(report.name, report.promoted)
    for rows in _join(report.rows):
        yield _of_rows(report.name, rows)


def _of_promotion(name: str, promoted: Promoted) -> SyncIncomplete:
    what = f"cannot promote {promoted.source} to {promoted.target} in {name}"
    if promoted.how is not Promoting.CONFLICT:
        return SyncIncomplete(what, why=promoted.why, fix=promoted.fix)
    why = promoted.why or f"{len(promoted.conflicts)} files were changed on both sides; nothing was changed here"
    return SyncIncomplete(what, why=why, fix=promoted.fix, details=promoted.conflicts)


def _join(rows: Iterable[PushRow]) -> Iterable[list[PushRow]]:
    """Return the rows that are not done, together where one cause keeps several branches from a remote."""
    found: dict[tuple[str, ...], list[PushRow]] = {}
    for row in rows:
        if not row.is_done:
            branch = "" if row.outcome is Outcome.FAILED else row.branch
            found.setdefault((row.remote, row.why, row.outcome, branch), []).append(row)
    return found.values()


def _of_rows(name: str, rows: list[PushRow]) -> SyncIncomplete:
    first, *others = rows
    branches = ", ".join(row.branch for row in rows[:-1]) + f" and {rows[-1].branch}" if others else first.branch
    words = _VERBS.get(first.outcome, "cannot push {branch} of {name} to {remote}")
    what = words.format(branch=branches, name=name, remote=first.remote)
    return SyncIncomplete(what, why=first.why, fix=first.fix)


def _of_mirror(report: MirrorReport) -> Iterator[SyncIncomplete]:
    for remark in report.remarks:
        if remark.blocks:
            yield SyncIncomplete(
                f"cannot mirror to {report.target}", why=remark.text, fix=remark.fix, details=remark.details
            )
    for edited in report.edited:
        yield SyncIncomplete(
            f"cannot overwrite {edited.path} in {report.target}",
            why=f"{edited.why}; it was left as it is",
            fix=f"take it over into {report.source}, or delete it there, then: devenv sync",
            details=tuple(edited.diff.splitlines()),
        )
