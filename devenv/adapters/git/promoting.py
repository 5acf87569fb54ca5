"""Gives a branch the commits of another one, beside the work tree.

Must not know more of remotes than what they were heard to have. Invariants: no work tree and no index changes, and no
branch that is checked out moves; a branch moves forward only, and only from the commit that was looked at; where that
cannot be, nothing has changed.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devenv.adapters.git.command import Git, Ran
from devenv.adapters.git.remotes import HEADS, Remote, Unanswered, measure
from devenv.domain.errors import DevenvError
from devenv.domain.git_rules import Promotion
from devenv.domain.sizes import count
from devenv.domain.syncing import Look, Outcome, Promoted, Promoting
from devenv.sync.comparing import compare
from devenv.sync.ports import Heads
from devenv.sync.refusals import Place, explain, plain

_USAGE = 129
"""git's status for words that it does not know."""
_MERGE_BESIDE = ("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages")
_CONFLICTS = 1
_FETCH_S = 120.0


async def promote(git: Git, look: Look, promotion: Promotion, heads: Heads, *, dry_run: bool) -> Promoted:
    """Give the target the commits of the source, from the newest target that is here or at a remote in `heads`.

    A dry run tells what would be; it may leave objects that no ref has.
    """
    try:
        return await _Promotion(git=git, look=look, promotion=promotion, heads=heads, dry_run=dry_run).run()
    except _Stopped as stopped:
        outcome = stopped.outcome
    except DevenvError as error:
        why = f"{error.what}: {error.why}" if error.why else error.what
        outcome = {"how": Promoting.FAILED, "why": why, "fix": error.fix}
    return Promoted(source=promotion.source, target=promotion.target, **outcome)


class _Stopped(Exception):
    """The promotion cannot be; `outcome` are the fields of the report that tell it."""

    def __init__(self, how: Promoting, why: str, fix: str, **more: Any) -> None:
        super().__init__(why)
        self.outcome: dict[str, Any] = {"how": how, "why": why, "fix": fix, **more}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Branch:
    """A branch here: `commit` is '' where there is none, `folder` where it is checked out, `alias_of` another ref."""

    commit: str = ""
    folder: str = ""
    alias_of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    """The newest target: `remote` is who has it, '' where it is here."""

    commit: str
    remote: str = ""


