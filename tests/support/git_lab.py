"""Repositories of any shape, as values that Hypothesis can draw, and the real git repositories built from them.

Must not import devenv, nor judge what a sync did (`git_ledger` does). Invariants: the same values give the same
repositories; every text that is written is written once, so that one that is lost is known by its bytes; nothing
leaves the lab's folder.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.git import Repository, make_remote, make_repository

PATHS = (
    "a", "b.txt", "dir/c", "dir/deep/d", "-lead", 'quo"te', "new\nline", "bad\udcff", "sp ace", "*", ":(top)x", "tab\t",
    "back\\slash", "#hash", "ünï", "dir", "c.log",
)  # fmt: skip
"""Names that git quotes, takes for an option or for a pattern, or cannot decode; `dir` is a file and a folder."""

IGNORED = ("ignored", "build/out", "x.ign")
SECRETS = (".env", "dir/.env.local", "keys/id_rsa", "settings.py")
BRANCHES = ("dev", "master", "feature/x")
KEY = "AKIA" + "QYLPMN5HFIQR7C2A"  # looks like a key, and opens nothing
MARKERS = "<<<<<<< ours\n"
STATES = (
    "plain", "detached", "stray", "unborn", "orphan", "merge", "rebase", "cherry-pick", "revert", "bisect", "shallow",
    "locked",
)  # fmt: skip
CONFIGS = (
    "fetch.prune=true", "push.followTags=true", "remote.one.push=+refs/heads/*:refs/heads/*", "remote.one.mirror=true",
    "status.showUntrackedFiles=no", "core.quotePath=true", "color.ui=always", "index.version=4",
    "status.relativePaths=true", "diff.noprefix=true", "commit.gpgSign=false", "status.renames=copies",
    "core.splitIndex=true", "core.autocrlf=input", "add.ignoreErrors=true", "push.default=matching",
    "diff.ignoreSubmodules=all", "merge.conflictStyle=diff3", "core.logAllRefUpdates=false", "stash.showPatch=true",
)  # fmt: skip
LOCAL_HOOKS = ("pre-commit", "commit-msg", "pre-push", "reference-transaction")
SERVERS = ("open", "refuses", "refuses master", "fails after", "missing", "no repository")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit of the pool: its parents by number, and the paths it writes (text), links or removes."""

    parents: tuple[int, ...] = ()
    written: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One thing done to the work tree or the index; one that cannot be done is left out."""

    how: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A remote: branches by the number of their commit, and how its server takes a push.

    `known` are the commits that the local repository saw there last, which the server may have lost since.
    """

    name: str
    branches: tuple[tuple[str, int], ...] = ()
    known: tuple[tuple[str, int], ...] = ()
    server: str = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """A repository with its remotes. `other` is the commit that is merged, picked or rebased onto."""

    commits: tuple[Commit, ...]
    branches: tuple[tuple[str, int], ...]
    head: str = "dev"
    other: int = 0
    stashes: tuple[tuple[Edit, ...], ...] = ()
    state: str = "plain"
    edits: tuple[Edit, ...] = ()
    remotes: tuple[Remote, ...] = ()
    config: tuple[str, ...] = ()
    failing_hooks: tuple[str, ...] = ()
    has_worktree: bool = False
    has_nested: bool = False


@dataclass(slots=True, kw_only=True)
class Lab:
    """What was built: `work` is the repository, `remotes` the bare ones that are there, `linked` a second work tree."""

    folder: Path
    work: Repository
    remotes: dict[str, Repository] = field(default_factory=dict)
    linked: Repository | None = None


def build(blueprint: Blueprint, folder: Path) -> Lab:
    """Build everything below `folder`, which is empty."""
    pool = make_remote(folder / "pool.git")
    pool.git("fast-import", "--quiet", feed=b"".join(_stream(blueprint)))
    work = make_repository(folder / "work", branch=blueprint.head)
    lab = Lab(folder=folder, work=work)
    for remote in blueprint.remotes:
        _build_remote(lab, remote)
    _build_history(work, blueprint)
    work.write(".git/info/exclude", "".join(f"{path}\n" for path in ("ignored", "build/", "*.ign")))
    for number, edits in enumerate(blueprint.stashes):
        _edit(work, edits, label=f"stash {number}")
        work.git("stash", "push", "-q", "--include-untracked", check=False)
        work.git("reset", "-q", "--hard", check=False)
    if blueprint.has_worktree:
        lab.linked = _link_worktree(lab)
    if blueprint.has_nested:
        make_repository(work.folder / "nested").commit("inner", "inner\n")
        work.write("nested/loose", "loose\n")
    _enter(work, blueprint)
    _edit(work, blueprint.edits, label="edit")
    for hook in blueprint.failing_hooks:
        work.hook(hook, 'test "$1" = committed || test "$1" = aborted || exit 1')
    for setting in blueprint.config:
        work.git("config", *setting.split("=", 1))
    return lab


