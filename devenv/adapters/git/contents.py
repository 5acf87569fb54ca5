"""Reads changed files of a work tree, as bytes.

Must not know git. Invariant: only regular files are opened, no link is followed, and no read is longer than its limit.
"""

import os
import re
import stat

MARKED_LIMIT = 4 << 20
"""How far into a file conflict markers are looked for, in bytes."""

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MARKERS = (
    re.compile(rb"^<{7}[ \r\n]", re.MULTILINE),
    re.compile(rb"^={7}\r?$", re.MULTILINE),
    re.compile(rb"^>{7}[ \r\n]", re.MULTILINE),
)


def read_file(place: str, limit: int) -> bytes:
    """Return at most `limit` bytes of a regular file, nothing of anything else. Raises OSError."""
    descriptor = os.open(place, _FLAGS)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        pieces, left = [], limit
        while left > 0 and (piece := file.read(min(left, 1 << 20))):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)


def has_markers(content: bytes) -> bool:
    """Tell whether a conflict was left in it: all three markers at the starts of lines, in their order."""
    position = 0
    for marker in _MARKERS:
        found = marker.search(content, position)
        if found is None:
            return False
        position = found.end()
    return True


def is_marked(place: str) -> bool:
    """Tell whether a file holds a conflict; one that cannot be read does not."""
    try:
        return has_markers(read_file(place, MARKED_LIMIT))
    except OSError:
        return False
