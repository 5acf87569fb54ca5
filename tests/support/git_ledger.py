"""What a repository holds, written down with plain git plumbing; what is missing of it later.

Must not import devenv: it judges it. Invariant: looking changes nothing, and every difference that could be a loss is a
sentence.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.git import Repository

_UNDER_WAY = (
    "MERGE_HEAD", "MERGE_MSG", "MERGE_MODE", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD",
    "BISECT_START", "BISECT_LOG", "BISECT_TERMS", "rebase-merge", "rebase-apply", "sequencer", "shallow", "config",
    "info", "hooks",
)  # fmt: skip
_EMPTY_BLOBS = {hashlib.sha1(b"blob 0\0").hexdigest()}
_GITLINK = "160000"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of a work tree: its kind and permissions, its bytes (or where it leads), and when it was written."""

    mode: int
    content: bytes
    written_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """One work tree: where HEAD points, what the index says, and every file, ignored ones included."""

    branch: str
    head: str
    index: tuple[str, ...]
    status: str
    files: dict[str, File]
    under_way: dict[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """A repository with its work trees; `commits` are all that a ref, HEAD, or a stash leads to."""

    refs: dict[str, str]
    stash: tuple[str, ...]
    commits: frozenset[str]
    trees: dict[Path, Tree]


def read_ledger(work: Repository, *linked: Repository) -> Ledger:
    """Write down a repository and its work trees."""
    trees = {one.folder: _read_tree(one) for one in (work, *linked)}
    refs, stash = work.refs(), _read_stash(work)
    tips = {*refs.values(), *stash, *(tree.head for tree in trees.values() if tree.head)}
    return Ledger(refs=refs, stash=stash, commits=frozenset(_reach(work, tips)), trees=trees)


def find_losses(
    before: Ledger,
    work: Repository,
    *linked: Repository,
    commits_on: str = "",
    by_head: bool = True,
    may_differ: Iterable[str] = (),
) -> list[str]:
    """Return what `before` had and the repository now lacks, or has otherwise.

    `commits_on` is a branch that may have got a commit of what was in the work tree: then the index may say so too.
    `may_differ` are files that somebody was to write. Without `by_head` a commit counts only where a ref or a stash
    leads to it, not HEAD alone.
    """
    after = read_ledger(work, *linked)
    found = list(_compare_refs(work, before, after))
    if before.stash != after.stash:
        found.append(f"the stashes were {before.stash} and are {after.stash}")
    for number, folder in enumerate(before.trees):
        old, new = before.trees[folder], after.trees[folder]
        may_commit = number == 0 and bool(commits_on) and old.branch == f"refs/heads/{commits_on}"
        found += _compare_trees(work, folder.name, old, new, after, may_commit=may_commit, but=set(may_differ))
    heads = {tree.head for folder, tree in after.trees.items() if by_head or folder != work.folder}
    tips = {*after.refs.values(), *after.stash, *heads}
    lost = before.commits - set(_reach(work, {tip for tip in tips if tip}))
    return [*found, *(f"no ref leads to commit {commit} any more" for commit in sorted(lost))]


def find_moves_back(remote: Repository, before: dict[str, str], *, allowed: Iterable[str]) -> list[str]:
    """Return what a remote lost: refs that went, moved back or sideways, or that nobody asked for."""
    after = remote.refs()
    found = [f"{remote.folder.name} lost {ref}" for ref in before.keys() - after.keys()]
    found += [f"{remote.folder.name} got {ref}" for ref in after.keys() - before.keys() - set(allowed)]
    for ref in before.keys() & after.keys():
        if before[ref] != after[ref] and (ref not in allowed or not is_ancestor(remote, before[ref], after[ref])):
            found.append(f"{ref} of {remote.folder.name} moved from {before[ref]} to {after[ref]}")
    return found


def find_blobs(repository: Repository, blobs: Iterable[str]) -> set[str]:
    """Return which of these objects a repository has, reachable or not."""
    asked = "".join(f"{blob}\n" for blob in blobs).encode()
    answers = repository.git("cat-file", "--batch-check", feed=asked).splitlines() if asked else []
    return {answer.split()[0] for answer in answers if not answer.endswith(" missing")}


def find_unsaved(work: Repository, ledger: Ledger) -> frozenset[str]:
    """Return the content of what is staged, changed or untracked (and not ignored), as blobs."""
    tree = ledger.trees[work.folder]
    changed = work.git("--no-optional-locks", "ls-files", "-z", "-m", "-o", "--exclude-standard").split("\0")
    files = {blob_of(tree.files[path].content) for path in changed if path in tree.files}
    staged = {blob for mode, blob in _entries(tree) if mode != _GITLINK}
    return frozenset(files | staged) - _EMPTY_BLOBS


def find_debris(work: Repository) -> list[str]:
    """Return locks and temporary files in the repository's own folder.

    Not the file that is made to stay, nor what a git that was killed or met a full disk leaves among its objects.
    """
    top = work.folder / ".git"
    paths = [path for path in top.rglob("*") if path.name.endswith(".lock") or "tmp" in path.name]
    found = {str(path.relative_to(top)) for path in paths if not path.name.startswith(("tmp_obj_", "tmp_pack_"))}
    return sorted(found - {"devenv/sync.lock"})


def is_ancestor(repository: Repository, old: str, new: str) -> bool:
    """Tell whether `new` has all that `old` has."""
    return repository.git("merge-base", old, new, check=False) == old


def blob_of(content: bytes) -> str:
    """Return git's name of a file's content."""
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content)).hexdigest()


