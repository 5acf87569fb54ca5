"""Findings as workflow commands of GitHub Actions, which shows them beside the changed lines of a pull request.

Pure; whether Actions runs this is the caller's to know. Invariant: a finding is one line and one command, whatever a
database said; and what is shown to people goes through `fence`, since the runner takes commands from any line.
"""

import posixpath
from collections.abc import Sequence

from devenv.cli.views.texts import clean_verdict, split_place
from devenv.domain.findings import RANK, Finding, Severity, Verdict
from devenv.domain.texts import printable

_COMMANDS = {
    Severity.ERROR: "error",
    Severity.UNKNOWN: "warning",
    Severity.WARNING: "warning",
    Severity.INFO: "notice",
}
_DETAILS = 20
"""An annotation is a box beside the code; the report has the rest."""


def annotation_lines(verdicts: Sequence[Verdict], *, root: str, folder: str = "", strict: bool = False) -> list[str]:
    """Return a command for each finding.

    `root` is the repository's folder (GITHUB_WORKSPACE), which files are shown relative to; `folder` is where relative
    places begin, empty for `root`.
    """
    found = [(one.service, finding) for one in verdicts for finding in clean_verdict(one, printable).findings]
    # GitHub keeps ten of each kind and drops the rest: the gravest of all services go first.
    found.sort(key=lambda pair: RANK[pair[1].severity])
    return [_line(finding, service, root=root, folder=folder or root, strict=strict) for service, finding in found]


def fence(lines: Sequence[str], *, token: str) -> list[str]:
    """Return `lines` between two commands that let the runner take none from them; `token` must not be guessable."""
    return [f"::stop-commands::{token}", *lines, f"::{token}::"]


def _line(finding: Finding, service: str, *, root: str, folder: str, strict: bool) -> str:
    is_unknown = finding.severity is Severity.UNKNOWN
    command = "error" if strict and is_unknown else _COMMANDS[finding.severity]
    file, line = _locate(finding.place, root=root, folder=folder)
    title = f"{service}: {finding.topic}{', not checked' if is_unknown else ''}"
    properties = {"file": file, "line": line if file else "", "title": title}
    written = ",".join(f"{name}={_escape_property(value)}" for name, value in properties.items() if value)
    return f"::{command} {written}::{_escape(_message(finding, has_place=bool(file)))}"


def _locate(place: str, *, root: str, folder: str) -> tuple[str, str]:
    """Return the file relative to the repository, and the line; two empty texts for a place outside it."""
    file, line = split_place(place)
    if not file:
        return "", ""
    path = posixpath.relpath(posixpath.normpath(posixpath.join(folder, file)), root)
    return ("", "") if path.startswith("..") else (path, line)


def _message(finding: Finding, *, has_place: bool) -> str:
    shown = finding.details[:_DETAILS]
    left = len(finding.details) - len(shown)
    return "\n".join([
        finding.text,
        *([finding.place] if finding.place and not has_place else []),
        *(f"- {detail}" for detail in shown),
        *([f"and {left} more"] if left else []),
        *([f"fix: {finding.fix}"] if finding.fix else []),
    ])  # fmt: skip


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")
