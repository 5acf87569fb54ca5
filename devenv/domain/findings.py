"""What a check found, as values: a finding is one cause in one sentence, a verdict all that was learnt of a service.

Pure. Must not know how anything is looked at. Invariant: what could not be checked is a finding of its own
(`Severity.UNKNOWN`), so that a verdict without findings means that everything was looked at and is well.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """What a finding means for "ready", the gravest first."""

    ERROR = "error"
    """The code will break: it blocks."""
    UNKNOWN = "unknown"
    """It could not be checked: never "ok", and blocks with `--strict`."""
    WARNING = "warning"
    INFO = "info"


RANK: Mapping[Severity, int] = {severity: rank for rank, severity in enumerate(Severity)}


class Topic(StrEnum):
    """What a finding is about; the groups that `devenv check` shows."""

    DATABASE = "database"
    MODELS = "models"
    MIGRATIONS = "migrations"
    CLIENT = "client"
    FILES = "files"
    IMPORT = "import"
    DEPENDENCIES = "dependencies"
    ENVIRONMENT = "environment"
    CACHE = "cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One problem: `text` names the cause with the values seen, `fix` is one command or edit that mends it.

    `id` stays the same from run to run (`table-missing:orders`): an `accept` file names it. `details` is the list
    behind a count; `place` is `file:line` of the code that it comes from.
    """

    id: str
    severity: Severity
    topic: Topic
    text: str
    fix: str = ""
    details: tuple[str, ...] = ()
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the checks of one service came to.

    `database` tells which one was looked at (host, port, name, schema, server), never its password; `checked` tells
    what was compared, one phrase each, so that "nothing found" is not mistaken for "nothing looked at".
    """

    service: str
    database: str = ""
    checked: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    took_s: float = 0.0

    def worst(self) -> Severity | None:
        """Return the gravest severity, None where nothing was found."""
        return min((finding.severity for finding in self.findings), key=RANK.__getitem__, default=None)

    def of(self, *severities: Severity) -> tuple[Finding, ...]:
        """Return the findings of these severities."""
        return tuple(finding for finding in self.findings if finding.severity in severities)


def blocks(verdict: Verdict, *, strict: bool = False) -> bool:
    """Tell whether the verdict keeps a service from being ready."""
    return bool(verdict.of(Severity.ERROR, Severity.UNKNOWN) if strict else verdict.of(Severity.ERROR))


def sort_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return `findings` with the gravest first, each once; their order within a severity stays."""
    unique: dict[str, Finding] = {}
    for finding in findings:
        unique.setdefault(finding.id, finding)
    return tuple(sorted(unique.values(), key=lambda finding: RANK[finding.severity]))


def encode_verdict(verdict: Verdict) -> dict[str, object]:
    """Return a verdict as plain data, for JSON."""
    return {
        "service": verdict.service,
        "database": verdict.database,
        "checked": list(verdict.checked),
        "findings": [encode_finding(finding) for finding in verdict.findings],
        "took_s": round(verdict.took_s, 3),
    }


def encode_finding(finding: Finding) -> dict[str, object]:
    """Return a finding as plain data, for JSON."""
    return {
        "id": finding.id,
        "severity": str(finding.severity),
        "topic": str(finding.topic),
        "text": finding.text,
        "fix": finding.fix,
        "details": list(finding.details),
        "place": finding.place,
    }


def decode_verdict(data: Mapping[str, Any]) -> Verdict:
    """Rebuild the verdict that `encode_verdict` took apart."""
    return Verdict(
        service=data["service"],
        database=data["database"],
        checked=tuple(data["checked"]),
        findings=tuple(decode_finding(item) for item in data["findings"]),
        took_s=data["took_s"],
    )


def decode_finding(data: Mapping[str, Any]) -> Finding:
    """Rebuild the finding that `encode_finding` took apart."""
    known: dict[str, Any] = {**data, "severity": Severity(data["severity"]), "topic": Topic(data["topic"])}
    return Finding(**{**known, "details": tuple(data["details"])})
