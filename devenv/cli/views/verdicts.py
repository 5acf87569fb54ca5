"""What checks came to, for people and as a document.

Pure. Must not know how anything was checked. Invariant: what could not be checked is never shown as ok, the database
that was looked at is always named, and no password is shown.
"""

import textwrap
from collections import Counter
from collections.abc import Sequence

from devenv.cli.views.texts import clean_verdict, paint
from devenv.domain.findings import Finding, Severity, Topic, Verdict, encode_verdict, sort_findings
from devenv.domain.texts import hide_passwords, printable

VERSION = 1
_MARKS = {Severity.ERROR: "✘", Severity.UNKNOWN: "?", Severity.WARNING: "!", Severity.INFO: "·"}
_STYLES = {"✘": "red", "?": "magenta", "!": "yellow", "·": "dim", "✔": "green"}
_OF_DATABASE = frozenset({Topic.DATABASE, Topic.MODELS, Topic.MIGRATIONS, Topic.IMPORT})
_SHOWN = 3
"""How many details of a finding are shown before the rest is counted."""
_NARROWEST = 40


def verdict_lines(verdicts: Sequence[Verdict], *, colour: bool, width: int) -> list[str]:
    """Return each service with what was looked at, and its findings below, the gravest first."""
    lines: list[str] = []
    for verdict in verdicts:
        lines += _service_lines(clean_verdict(verdict, printable), colour=colour, width=max(width, _NARROWEST))
    return lines


def summary_line(verdicts: Sequence[Verdict], *, strict: bool) -> str:
    """Return all of it in one line: `api: 2 errors, 1 warning; web: ok`."""
    told = [f"{printable(one.service)}: {_tally(one, strict=strict)}" for one in verdicts]
    return "; ".join(told) or "nothing to check"


def verdicts_document(verdicts: Sequence[Verdict], *, status: int) -> dict[str, object]:
    """Return what `check --json` prints; `status` is the command's exit status."""
    return {
        "version": VERSION,
        "status": status,
        "services": [encode_verdict(clean_verdict(verdict, hide_passwords)) for verdict in verdicts],
    }


def _service_lines(verdict: Verdict, *, colour: bool, width: int) -> list[str]:
    mark, name = _paint_mark(_head_mark(verdict), colour=colour), paint(verdict.service, "bold", colour=colour)
    lines = [f"{mark} {name}: {_tally(verdict)}"]
    if verdict.database or _is_about_database(verdict):
        lines += _wrap(f"looked at: {verdict.database or 'no database'}", "  ", "    ", width)
    if verdict.checked:
        lines += _wrap(f"checked: {'; '.join(verdict.checked)}", "  ", "    ", width)
    for finding in sort_findings(verdict.findings):
        lines += _finding_lines(finding, verdict.service, colour=colour, width=width)
    return lines


def _is_about_database(verdict: Verdict) -> bool:
    """Tell whether a database should have been looked at: a cache or a set of variables has none."""
    return any(finding.topic in _OF_DATABASE for finding in verdict.findings)


def _finding_lines(finding: Finding, service: str, *, colour: bool, width: int) -> list[str]:
    prefix = "not checked: " if finding.severity is Severity.UNKNOWN else ""
    mark = _paint_mark(_MARKS[finding.severity], colour=colour)
    # The mark is put in afterwards: its colour has no width.
    first, *others = _wrap(prefix + finding.text, "    ", "    ", width)
    lines = [f"  {mark} {first.strip()}", *others]
    if finding.place:
        lines.append(f"    {paint(finding.place, 'dim', colour=colour)}")
    lines += [f"    - {detail}" for detail in finding.details[:_SHOWN]]
    if (left := len(finding.details) - _SHOWN) > 0:
        lines.append(f"      and {left} more (`{_list_command(finding, service)}`)")
    if finding.fix:
        lines.append(f"    fix: {finding.fix}")  # never wrapped: it is there to be copied
    return lines


def _list_command(finding: Finding, service: str) -> str:
    """Return the command that shows all details: most of what a database lacks is in the diff, the rest is not."""
    is_drift = finding.topic in {Topic.MODELS, Topic.DATABASE} and finding.severity is not Severity.UNKNOWN
    return f"devenv schema diff {service}" if is_drift else f"devenv check {service} --json"


def _head_mark(verdict: Verdict) -> str:
    worst = verdict.worst()
    if worst in {None, Severity.INFO}:
        return "·" if _is_empty(verdict) else "✔"
    return _MARKS[worst]


def _paint_mark(mark: str, *, colour: bool) -> str:
    return paint(mark, _STYLES[mark], colour=colour)


def _tally(verdict: Verdict, *, strict: bool = False) -> str:
    if _is_empty(verdict):
        return "nothing to check"
    counts = Counter(finding.severity for finding in sort_findings(verdict.findings))
    unknown = f"{counts[Severity.UNKNOWN]} not checked" + (", which --strict refuses" if strict else "")
    words = [
        _count(counts[Severity.ERROR], "error"),
        unknown if counts[Severity.UNKNOWN] else "",
        _count(counts[Severity.WARNING], "warning"),
        _count(counts[Severity.INFO], "note"),
    ]
    is_well = not set(counts) - {Severity.INFO}
    return ", ".join(["ok"] * is_well + [word for word in words if word])


def _is_empty(verdict: Verdict) -> bool:
    return not verdict.checked and not verdict.findings


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}" if number else ""


def _wrap(text: str, first: str, others: str, width: int) -> list[str]:
    """Return the lines of `text`, at least one; words are kept whole, since they may be commands."""
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    ) or [first]
