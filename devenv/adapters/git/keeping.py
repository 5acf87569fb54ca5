"""Keeps what is not committed in a ref of its own, shaped like a stash.

Must not change the work tree, the index, or any other ref. Invariants: the ref appears last and only where none was, so
that a kill at any line leaves the repository as it was; the same work gets the same commit, and so no second ref.

The commit has the shape that `git stash apply --index` takes: its parents are HEAD, what was staged, and what was
untracked. A fourth holds the sides of conflicts, which no tree of a stash could.
"""

import re
import shlex
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from devenv.adapters.git.command import Git, GitFailed, Ran
from devenv.adapters.git.scratch import Scratch, open_scratch
from devenv.adapters.git.status import GONE, UNCHANGED, Status, Unmerged, read_status
from devenv.domain.errors import HostError
from devenv.domain.syncing import Kept, LeftOut, Look

KEEP_S = 300.0
"""How long one of git's steps may take: all that is not committed is read and written once."""

_ROOM = "refs/devenv/recovery"
_DETACHED = "detached"
_OURS = 2
_MOST_REFS = 100  # of one stamp
_MOST_RIVALS = 10
_MOST_TRIES = 2000  # at finding out which files cannot be taken
_CUT_SHORT = -signal.SIGBUS
_DURABLE = ("core.fsync=loose-object,pack,pack-metadata,reference", "core.fsyncMethod=batch")
_CONFIG = (
    *_DURABLE, "core.safecrlf=false", "core.splitIndex=false", "index.sparse=false", "i18n.commitEncoding=UTF-8",
    "core.hooksPath=/dev/null",  # a `post-index-change` hook is made for the user's index, not for ours
)  # fmt: skip
_WHO = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "devenv"), ("EMAIL", "devenv@localhost"))
}
_ALL_STOPS = re.compile(
    r"No space left|quota exceeded|File too large|Read-only file system|Input/output error|[Uu]nable to (write|create)"
    r"|insufficient permission",
)


async def keep_work(git: Git, look: Look, stamp: str) -> Kept | None:
    """Keep all that is not committed; None where that is nothing. `stamp` is part of the ref's name.

    What cannot be read is named and the rest kept. Raises HostError where nothing could be kept or written.
    """
    git = replace(git, folder=look.root)
    status = await read_status(git)
    if status.is_clean:
        return None
    try:
        with open_scratch(look.common_dir) as scratch:
            keeping = _Keeping(git=git, scratch=scratch, status=status, left_out=list(status.unread))
            commit = await keeping.write()
            return None if commit is None else await keeping.publish(commit, look, stamp)
    except OSError as error:
        raise _cannot_keep(look.root, error.strerror or str(error)) from error
    except GitFailed as error:
        if error.ran.is_late or not _stops_all(error.ran):
            raise
        raise _cannot_keep(look.root, _first_error(error.ran)) from error


