"""What the user asked of git: `git:` of services.yaml, as values.

Built by `devenv.config`, read by `devenv.sync` and by `up`. Pure. Invariant: every path is absolute, and a rule that
exists is complete: what was left out has its default here.
"""

from dataclasses import dataclass
from enum import StrEnum


class Pull(StrEnum):
    """What `up` does about newer commits of the branch that is checked out."""

    OFF = "off"
    FF_ONLY = "ff-only"


class CommitPolicy(StrEnum):
    """Whether a sync commits what is not committed: never (it is kept beside the branch), after a question, always."""

    NEVER = "never"
    ASK = "ask"
    AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """A branch whose commits another one is to get: a fast-forward, or a merge made beside the work tree."""

    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRules:
    """What is sent where. No `branches` means the one that is checked out; `message` may hold `{date}` and `{branch}`.

    `timeout_s` is how long one remote may take for one of its answers (a push, a question).
    """

    repos: tuple[str, ...]
    remotes: tuple[str, ...] = ("origin",)
    branches: tuple[str, ...] = ()
    promote: Promotion | None = None
    commit: CommitPolicy = CommitPolicy.NEVER
    message: str = "chore: end of day {date}"
    timeout_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorRule:
    """A folder that a folder of another repository is to be like. Without a `commit` message nothing is committed."""

    source: str
    target: str
    commit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GitRules:
    """All of `git:`. `root` is the folder of services.yaml; `branch` is where work is expected, '' for anywhere."""

    root: str
    pull: Pull = Pull.OFF
    branch: str = ""
    sync: SyncRules | None = None
    mirrors: tuple[MirrorRule, ...] = ()

    @property
    def has_work(self) -> bool:
        """Tell whether a sync has anything to do."""
        return self.sync is not None or bool(self.mirrors)
