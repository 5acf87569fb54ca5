"""A repository as a sync needs it: the functions of this room, bound to one folder.

Implements `devenv.sync.ports.Repository`. Must not decide anything.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from devenv.adapters.git import committing, holding, keeping, looking, promoting, pushing, remotes
from devenv.adapters.git.command import Git
from devenv.domain.git_rules import Promotion, SyncRules
from devenv.domain.syncing import Committed, Kept, Look, Promoted, PushRow
from devenv.sync.ports import CommitPlan, Heads, Say


@dataclass(frozen=True, slots=True, kw_only=True)
class GitRepository:
    """The repository around `git.folder`; `name` is what it is called, `shown` its folder as the user would type it."""

    git: Git
    name: str
    shown: str

    async def look(self) -> Look:
        """Return its state."""
        return await looking.look(self.git)

    def hold(self, say: Say) -> AbstractAsyncContextManager[None]:
        """Hold it for one sync."""
        return holding.hold(self.git, say)

    async def keep_work(self, look: Look, stamp: str) -> Kept | None:
        """Keep what is not committed in a ref of its own."""
        return await keeping.keep_work(self.git, look, stamp)

    async def keep_head(self, look: Look, stamp: str) -> Kept | None:
        """Give the commit of a detached HEAD a ref of its own."""
        return await keeping.keep_head(self.git, look, stamp)

    async def plan_commit(self, look: Look, within: Sequence[str] = ()) -> CommitPlan:
        """Return what a commit would take."""
        return await committing.plan_commit(self.git, look, within)

    async def commit(self, look: Look, plan: CommitPlan, message: str) -> Committed:
        """Commit the plan's paths."""
        return await committing.commit(self.git, look, plan, message)

    async def ask_remotes(self, look: Look, rules: SyncRules) -> tuple[Heads, tuple[PushRow, ...]]:
        """Ask every remote of the rules."""
        return await remotes.ask_remotes(self.git, look, rules)

    async def promote(self, look: Look, promotion: Promotion, heads: Heads, *, dry_run: bool) -> Promoted:
        """Give the target the commits of the source."""
        return await promoting.promote(self.git, look, promotion, heads, dry_run=dry_run)

    async def push(self, look: Look, rules: SyncRules, heads: Heads, *, dry_run: bool) -> tuple[PushRow, ...]:
        """Push every branch to every remote."""
        return await pushing.push(self.git, look, rules, heads, dry_run=dry_run)
