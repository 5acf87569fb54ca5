"""How files of a mirror's target differ from the source, for the report.

Must not change anything. Invariant: nothing is shown of a file that no commit may take.
"""

import os
from pathlib import Path

import anyio.to_thread

from devenv.adapters.git.command import Git
from devenv.adapters.mirrors.running import Judge, Outlook
from devenv.domain.syncing import Edited
from devenv.sync.mirroring import Kind, Obstacle

_WORDS = ("diff", "--no-index", "--no-color", "--no-ext-diff", "--no-textconv", "--")
_MOST_LINES = 200
_MOST_DIFFS = 50
_MOST_BYTES = 1 << 20
_NOTHING = Path(os.devnull)


async def describe_obstacles(git: Git, outlook: Outlook, judge: Judge) -> tuple[Edited, ...]:
    """Return what a run leaves as it is, the first ones with their diffs."""
    described = []
    for number, one in enumerate(outlook.plan.obstacles):
        diff = await _diff(git, outlook, one, judge) if number < _MOST_DIFFS else ""
        described.append(Edited(path=one.path, why=one.why, diff=diff))
    return tuple(described)


async def _diff(git: Git, outlook: Outlook, obstacle: Obstacle, judge: Judge) -> str:
    """Return what to do to the source's file to get the target's, '' where one of them is no file."""
    path = obstacle.path
    wanted = outlook.supply.wanted.get(path)
    is_known = path in outlook.manifest.records if wanted is None else wanted.content.kind is Kind.FILE
    if not is_known or outlook.there[path].kind is not Kind.FILE:
        return ""
    old = Path(outlook.sides.source, outlook.origins[path]) if wanted else _NOTHING
    new = Path(outlook.sides.target, path)
    if short := await anyio.to_thread.run_sync(_describe_shortly, path, old, new, judge):
        return short
    ran = await git.run(*_WORDS, str(old), str(new))
    lines = ran.text.split("\n")
    if any(line.startswith("Binary files ") for line in lines):
        return _compare_sizes(old, new)
    hunks = [number for number, line in enumerate(lines) if line.startswith("@@")]
    if not hunks:  # only the permissions differ
        return "\n".join(line for line in lines if line.startswith(("old mode", "new mode")))
    lines = [f"--- {old}", f"+++ {new}", *lines[hunks[0] :]]
    more = len(lines) - _MOST_LINES
    return "\n".join([*lines[:_MOST_LINES], f"… and {more} lines more"] if more > 0 else lines)


def _describe_shortly(path: str, old: Path, new: Path, judge: Judge) -> str:
    """Return what is said instead of a diff, '' where one can be made."""
    places = [place for place in (old, new) if place != _NOTHING]
    if why := next(filter(None, (judge(path, str(place), b"") for place in places)), ""):
        return f"not shown: {why}"
    try:
        return _compare_sizes(old, new) if max(place.stat().st_size for place in places) > _MOST_BYTES else ""
    except OSError as error:
        return f"not shown: {error.strerror}"


def _compare_sizes(old: Path, new: Path) -> str:
    try:
        return f"{old.stat().st_size:,} bytes in the source, {new.stat().st_size:,} bytes here"
    except OSError as error:
        return f"not shown: {error.strerror}"