def wrap_git(folder: Path) -> Path:
    """Install a program `git` that counts, and fails at the command and in the way that LAB_AT and LAB_FAULT say.

    Returns the folder to have first on PATH; LAB_FOLDER is where it counts.
    """
    real = shutil.which("git")
    assert real is not None
    wrapper = folder / "bin" / "git"
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    wrapper.write_text(_WRAPPER.replace("REAL", real))
    wrapper.chmod(0o755)
    return wrapper.parent


FAULTS = ("refused", "killed", "answer lost", "midway", "devenv killed", "both killed", "interrupted", "disk full")
_WRAPPER = """#!/bin/sh
printf . >> "$LAB_FOLDER/count"
if [ "$(wc -c < "$LAB_FOLDER/count")" -ge "$LAB_AT" ]; then
  if [ "$LAB_FAULT" = "disk full" ]; then trap '' XFSZ; ulimit -f 0; exec REAL "$@"; fi
  mkdir "$LAB_FOLDER/done" 2>/dev/null || exec REAL "$@"
  case "$LAB_FAULT" in
    refused) echo "fatal: refused by the lab" >&2; exit 128 ;;
    killed) kill -9 $$ ;;
    "answer lost") REAL "$@" >/dev/null; kill -9 $$ ;;
    midway) REAL "$@" <&0 & sleep 0.004; kill -9 $! 2>/dev/null; kill -9 $$ ;;
    "devenv killed") kill -9 $PPID ;;
    "both killed") kill -9 $PPID; kill -9 $$ ;;
    interrupted) kill -INT $PPID ;;
  esac
fi
exec REAL "$@"
"""


def _stream(blueprint: Blueprint) -> Iterator[bytes]:
    """Yield the pool's history for `git fast-import`: a ref `refs/pool/N` for every commit."""
    for number, commit in enumerate(blueprint.commits):
        yield b"commit refs/pool/%d\nmark :%d\n" % (number, number + 1)
        yield b"committer Ada <ada@example.org> %d +0000\n" % (1_700_000_000 + number)
        yield _data(f"commit {number}")
        for index, parent in enumerate(commit.parents):
            yield b"%s :%d\n" % (b"merge" if index else b"from", parent + 1)
        for path in commit.removed:
            yield b"D %s\n" % _quote(path)
        for path in commit.written:
            mode = b"100755" if path.endswith("d") else b"100644"
            yield b"M %s inline %s\n%s" % (mode, _quote(path), _data(f"commit {number} of {path!a}\n"))
        for path in commit.linked:
            yield b"M 120000 inline %s\n%s" % (_quote(path), _data(f"nowhere {number}"))


def _data(text: str) -> bytes:
    content = text.encode()
    return b"data %d\n%s\n" % (len(content), content)


def _quote(path: str) -> bytes:
    """Return a path as fast-import reads it."""
    marked = {0x22: b'\\"', 0x5C: b"\\\\", 0x0A: b"\\n"}
    return b'"' + b"".join(marked.get(byte, bytes([byte])) for byte in os.fsencode(path)) + b'"'


def _build_remote(lab: Lab, remote: Remote) -> None:
    folder = lab.folder / f"{remote.name}.git"
    lab.work.git("remote", "add", remote.name, str(folder))
    if remote.server == "missing":
        return
    if remote.server == "no repository":
        folder.mkdir()
        return
    made = make_remote(folder)
    lab.remotes[remote.name] = made
    wanted = [f"+refs/pool/{number}:refs/heads/{branch}" for branch, number in remote.branches]
    if wanted:
        made.git("fetch", "-q", str(lab.folder / "pool.git"), *wanted, "+refs/pool/0:refs/tags/v0")
    hooks = {
        "refuses": ("pre-receive", "echo 'GH006: protected branch' >&2; exit 1"),
        "refuses master": ("update", 'test "$1" != refs/heads/master'),
        "fails after": ("post-receive", "exit 1"),
    }
    if remote.server in hooks:
        made.hook(*hooks[remote.server])


