"""What differs between the last commit, the index and the work tree, read in one command.

Must not change anything. Invariant: a rename is a deletion and a new file, an untracked folder is its files, and a
repository inside the work tree is never its files.
"""

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from devenv.adapters.git.command import Git, GitFailed
from devenv.adapters.git.hidden import find_hidden
from devenv.domain.errors import HostError
from devenv.domain.syncing import LeftOut

UNCHANGED = "."
GONE = "D"

_LINK = "120000"
_SUBMODULE = "160000"
_ABSENT = "000000"
_UNREAD = re.compile(r"could not open directory '(?P<path>.*)': (?P<why>.*)")
_WORDS = ("status", "--porcelain=v2", "-z", "--branch", "--untracked-files=all", "--no-renames", "--no-ahead-behind")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A tracked path that differs: `staged` is how the index differs from the commit, `unstaged` the work tree from it.

    Both are git's letters (M, A, D, T), `UNCHANGED` for none. `head_id` is the commit's content, '' where it has none;
    `inside` are git's letters for a submodule (C another commit, M changes, U untracked files).
    """

    path: str
    staged: str
    unstaged: str
    head_id: str
    mode: str
    inside: str = ""

    @property
    def is_submodule(self) -> bool:
        """Tell whether the path is a submodule's."""
        return self.mode == _SUBMODULE or bool(self.inside)

    @property
    def is_real(self) -> bool:
        """Tell whether a commit could take it; changes inside a submodule are that repository's own."""
        return not self.is_submodule or self.staged != UNCHANGED or "C" in self.inside or self.unstaged == GONE

    @property
    def is_announced(self) -> bool:
        """Tell whether the index only knows that the file is to be added (`git add --intent-to-add`)."""
        return self.staged == UNCHANGED and self.unstaged == "A"

    @property
    def is_partly_staged(self) -> bool:
        """Tell whether the index has a version that neither the commit nor the work tree has."""
        return self.is_real and UNCHANGED not in {self.staged, self.unstaged} and self.staged != GONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One side of a conflict as the index has it: 1 the ancestor's, 2 ours, 3 theirs."""

    number: int
    mode: str
    blob: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmerged:
    """A path with a conflict in the index; `is_there` tells whether the work tree has a file."""

    path: str
    stages: tuple[Stage, ...]
    is_there: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """All that differs. `branch` is '' where HEAD is detached, `head` where there is no commit yet.

    `nested` are untracked repositories (no submodules); `unread` are folders that could not be looked into; `hidden`
    are changed files that git was told to take for unchanged.
    """

    branch: str
    head: str
    changes: tuple[Change, ...]
    unmerged: tuple[Unmerged, ...]
    untracked: tuple[str, ...]
    nested: tuple[str, ...]
    unread: tuple[LeftOut, ...]
    hidden: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Tell whether nothing differs that could be kept."""
        return not (self.real or self.unmerged or self.untracked or self.hidden)

    @property
    def real(self) -> tuple[Change, ...]:
        """Return the changes that a commit could take."""
        return tuple(change for change in self.changes if change.is_real)


async def read_status(git: Git) -> Status:
    """Return the state of the work tree that `git.folder` is the top of."""
    ran, hidden = await git.run(*_WORDS), await find_hidden(git)
    if ran.status != 0 or ran.is_late:
        raise GitFailed(ran, git.folder)
    headers, changes, unmerged, untracked = {}, [], [], []
    for kind, rest in _split(ran.records):
        match kind:
            case "#":
                name, _, value = rest.partition(" ")
                headers[name] = value
            case "1":
                changes.append(_read_change(rest))
            case "u":
                unmerged.append(_read_unmerged(rest))
            case _:
                untracked.append(rest)
    head, branch = headers.get("branch.oid", ""), headers.get("branch.head", "")
    if branch == "(unknown)":
        raise HostError(
            f"cannot read the branch that is checked out in {git.folder}",
            why="its ref is damaged, as after a power failure",
            fix=f"git -C {shlex.quote(git.folder)} fsck",
        )
    return Status(
        branch="" if branch == "(detached)" else branch,
        head="" if head == "(initial)" else head,
        changes=tuple(changes),
        unmerged=tuple(unmerged),
        untracked=tuple(path for path in untracked if not path.endswith("/")),
        nested=tuple(path.removesuffix("/") for path in untracked if path.endswith("/")),
        unread=tuple(
            LeftOut(path=one["path"], why=f"cannot be read: {one['why']}") for one in _UNREAD.finditer(ran.err)
        ),
        hidden=hidden,
    )


def _split(records: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for record in records:
        kind, _, rest = record.partition(" ")
        yield kind, rest


def _read_change(text: str) -> Change:
    letters, inside, head_mode, index_mode, work_mode, head_id, _, path = text.split(" ", 7)
    modes = [mode for mode in (work_mode, index_mode, head_mode) if mode != _ABSENT]
    return Change(
        path=path,
        staged=letters[0],
        unstaged=letters[1],
        head_id="" if head_mode == _ABSENT else head_id,
        mode=modes[0] if modes else _ABSENT,
        inside=inside[1:].replace(".", "") if inside.startswith("S") else "",
    )


def _read_unmerged(text: str) -> Unmerged:
    _, _, *modes, work_mode, one, two, three, path = text.split(" ", 9)
    sides = zip((1, 2, 3), modes, (one, two, three), strict=True)
    stages = tuple(Stage(number=number, mode=mode, blob=blob) for number, mode, blob in sides if mode != _ABSENT)
    return Unmerged(path=path, stages=stages, is_there=work_mode != _ABSENT)


def join(top: str, path: str) -> str:
    """Return the place of a path of the work tree."""
    return os.path.join(top, path)  # noqa: PTH118 - paths here may hold any byte, and there are many
