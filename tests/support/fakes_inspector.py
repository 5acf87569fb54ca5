"""Checks on fakes: scripted verdicts by service, and what was asked.

Must not touch the machine. Invariant: the last verdict of a script stays, as a database does until somebody mends it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import anyio

from devenv.domain.findings import Finding, Severity, Topic, Verdict
from devenv.domain.subject import Subject


def finding(id_: str, severity: Severity = Severity.ERROR, **facts: object) -> Finding:
    """Return a finding; its text is made of the id."""
    made = {"text": f"about {id_}", "topic": Topic.MIGRATIONS, "fix": f"mend {id_}", **facts}
    return Finding(id=id_, severity=severity, **made)  # type: ignore[arg-type]


class FakeInspector:
    """`verdicts` are the findings of each check of a service, in turn; `missing` the tables that imports lack."""

    def __init__(self) -> None:
        self.verdicts: dict[str, list[tuple[Finding, ...]]] = defaultdict(lambda: [()])
        self.migrated: dict[str, tuple[Finding, ...]] = {}
        self.missing: Callable[[], bool] = lambda: False
        self.locks: dict[str, tuple[Finding, ...]] = {}
        self.asked: list[tuple[str, str]] = []
        self.takes_s = 0.0

    async def check(self, subject: Subject) -> Verdict:
        """Return the next verdict."""
        self.asked.append(("check", subject.service))
        await anyio.sleep(self.takes_s)
        script = self.verdicts[subject.service]
        return Verdict(service=subject.service, findings=script.pop(0) if len(script) > 1 else script[0])

    async def migrate(self, subject: Subject, say: Callable[[str], None]) -> Verdict:
        """Return what is scripted for after a migration, and from now on that."""
        self.asked.append(("migrate", subject.service))
        say("upgrading")
        found = self.migrated.get(subject.service, ())
        self.verdicts[subject.service] = [found]
        return Verdict(service=subject.service, findings=found)

    async def find_missing_tables(self, subject: Subject) -> Finding | None:
        """Return a finding while tables are missing."""
        self.asked.append(("tables", subject.service))
        return finding("import-tables", topic=Topic.IMPORT) if self.missing() else None

    async def check_locks(self, subject: Subject) -> tuple[Finding, ...]:
        """Return what is scripted."""
        return self.locks.get(subject.service, ())
