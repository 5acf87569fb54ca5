"""What the remote of a checked-out branch has, whether it may be pulled, and what `up` says of it.

Pure. Paths are relative to the top of their repository and may hold any byte (undecodable ones as surrogates).
Invariant: whatever is not pulled is said with the reason and the one command that pulls it.
"""

import posixpath
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from devenv.domain.installs import NODE_INSTALLS, PYTHON_INSTALLS
from devenv.domain.sizes import count
from devenv.domain.syncing import Look

SHOWN = 3
"""So many files are named in one sentence."""

_INSTALLS = {**NODE_INSTALLS, **PYTHON_INSTALLS}
_REQUIREMENTS = re.compile(r"requirements[^/]*\.txt")
_READ_UNNAMED = re.compile(r"\.env.*|.+\.ya?ml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A branch at a remote. `tracking` is the ref here that follows it."""

    remote: str
    branch: str
    tracking: str

    def __str__(self) -> str:
        """Return it as git writes it."""
        return f"{self.remote}/{self.branch}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A work tree with `root` as its top, called `name` ('' for the one of services.yaml).

    `branch` is '' where HEAD is detached, `head` where there is no commit yet. Of `sources` the first that exists at
    its remote is the one to pull; `follows` tells that it is the branch's own upstream. `files` are those of
    the stack's files that lie in it.
    """

    root: str
    name: str = ""
    branch: str = ""
    head: str = ""
    sources: tuple[Source, ...] = ()
    follows: bool = False
    files: tuple[str, ...] = ()

    def command(self, source: Source) -> str:
        """Return the command that pulls by hand."""
        return self.git("pull", "--ff-only", *(() if self.follows else (source.remote, source.branch)))

    def git(self, *words: str) -> str:
        """Return a git command as it is typed in the folder of services.yaml."""
        return shlex.join(("git", *(("-C", self.name) if self.name else ()), *words))


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What `source` is against the branch that is checked out, in commits, and the files that its commits change."""

    source: Source
    commit: str
    ahead: int = 0
    behind: int = 0
    changed: tuple[str, ...] = ()


def find_hindrance(checkout: Checkout, look: Look) -> str:
    """Return why nothing may be pulled into the work tree as it is now, '' where it may."""
    if look.branch != checkout.branch:
        return f"{look.branch or 'a single commit'} is checked out by now"
    if look.under_way:
        return f"a {look.under_way} is under way"
    if look.unmerged:
        return f"{count(len(look.unmerged), 'file')} with conflicts"
    if look.staged or look.unstaged:
        kinds = ((look.staged, "staged"), (look.unstaged, "changed"))
        return " and ".join(f"{count(number, 'file')} {kind}" for number, kind in kinds if number)
    return ""


def describe_pulled(checkout: Checkout, news: News, configuration: Sequence[str]) -> str:
    """Return what was pulled, and which files of the `configuration` that changes, as a sentence."""
    text = f"pulled {count(news.behind, 'commit')} of {news.source}"
    return _of(checkout, f"{text}: reading {name_some(configuration)} anew" if configuration else text)


def describe_kept_back(checkout: Checkout, news: News, why: str) -> str:
    """Return what was not pulled, as a sentence."""
    text = f"{checkout.branch} is {count(news.behind, 'commit')} behind {news.source}, not pulled: {why}"
    return _of(checkout, f"{text} ({checkout.command(news.source)})")


def describe_diverged(checkout: Checkout, news: News) -> str:
    """Return that both sides have commits, as a sentence."""
    here, there = f"{news.ahead} here", f"{news.behind} there"
    text = f"{checkout.branch} and {news.source} have diverged ({here}, {there}), not pulled"
    return _of(checkout, f"{text} ({checkout.git('merge', str(news.source))})")


def describe_unfollowed(checkout: Checkout) -> str:
    """Return that no remote has the branch, as a sentence."""
    if not checkout.sources:
        return _of(checkout, f"nothing is pulled: {checkout.branch} has no remote ({checkout.git('remote', '-v')})")
    remotes = " and ".join(source.remote for source in checkout.sources)
    fix = checkout.git("push", "-u", checkout.sources[0].remote, checkout.branch)
    return _of(checkout, f"nothing is pulled: {remotes} has no branch {checkout.sources[0].branch} ({fix})")


def describe_headless(checkout: Checkout) -> str:
    """Return that no branch with a commit is checked out, as a sentence."""
    if checkout.branch:
        return _of(checkout, f"nothing is pulled: {checkout.branch} has no commit yet ({checkout.git('status')})")
    return _of(checkout, f"nothing is pulled: HEAD is detached ({checkout.git('branch', '--all')})")


def describe_elsewhere(checkout: Checkout, wanted: str) -> str:
    """Return that another branch is checked out than the one where work is expected, as a sentence."""
    there = f"{checkout.branch} is" if checkout.branch else f"no branch ({checkout.head[:9]}) is"
    return f"{there} checked out, not {wanted}, where `git.branch` expects work ({checkout.git('switch', wanted)})"


def describe_locks(checkout: Checkout, news: News) -> str:
    """Return which lock files were changed and what installs what they lock, '' where none was."""
    told = [f"{path} (`{command}`)" for path, command in find_installs(news.changed).items()]
    return _of(checkout, f"what was pulled changes {name_some(told)}") if told else ""


def describe_silence(remotes: Iterable[str], after_s: float) -> str:
    """Return that remotes have not answered yet, as a sentence."""
    names = " and ".join(dict.fromkeys(remotes)) or "git"
    return f"{names} has not answered after {after_s:.0f} s: starting with what is checked out"


def find_installs(paths: Iterable[str]) -> dict[str, str]:
    """Return the lock files among `paths`, each with the command that installs what it locks."""
    found = {}
    for path in sorted(paths):
        folder, name = posixpath.split(path)
        command = _INSTALLS.get(name, "")
        if _REQUIREMENTS.fullmatch(name):
            command = shlex.join(("pip", "install", "-r", name))
        if command:
            found[path] = f"cd {shlex.quote(folder)} && {command}" if folder else command
    return found


def find_read(paths: Iterable[str], files: Iterable[str]) -> tuple[str, ...]:
    """Return those of `paths` that a stack may be read from: one of its `files`, or a like file beside one."""
    known = set(files)
    folders = {posixpath.dirname(file) for file in known}
    return tuple(path for path in sorted(paths) if path in known or _may_be_read(path, folders))


def _may_be_read(path: str, folders: set[str]) -> bool:
    """Tell whether a file may be read without being named: an override file, an env file."""
    folder, name = posixpath.split(path)
    return folder in folders and bool(_READ_UNNAMED.fullmatch(name)) and name not in _INSTALLS


def name_some(words: Sequence[str]) -> str:
    """Return the first few, and how many more there are."""
    rest = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + rest


def _of(checkout: Checkout, text: str) -> str:
    return f"{checkout.name}: {text}" if checkout.name else text
