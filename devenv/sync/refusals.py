"""Why a remote did not answer or did not take a push: what git and the remote said, as one sentence and the way on.

Pure. Must not know how git is run. Invariant: all of this is text from outside; it reaches a sentence without control
codes, without the passwords of URLs and cut to a few lines, and what is not recognised is quoted, never guessed at.
"""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

_LINES = 3
_LINE_LENGTH = 300
_LOOKED_AT = 2000  # characters of a line: a hook may print a megabyte in one, and a search takes their square
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_USER_OF_URL = re.compile(r"(?<=://)[^/\s'\"]+@")  # up to the last @: a password may hold one
_NAMES = re.compile(r"(?<!\w)'[^']*'|(?<![^\s'])\S+://\S+")
_REMOTE_LINE = re.compile(r"^remote: ?")
_PUSH_FAILED = "error: failed to push some refs to "
_DECLINED = "error: hook declined to update"
_HUNG_UP = "fatal: the remote end hung up unexpectedly"
_ROW = re.compile(r"^([ +*=!-])\t[^\t]*:refs/heads/([^\t]+)\t(.*)$")


class Cause(StrEnum):
    """What kept a remote from answering, or from taking a branch."""

    MOVED = "moved"
    """It has commits that are not here: only a comparison can say more."""
    SIZE = "size"
    PROTECTED = "protected"
    REMOTE_HOOK = "remote hook"
    OWN_HOOK = "own hook"
    HOST_KEY = "host key"
    AUTHENTICATION = "authentication"
    READ_ONLY = "read-only"
    CHECKED_OUT = "checked out"
    SHALLOW = "shallow"
    OWNER = "owner"
    NO_REMOTE = "no remote"
    NO_REPOSITORY = "no repository"
    UNREACHABLE = "unreachable"
    BUSY = "busy"
    BROKEN_OFF = "broken off"
    LATE = "late"
    UNKNOWN = "unknown"


BY_BRANCH = frozenset({Cause.SIZE, Cause.PROTECTED, Cause.REMOTE_HOOK, Cause.OWN_HOOK})
"""What one branch may bring on all that are pushed with it: worth a try with each alone."""

_VAGUE: dict[Cause, frozenset[Cause]] = {
    Cause.PROTECTED: frozenset(),
    Cause.REMOTE_HOOK: frozenset({Cause.SIZE, Cause.PROTECTED}),
    Cause.UNKNOWN: frozenset({Cause.SIZE, Cause.READ_ONLY, Cause.BUSY}),
}
"""Causes of one branch of which the lines of the remote tell more, and what these may show the cause to be."""

_TOLD_BY: dict[Cause, tuple[str, ...]] = {
    Cause.MOVED: (r"\((fetch first|non-fast-forward|stale info|needs force)\)",),
    Cause.SIZE: ("GH001", "HTTP 413", "returned error: 413", "exceeds .*(size|limit)", "too large", "maximum .*size"),
    Cause.CHECKED_OUT: ("branch is currently checked out", "refusing to update checked out branch"),
    Cause.SHALLOW: ("shallow update not allowed",),
    Cause.OWNER: ("dubious ownership",),
    Cause.HOST_KEY: ("host key", "host identification has changed"),
    Cause.READ_ONLY: (
        "read.only", "archived", "returned error: 403", "permission to .* denied", "write access", "access denied",
        "insufficient permission", "unable to create temporary object directory",
    ),
    Cause.AUTHENTICATION: (
        "could not read (username|password)", "authentication failed", "returned error: 401", r"permission denied \(",
        "too many authentication failures", "no supported authentication",
    ),
    Cause.NO_REPOSITORY: ("does not appear to be a git repo", "repository .*not found", "not a git repository"),
    Cause.UNREACHABLE: (
        "could not resolve", "unable to look up", "connection refused", "failed to connect", "unable to connect",
        "timed out", "no route to host", "network is unreachable", "name resolution", "certificate",
    ),
    Cause.BUSY: ("cannot lock ref", "(failed|unable) to lock", "failed to update ref", "file exists"),
    Cause.BROKEN_OFF: (
        "connection reset", "early eof", "unexpected disconnect", "hung up unexpectedly", "connection (was )?closed",
        r"returned error: (429|5\d\d)", r"HTTP 5\d\d", "RPC failed", "broken pipe", "kex_exchange_identification",
        "empty reply", "SSL_read", "SSL_ERROR_SYSCALL", "recv error", "recv failure", "transfer closed",
    ),
    Cause.PROTECTED: ("GH006", "protected", "TF402455", "only be modified through pull requests"),
    Cause.REMOTE_HOOK: ("declined",),
}  # fmt: skip
_PATTERNS = {cause: re.compile("|".join(words), re.IGNORECASE) for cause, words in _TOLD_BY.items()}
"""By what a line gives a cause away; the first cause that any line gives away counts."""