def _build_history(work: Repository, blueprint: Blueprint) -> None:
    """Give the work tree its branches, a tag, and what it saw of its remotes."""
    wanted = {f"refs/heads/{branch}": number for branch, number in blueprint.branches}
    for remote in blueprint.remotes:
        wanted |= {f"refs/remotes/{remote.name}/{branch}": number for branch, number in remote.known}
    specs = [f"+refs/pool/{number}:{ref}" for ref, number in wanted.items()]
    depth = ("--depth=2",) if blueprint.state == "shallow" else ()
    pool = (work.folder.parent / "pool.git").as_uri()
    work.git("fetch", "-q", "--update-head-ok", *depth, pool, *specs, f"+refs/pool/{blueprint.other}:refs/tags/other")
    if blueprint.head in dict(blueprint.branches):
        work.git("reset", "-q", "--hard")


def _link_worktree(lab: Lab) -> Repository:
    linked = Repository(folder=lab.folder / "linked")
    lab.work.git("worktree", "add", "-q", "--detach", str(linked.folder), "refs/tags/other")
    linked.write("only-linked", "only here\n")
    linked.git("add", "only-linked")
    linked.write("only-linked", "only here, edited\n")
    return linked


def _enter(work: Repository, blueprint: Blueprint) -> None:
    """Bring the work tree into the state of the blueprint; git's complaints are part of some."""

    def stray() -> None:
        work.git("checkout", "-q", "--detach", check=False)
        work.commit("stray", "stray\n", "stray")

    ways: dict[str, Callable[[], object]] = {
        "detached": lambda: work.git("checkout", "-q", "--detach", check=False),
        "stray": stray,
        "unborn": lambda: work.git("checkout", "-q", "--orphan", "unborn", check=False),
        "orphan": lambda: (work.git("checkout", "-q", "--orphan", "fresh", check=False), work.git("rm", "-rfq", ".")),
        "merge": lambda: work.git("merge", "-q", "--no-ff", "--no-commit", "other", check=False),
        "rebase": lambda: work.git("rebase", "-q", "-x", "false", "--no-ff", "other", check=False),
        "cherry-pick": lambda: work.git("cherry-pick", "other", check=False),
        "revert": lambda: work.git("revert", "--no-commit", "HEAD", check=False),
        "bisect": lambda: work.git("bisect", "start", check=False),
        "locked": lambda: work.write(".git/index.lock", ""),
    }
    if work.tip("HEAD"):
        ways.get(blueprint.state, lambda: None)()


def _edit(work: Repository, edits: Iterable[Edit], *, label: str) -> None:
    for number, edit in enumerate(edits):
        with suppress(OSError):
            _edit_once(work, edit, text=f"{label} {number} {edit.how} {edit.path!a}\n")


def _edit_once(work: Repository, edit: Edit, *, text: str) -> None:
    target = work.folder / edit.path
    if edit.how in _GIT_EDITS:
        work.git("--literal-pathspecs", *_GIT_EDITS[edit.how], "--", edit.path, check=False)
    elif edit.how == "rename":
        work.git("--literal-pathspecs", "mv", "-k", "--", edit.path, f"{edit.path}.moved", check=False)
    elif edit.how == "delete":
        target.unlink()
    elif edit.how == "make executable" and target.is_file() and not target.is_symlink():
        target.chmod(target.stat().st_mode ^ 0o111)
    elif edit.how == "link" and not (target.is_dir() and not target.is_symlink()):
        target.unlink(missing_ok=True)
        target.symlink_to(f"nowhere/{text.strip()}")
    elif edit.how in _TEXTS:
        work.write(edit.path, _TEXTS[edit.how].replace(b"%", text.encode()))


_GIT_EDITS = {
    "add": ("add", "-f", "-A"),
    "add intent": ("add", "-f", "-N"),
    "untrack": ("rm", "-q", "-r", "--cached"),
    "assume unchanged": ("update-index", "--assume-unchanged"),
}
_TEXTS = {
    "write": b"%",
    "write secret": f"%aws_key = '{KEY}'\n".encode(),
    "write conflict markers": f"{MARKERS}%=======\ntheirs\n>>>>>>> theirs\n".encode(),
    "write binary": b"%\0\1\xff\r\n",
}
MOVES = (
    ("write",), ("write",), ("write", "add"), ("write", "add", "write"), ("write", "add", "write"),
    ("write binary", "add"),
    ("write secret",), ("write secret", "add"), ("write conflict markers",), ("write", "add intent"), ("delete",),
    ("delete", "add"), ("write", "add", "delete"), ("untrack",), ("rename",), ("rename", "write"), ("make executable",),
    ("make executable", "add"), ("link",), ("link", "add"), ("assume unchanged", "write"),
)  # fmt: skip
"""What is done to one path, in this order."""
