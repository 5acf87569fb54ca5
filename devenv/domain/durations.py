"""Durations as people write them. Pure; seconds everywhere."""

import re

_PART = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>us|ms|s|m|h|d)")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str) -> float | None:
    """Return the seconds in `30s`, `1m30s`, `500ms` or a bare number of seconds; None where it is none of them."""
    text = text.strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if not text or _PART.sub("", text):
        return None
    return sum(float(part["number"]) * _UNITS[part["unit"]] for part in _PART.finditer(text))