async def keep_head(git: Git, look: Look, stamp: str) -> Kept | None:
    """Give the commit of a detached HEAD a ref; None where a branch or another ref has it."""
    if not (look.is_stray and look.head):
        return None
    git = replace(git, folder=look.root)
    ref, is_new = await _give_ref(git, look.head, f"{_ROOM}/{_DETACHED}/{stamp}", lambda: None)
    restore = f"git -C {shlex.quote(look.root)} branch kept-{look.head[:10]} {shlex.quote(ref)}"
    return Kept(ref=ref, commit=look.head, files=0, restore=restore, is_new=is_new)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keeping:
    """Work on its way into a commit. `left_out` grows by what cannot be taken."""

    git: Git
    scratch: Scratch
    status: Status
    left_out: list[LeftOut] = field(default_factory=list)

    async def write(self) -> str | None:
        """Write the commit into the scratch room and return it; None where nothing differs after all."""
        empty = await self._ask("mktree")
        base = self.status.head or await self._commit(empty, "nothing was committed yet")
        index = Path(self.git.folder) / await self.git.ask("rev-parse", "--git-path", "index")
        staged_tree = await self._write_staged(index)
        work_tree = await self._write_work(index)
        untracked_tree = await self._write_untracked()
        trees = {staged_tree, work_tree, await self._ask("rev-parse", f"{base}^{{tree}}")}
        if len(trees) == 1 and untracked_tree == empty and not self.status.unmerged:
            if self.left_out:
                first = self.left_out[0]
                raise _cannot_keep(self.git.folder, f"{first.path} {first.why}")
            return None
        on = self.status.branch or "no branch"
        parents = [base, await self._commit(staged_tree, f"index on {on}", base)]
        if untracked_tree != empty or self.status.unmerged:
            parents.append(await self._commit(untracked_tree, f"untracked files on {on}"))
        if self.status.unmerged:
            parents.append(await self._commit(await self._write_sides(), f"sides of conflicts on {on}"))
        return await self._commit(work_tree, f"devenv: work on {on}", *parents)

    async def publish(self, commit: str, look: Look, stamp: str) -> Kept:
        """Make the commit the repository's own, in a ref, unless it has it already."""
        wanted = f"{_ROOM}/{look.branch or _DETACHED}/{stamp}"
        ref, is_new = await _give_ref(self.git, commit, wanted, self.scratch.publish)
        status = self.status
        paths = {*status.untracked, *status.hidden, *(one.path for one in status.real)}
        paths.update(one.path for one in status.unmerged)
        return Kept(
            ref=ref,
            commit=commit,
            files=len(paths - {one.path for one in self.left_out}),
            restore=f"git -C {shlex.quote(look.root)} stash apply --index {shlex.quote(ref)}",
            is_new=is_new,
            left_out=tuple(self.left_out),
        )

    async def _write_staged(self, index: Path) -> str:
        """Return the tree of the index; of a conflict it has our side."""
        place = self.scratch.index("staged", index)
        if self.status.unmerged:
            sides = ((one.path, side) for one in self.status.unmerged for side in one.stages if side.number == _OURS)
            lines = [f"{side.mode} {side.blob}\t{path}" for path, side in sides]
            await self._remove([one.path for one in self.status.unmerged], place)
            await self._ask("update-index", "-z", "--index-info", index=place, feed=_join(lines))
        return await self._ask("write-tree", index=place)

    async def _write_work(self, index: Path) -> str:
        """Return the tree of what the work tree has of the tracked files."""
        place = self.scratch.index("work", index)
        differing = [one for one in self.status.real if one.unstaged != UNCHANGED]
        gone = [one.path for one in differing if one.unstaged == GONE]
        gone += [one.path for one in self.status.unmerged if not one.is_there]
        there = [one.path for one in differing if one.unstaged != GONE]
        there += [one.path for one in self.status.unmerged if one.is_there]
        await self._remove(gone, place)
        await self._take(there, place)
        await self._reveal(self.status.hidden, place)
        await self._take(self.status.hidden, place)
        return await self._ask("write-tree", index=place)

    async def _write_untracked(self) -> str:
        place = self.scratch.index("untracked")
        await self._take(self.status.untracked, place)
        return await self._ask("write-tree", index=place)

    async def _write_sides(self) -> str:
        """Return a tree with folders for the sides: base, ours, theirs."""
        place = self.scratch.index("sides")
        lines = [line for one in self.status.unmerged for line in _describe_sides(one)]
        await self._ask("update-index", "-z", "--index-info", index=place, feed=_join(lines))
        return await self._ask("write-tree", index=place)

    async def _remove(self, paths: Sequence[str], index: Path) -> None:
        """Take paths out of an index, whatever the work tree has there."""
        if paths:
            await self._ask("update-index", "-z", "--force-remove", "--stdin", index=index, feed=_join(paths))

    async def _reveal(self, paths: Sequence[str], index: Path) -> None:
        """Let an index see the files that it was told to take for unchanged."""
        for mark in ("--no-assume-unchanged", "--no-skip-worktree") if paths else ():
            await self._ask("update-index", "-z", mark, "--stdin", index=index, feed=_join(paths))

    async def _take(self, paths: Sequence[str], index: Path) -> None:
        """Take files of the work tree into an index; halves tell which ones cannot be taken."""
        pending, tries = [list(paths)] if paths else [], 0
        while pending:
            batch, tries = pending.pop(), tries + 1
            ran = await self._run("update-index", "-z", "--add", "--remove", "--stdin", index=index, feed=_join(batch))
            if ran.status == 0 and not ran.is_late:
                continue
            if ran.status == _CUT_SHORT:  # git dies of a file that gets shorter while it reads
                index.with_name(f"{index.name}.lock").unlink(missing_ok=True)
            if ran.is_late or _stops_all(ran) or tries > _MOST_TRIES:
                raise GitFailed(ran, self.git.folder)
            if len(batch) == 1:
                self.left_out.append(LeftOut(path=batch[0], why=f"cannot be kept: {_first_error(ran)}"))
            else:
                middle = len(batch) // 2
                pending += [batch[middle:], batch[:middle]]

    async def _commit(self, tree: str, message: str, *parents: str) -> str:
        words = [word for parent in parents for word in ("-p", parent)]
        seconds = await self.git.ask("log", "-1", "--format=%ct", "HEAD", "--") if self.status.head else "0"
        moment = f"@{seconds} +0000"  # HEAD's, so that the same work is the same commit
        dated = {**_WHO, "GIT_AUTHOR_DATE": moment, "GIT_COMMITTER_DATE": moment}
        return await self._ask("commit-tree", tree, *words, "-m", message, more=dated)

    async def _ask(
        self, *words: str, index: Path | None = None, feed: bytes = b"", more: Mapping[str, str] | None = None
    ) -> str:
        ran = await self._run(*words, index=index, feed=feed, more=more)
        if ran.status != 0 or ran.is_late:
            raise GitFailed(ran, self.git.folder)
        return ran.text

    async def _run(
        self, *words: str, index: Path | None = None, feed: bytes = b"", more: Mapping[str, str] | None = None
    ) -> Ran:
        around = {**self.scratch.surround(index), **(more or {})}
        return await self.git.run(*words, feed=feed, more=around, config=_CONFIG, deadline_s=KEEP_S)


