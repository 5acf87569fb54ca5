"""The report of a sync in lines: the table repository x branch x remote, and what else there is to know.

Pure. Must not word failures (`sync.failures` does). Invariant: every row of the report is a row of the table.
"""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace

from devenv.cli.output import format_table
from devenv.cli.views.texts import paint
from devenv.domain.sizes import count
from devenv.domain.syncing import (
    Committed,
    Edited,
    Kept,
    LeftOut,
    MirrorReport,
    Outcome,
    Promoted,
    Promoting,
    PushRow,
    Remark,
    RepositoryReport,
    SyncReport,
)
from devenv.domain.texts import printable

_GIT_IN = re.compile(r"""\bgit -C (?P<folder>(?:"'"|'[^']*'|[^\s'"])+)""")
"""The folder as `shlex.quote` writes it: `'it'"'"'s mine'` is one word."""
_HEADER = ("REPOSITORY", "BRANCH", "REMOTE", "RESULT")
_STYLES = {
    Outcome.PUSHED: "green",
    Outcome.THERE: "dim",
    Outcome.TO_PUSH: "green",
    Outcome.BEHIND: "yellow",
    Outcome.DIVERGED: "red",
    Outcome.FAILED: "red",
}


def shorten_report(report: SyncReport, name: Callable[[str], str]) -> SyncReport:
    """Return the report with folders and commands as they are typed from here; `name` shortens a folder."""
    return replace(
        report,
        mirrors=tuple(_shorten_mirror(mirror, name) for mirror in report.mirrors),
        repositories=tuple(_shorten_repository(one, name) for one in report.repositories),
    )


def shorten_command(command: str, name: Callable[[str], str]) -> str:
    """Return a command with every `git -C FOLDER` as it is typed from here."""

    def shorten(found: re.Match[str]) -> str:
        near = name("".join(shlex.split(found["folder"])))
        return "git" if near == "." else f"git -C {shlex.quote(near)}"

    return _GIT_IN.sub(shorten, command)


def report_lines(report: SyncReport, *, colour: bool) -> list[str]:
    """Return the report for people."""
    lines: list[str] = []
    for mirror in report.mirrors:
        lines += _mirror_lines(mirror, dry_run=report.is_dry_run)
    for repository in report.repositories:
        lines += _repository_lines(repository, dry_run=report.is_dry_run)
    rows = [
        (printable(repository.name), printable(row.branch), printable(row.remote), _result(row, colour=colour))
        for repository in report.repositories
        for row in repository.rows
    ]
    if rows:
        lines += format_table(_HEADER, rows).splitlines()
    return lines or (["nothing to sync"] if report.is_complete else [])


def _shorten_mirror(report: MirrorReport, name: Callable[[str], str]) -> MirrorReport:
    source, target = name(report.source), name(report.target)

    def shorten(edited: Edited) -> Edited:
        diff = edited.diff.replace(f"--- {report.source}", f"--- {source}", 1)
        return replace(edited, diff=diff.replace(f"+++ {report.target}", f"+++ {target}", 1))

    return replace(
        report,
        source=source,
        target=target,
        edited=tuple(map(shorten, report.edited)),
        remarks=_shorten_remarks(report.remarks, name),
        committed=_shorten_commit(report.committed, name),
    )


def _shorten_repository(report: RepositoryReport, name: Callable[[str], str]) -> RepositoryReport:
    promoted = report.promoted
    return replace(
        report,
        remarks=_shorten_remarks(report.remarks, name),
        kept=_shorten_kept(report.kept, name),
        committed=_shorten_commit(report.committed, name),
        promoted=promoted and replace(promoted, fix=shorten_command(promoted.fix, name)),
        rows=tuple(replace(row, fix=shorten_command(row.fix, name)) for row in report.rows),
    )


