"""Reading a lock file as text, with the mistakes that all of them share.

Must not know a format. Invariant: what cannot be read leaves here as an `UnreadableLock`.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class UnreadableLock(Exception):
    """A lock file is not what its name says."""

    def __init__(self, lock: Path, reason: str) -> None:
        super().__init__(reason)
        self.lock = lock
        self.reason = reason


@contextmanager
def reading(lock: Path) -> Iterator[None]:
    """Turn what a file of another form than expected leads to into an UnreadableLock."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise UnreadableLock(lock, "it is not in the form that its tool writes") from error


def read_lock(lock: Path) -> str:
    """Return the text with plain line ends. Raises UnreadableLock, also for an unfinished merge."""
    try:
        text = lock.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableLock(lock, getattr(error, "strerror", None) or "it is no text") from error
    if "\n<<<<<<< " in text or text.startswith("<<<<<<< "):
        raise UnreadableLock(lock, "it has the marks of an unfinished merge")
    return text


def read_json_lock(lock: Path, text: str | None = None) -> dict[str, Any]:
    """Return a lock file that is a JSON object; `text` where it was read already. Raises UnreadableLock."""
    try:
        data = json.loads(read_lock(lock) if text is None else text)
    except (ValueError, RecursionError) as error:
        raise UnreadableLock(lock, f"it is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise UnreadableLock(lock, "it is no JSON object")
    return data