def reachable_objects(work: Repository, tips: Iterable[str]) -> set[str]:
    """Return every object that these lead to."""
    feed = "".join(f"{tip}\n" for tip in tips).encode()
    listed = work.git("rev-list", "--objects", "--no-object-names", "--stdin", feed=feed) if feed else ""
    return set(listed.splitlines())


def _compare_refs(work: Repository, before: Ledger, after: Ledger) -> Iterator[str]:
    for ref, old in before.refs.items():
        new = after.refs.get(ref)
        if new == old or ref.startswith("refs/remotes/"):  # those only say what was seen; their commits are checked
            continue
        if new is None or not ref.startswith("refs/heads/") or not is_ancestor(work, old, new):
            yield f"{ref} was {old} and is {new}"


def _compare_trees(
    work: Repository, name: str, old: Tree, new: Tree, after: Ledger, *, may_commit: bool, but: set[str]
) -> Iterator[str]:
    if old.branch != new.branch:
        yield f"{name}: HEAD was on {old.branch!r} and is on {new.branch!r}"
    for what in old.under_way.keys() | new.under_way.keys():
        if old.under_way.get(what) != new.under_way.get(what):
            yield f"{name}: {what} was {old.under_way.get(what)!r} and is {new.under_way.get(what)!r}"
    for path in sorted((old.files.keys() | new.files.keys()) - but):
        if old.files.get(path) != new.files.get(path):
            yield f"{name}: file {path!a} was {old.files.get(path)} and is {new.files.get(path)}"
    if may_commit:
        if old.index != new.index or old.head != new.head:
            yield from _find_lost_entries(work, name, old, new, after)
    elif (old.head, old.index, old.status) != (new.head, new.index, new.status):
        yield f"{name}: HEAD, index and status were\n{old.head}\n{old.index}\n{old.status!r}\nand are\n{new.head}\n{new.index}\n{new.status!r}"  # noqa: E501


def _find_lost_entries(work: Repository, name: str, old: Tree, new: Tree, after: Ledger) -> Iterator[str]:
    """Yield the entries of the index whose content is neither in a ref, nor in the index, nor in a file."""
    kept = {blob for _, blob in _entries(new)} | {blob_of(file.content) for file in new.files.values()} | _EMPTY_BLOBS
    lost = {blob for mode, blob in _entries(old) if mode != _GITLINK} - kept
    if lost:
        lost -= reachable_objects(work, {*after.refs.values(), *after.stash})
    yield from (
        f"{name}: the staged content {work.git('cat-file', '-p', blob, check=False)!r} is lost" for blob in lost
    )


def _entries(tree: Tree) -> Iterator[tuple[str, str]]:
    for entry in tree.index:
        _, mode, blob, *_ = entry.split(" ")
        yield mode, blob


def _read_tree(work: Repository) -> Tree:
    quiet = "--no-optional-locks"
    return Tree(
        branch=work.git("symbolic-ref", "-q", "HEAD", check=False),
        head=work.tip("HEAD"),
        index=tuple(one for one in work.git(quiet, "ls-files", "-v", "-s", "-z").split("\0") if one),
        status=work.git(quiet, "-c", "status.showUntrackedFiles=all", "status", "--porcelain=v2", "-z", "--ignored"),
        files=dict(_read_files(work.folder)),
        under_way=dict(_read_under_way(work)),
    )


def _read_files(top: Path) -> Iterator[tuple[str, File]]:
    for folder, folders, names in os.walk(top):
        if Path(folder) == top and ".git" in folders:
            folders.remove(".git")
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in (*names, *links):
            path = Path(folder) / name
            seen = path.lstat()
            content = os.fsencode(path.readlink()) if stat.S_ISLNK(seen.st_mode) else path.read_bytes()
            yield str(path.relative_to(top)), File(mode=seen.st_mode, content=content, written_ns=seen.st_mtime_ns)


def _read_under_way(work: Repository) -> Iterator[tuple[str, bytes]]:
    own = Path(os.path.join(work.folder, work.git("rev-parse", "--git-dir")))  # noqa: PTH118 - an absolute one wins
    for name in _UNDER_WAY:
        path = own / name
        if path.is_file():
            yield name, path.read_bytes()
        elif path.is_dir():
            for inner in path.rglob("*"):
                if inner.is_file():
                    yield str(inner.relative_to(own)), inner.read_bytes()


def _read_stash(work: Repository) -> tuple[str, ...]:
    return tuple(work.git("log", "-g", "--format=%H", "refs/stash", "--", check=False).split())


def _reach(work: Repository, tips: Iterable[str]) -> list[str]:
    feed = "".join(f"{tip}\n" for tip in tips).encode()
    return work.git("rev-list", "--stdin", feed=feed).splitlines() if feed else []
