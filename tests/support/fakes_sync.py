"""Repositories and mirrors in memory, for tests of a sync's order.

Must not run git. Invariant: `done` lists what was asked of a repository, in order.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import anyio

from devenv.domain.errors import DevenvError, HostError
from devenv.domain.git_rules import MirrorRule, Promotion, SyncRules
from devenv.domain.syncing import (
    Committed,
    Kept,
    LeftOut,
    Look,
    MirrorReport,
    Outcome,
    Promoted,
    Promoting,
    PushRow,
)
from devenv.sync.ports import CommitPlan, Heads, Say

CLEAN = Look(
    root="/r",
    common_dir="/r/.git",
    branch="dev",
    head="c1",
    branches={"dev": "c1"},
    remotes={"origin": "url", "org": "url"},
)


@dataclass(slots=True, kw_only=True)
class FakeRepository:
    """A repository that does what the test says; `failing` names the methods that raise, with their error."""

    name: str = "shop"
    shown: str = "."
    state: Look = CLEAN
    plan: CommitPlan = field(default_factory=CommitPlan)
    promoted: Promoted | None = None
    failing: dict[str, DevenvError] = field(default_factory=dict)
    await_others: Callable[[], Awaitable[None]] | None = None
    """Awaited by `look`."""
    done: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    _lock: anyio.Lock = field(default_factory=anyio.Lock)

    async def _do(self, what: str) -> None:
        self.done.append(what)
        if self.await_others and what == "look":
            await self.await_others()
        if error := self.failing.get(what):
            raise error

    async def look(self) -> Look:
        await self._do("look")
        return self.state

    @asynccontextmanager
    async def hold(self, say: Say) -> AsyncIterator[None]:
        if self._lock.locked():
            say("waiting")
        async with self._lock:
            yield

    async def keep_work(self, look: Look, stamp: str) -> Kept | None:
        await self._do("keep_work")
        return Kept(
            ref=f"refs/devenv/recovery/{look.branch}/{stamp}", commit="k1", files=2, restore="git stash apply k1"
        )

    async def keep_head(self, look: Look, stamp: str) -> Kept | None:
        await self._do("keep_head")
        return Kept(ref=f"refs/devenv/recovery/detached/{stamp}", commit=look.head, files=0, restore="git switch -c x")

    async def plan_commit(self, look: Look, within: Sequence[str] = ()) -> CommitPlan:
        await self._do("plan_commit")
        paths = tuple(path for path in self.plan.paths if not within or path in within)
        return replace(self.plan, paths=paths)

    async def commit(self, look: Look, plan: CommitPlan, message: str) -> Committed:
        await self._do("commit")
        self.messages.append(message)
        self.state = replace(self.state, head="c2", branches={**self.state.branches, look.branch: "c2"}, staged=0)
        return Committed(commit="c2", branch=look.branch, files=len(plan.paths), left_out=plan.left_out)

    async def ask_remotes(self, look: Look, rules: SyncRules) -> tuple[Heads, tuple[PushRow, ...]]:
        await self._do("ask_remotes")
        return {remote: {"dev": "c0"} for remote in rules.remotes}, ()

    async def promote(self, look: Look, promotion: Promotion, heads: Heads, *, dry_run: bool) -> Promoted:
        await self._do("promote")
        assert self.promoted is not None
        return self.promoted

    async def push(self, look: Look, rules: SyncRules, heads: Heads, *, dry_run: bool) -> tuple[PushRow, ...]:
        await self._do("push")
        outcome = Outcome.TO_PUSH if dry_run else Outcome.PUSHED
        return tuple(
            PushRow(branch=branch, remote=remote, outcome=outcome, commits=1)
            for branch in rules.branches or (look.branch,)
            for remote in heads
        )


@dataclass(slots=True, kw_only=True)
class FakeMirrors:
    """Mirrors that report what the test says."""

    report: MirrorReport | None = None
    top: str = "/target"

    async def find_top(self, rule: MirrorRule) -> str:
        if not self.top:
            raise HostError("cannot mirror", why="no repository", fix="git init")
        return self.top

    async def copy(self, rule: MirrorRule, *, dry_run: bool) -> MirrorReport:
        return self.report or MirrorReport(source=rule.source, target=rule.target)


PROMOTED = Promoted(source="dev", target="master", how=Promoting.MERGE, commit="m1", commits=2)
CONFLICT = Promoted(source="dev", target="master", how=Promoting.CONFLICT, conflicts=("app.py",), fix="git merge dev")
SECRET = LeftOut(path=".env", why="an environment file")
