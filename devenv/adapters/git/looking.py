"""Looks at a repository: everything a sync has to know before it does anything.

Must not change anything, nor judge (`sync.remarks` does). Invariants: what is looked at is the repository that the
folder lies in, never one further up because that one is damaged; no password is in what is returned.
"""

import os
import re
import shlex
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import anyio.to_thread

from devenv.adapters.git.command import Git, GitFailed, Ran
from devenv.adapters.git.contents import has_markers, is_marked
from devenv.adapters.git.status import GONE, Status, join, read_status
from devenv.domain.errors import DevenvError, HostError, UsageError
from devenv.domain.syncing import Look

OLDEST = (2, 34)
"""The first git with `add --sparse`; that one older than 2.38 cannot merge beside the work tree, a promotion says."""

_MARKED_S = 10.0  # how long files are searched for conflict markers: a commit looks at what it takes again
_SUBMODULE_S = 10.0
_MOST_SUBMODULES = 50
_VERSION = re.compile(r"git version (?P<major>\d+)\.(?P<minor>\d+)")
_DUBIOUS = re.compile(r"safe\.directory (?P<path>.*)")
_SECRET_PART = re.compile(r"^(?P<scheme>https?://)[^/]*@|^(?P<user>[a-z+]+://[^/:@]*):[^/]*@")
_UNDER_WAY = {
    "rebase-merge": "rebase",
    "rebase-apply/applying": "am",
    "rebase-apply": "rebase",
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "BISECT_LOG": "bisect",
}
_HELD_BRANCHES = ("rebase-merge/head-name", "rebase-apply/head-name", "BISECT_START")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a repository has its things; all absolute."""

    top: str
    common: str
    private: str
    is_shallow: bool


async def look(git: Git) -> Look:
    """Return the state of the repository that `git.folder` lies in, at its top or deeper.

    Raises UsageError where it lies in none, HostError where git is missing, too old or cannot read the repository.
    """
    await _require_version(git)
    places = await find_places(git)
    git = replace(git, folder=places.top)
    status = await read_status(git)
    branches = await _list_branches(git)
    return Look(
        root=places.top,
        common_dir=places.common,
        branch=status.branch,
        head=status.head,
        under_way=find_under_way(places.private),
        staged=sum(change.staged != "." for change in status.real),
        unstaged=sum(change.unstaged != "." for change in status.real),
        untracked=len(status.untracked),
        unmerged=tuple(one.path for one in status.unmerged),
        marked=await _find_marked(git, status),
        nested=status.nested,
        hidden=status.hidden,
        is_shallow=places.is_shallow,
        is_stray=bool(status.head) and not status.branch and not await _is_in_a_ref(git, status.head),
        dirty_submodules=tuple(one.path for one in status.changes if {"M", "U"} & set(one.inside)),
        unpublished_submodules=await _find_unpublished(git),
        index_lock_age_s=_age_of(join(places.private, "index.lock")),
        remotes=await _list_remotes(git),
        branches={name: commit for name, (commit, _) in branches.items()},
        checked_out={**_held_by_us(places), **{name: folder for name, (_, folder) in branches.items() if folder}},
    )


async def _require_version(git: Git) -> None:
    said = await git.ask("version")
    found = _VERSION.match(said)
    if found and (int(found["major"]), int(found["minor"])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise HostError("cannot use this git", why=f"it is {said}", fix=f"install git {oldest} or newer")


async def find_places(git: Git) -> Places:
    """Return where the repository is that `git.folder` lies in; raises UsageError or HostError where it is in none."""
    kind = await git.run("rev-parse", "--is-bare-repository", "--is-inside-work-tree", "--is-shallow-repository")
    if kind.status != 0 or kind.is_late:
        raise _explain(git.folder, kind)
    is_bare, is_inside, is_shallow = (word == "true" for word in kind.text.splitlines())
    if is_bare or not is_inside:
        why = "it is a bare repository" if is_bare else "it is inside of git's own folder"
        raise UsageError(
            f"cannot sync {git.folder}", why=f"{why}: it has no work tree", fix="name a work tree in `repos:`"
        )
    # A path may hold a line's end: the answers between them tell where each ends.
    between = "--is-bare-repository"
    words = ("--show-toplevel", between, "--git-common-dir", between, "--git-dir")
    top, *folders = (await git.ask("rev-parse", *words)).split("\nfalse\n")
    common, private = (os.path.realpath(join(git.folder, one)) for one in folders)  # noqa: ASYNC240 - a local look
    if skipped := _find_skipped(git.folder, top):
        raise _damaged(skipped)
    return Places(top=top, common=common, private=private, is_shallow=is_shallow)


def _explain(folder: str, ran: Ran) -> DevenvError:
    """Return why git sees no repository at `folder`."""
    what = f"cannot look at {folder}"
    if "dubious ownership" in ran.err:
        found = _DUBIOUS.search(ran.err)
        path = found["path"] if found else shlex.quote(folder)
        return HostError(
            what, why="it belongs to another user, and git trusts only your own repositories",
            fix=f"git config --global --add safe.directory {path}",
        )  # fmt: skip
    if "not a git repository" not in ran.err:
        return GitFailed(ran, folder)
    if skipped := _find_skipped(folder, ""):
        return _damaged(skipped)
    return UsageError(what, why="it is in no git repository", fix=f"git -C {shlex.quote(folder)} init")


def _find_skipped(folder: str, top: str) -> str:
    """Return the `.git` between `folder` and `top` that git did not take for a repository, '' for none."""
    here = Path(folder).resolve()
    if top and not here.is_relative_to(top):
        return ""
    for parent in (here, *here.parents):
        if str(parent) == top:
            return ""
        if os.path.lexists(parent / ".git"):
            return str(parent / ".git")
    return ""


def _damaged(place: str) -> HostError:
    what = f"cannot look at {Path(place).parent}"
    if Path(place).is_file():
        return HostError(what, why=f"{place} names a git folder that is not there", fix=f"cat {shlex.quote(place)}")
    head = Path(place) / "HEAD"
    try:
        content = head.read_bytes()[:80].decode(errors="replace").strip()
    except OSError as error:
        why = f"{head} cannot be read: {error.strerror}"
    else:
        why = f"{head} names no branch: {content!r}"
    return HostError(what, why=why, fix=f"echo 'ref: refs/heads/main' > {shlex.quote(str(head))}")


def find_under_way(private: str) -> str:
    """Return what is under way in the work tree with this git folder, '' for nothing."""
    for name, what in _UNDER_WAY.items():
        if os.path.lexists(join(private, name)):
            return what
    todo = _read_line(join(private, "sequencer/todo"))  # between two picks there is no *_HEAD
    return {"pick": "cherry-pick", "revert": "revert"}.get(todo.split(" ")[0], "")


def _read_line(place: str) -> str:
    with suppress(OSError):
        return os.fsdecode(Path(place).read_bytes().split(b"\n", 1)[0])
    return ""


def _age_of(place: str) -> float | None:
    try:
        return max(0.0, time.time() - os.lstat(place).st_mtime)
    except OSError:
        return None


async def _find_marked(git: Git, status: Status) -> tuple[str, ...]:
    """Return the changed files with conflict markers that the last commit's version does not have as well."""
    before = {one.path: one.head_id for one in status.changes if GONE not in {one.staged, one.unstaged}}
    paths = (*before, *status.untracked)
    marked = await anyio.to_thread.run_sync(_search_all, git.folder, paths)
    kept = []
    for path in marked:
        head_id = before.get(path, "")
        if not head_id or not has_markers((await git.run("cat-file", "blob", head_id)).out):
            kept.append(path)
    return tuple(kept)


