"""Judges what a commit may take: every changed path is taken or left out with its reason.

Must not change anything, nor return a secret. Invariants: nothing is taken that was not looked at; what is looked at is
the work tree, as that is what a commit takes; all of it ends at a deadline, and what it did not reach is left out.
"""

import codecs
import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import anyio.to_thread

from devenv.adapters.git import secrets
from devenv.adapters.git.command import Git
from devenv.adapters.git.contents import has_markers, read_file
from devenv.adapters.git.looking import is_published
from devenv.adapters.git.status import GONE, Change, Status, join
from devenv.domain.sizes import format_size
from devenv.domain.syncing import LeftOut
from devenv.sync.ports import CommitPlan

LARGEST = 50_000_000
"""The largest file that is committed, in bytes."""

SEARCHED = 5_000_000
"""The largest text that is searched for secrets, in bytes; a larger one is left out."""

JUDGE_S = 60.0

_BINARY_WITHIN = 8000  # git's own measure
_BOMS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


async def judge(git: Git, status: Status, within: Sequence[str] = ()) -> CommitPlan:
    """Return what of `status` may be committed, of all or of what lies `within` these paths of the top."""
    asked = frozenset(path.rstrip("/") for path in within) - {"", "."}
    left_out = {one.path: one for one in _refuse_by_state(status) if _is_within(one.path, asked)}
    end, paths = time.monotonic() + JUDGE_S, []
    for path, change in _list_all(status):
        if path in left_out or not _is_within(path, asked):
            continue
        late = time.monotonic() > end
        refusal = LeftOut(path=path, why="was not looked at in time") if late else await _judge(git, path, change)
        if refusal is None:
            paths.append(path)
        else:
            left_out[refusal.path] = refusal
    return CommitPlan(paths=tuple(sorted(paths)), left_out=tuple(left_out.values()))


def _list_all(status: Status) -> Iterator[tuple[str, Change | None]]:
    """Return every path that a commit could take, with its change, None for a new file."""
    yield from ((change.path, change) for change in status.real)
    yield from ((path, None) for path in status.untracked)


def _is_within(path: str, asked: frozenset[str]) -> bool:
    return not asked or path in asked or any(str(parent) in asked for parent in PurePosixPath(path).parents)


def _refuse_by_state(status: Status) -> Iterator[LeftOut]:
    """Return what the states of index and work tree rule out, whatever the files hold."""
    yield from status.unread
    for one in status.unmerged:
        yield LeftOut(path=one.path, why="has a conflict that is not resolved")
    for path in status.nested:
        yield LeftOut(path=path, why="is a repository of its own")
    for path in status.hidden:
        yield LeftOut(path=path, why="was changed, but git is told that it was not (git update-index)")
    untracked = set(status.untracked)
    for change in status.real:
        if change.staged == GONE and change.path in untracked:
            yield LeftOut(path=change.path, why="is taken out of the index, but still there: that is yours to commit")
        elif change.staged == "A" and change.unstaged == GONE:
            yield LeftOut(path=change.path, why="is staged, but no longer there")
    for path in _find_swapped(status):
        yield LeftOut(path=path, why="a file and a folder changed places: that is yours to commit")


def _find_swapped(status: Status) -> Iterator[str]:
    """Return paths that are a folder on one side and a file on the other; git can only commit them all at once."""
    gone = {change.path for change in status.real if GONE in {change.staged, change.unstaged}}
    new = {*status.untracked, *(change.path for change in status.real if "A" in {change.staged, change.unstaged})}
    for ones, others in ((gone, new), (new, gone)):
        for path in ones:
            for parent in map(str, PurePosixPath(path).parents):
                if parent in others:
                    yield from (path, parent)


async def _judge(git: Git, path: str, change: Change | None) -> LeftOut | None:
    """Return why a path is left out, None where it may be committed."""
    if change is not None and GONE in {change.staged, change.unstaged}:
        return None
    if change is not None and change.is_submodule:
        why = await _refuse_submodule(git, path)
        return LeftOut(path=path, why=why) if why else None
    if named := secrets.judge_name(path):
        return LeftOut(path=named.path, why=named.why)
    place = join(git.folder, path)
    why = await anyio.to_thread.run_sync(refuse_file, place, path, b"")
    if why and change is not None and change.head_id:  # what the last commit has as well is not new
        before = await git.run("cat-file", "blob", change.head_id)
        why = await anyio.to_thread.run_sync(refuse_file, place, path, before.out)
    return LeftOut(path=path, why=why) if why else None


async def _refuse_submodule(git: Git, path: str) -> str:
    submodule = replace(git, folder=join(git.folder, path))
    if not os.path.lexists(join(submodule.folder, ".git")):  # noqa: ASYNC240 - a plain question
        return "is a submodule that is not checked out"
    return "" if await is_published(submodule) else "is a submodule at a commit that no remote of it is known to have"


def refuse_new(place: str, path: str) -> str:
    """Return why a file that no commit had is left out, '' where it may be committed, or is not there."""
    if not os.path.lexists(place):
        return ""
    named = secrets.judge_name(path)
    return named.why if named else refuse_file(place, path, b"")


def refuse_file(place: str, path: str, before: bytes) -> str:
    """Return why a file is left out, '' where it may be committed; `before` is its content in the last commit."""
    try:
        info = os.lstat(place)
        if stat.S_ISLNK(info.st_mode):
            return ""
        if not stat.S_ISREG(info.st_mode):
            return "is neither a file nor a link"
        if info.st_size > LARGEST:
            return f"is larger than {format_size(LARGEST)} ({format_size(info.st_size)})"
        return _refuse_content(path, read_file(place, SEARCHED), before, info.st_size)
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _refuse_content(path: str, content: bytes, before: bytes, size: int) -> str:
    if has_markers(content) and not has_markers(before):
        return "has conflict markers"
    is_binary = _is_binary(content)
    if not is_binary and size > SEARCHED:
        return f"is too large to be searched for secrets ({format_size(size)} of text)"
    found = secrets.find_secret(path, _decode(content), _decode(before), is_binary=is_binary)
    return found.sentence if found else ""


def _is_binary(content: bytes) -> bool:
    return b"\0" in content[:_BINARY_WITHIN] and content[:2] not in _BOMS


def _decode(content: bytes) -> str:
    return content.decode(_BOMS.get(content[:2], "utf-8"), errors="replace")
