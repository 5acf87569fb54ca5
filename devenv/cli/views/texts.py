"""What views do to text before it is shown: colours, places taken apart, the texts of a verdict cleaned.

Pure. Must not know where the text goes. Invariant: without colour, `paint` returns what it was given.
"""

from collections.abc import Callable
from dataclasses import replace

from devenv.domain.findings import Finding, Verdict

_SGR = {"red": "31", "green": "32", "yellow": "33", "magenta": "35", "dim": "2", "bold": "1"}


def clean_verdict(verdict: Verdict, clean: Callable[[str], str]) -> Verdict:
    """Return `verdict` with every text of it cleaned."""
    return replace(
        verdict,
        service=clean(verdict.service),
        database=clean(verdict.database),
        checked=tuple(map(clean, verdict.checked)),
        findings=tuple(_clean_finding(finding, clean) for finding in verdict.findings),
    )


def split_place(place: str) -> tuple[str, str]:
    """Return file and line of `app/models.py:14`; the line is '' where none is told."""
    file, _, line = place.rpartition(":")
    return (file, line) if file and line.isdecimal() else (place, "")


def paint(text: str, style: str, *, colour: bool) -> str:
    """Return `text` in a colour (red, green, yellow, magenta, dim, bold), or as it is."""
    return f"\x1b[{_SGR[style]}m{text}\x1b[0m" if colour and text else text


def _clean_finding(finding: Finding, clean: Callable[[str], str]) -> Finding:
    return replace(
        finding,
        id=clean(finding.id),
        text=clean(finding.text),
        fix=clean(finding.fix),
        details=tuple(map(clean, finding.details)),
        place=clean(finding.place),
    )