_WHY = {
    Cause.MOVED: "{remote} has commits of {branch} that are not here",
    Cause.SIZE: "it is too big for {remote}: {said}",
    Cause.PROTECTED: "{remote} protects {branch}: {said}",
    Cause.REMOTE_HOOK: "a hook of {remote} declined it: {said}",
    Cause.OWN_HOOK: "the pre-push hook of this repository stopped it: {said}",
    Cause.HOST_KEY: "ssh does not know the key of {remote}'s server, or knows another one: {said}",
    Cause.AUTHENTICATION: "{remote} wants to know who you are, and git cannot tell it without asking: {said}",
    Cause.READ_ONLY: "you may not write to {remote}: {said}",
    Cause.CHECKED_OUT: "{remote} has {branch} checked out: {said}",
    Cause.SHALLOW: "this clone is shallow, and {remote} takes nothing from it: {said}",
    Cause.OWNER: "{remote} is a folder of another user: {said}",
    Cause.NO_REMOTE: "{said}",
    Cause.NO_REPOSITORY: "{remote} leads to no repository: {said}",
    Cause.UNREACHABLE: "{remote} cannot be reached: {said}",
    Cause.BUSY: "{remote} could not change {branch}: {said}",
    Cause.BROKEN_OFF: "the connection to {remote} broke off: {said}",
    Cause.LATE: "{remote} gave no answer within {timeout_s:g} s",
    Cause.UNKNOWN: "{said}",
}

