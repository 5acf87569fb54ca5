"""Walks a repository for migrations: bounded, and never into what is installed or built.

Must not know tools. Invariant: at most `MOST_FOLDERS` folders, `DEEPEST` levels, and no link is followed.
"""

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

MOST_FOLDERS = 4000
DEEPEST = 8

_SKIPPED = frozenset({
    "node_modules", "bower_components", "site-packages", "venv", "env", "virtualenv", "dist", "build", "target",
    "vendor", "_build", "deps", "coverage", "__pycache__",
})  # fmt: skip


def walk_folders(root: Path) -> Iterator[Path]:
    """Give `root` and the folders below it, the nearest first and by name."""
    waiting = deque([(str(root), 0)])
    count = 0
    while waiting and count < MOST_FOLDERS:
        folder, depth = waiting.popleft()
        count += 1
        yield Path(folder)
        if depth < DEEPEST:
            waiting.extend((path, depth + 1) for path in _list_inner(folder))


def _list_inner(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            inner = [entry.path for entry in entries if _is_looked_into(entry)]
    except OSError:
        return []  # what may not be read is not searched
    return sorted(inner)


def _is_looked_into(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith(".") or entry.name in _SKIPPED or not entry.is_dir(follow_symlinks=False):
        return False
    return not os.path.exists(f"{entry.path}/pyvenv.cfg")  # noqa: PTH110 - a virtual environment of any name
