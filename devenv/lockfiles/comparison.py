"""What is locked against what is installed, as values, and the findings that they come to.

Must not know a tool or a file format. Invariant: one finding for each cause (not there, missing, broken, another
version), with a count and the list behind it.
"""

import re
import shlex
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from devenv.domain.findings import Finding, Severity, Topic
from devenv.lockfiles.lock_file import UnreadableLock

SHOWN = 3
"""How many packages a sentence names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A package that the lock file asks for; `version` is '' where any will do.

    `key` is what it is looked up by: its name, or its path below the project for a tool that nests. `may_miss` says
    that an installation without it is right as well (another platform, an optional dependency).
    """

    name: str
    version: str
    key: str
    may_miss: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Differing:
    """A package that is installed in another version than the locked one."""

    name: str
    installed: str
    locked: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a lock file and an installation came to. `broken` tells each package with its reason.

    `absent` says in a few words why there is no installation at all (`is not there`), '' where there is one.
    """

    locked: int = 0
    missing: tuple[str, ...] = ()
    differing: tuple[Differing, ...] = ()
    broken: tuple[str, ...] = ()
    absent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is compared: a `lock` file and the `installation`, a folder; `command`, run in `folder`, mends it."""

    lock: Path
    installation: Path
    folder: Path
    command: str


def compare(locked: Iterable[Locked], installed: Mapping[str, Set[str]]) -> Comparison:
    """Hold what is locked against the installed versions of each key."""
    asked = list(locked)
    wanted: dict[str, set[str]] = {}
    for package in asked:
        wanted.setdefault(package.key, set()).add(package.version)
    missing: list[str] = []
    differing: list[Differing] = []
    for package in asked:
        found = installed.get(package.key, frozenset())
        if package.version in found or (found and not package.version):
            continue
        if spare := found - wanted[package.key]:
            differing.append(Differing(name=package.name, installed=min(spare), locked=package.version))
        elif not package.may_miss:
            missing.append(f"{package.name} {package.version}".rstrip())
    return Comparison(
        locked=sum(not package.may_miss for package in asked), missing=tuple(missing), differing=tuple(differing)
    )


def to_findings(subject: Subject, comparison: Comparison, stop_at: Path) -> tuple[Finding, ...]:
    """Return one finding for each cause; paths are shown from `stop_at`, where the fix is typed."""
    lock, place = show(subject.lock, stop_at), show(subject.installation, stop_at)
    beside = subject.lock.name if subject.lock.parent == subject.installation.parent else lock
    build = partial(Finding, topic=Topic.DEPENDENCIES, fix=_command(subject, stop_at))
    if comparison.absent:
        text = f"{place} {comparison.absent}, and {beside} locks {_count(comparison.locked)}"
        return (build(id=f"not-installed:{lock}", severity=Severity.ERROR, text=text),)
    found: list[Finding] = []
    if missing := comparison.missing:
        text = f"{place} lacks {_count(len(missing))} of {beside}: {_name(missing)}"
        found.append(build(id=f"packages-missing:{lock}", severity=Severity.ERROR, text=text, details=missing))
    if broken := comparison.broken:
        text = f"{place} has {_count(len(broken), 'broken')}: {_name(broken)}"
        found.append(build(id=f"packages-broken:{lock}", severity=Severity.ERROR, text=text, details=broken))
    if differing := comparison.differing:
        details = tuple(f"{one.name} {one.installed} installed, {one.locked} locked" for one in differing)
        is_older = all(_order(one.installed) < _order(one.locked) for one in differing)
        text = f"{place} {'is older than' if is_older else 'differs from'} {beside}: {_name(details, shown=1)}"
        found.append(build(id=f"packages-differ:{lock}", severity=Severity.WARNING, text=text, details=details))
    return tuple(found)


def to_unknown(error: UnreadableLock, stop_at: Path) -> Finding:
    """Return the finding of a lock file that cannot be read."""
    lock = show(error.lock, stop_at)
    return Finding(
        id=f"lock-unreadable:{lock}",
        severity=Severity.UNKNOWN,
        topic=Topic.DEPENDENCIES,
        text=f"{lock} cannot be read ({error.reason}), so that nobody knows whether what it locks is installed",
        fix=f"git diff -- {shlex.quote(lock)}",
    )


def show(path: Path, stop_at: Path) -> str:
    """Return `path` as it is written from `stop_at`, absolute where it lies elsewhere."""
    return path.relative_to(stop_at).as_posix() if path.is_relative_to(stop_at) else str(path)


def _command(subject: Subject, stop_at: Path) -> str:
    if subject.folder == stop_at:
        return subject.command
    return f"cd {shlex.quote(show(subject.folder, stop_at))} && {subject.command}"


def _count(number: int, quality: str = "") -> str:
    noun = "package" if number == 1 else "packages"
    return f"{number:,} {quality} {noun}" if quality else f"{number:,} {noun}"


def _name(items: tuple[str, ...], *, shown: int = SHOWN) -> str:
    rest = f" (and {len(items) - shown:,} more)" if len(items) > shown else ""
    return ", ".join(items[:shown]) + rest


def _order(version: str) -> tuple[int, ...]:
    """Return the numbers of a version; good enough to tell old from new, never used to tell equal from different."""
    return tuple(int(number) for number in re.findall(r"\d+", version))