_ASK_YOURSELF = ("ls-remote", "{remote}")  # by hand, git and ssh may ask for names, passwords and keys
_PUSH_YOURSELF = ("push", "{remote}", "{branch}")
_FIX: dict[Cause, tuple[str, ...]] = {
    Cause.MOVED: ("fetch", "{remote}"),
    Cause.SIZE: ("log", "--stat", "{branch}"),
    Cause.PROTECTED: ("push", "{remote}", "{branch}:refs/heads/{branch}-for-review"),
    Cause.READ_ONLY: ("remote", "get-url", "--push", "{remote}"),
    Cause.CHECKED_OUT: ("push", "{remote}", "{branch}:refs/heads/{branch}-incoming"),
    Cause.SHALLOW: ("fetch", "--unshallow"),
    Cause.NO_REMOTE: ("remote", "add", "{remote}", "URL"),
    Cause.NO_REPOSITORY: ("remote", "set-url", "{remote}", "URL"),
    Cause.HOST_KEY: _ASK_YOURSELF,
    Cause.AUTHENTICATION: _ASK_YOURSELF,
    Cause.OWNER: _ASK_YOURSELF,
    Cause.UNREACHABLE: _ASK_YOURSELF,
    Cause.LATE: _ASK_YOURSELF,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A branch of the repository at `root`, and a remote; `folder` is where the branch is checked out, or ''."""

    root: str
    remote: str
    branch: str
    folder: str = ""
    timeout_s: float = 0.0

    def git(self, *words: str, folder: str = "") -> str:
        """Return a git command for this repository, as it is typed; `{remote}` and `{branch}` are filled in."""
        filled = (word.replace("{remote}", self.remote).replace("{branch}", self.branch) for word in words)
        return shlex.join(("git", "-C", folder or self.root, *filled))


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a git command that failed has printed. `is_late` tells that it was ended at its deadline."""

    out: str = ""
    err: str = ""
    is_late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why it failed, and the next command to type."""

    cause: Cause
    why: str
    fix: str

    @property
    def is_transient(self) -> bool:
        """Tell whether the same may succeed in a moment."""
        return self.cause in {Cause.BUSY, Cause.BROKEN_OFF}


def explain(said: Said, place: Place) -> Refusal:
    """Return why a question, a fetch or a whole push failed."""
    if said.is_late:
        return _refuse(Cause.LATE, "", place)
    lines = _list_lines(plain(said.err))
    nameless = [_NAMES.sub("''", line) for line in lines]
    for cause, pattern in _PATTERNS.items():
        found = next((line for line, bare in zip(lines, nameless, strict=True) if pattern.search(bare)), None)
        if found is not None:
            return _refuse(cause, _quote([found]), place)
    return _refuse(Cause.UNKNOWN, _find_complaint(lines), place)


def refuse_unknown_remote(place: Place, others: Iterable[str]) -> Refusal:
    """Return why nothing can be asked of a remote that the repository does not have; `others` are those it has."""
    return _refuse(Cause.NO_REMOTE, describe_missing_remote(place.remote, others), place)


def describe_missing_remote(remote: str, others: Iterable[str]) -> str:
    """Return that there is no such remote, and which ones there are."""
    names = ", ".join(others)
    return f"there is no remote {remote}" + (f" (there are: {names})" if names else "")


def read_push(said: Said, places: Sequence[Place], *, has_hook: bool) -> dict[str, Refusal]:
    """Return why branches of a push that failed were refused; a branch that was taken is not in it.

    `said.out` is what `git push --porcelain` printed; `has_hook` tells that the repository has a pre-push hook.
    """
    rows = _read_rows(plain(said.out))
    if has_hook and not rows and not said.is_late and _is_stopped_by_hook(plain(said.err)):
        return {place.branch: _explain_hook(said, place) for place in places}
    refused = {}
    for place in places:
        flag, reason = rows.get(place.branch, ("", ""))
        if flag == "!":
            refused[place.branch] = _explain_row(reason, said, place)
        elif not flag:
            refused[place.branch] = explain(said, place)
    return refused


def plain(text: str) -> str:
    """Return text from outside as lines of visible characters, without the users and passwords of URLs."""
    return _USER_OF_URL.sub("", _CONTROLS.sub("", _ESCAPES.sub("", text).replace("\r", "\n")))


def _read_rows(out: str) -> dict[str, tuple[str, str]]:
    """Return flag and summary by branch; a refusal by one of several URLs counts for all."""
    rows: dict[str, tuple[str, str]] = {}
    for line in out.split("\n"):
        if (row := _ROW.match(line)) and rows.get(row[2], ("", ""))[0] != "!":
            rows[row[2]] = (row[1], row[3])
    return rows


def _explain_row(reason: str, said: Said, place: Place) -> Refusal:
    """Return why one branch was refused: by its own words, and where they name but a hook, by what the hook said."""
    by_itself = explain(Said(err=reason), place)
    if by_itself.cause not in _VAGUE:
        return by_itself
    by_text = explain(said, place)
    cause = by_text.cause if by_text.cause in _VAGUE[by_itself.cause] else by_itself.cause
    told = _quote([line for line in _list_lines(plain(said.err)) if _REMOTE_LINE.match(line) and _DECLINED not in line])
    if told:
        return _refuse(cause, told, place)
    return by_text if cause is by_text.cause else by_itself


def _is_stopped_by_hook(err: str) -> bool:
    """Tell whether git gave up on a push of which it has nothing to say itself."""
    lines = _list_lines(err)
    return bool(lines) and lines[-1].startswith(_PUSH_FAILED) and lines[-2:-1] != [_HUNG_UP]


def _explain_hook(said: Said, place: Place) -> Refusal:
    told = _list_lines(plain(said.err))[:-1] or _list_lines(plain(said.out))
    return _refuse(Cause.OWN_HOOK, _quote(told) or "it said nothing", place)


def _refuse(cause: Cause, said: str, place: Place) -> Refusal:
    words = {"remote": place.remote, "branch": place.branch, "timeout_s": place.timeout_s, "said": said}
    return Refusal(cause=cause, why=_WHY[cause].format(**words), fix=place.git(*_FIX.get(cause, _PUSH_YOURSELF)))


def _find_complaint(lines: list[str]) -> str:
    """Return the last line that says what went wrong."""
    told = [line for line in lines if line.startswith(("fatal:", "error:")) and not line.startswith(_PUSH_FAILED)]
    return _quote((told or lines)[-1:]) or "git said nothing"


def _list_lines(text: str) -> list[str]:
    lines = (line.strip()[:_LOOKED_AT] for line in text.split("\n"))
    return [line for line in lines if _REMOTE_LINE.sub("", line)]


def _quote(lines: Sequence[str]) -> str:
    """Return the last lines as one, without git's own prefixes."""
    bare = [_REMOTE_LINE.sub("", line).strip() for line in lines[-_LINES:]]
    return "; ".join(line.removeprefix("fatal:").removeprefix("error:").strip()[:_LINE_LENGTH] for line in bare)
