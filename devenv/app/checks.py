"""What a service is checked for beyond its probes: its database, the tables that it imports into, its lock files.

Decides when each check is asked for and what its answer means for the service; must not know how anything is looked
at. Invariant: a check that could not be made is told and never counts as passed; nothing is changed in a database but
by the user's own `migrate` command, after `auto_migrate` allowed it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from devenv.app.board import Board
from devenv.app.ports import Inspector
from devenv.domain.errors import DevenvError, SchemaDrift
from devenv.domain.findings import Finding, Severity, Verdict, blocks
from devenv.domain.model import OnDrift, Service, TaskRun
from devenv.domain.subject import Subject


@dataclass(slots=True, kw_only=True)
class Checks:
    """The checks of one service. `make_subject` tells where its code and its database are now.

    `is_alone` tells that nothing else of the stack is on its way: what is missing now will not come by itself.
    """

    service: Service
    inspector: Inspector
    board: Board
    make_subject: Callable[[], Subject]
    is_alone: Callable[[], bool]
    strict: bool = False
    verdict: Verdict | None = None
    _locks: tuple[Finding, ...] | None = field(default=None)

    async def before_start(self) -> None:
        """Wait for the tables of an import, and migrate where that is allowed. Raises SchemaDrift."""
        if self.service.imports:
            await self._await_tables()
        if self.service.schema is not None and self.service.schema.auto_migrate:
            await self._migrate()

    async def pass_schema(self) -> DevenvError | None:
        """Hold the database against the code; return what keeps the service from being ready."""
        if self.service.schema is None:
            return None
        self.verdict = await self.inspector.check(self.make_subject())
        if not self._blocks(self.verdict):
            return None
        return self._to_error(self.verdict)

    def tell(self) -> None:
        """Tell what the last check found and what does not keep the service from being ready."""
        if self.verdict is None:
            return
        told = self.verdict.of(Severity.ERROR, Severity.UNKNOWN, Severity.WARNING)
        word = "not checked" if self.verdict.of(Severity.UNKNOWN) else "checked"
        if told:
            rest = f" (and {len(told) - 1} more: devenv check {self.service.name})" if len(told) > 1 else ""
            text = f"{self.service.name}: database {word}: {told[0].text}{rest}"
            self.board.note(text, level="warning", service=self.service.name)

    @property
    def word(self) -> str:
        """Return what the last check came to, in a word: ok, warning, unknown or drift; '' for none."""
        if self.verdict is None:
            return ""
        return _WORDS.get(self.verdict.worst() or Severity.INFO, "ok")

    async def tell_locks(self) -> None:
        """Tell where lock files and installed packages disagree, before the service stumbles over it."""
        for finding in await self._find_locks():
            fix = f" ({finding.fix})" if finding.fix else ""
            level = "warning" if finding.severity in {Severity.ERROR, Severity.WARNING} else "info"
            self.board.note(f"{self.service.name}: {finding.text}{fix}", level=level, service=self.service.name)

    async def explain(self, error: DevenvError) -> DevenvError:
        """Return why a service ended before it was ready: its database or its packages, where they are the cause."""
        drift = await self.pass_schema()
        if drift is not None and isinstance(self.service.run, TaskRun):
            error.details = (*error.details, drift.why)  # what a task was about may be just that
        elif drift is not None:
            drift.details = (*drift.details, error.why, *error.details)
            return drift
        if drift is None and self.verdict is not None:
            unread = self.verdict.of(Severity.UNKNOWN)
            error.details = (*error.details, *(f"its database was not checked: {finding.text}" for finding in unread))
        grave = [finding for finding in await self._find_locks() if finding.severity is Severity.ERROR]
        if grave:
            error.why = f"{error.why}; {grave[0].text}"
            error.fix = grave[0].fix or error.fix
        return error

    async def _await_tables(self) -> None:
        """Wait until the tables exist that the import writes to; looks again whenever a service got further."""
        while True:
            bell = self.board.changes()
            is_alone = self.is_alone()
            finding = await self.inspector.find_missing_tables(self.make_subject())
            if finding is None:
                return
            if finding.severity is not Severity.ERROR and not self.strict:
                self.board.note(f"{self.service.name}: {finding.text}", level="warning", service=self.service.name)
                return
            if is_alone:
                raise self._to_error(Verdict(service=self.service.name, findings=(finding,)))
            self.board.amend(self.service.name, detail=finding.text)
            await bell.wait()

    async def _migrate(self) -> None:
        """Run the configured command where the database is behind. Raises SchemaDrift where that did not help."""
        verdict = await self.inspector.check(self.make_subject())
        behind = [finding for finding in verdict.of(Severity.ERROR) if finding.id.startswith(_MENDED_BY_MIGRATION)]
        if not behind:
            return  # what else is wrong, such as another program's database, no migration may touch
        self.board.note(f"{self.service.name}: {behind[0].text}; migrating (auto_migrate)", service=self.service.name)
        name = self.service.name
        self.verdict = await self.inspector.migrate(
            self.make_subject(), lambda line: self.board.report(name, line.removeprefix(f"{name}: "))
        )
        self.board.report(self.service.name, "migrated", done=True)
        if self._blocks(self.verdict):
            raise self._to_error(self.verdict)

    def _blocks(self, verdict: Verdict) -> bool:
        rules = self.service.schema
        is_warned = rules is not None and rules.on_drift is OnDrift.WARN
        return blocks(verdict, strict=self.strict) and not is_warned

    async def _find_locks(self) -> tuple[Finding, ...]:
        if self._locks is None:
            self._locks = await self.inspector.check_locks(self.make_subject())
        return self._locks

    def _to_error(self, verdict: Verdict) -> SchemaDrift:
        grave = verdict.of(Severity.ERROR, Severity.UNKNOWN) if self.strict else verdict.of(Severity.ERROR)
        first, *others = grave
        return SchemaDrift(
            f"cannot call {self.service.name} ready",
            why=first.text,
            fix=first.fix or f"devenv check {self.service.name}",
            details=(*first.details[:_DETAILS], *(f"also: {other.text}" for other in others)),
        )


_DETAILS = 5
_MENDED_BY_MIGRATION = ("migrations-pending:", "database-empty")
_WORDS = {Severity.ERROR: "drift", Severity.UNKNOWN: "unknown", Severity.WARNING: "warning"}
