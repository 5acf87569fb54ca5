"""Sizes and counts as people write them and as they are told. Pure; bytes everywhere.

A kB, MB, GB or TB is a power of 1000, as `docker system df` and disks count; KiB, MiB, GiB and TiB are powers of 1024.
Invariant: what `format_size` says, `parse_size` reads with the same units.
"""

import re

_UNITS = ("B", "kB", "MB", "GB", "TB")
_SIZE = re.compile(
    r"(?P<number>[0-9]{1,15}(?:\.[0-9]{1,15})?) ?(?:(?P<power>[kmgt])(?P<binary>i?)b?|b)?", re.IGNORECASE
)


def parse_size(text: str) -> int | None:
    """Return the bytes in `10GB`, `1.5 GiB`, `500m` or a bare number of bytes; None where it is none of them."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        return None
    exponent = 1 + "kmgt".index(found["power"].lower()) if found["power"] else 0
    step = 1024.0 if found["binary"] else 1000.0
    return round(float(found["number"]) * step**exponent)


def format_size(size_bytes: int) -> str:
    """Return `1.3 MB`."""
    size, unit = float(size_bytes), 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 or size >= 10 else f"{size:.1f} {_UNITS[unit]}"


def count(number: int, noun: str) -> str:
    """Return `1 table`, `12 tables`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
