"""Pushes branches to remotes, all remotes at once and each by itself, and asks each what it has then.

Must not know what a refusal means (`sync.refusals`) nor how a row reads (`sync.comparing`). Invariants: nothing is
forced or deleted and no more is sent than was asked for, whatever the settings of the user; a branch counts as pushed
when its remote says that it has it, and not before; only what may pass is tried again; a commit that was seen at a
remote is not lost here because the remote has lost it.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from devenv.adapters.git.command import Git
from devenv.adapters.git.remotes import HEADS, Remote, Unanswered, fail, quote
from devenv.adapters.git.retrying import retry
from devenv.domain.errors import DevenvError
from devenv.domain.git_rules import SyncRules
from devenv.domain.syncing import Look, Outcome, PushRow
from devenv.sync.comparing import absent, compare, failed, name_branches, row, unconfirmed
from devenv.sync.ports import Heads
from devenv.sync.refusals import BY_BRANCH, Cause, Refusal, explain, read_push

_SEEN = "refs/devenv/seen/"
_PUSH = ("push", "--porcelain", "--no-force", "--no-prune", "--no-follow-tags", "--recurse-submodules=no", "--")


async def push(git: Git, look: Look, rules: SyncRules, heads: Heads, *, dry_run: bool) -> tuple[PushRow, ...]:
    """Push every branch of the rules to every remote in `heads`; return a row for each pair, by remote."""
    branches = name_branches(look, rules)
    names = [name for name in dict.fromkeys(rules.remotes) if name in heads]
    rows: dict[str, dict[str, PushRow]] = {name: {} for name in names}

    async def serve(name: str) -> None:
        remote = Remote(git=git, look=look, name=name, timeout_s=rules.timeout_s)
        for branch in branches:
            if branch in look.branches:
                rows[name][branch] = await _compare(remote, branch, heads[name])
            else:
                theirs = {one: had[branch] for one, had in heads.items() if branch in had}
                rows[name][branch] = absent(remote.place(branch), theirs, is_unborn=branch == look.branch)
        if not dry_run:
            await _Delivery(remote=remote, rows=rows[name]).run()

    async with anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(serve, name)
    return tuple(rows[name][branch] for name in names for branch in branches)


class _UnfinishedError(Exception):
    """Some branches did not get there, but may in a moment."""


@dataclass(slots=True, kw_only=True)
class _Delivery:
    """What is on its way to a remote: the branches whose row says that they are to be pushed, until it says how."""

    remote: Remote
    rows: dict[str, PushRow]
    _left: dict[str, PushRow] = field(default_factory=dict)
    """The rows of branches that are not there yet, as they were before the first attempt."""

    async def run(self) -> None:
        """Push them, again where that may help."""
        self._left = {branch: row for branch, row in self.rows.items() if row.outcome is Outcome.TO_PUSH}
        if self._left:
            with suppress(_UnfinishedError):
                await retry(self._attempt, on=lambda error: isinstance(error, _UnfinishedError))

    async def _attempt(self) -> None:
        try:
            await _keep_seen(self.remote, tuple(self._left))
            refusals = await self._send(tuple(self._left))
            self.rows |= await self._settle(refusals)
        except DevenvError as error:
            self.rows |= {branch: fail(self.remote.place(branch), error) for branch in self._left}
            return
        passing = [branch for branch, refusal in refusals.items() if _may_pass(refusal)]
        self._left = {branch: self._left[branch] for branch in passing if not self.rows[branch].is_done}
        if self._left:
            raise _UnfinishedError

    async def _send(self, branches: tuple[str, ...]) -> dict[str, Refusal]:
        """Push branches together; where one may have been refused for another's sake, each by itself."""
        remote = self.remote
        specs = [f"{HEADS}{branch}:{HEADS}{branch}" for branch in branches]
        settings = {f"remote.{remote.name}.mirror": "false"}
        ran = await remote.git.reach(*_PUSH, remote.name, *specs, settings=settings, deadline_s=remote.timeout_s)
        if ran.status == 0:
            return {}
        has_hook = await _has_hook(remote.git)
        refusals = read_push(quote(ran), [remote.place(branch) for branch in branches], has_hook=has_hook)
        shared = len(refusals) == len(branches) > 1 and all(one.cause in BY_BRANCH for one in refusals.values())
        if not shared:
            return refusals
        alone = [await self._send((branch,)) for branch in branches]
        return {branch: refusal for one in alone for branch, refusal in one.items()}

    async def _settle(self, refusals: Mapping[str, Refusal]) -> dict[str, PushRow]:
        """Ask the remote what it has by now, and return what that makes of the branches that were sent."""
        try:
            theirs = await self.remote.ask(tuple(self._left))
        except Unanswered as silence:
            return {branch: self._doubt(branch, silence, refusals.get(branch)) for branch in self._left}
        return {branch: await self._judge(branch, theirs, refusals.get(branch)) for branch in self._left}

    def _doubt(self, branch: str, silence: Unanswered, refusal: Refusal | None) -> PushRow:
        place = self.remote.place(branch)
        return failed(place, refusal) if refusal else unconfirmed(place, explain(silence.said, place))

    async def _judge(self, branch: str, theirs: Mapping[str, str], refusal: Refusal | None) -> PushRow:
        counted, place = self._left[branch], self.remote.place(branch)
        if theirs.get(branch) == self.remote.look.branches[branch]:
            return replace(counted, outcome=Outcome.PUSHED)
        if refusal and refusal.cause is not Cause.MOVED:
            return failed(place, refusal)
        now = await _compare(self.remote, branch, theirs)
        if not refusal and now.outcome is Outcome.BEHIND:  # somebody has pushed on top of it, or committed here
            return replace(counted, outcome=Outcome.PUSHED)
        if now.outcome is Outcome.TO_PUSH:
            return failed(place, refusal) if refusal else unconfirmed(place)
        return now


