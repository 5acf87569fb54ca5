"""The order of a sync: mirrors first, then every repository: look, keep or commit, promote, push.

Must not know git's commands, nor how anything is shown. Invariants: nothing that fails in one repository keeps another
from its turn; work that is not committed is kept before anything else happens to its repository; whatever was not done
is in the report.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

import anyio

from devenv.domain.errors import DevenvError
from devenv.domain.git_rules import CommitPolicy, GitRules, MirrorRule, SyncRules
from devenv.domain.syncing import (
    Committed,
    Kept,
    Look,
    MirrorReport,
    Outcome,
    Promoted,
    Promoting,
    PushRow,
    Remark,
    RepositoryReport,
    SyncReport,
)
from devenv.sync.ports import CommitPlan, Heads, Mirrors, Repository, Say
from devenv.sync.remarks import describe_look

T = TypeVar("T")

Ask = Callable[[str, CommitPlan], Awaitable[bool]]
"""Asks the user whether the plan may be committed in the repository of that name; a cancellation ends the wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a sync was given: repositories by folder, what copies mirrors, the user, and the local time.

    `ask` is None where nobody can be asked. With `dry_run` nothing changes, neither here nor at a remote.
    """

    open: Callable[[str], Repository]
    mirrors: Mirrors
    now: datetime
    say: Say
    ask: Ask | None = None
    dry_run: bool = False

    @property
    def stamp(self) -> str:
        """Return the time as part of a ref's name."""
        return self.now.strftime("%Y%m%dT%H%M%S")

    def word(self, message: str, branch: str) -> str:
        """Return a commit's message with its placeholders filled."""
        return message.replace("{date}", self.now.date().isoformat()).replace("{branch}", branch)


async def synchronise(rules: GitRules, around: Surroundings) -> SyncReport:
    """Carry out all that `rules` ask for and return what became of it."""
    mirrors = await _all_at_once([_Mirroring(rule=rule, around=around).run for rule in rules.mirrors])
    folders = dict.fromkeys(rules.sync.repos) if rules.sync else ()
    questions = anyio.Lock()
    repositories = await _all_at_once(
        [
            _Syncing(repository=around.open(folder), rules=rules.sync, around=around, questions=questions).run
            for folder in folders
            if rules.sync
        ]
    )
    return SyncReport(repositories=tuple(repositories), mirrors=tuple(mirrors), is_dry_run=around.dry_run)


@dataclass(slots=True, kw_only=True)
class _Syncing:
    """One repository's turn."""

    repository: Repository
    rules: SyncRules
    around: Surroundings
    questions: anyio.Lock
    _remarks: tuple[Remark, ...] = ()
    _kept: Kept | None = None
    _committed: Committed | None = None
    _promoted: Promoted | None = None
    _rows: tuple[PushRow, ...] = ()

    async def run(self) -> RepositoryReport:
        """Do it; what fails is a remark."""
        try:
            async with self.repository.hold(self.around.say):
                await self._carry_out(await self.repository.look())
        except DevenvError as error:
            self._note(error)
        return RepositoryReport(
            name=self.repository.name,
            remarks=self._remarks,
            kept=self._kept,
            committed=self._committed,
            promoted=self._promoted,
            rows=tuple(sorted(self._rows, key=lambda row: self.rules.remotes.index(row.remote))),
        )

    async def _carry_out(self, look: Look) -> None:
        self._remarks += describe_look(look, self.rules, self.repository.shown)
        heads: Heads = {}

        async def ask_remotes() -> None:
            nonlocal heads
            heads, silent = await self.repository.ask_remotes(look, self.rules)
            self._rows += silent

        async with anyio.create_task_group() as tasks:  # neither raises a DevenvError: both end as remarks or rows
            tasks.start_soon(ask_remotes)
            tasks.start_soon(self._save_work, look)
        if self.rules.commit is not CommitPolicy.NEVER:  # a commit may have been made, or a question thought about
            look = await self.repository.look()
        look = await self._promote(look, heads)
        self._rows += await self.repository.push(look, self.rules, heads, dry_run=self.around.dry_run)
        if self.around.dry_run and self._promoted is not None:
            self._rows = tuple(_foresee(row, self._promoted) for row in self._rows)

    async def _save_work(self, look: Look) -> None:
        """Commit what may be committed, and keep the rest."""
        try:
            if look.is_stray and not self.around.dry_run:
                self._kept = await self.repository.keep_head(look, self.around.stamp)
            if look.is_dirty and not await self._commit(look):
                await self._keep(look)
        except DevenvError as error:
            self._note(error)

    async def _keep(self, look: Look) -> None:
        if self.around.dry_run:
            self._remarks += (Remark(text="what is not committed would be kept in a local ref"),)
        else:
            self._kept = await self.repository.keep_work(look, self.around.stamp) or self._kept

    async def _commit(self, look: Look) -> bool:
        """Commit as the rules say; tell whether what changed is dealt with."""
        if self.rules.commit is CommitPolicy.NEVER:
            return False
        if obstacle := _find_obstacle(look):
            self._remarks += (Remark(text=f"not committed: {obstacle}", fix="devenv sync", blocks=True),)
            return False
        plan = await self.repository.plan_commit(look)
        if not plan.paths or self.around.dry_run:
            self._committed = Committed(branch=look.branch, files=len(plan.paths), left_out=plan.left_out)
            return True
        if self.rules.commit is CommitPolicy.ASK and not await self._is_agreed(plan):
            return False
        try:
            message = self.around.word(self.rules.message, look.branch)
            self._committed = await self.repository.commit(look, plan, message)
        except DevenvError as error:
            self._note(error)
            return False
        return True

    async def _is_agreed(self, plan: CommitPlan) -> bool:
        if self.around.ask is None:
            text = "nothing is committed: `commit: ask`, and nobody can be asked here"
            self._remarks += (Remark(text=text, fix="devenv sync"),)
            return False
        async with self.questions:  # one question at a time
            return await self.around.ask(self.repository.name, plan)

    async def _promote(self, look: Look, heads: Heads) -> Look:
        """Promote; return the repository's state after it."""
        if self.rules.promote is None:
            return look
        dry_run = self.around.dry_run
        self._promoted = await self.repository.promote(look, self.rules.promote, heads, dry_run=dry_run)
        changed = self._promoted.how in {Promoting.FAST_FORWARD, Promoting.MERGE}
        return await self.repository.look() if changed and not dry_run else look

    def _note(self, error: DevenvError) -> None:
        self._remarks += (_remark(error),)


