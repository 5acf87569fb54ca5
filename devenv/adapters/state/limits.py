"""How much of devenv's own files stays: crash files by number, the daemon's log by size.

Standard library only: a starting daemon and a crashing command pass here. Must not know who writes the files.
Invariant: what is newest stays, and a file that cannot be looked at is left alone.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

CRASH_FILES = 20
LOG_BYTES = 1_000_000

_KEPT_BYTES = 200_000


def find_old_crashes(folder: Path, keep: int = CRASH_FILES) -> list[Path]:
    """Return all crash files but the newest `keep`; their names begin with their time."""
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix == ".txt")
    except OSError:
        return []
    return found[: max(0, len(found) - keep)]


def remove_files(paths: Iterable[Path]) -> tuple[list[Path], int]:
    """Remove files; return those that went, and the bytes that they took on the disk."""
    gone: list[Path] = []
    size = 0
    for path in paths:
        with suppress(OSError):
            blocks = path.lstat().st_blocks
            path.unlink()
            gone.append(path)
            size += blocks * 512
    return gone, size


def bound_log(log: Path, most: int = LOG_BYTES) -> None:
    """Empty a log that has grown beyond `most` bytes, its end kept beside as `.1`; who appends to it goes on."""
    with suppress(OSError):
        size = log.stat().st_size
        if size <= most:
            return
        with log.open("rb+") as file:
            file.seek(size - _KEPT_BYTES)
            kept = file.read(_KEPT_BYTES)
            beside = log.with_name(f"{log.name}.beside")
            beside.write_bytes(kept)
            beside.replace(log.with_name(f"{log.name}.1"))
            os.ftruncate(file.fileno(), 0)