async def _compare(remote: Remote, branch: str, heads: Mapping[str, str]) -> PushRow:
    """Return the row of a branch before anything is sent."""
    place, mine, theirs = remote.place(branch), remote.look.branches[branch], heads.get(branch)
    if theirs == mine:
        return row(place, Outcome.THERE)
    try:
        if theirs is None:
            return row(place, Outcome.TO_PUSH, commits=await _count_new(remote, branch, heads.values()))
        return compare(place, await remote.measure(branch, mine, theirs), is_shallow=remote.look.is_shallow)
    except Unanswered as silence:
        return failed(place, explain(silence.said, place))
    except DevenvError as error:
        return fail(place, error)


async def _keep_seen(remote: Remote, branches: Iterable[str]) -> None:
    """Give a ref of their own to commits that only a ref which follows the remote leads to: a push moves that one.

    They are what the remote had before somebody deleted or rewrote its branch; here may be their last place.
    """
    follow = {f"refs/remotes/{remote.name}/{branch}": remote.look.branches[branch] for branch in branches}
    seen = (await remote.git.ask("for-each-ref", "--format=%(objectname) %(refname)", *follow)).splitlines()
    for commit, _, ref in (line.partition(" ") for line in seen):
        mine = follow.get(ref, commit)  # a pattern finds what lies below it, too
        if mine == commit or (await remote.git.run("merge-base", "--is-ancestor", commit, mine)).status == 0:
            continue
        own = ("refs/heads", "refs/tags", "refs/devenv")
        if not await remote.git.ask("for-each-ref", "--count=1", "--format=%(refname)", f"--contains={commit}", *own):
            await remote.git.ask("update-ref", "-m", "devenv: keep what was seen", _SEEN + commit, commit)


async def _count_new(remote: Remote, branch: str, heads: Iterable[str]) -> int:
    """Count the commits of a branch that is new to a remote: those on no other of its branches, as far as is known.

    Only here do the refs that follow a remote count for anything: for a number.
    """
    others = (f"--exclude={remote.name}/{branch}", f"--remotes={remote.name}")
    mine = remote.look.branches[branch]
    return int(await remote.git.ask("rev-list", "--count", "--ignore-missing", mine, "--not", *heads, *others, "--"))


async def _has_hook(git: Git) -> bool:
    hook = Path(git.folder) / await git.ask("rev-parse", "--git-path", "hooks/pre-push")
    return os.access(hook, os.X_OK)


def _may_pass(refusal: Refusal) -> bool:
    """Tell whether another attempt may help; a remote that cannot be reached has just answered a question."""
    return refusal.is_transient or refusal.cause is Cause.UNREACHABLE