@dataclass(slots=True, kw_only=True)
class _Mirroring:
    """One mirror's turn."""

    rule: MirrorRule
    around: Surroundings

    async def run(self) -> MirrorReport:
        """Do it; what fails is a remark."""
        rule, around = self.rule, self.around
        try:
            target = around.open(await around.mirrors.find_top(rule))
            async with target.hold(around.say):
                report = await around.mirrors.copy(rule, dry_run=around.dry_run)
                if rule.commit and report.paths and not around.dry_run:
                    report = await self._commit(report, target)
                return report
        except DevenvError as error:
            return MirrorReport(source=rule.source, target=rule.target, remarks=(_remark(error),))

    async def _commit(self, report: MirrorReport, target: Repository) -> MirrorReport:
        """Commit what the mirror changed, and nothing else."""
        try:
            look = await target.look()
            if obstacle := _find_obstacle(look):
                remark = Remark(text=f"not committed: {obstacle}", fix="devenv sync", blocks=True)
                return replace(report, remarks=(*report.remarks, remark))
            plan = await target.plan_commit(look, report.paths)
            if not plan.paths:
                return replace(report, committed=Committed(branch=look.branch, left_out=plan.left_out))
            message = self.around.word(self.rule.commit, look.branch)
            return replace(report, committed=await target.commit(look, plan, message))
        except DevenvError as error:
            return replace(report, remarks=(*report.remarks, _remark(error)))


def _find_obstacle(look: Look) -> str:
    """Return why nothing may be committed, '' where it may."""
    if look.under_way:
        return f"a {look.under_way} is under way"
    return "" if look.branch else "HEAD is on no branch"


def _foresee(row: PushRow, promoted: Promoted) -> PushRow:
    """Return what a row will be once a promotion that was only tried has been made."""
    changes = promoted.how in {Promoting.FAST_FORWARD, Promoting.MERGE}
    if row.branch != promoted.target or not changes or not row.is_done:
        return row
    return replace(row, outcome=Outcome.TO_PUSH, commits=row.commits + promoted.commits)


def _remark(error: DevenvError) -> Remark:
    why = f": {error.why}" if error.why else ""
    return Remark(text=f"{error.what}{why}", fix=error.fix, blocks=True, details=error.details)


async def _all_at_once(calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """Return what they return, in their order."""
    results: dict[int, T] = {}

    async def keep(index: int, call: Callable[[], Awaitable[T]]) -> None:
        results[index] = await call()

    async with anyio.create_task_group() as tasks:
        for index, call in enumerate(calls):
            tasks.start_soon(keep, index, call)
    return [results[index] for index in range(len(calls))]