def _search_all(top: str, paths: Sequence[str]) -> tuple[str, ...]:
    end = time.monotonic() + _MARKED_S
    found = []
    for path in paths:
        if time.monotonic() > end:
            break
        if is_marked(join(top, path)):
            found.append(path)
    return tuple(found)


async def _list_branches(git: Git) -> dict[str, tuple[str, str]]:
    """Return every local branch with its commit, and the folder of the work tree that has it checked out, if any."""
    form = "--format=%(refname)%00%(objectname)%00%(worktreepath)%00"
    lines = os.fsdecode((await git.require("for-each-ref", form, "refs/heads")).out).split("\0\n")
    fields = (line.split("\0") for line in lines if line)
    return {name.removeprefix("refs/heads/"): (commit, folder) for name, commit, folder in fields}


async def _is_in_a_ref(git: Git, commit: str) -> bool:
    return bool(await git.ask("for-each-ref", "--count=1", "--format=%(refname)", "--contains", commit))


def _held_by_us(places: Places) -> dict[str, str]:
    """Return the branch that a rebase or a bisect here will come back to: HEAD is not on it, and yet it is taken."""
    names = (_read_line(join(places.private, name)) for name in _HELD_BRANCHES)
    return {name.removeprefix("refs/heads/"): places.top for name in names if name}


async def _list_remotes(git: Git) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, url in await _read_settings(git, r"^remote\..*\.url$"):
        found.setdefault(name.removeprefix("remote.").removesuffix(".url"), hide_password(url))
    return found


def hide_password(url: str) -> str:
    """Return a URL without its password; of http all of `user:password@` goes, as a token may stand for the user."""
    return _SECRET_PART.sub(lambda found: found["scheme"] or f"{found['user']}@", url)


async def _read_settings(git: Git, pattern: str, *words: str) -> list[tuple[str, str]]:
    """Return the settings whose names match; none is no fault, nor is a `.gitmodules` with a conflict in it."""
    ran = await git.run("config", *words, "-z", "--get-regexp", pattern)
    return [(name, value) for name, _, value in (record.partition("\n") for record in ran.records)]


async def _find_unpublished(git: Git) -> tuple[str, ...]:
    """Return the submodules whose commit none of their remotes is known to have."""
    settings = await _read_settings(git, r"^submodule\..*\.path$", "--file", ".gitmodules")
    there = [path for path in dict(settings).values() if _is_inside(git.folder, path)][:_MOST_SUBMODULES]
    return tuple([path for path in there if not await is_published(replace(git, folder=join(git.folder, path)))])


def _is_inside(top: str, path: str) -> bool:
    """Tell whether a submodule is there; a path that leads out of the work tree is none."""
    place = Path(top, path)
    return os.path.lexists(place / ".git") and place.resolve().is_relative_to(Path(top).resolve())


async def is_published(submodule: Git) -> bool:
    """Tell whether a remote of a submodule is known to have the commit that is checked out in it."""
    words = ("for-each-ref", "--count=1", "--format=%(refname)", "--contains", "HEAD", "refs/remotes")
    ran = await submodule.run(*words, deadline_s=_SUBMODULE_S)
    return ran.status != 0 or ran.is_late or bool(ran.out)
