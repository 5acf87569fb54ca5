"""What a sync sees of a repository, and what came of it, as values.

Made by `devenv.sync` and the git adapter, shown by `cli`. Pure. Paths inside a repository are relative to its top and
may hold any byte (undecodable ones as surrogates); whoever shows them makes them printable. Invariant: a report says of
every repository, branch and remote that was asked for what became of it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The state of a repository before anything is done.

    `branch` is '' where HEAD is detached, `head` is '' where there is no commit yet. `under_way` is merge, rebase,
    cherry-pick, revert, bisect or am, or ''. The three counts are paths. `unmerged` are paths with conflicts in the
    index; `marked` are changed files that hold conflict markers; `nested` are untracked repositories, whose files are
    their own; `hidden` are changed files that git was told to take for unchanged. `unpublished_submodules` have a
    commit checked out that none of their remotes is known to have.
    `is_stray` tells that no ref but HEAD has `head`. `index_lock_age_s` is the age of an index.lock, None for none.
    `branches` maps local branches to commits, `checked_out` those that a work tree has to its folder, `remotes` names
    to URLs (passwords left out).
    """

    root: str
    common_dir: str
    branch: str = ""
    head: str = ""
    under_way: str = ""
    staged: int = 0
    unstaged: int = 0
    untracked: int = 0
    unmerged: tuple[str, ...] = ()
    marked: tuple[str, ...] = ()
    is_shallow: bool = False
    is_stray: bool = False
    nested: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    dirty_submodules: tuple[str, ...] = ()
    unpublished_submodules: tuple[str, ...] = ()
    index_lock_age_s: float | None = None
    remotes: Mapping[str, str] = field(default_factory=dict)
    branches: Mapping[str, str] = field(default_factory=dict)
    checked_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_dirty(self) -> bool:
        """Tell whether anything is not committed."""
        return bool(self.staged or self.unstaged or self.untracked or self.unmerged or self.hidden)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A sentence about a repository and the way on. One that `blocks` makes the sync incomplete.

    `details` are further lines, such as the last ones that a hook wrote.
    """

    text: str
    fix: str = ""
    blocks: bool = False
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A changed file that a commit may not take, or that cannot be kept, and why: it stays in the work tree."""

    path: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Work that is kept in `ref`, and the command that brings it back. `is_new` is False where it was kept before.

    `left_out` is what could not be kept: it is in the work tree and nowhere else.
    """

    ref: str
    commit: str
    files: int
    restore: str
    is_new: bool = True
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """A commit that a sync made: '' where nothing was left to commit.

    `kept` has what was staged of files that changed again since, as the commit took them from the work tree.
    """

    commit: str = ""
    branch: str = ""
    files: int = 0
    left_out: tuple[LeftOut, ...] = ()
    kept: Kept | None = None


class Promoting(StrEnum):
    """What became of a promotion."""

    NOTHING = "nothing to do"
    FAST_FORWARD = "fast-forward"
    MERGE = "merge"
    CONFLICT = "conflict"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """A promotion: `commit` is where `target` points now; `conflicts` are the files that both sides changed."""

    source: str
    target: str
    how: Promoting
    commit: str = ""
    commits: int = 0
    conflicts: tuple[str, ...] = ()
    why: str = ""
    fix: str = ""

    @property
    def is_done(self) -> bool:
        """Tell whether `target` has all that `source` has."""
        return self.how in {Promoting.NOTHING, Promoting.FAST_FORWARD, Promoting.MERGE}


class Outcome(StrEnum):
    """What became of one branch at one remote."""

    PUSHED = "pushed"
    THERE = "already there"
    TO_PUSH = "to push"
    """Only in a dry run."""
    BEHIND = "behind"
    DIVERGED = "diverged"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRow:
    """One branch at one remote. `commits` counts what was (or is to be) sent, or what is missing here (behind)."""

    branch: str
    remote: str
    outcome: Outcome
    commits: int = 0
    why: str = ""
    fix: str = ""

    @property
    def is_done(self) -> bool:
        """Tell whether the remote has the branch as it is here."""
        return self.outcome in {Outcome.PUSHED, Outcome.THERE, Outcome.TO_PUSH}


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryReport:
    """One repository of a sync; `name` is its path as the user writes it."""

    name: str
    remarks: tuple[Remark, ...] = ()
    kept: Kept | None = None
    committed: Committed | None = None
    promoted: Promoted | None = None
    rows: tuple[PushRow, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Tell whether everything that was asked of it was done."""
        promoted = self.promoted is None or self.promoted.is_done
        return promoted and all(row.is_done for row in self.rows) and not any(one.blocks for one in self.remarks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """A path of a mirror's target that was left as it is, why, and how it differs from the source."""

    path: str
    why: str = "it was edited there"
    diff: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorReport:
    """One mirror: what was (or would be) copied and deleted below the target, and what was left as it is.

    `paths` are the files of the mirror that differ from the last commit, from the top of the target's repository: a
    commit takes them and nothing else. There are none where the rule asks for no commit.
    """

    source: str
    target: str
    copied: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    edited: tuple[Edited, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    paths: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()
    committed: Committed | None = None

    @property
    def is_complete(self) -> bool:
        """Tell whether the target is like the source."""
        return not self.edited and not any(one.blocks for one in self.remarks)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What a sync came to; `is_dry_run` tells that nothing was changed, neither here nor at a remote."""

    repositories: tuple[RepositoryReport, ...] = ()
    mirrors: tuple[MirrorReport, ...] = ()
    is_dry_run: bool = False

    @property
    def is_complete(self) -> bool:
        """Tell whether everything that was asked for was done."""
        return all(one.is_complete for one in self.repositories) and all(one.is_complete for one in self.mirrors)


def encode_sync(report: SyncReport) -> dict[str, Any]:
    """Return a report as plain data, for `--json`."""
    return {**asdict(report), "is_complete": report.is_complete}
