"""Text from outside, made fit to be shown: names and messages of databases, tools and the user's code.

Pure. Must not know what the text is about. Invariant: what leaves `printable` is one line that can neither move a
cursor nor end an XML document nor begin a line of its own, and shows no password of a URL.
"""

import re
from collections.abc import Callable
from dataclasses import replace

from devenv.domain.findings import Finding, Verdict

_URL_PASSWORD = re.compile(r"(?<=://)([^\s:/@]*):[^\s/]*@")
_QUERY_PASSWORD = re.compile(r"(?<=[?&])(password|passwd)=[^&\s]*")
_SGR = {"red": "31", "green": "32", "yellow": "33", "magenta": "35", "dim": "2", "bold": "1"}


def printable(text: str) -> str:
    r"""Return `text` as one line: white space as spaces, what cannot be seen as an escape (`\u200b`)."""
    return "".join(map(_show, hide_passwords(text)))


def hide_passwords(text: str) -> str:
    """Return `text` without the passwords of the URLs in it."""
    return _QUERY_PASSWORD.sub(r"\1=***", _URL_PASSWORD.sub(r"\1:***@", text))


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


def _show(character: str) -> str:
    if character.isspace():
        return " "
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
