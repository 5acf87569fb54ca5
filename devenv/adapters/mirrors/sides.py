"""Where a mirror's two sides are.

Must not know git. Invariants: both are real paths, whatever links led to them; neither lies in the other.
"""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from devenv.domain.errors import HostError
from devenv.domain.git_rules import MirrorRule


class Refused(HostError):
    """Nothing of a mirror can be done; the sentence says why."""

    def __init__(self, sentence: str, fix: str) -> None:
        super().__init__(sentence, fix=fix)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The folders; `source_name` and `target_name` are the file's where the mirror is of one file, '' otherwise."""

    source: str
    target: str
    source_name: str = ""
    target_name: str = ""


def find_sides(rule: MirrorRule) -> Sides:
    """Return both sides; raises Refused where one cannot be what it is named for.

    A file goes into the target where that is a folder, and is the target otherwise.
    """
    source, target = Path(os.path.realpath(rule.source)), Path(os.path.realpath(rule.target))
    if not source.is_dir() and not source.is_file():
        text = f"{rule.source} is not there; nothing was copied or deleted"
        raise Refused(text, f"ls -ld {shlex.quote(rule.source)}")
    sides = Sides(source=str(source), target=str(target))
    if source.is_file():
        named = Path(rule.source if target.is_dir() else rule.target)
        folder = target if target.is_dir() else Path(os.path.realpath(named.parent))
        sides = Sides(
            source=str(source.parent), source_name=source.name, target=str(folder), target_name=named.name
        )  # fmt: skip
    if ".git" in sides.target.casefold().split("/"):
        raise Refused(f"{sides.target} lies in git's own folder", "change `to:`")
    existing = find_existing(sides.target)
    if not Path(existing).is_dir():
        raise Refused(f"{existing} is no folder", f"ls -ld {shlex.quote(existing)}")
    if _overlap(sides):
        raise Refused(f"{rule.source} and {rule.target} overlap; nothing was copied or deleted", "change `to:`")
    return sides


def find_existing(path: str) -> str:
    """Return the path, or the nearest folder above it that there is."""
    return next(str(one) for one in (Path(path), *Path(path).parents) if one.exists())


def _overlap(sides: Sides) -> bool:
    source, target = Path(sides.source), Path(sides.target)
    if sides.source_name:
        return _is_same(source / sides.source_name, target / sides.target_name)
    return any(_is_same(one, source) for one in (target, *target.parents)) or any(
        _is_same(one, target) for one in (source, *source.parents)
    )


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