@dataclass(slots=True, kw_only=True)
class _Promotion:
    """One promotion under way."""

    git: Git
    look: Look
    promotion: Promotion
    heads: Heads
    dry_run: bool
    _source: _Branch = field(default_factory=_Branch)
    _target: _Branch = field(default_factory=_Branch)

    async def run(self) -> Promoted:
        """Do it, or raise _Stopped."""
        self._source, self._target = await self._read(self.promotion.source), await self._read(self.promotion.target)
        if not self._source.commit:
            raise self._refuse(f"there is no branch {self.promotion.source} here", "branch", "--all")
        base = await self._find_base()
        gap = await measure(self.git, self._source.commit, base.commit)
        if not gap.ahead:
            return await self._follow(base)
        self._require_movable()
        if not gap.behind:
            await self._move(self._source.commit)
            return self._report(Promoting.FAST_FORWARD, self._source.commit, gap.ahead)
        commit = await self._merge(base)
        return self._report(Promoting.MERGE, commit, gap.ahead)

    async def _read(self, branch: str) -> _Branch:
        form = "--format=%(refname)%00%(objectname)%00%(worktreepath)%00%(symref)%00"
        name, *fields = (await self.git.ask("for-each-ref", form, HEADS + branch)).split("\0")
        if name != HEADS + branch:  # a pattern finds what lies below it, too
            return _Branch()
        return _Branch(commit=fields[0], folder=fields[1], alias_of=fields[2])

    async def _find_base(self) -> _Base:
        """Return the newest target; stop where there is none, or where two have parted."""
        newest = _Base(commit=self._target.commit)
        for name, branches in self.heads.items():
            theirs = branches.get(self.promotion.target)
            if theirs and theirs != newest.commit:
                newest = await self._newer(newest, _Base(commit=theirs, remote=name))
        if not newest.commit:
            why = f"there is no branch {self.promotion.target}, neither here nor at a remote"
            raise self._refuse(why, "branch", self.promotion.target, self.promotion.source)
        return newest

    async def _newer(self, one: _Base, other: _Base) -> _Base:
        remote = Remote(git=self.git, look=self.look, name=other.remote, timeout_s=_FETCH_S)
        place = remote.place(self.promotion.target)
        try:
            gap = await remote.measure(self.promotion.target, one.commit or other.commit, other.commit)
        except Unanswered as silence:
            refusal = explain(silence.said, place)
            raise _Stopped(Promoting.FAILED, refusal.why, refusal.fix) from silence
        row = compare(place, gap, is_shallow=self.look.is_shallow)
        if row.outcome is Outcome.DIVERGED and one.remote:
            why = f"{one.remote} and {other.remote} each have commits of {self.promotion.target} that the other lacks"
            raise self._refuse(why, "log", "--oneline", "--left-right", f"{one.commit}...{other.commit}")
        if row.outcome is Outcome.DIVERGED:
            raise _Stopped(Promoting.REFUSED, f"{self.promotion.target} has parted: {row.why}", row.fix)
        return other if gap.behind or not one.commit else one

    async def _follow(self, base: _Base) -> Promoted:
        """Take over a target of a remote that has all of the source; what is checked out stays behind."""
        here = self._target
        is_free = here.commit and not here.folder and not here.alias_of and not _is_worked_on(self.look, self.promotion)
        if base.commit == here.commit or not is_free:
            return self._report(Promoting.NOTHING, here.commit or base.commit, 0)
        gap = await measure(self.git, base.commit, here.commit)
        await self._move(base.commit)
        return self._report(Promoting.FAST_FORWARD, base.commit, gap.ahead)

    def _require_movable(self) -> None:
        target, folder = self.promotion.target, self._target.folder
        if folder:
            fix = Place(root=folder, remote="", branch="").git("merge", self.promotion.source)
            raise _Stopped(Promoting.REFUSED, f"{target} is checked out in {folder}, where nothing may change", fix)
        if self._target.alias_of:
            why = f"{target} is another name of {self._target.alias_of}"
            raise self._refuse(why, "symbolic-ref", HEADS + target)
        if _is_worked_on(self.look, self.promotion):
            raise self._refuse(f"a rebase or bisect of {target} is under way in a work tree", "worktree", "list")

    async def _merge(self, base: _Base) -> str:
        """Merge the source into the base and move the target there; return the commit, '' in a dry run."""
        ran = await self.git.run(*_MERGE_BESIDE, base.commit, self._source.commit)
        if ran.status == _CONFLICTS:
            raise self._conflict(base, tuple(dict.fromkeys(ran.records[1:])))
        if ran.status == _USAGE:
            why = "this git is older than 2.38 and cannot merge beside the work tree"
            raise _Stopped(Promoting.REFUSED, why, self._merge_by_hand(base))
        if ran.status != 0:
            fix = self._place().git("fetch", "--unshallow") if self.look.is_shallow else self._merge_by_hand(base)
            raise _Stopped(Promoting.FAILED, f"git made no merge: {_tell(ran)}", fix)
        if self.dry_run:
            return ""
        commit = await self._commit(ran.records[0], base.commit)
        await self._move(commit)
        return commit

    async def _commit(self, tree: str, base: str) -> str:
        message = f"Merge branch '{self.promotion.source}' into {self.promotion.target}\n"
        signs = (await self.git.run("config", "--type=bool", "--get", "commit.gpgSign")).text == "true"
        parents = ("-p", base, "-p", self._source.commit)
        ran = await self.git.run("commit-tree", tree, *parents, *(["-S"] if signs else []), feed=os.fsencode(message))
        if ran.status == 0:
            return ran.text
        if "tell me who you are" in ran.err or "ident" in ran.complaint:
            setting = ("user.name", "Your Name") if "name" in ran.complaint else ("user.email", "you@example.org")
            raise self._refuse(f"git does not know who you are: {_tell(ran)}", "config", *setting)
        raise _Stopped(Promoting.FAILED, f"git made no commit: {_tell(ran)}", "devenv sync")

    async def _move(self, commit: str) -> None:
        """Move the target from where it was seen, or make it; stop where it is somewhere else by now."""
        if self.dry_run:
            return
        words = ("-m", f"devenv: promote {self.promotion.source}", HEADS + self.promotion.target)
        ran = await self.git.run("update-ref", *words, commit, self._target.commit)
        if ran.status != 0:
            raise _Stopped(Promoting.FAILED, f"{self.promotion.target} was not moved: {_tell(ran)}", "devenv sync")

    def _conflict(self, base: _Base, conflicts: tuple[str, ...]) -> _Stopped:
        names = f"{self.promotion.source} and {self.promotion.target}"
        why = f"{names} changed {count(len(conflicts), 'file')} in different ways; nothing was changed here"
        fix = self._merge_by_hand(base)
        return _Stopped(Promoting.CONFLICT, why, fix, commit=self._target.commit, conflicts=conflicts)

    def _merge_by_hand(self, base: _Base) -> str:
        """Return the command that gives the source what the target has, after which it can be promoted."""
        words = ("pull", "--no-rebase", base.remote) if base.remote else ("merge",)
        merge = self._place().git(*words, self.promotion.target, folder=self._source.folder)
        return merge if self._source.folder else f"{self._place().git('switch', self.promotion.source)} && {merge}"

    def _refuse(self, why: str, *words: str) -> _Stopped:
        return _Stopped(Promoting.REFUSED, why, self._place().git(*words), commit=self._target.commit)

    def _place(self) -> Place:
        return Place(root=self.look.root, remote="", branch="")

    def _report(self, how: Promoting, commit: str, commits: int) -> Promoted:
        names = self.promotion
        return Promoted(source=names.source, target=names.target, how=how, commit=commit, commits=commits)


def _is_worked_on(look: Look, promotion: Promotion) -> bool:
    """Tell whether a rebase or bisect of the target is under way in any work tree: HEAD is detached there."""
    names = {promotion.target, HEADS + promotion.target}
    return any(name in names for name in _list_worked_on(Path(look.common_dir)))


def _list_worked_on(common: Path) -> Iterator[str]:
    for folder in (common, *common.glob("worktrees/*")):
        for file in ("rebase-merge/head-name", "rebase-apply/head-name", "BISECT_START"):
            try:
                yield os.fsdecode((folder / file).read_bytes()).strip()
            except OSError:
                continue


def _tell(ran: Ran) -> str:
    return "it was ended at its deadline" if ran.is_late else plain(ran.complaint)