def _shorten_remarks(remarks: tuple[Remark, ...], name: Callable[[str], str]) -> tuple[Remark, ...]:
    return tuple(replace(one, fix=shorten_command(one.fix, name)) for one in remarks)


def _shorten_kept(kept: Kept | None, name: Callable[[str], str]) -> Kept | None:
    return kept and replace(kept, restore=shorten_command(kept.restore, name))


def _shorten_commit(committed: Committed | None, name: Callable[[str], str]) -> Committed | None:
    return committed and replace(committed, kept=_shorten_kept(committed.kept, name))


def _result(row: PushRow, *, colour: bool) -> str:
    commits = count(row.commits, "commit")
    words = {
        Outcome.PUSHED: f"pushed {commits}",
        Outcome.TO_PUSH: f"would push {commits}",
        Outcome.BEHIND: f"behind by {commits}" if row.commits else "behind",
    }
    return paint(words.get(row.outcome, str(row.outcome)), _STYLES[row.outcome], colour=colour)


def _repository_lines(report: RepositoryReport, *, dry_run: bool) -> Iterator[str]:
    name = printable(report.name)
    for remark in report.remarks:
        if not remark.blocks:
            yield f"{name}: {printable(remark.text)}" + (f" ({printable(remark.fix)})" if remark.fix else "")
    if report.committed is not None:
        yield from _commit_lines(name, report.committed, dry_run=dry_run)
    if report.kept is not None:
        yield from _kept_lines(name, report.kept)
    if report.promoted is not None and report.promoted.is_done:
        yield from _promotion_lines(name, report.promoted, dry_run=dry_run)


def _commit_lines(name: str, committed: Committed, *, dry_run: bool) -> Iterator[str]:
    if committed.commit:
        yield f"{name}: committed {count(committed.files, 'file')} on {committed.branch} as {committed.commit[:10]}"
    elif dry_run and committed.files:
        yield f"{name}: would commit {count(committed.files, 'file')} on {committed.branch}"
    if committed.kept is not None:
        yield from _kept_lines(name, committed.kept)
    yield from _left_out_lines(name, committed.left_out)


def _kept_lines(name: str, kept: Kept) -> Iterator[str]:
    what = count(kept.files, "file") if kept.files else "the commit of HEAD"
    before = "" if kept.is_new else " (as before)"
    yield f"{name}: kept {what} in {kept.ref}{before}; to get it back: {printable(kept.restore)}"
    yield from _left_out_lines(name, kept.left_out)


def _left_out_lines(name: str, left_out: tuple[LeftOut, ...]) -> Iterator[str]:
    for one in left_out:
        yield f"{name}: left out {printable(one.path)}: {printable(one.why)}"


def _promotion_lines(name: str, promoted: Promoted, *, dry_run: bool) -> Iterator[str]:
    if promoted.how is Promoting.NOTHING:
        return
    would = "would promote" if dry_run else "promoted"
    commits = count(promoted.commits, "commit")
    yield f"{name}: {would} {commits} of {promoted.source} to {promoted.target} ({promoted.how})"


def _mirror_lines(report: MirrorReport, *, dry_run: bool) -> Iterator[str]:
    target = printable(report.target)
    would = "would be " if dry_run else ""
    if report.copied or report.deleted:
        parts = [f"{count(len(report.copied), 'file')} {would}copied", f"{len(report.deleted)} {would}deleted"]
        yield f"{target}: {', '.join(parts)} (mirror of {printable(report.source)})"
    elif report.is_complete:
        yield f"{target}: already like {printable(report.source)}"
    if dry_run:
        yield from (f"  copy {printable(path)}" for path in report.copied)
        yield from (f"  delete {printable(path)}" for path in report.deleted)
    for remark in report.remarks:
        if not remark.blocks:
            yield f"{target}: {printable(remark.text)}"
    yield from _left_out_lines(target, report.left_out)
    if report.committed is not None:
        yield from _commit_lines(target, report.committed, dry_run=dry_run)