async def _find_ref(git: Git, commit: str, wanted: str) -> tuple[str, bool]:
    """Return the recovery ref that has `commit`, or a free one like `wanted`, and whether it is a new one."""
    lines = (await git.ask("for-each-ref", "--format=%(objectname) %(refname)", _ROOM)).splitlines()
    taken = {ref: had for had, _, ref in (line.partition(" ") for line in lines)}
    for ref, had in taken.items():
        if had == commit:
            return ref, False
    names = (wanted, *(f"{wanted}-{number}" for number in range(2, _MOST_REFS)))
    return next(name for name in names if name not in taken), True


async def _give_ref(git: Git, commit: str, wanted: str, publish: Callable[[], None]) -> tuple[str, bool]:
    """Give `commit` a ref like `wanted` where none was, and return it; one that it has already is no new one.

    `publish` makes the commit the repository's own. Another work tree may be quicker with a ref of the same name.
    """
    rivals = 0
    while True:
        ref, is_new = await _find_ref(git, commit, wanted)
        if not is_new:
            return ref, False
        publish()
        ran = await git.run("update-ref", "-m", "devenv: keep", ref, commit, "", config=_DURABLE)
        if ran.status == 0:
            return ref, True
        rivals += 1
        if ran.is_late or rivals == _MOST_RIVALS:
            raise GitFailed(ran, git.folder)


def _describe_sides(unmerged: Unmerged) -> Iterator[str]:
    for side in unmerged.stages:
        folder = ("base", "ours", "theirs")[side.number - 1]
        yield f"{side.mode} {side.blob}\t{folder}/{unmerged.path}"


def _join(records: Iterable[str]) -> bytes:
    return b"".join(record.encode(errors="surrogateescape") + b"\0" for record in records)


def _stops_all(ran: Ran) -> bool:
    """Tell a fault of the disk or the repository from one of a file."""
    return (ran.status < 0 and ran.status != _CUT_SHORT) or bool(_ALL_STOPS.search(ran.err))


def _first_error(ran: Ran) -> str:
    if ran.status == _CUT_SHORT:
        return "it changed while it was read"
    if ran.status < 0:
        return f"git was ended by signal {-ran.status}"
    errors = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    return errors[0].removeprefix("error: ") if errors else ran.complaint


def _cannot_keep(root: str, why: str) -> HostError:
    return HostError(
        f"cannot keep the work in {root} that is not committed", why=f"{why}; nothing was changed",
        fix=f"df -h {shlex.quote(root)}",
    )  # fmt: skip
