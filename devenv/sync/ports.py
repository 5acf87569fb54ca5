"""What a sync needs of a repository, as Protocols; `adapters.git` implements them.

Invariant: nothing here names git's options or files. Every method may raise a DevenvError with what, why and fix; none
waits for a person, and each wait on a remote has its deadline.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from devenv.domain.git_rules import MirrorRule, Promotion, SyncRules
from devenv.domain.syncing import Committed, Kept, LeftOut, Look, MirrorReport, Promoted, PushRow

Say = Callable[[str], None]
"""Tells the user one sentence while a sync is under way."""

Heads = Mapping[str, Mapping[str, str]]
"""What the remotes have: remote -> branch -> commit. A remote that could not be asked is not in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitPlan:
    """What a commit would take, and what it must leave out. Both are paths relative to the top."""

    paths: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


class Repository(Protocol):
    """One repository and its remotes: `name` is what it is called, `shown` its folder as the user would type it."""

    @property
    def name(self) -> str:
        """Return what it is called in a report."""
        ...

    @property
    def shown(self) -> str:
        """Return its folder as the user would type it."""
        ...

    async def look(self) -> Look:
        """Return its state; raises UsageError where the folder is in no repository."""
        ...

    def hold(self, say: Say) -> AbstractAsyncContextManager[None]:
        """Hold it for one sync; another one, also of another work tree, waits and is told so."""
        ...

    async def keep_work(self, look: Look, stamp: str) -> Kept | None:
        """Keep what is not committed (tracked and untracked) in a ref of its own; None where there is nothing.

        Neither the work tree nor the index changes. `stamp` is part of the ref's name.
        """
        ...

    async def keep_head(self, look: Look, stamp: str) -> Kept | None:
        """Give the commit of a detached HEAD, which no ref has, a ref of its own."""
        ...

    async def plan_commit(self, look: Look, within: Sequence[str] = ()) -> CommitPlan:
        """Return what a commit would take of everything that changed, or of what changed `within` these paths."""
        ...

    async def commit(self, look: Look, plan: CommitPlan, message: str) -> Committed:
        """Commit the plan's paths, as they are in the work tree, on the current branch; hooks run.

        Whatever else the index holds stays in it. Raises HostError where a hook refuses; nothing has changed then.
        """
        ...

    async def ask_remotes(self, look: Look, rules: SyncRules) -> tuple[Heads, tuple[PushRow, ...]]:
        """Ask every remote of the rules at once; return what they have, and failed rows for those that are silent."""
        ...

    async def promote(self, look: Look, promotion: Promotion, heads: Heads, *, dry_run: bool) -> Promoted:
        """Give `target` the commits of `source`, beside the work tree; nothing changes where that is not clean."""
        ...

    async def push(self, look: Look, rules: SyncRules, heads: Heads, *, dry_run: bool) -> tuple[PushRow, ...]:
        """Push every branch of the rules to every remote in `heads`, in parallel, and ask each what it has then."""
        ...


class Mirrors(Protocol):
    """What copies a folder into another repository."""

    async def find_top(self, rule: MirrorRule) -> str:
        """Return the top of the repository that the target lies in; raises HostError where it lies in none."""
        ...

    async def copy(self, rule: MirrorRule, *, dry_run: bool) -> MirrorReport:
        """Make the target like the source, as far as that loses nothing."""
        ...
