"""requirements.txt: names and pins, as pip reads them, as far as they can be decided.

Must not look at environments. Invariant: what carries a marker that does not hold or cannot be decided, a URL, a path
or a variable is not asked for by its version.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from devenv.lockfiles.comparison import Locked
from devenv.lockfiles.lock_file import UnreadableLock, read_lock
from devenv.lockfiles.markers import holds
from devenv.lockfiles.python_locks import Asked, Question
from devenv.lockfiles.virtual_environment import normalise

_REQUIREMENT = re.compile(r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*(.*)")
_PIN = re.compile(r"={2,3}\s*([^\s,*;]+)$")
_INCLUDE = re.compile(r"(?:-r|--requirement)[\s=]*(\S+)")
_COMMENT = re.compile(r"(?:^|\s)#.*")
_OPTION = re.compile(r"\s--?\w")
_DEPTH = 10


def read_requirements(question: Question) -> Asked | None:
    """Read the file and those that it includes; None where it names nothing."""
    found: dict[str, Locked] = {}
    for line in _lines(question.lock, _DEPTH):
        text, _, marker = line.partition(";")
        match = _REQUIREMENT.fullmatch(text.strip())
        if match is None or (marker.strip() and holds(marker, question.variables) is not True):
            continue
        pin = _PIN.fullmatch(match[2].strip())
        key = normalise(match[1])
        found[key] = Locked(name=match[1], version=pin[1] if pin else "", key=key)
    return Asked(main=tuple(found.values())) if found else None


def _lines(file: Path, depth: int) -> Iterator[str]:
    """Yield requirements without comments and options, those of included files in their place."""
    for written in read_lock(file).replace("\\\n", " ").splitlines():
        line = _COMMENT.sub("", written).strip()
        if include := _INCLUDE.fullmatch(line):
            yield from _included(file.parent / include[1], depth - 1)
        elif line and not line.startswith("-") and "${" not in line and "/" not in line.partition("@")[0]:
            yield _OPTION.split(line, maxsplit=1)[0]


def _included(file: Path, depth: int) -> Iterator[str]:
    if depth and file.is_file():
        try:
            yield from _lines(file, depth)
        except UnreadableLock:
            return
