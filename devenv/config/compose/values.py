"""Values of Compose files the way `docker compose config` prints them: texts, sizes, durations.

Raises ValueError with one plain sentence. Invariant: the same value always becomes the same text, so that hashes hold.
"""

import re
from collections.abc import Mapping

from devenv.config.values import say

Spec = dict[str, object]
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


def scalar_text(value: object) -> str:
    """Return a scalar as Compose writes it: 1.50 is 1.5, 0x1F is 31."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value == int(value) and abs(value) < 1e21 else repr(float(value))
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, str):
        return value
    raise ValueError(f"must be text, not {say(value)}")


def read_size(value: object) -> str:
    """Return bytes as text from `512m` or `1g`."""
    found = _SIZE.fullmatch(scalar_text(value).strip())
    if found is None:
        raise ValueError(f"{say(value)} is not a size; write 512m or 1g")
    return str(int(float(found[1]) * _UNITS[found[2].lower()]))


def go_duration(seconds: float) -> str:
    """Return seconds the way Compose prints them: 1m30s, 500ms."""
    if 0 < seconds < 1:
        return f"{seconds * 1000:g}ms"
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    text = f"{hours:.0f}h" if hours else ""
    text += f"{minutes:.0f}m" if text or minutes else ""
    return f"{text}{round(rest, 6):g}s"


def read_whole(value: object) -> int:
    """Return a number from a number or its text."""
    text = scalar_text(value) if not isinstance(value, list | dict | None) else ""
    if not text.isdecimal() or len(text) > 9:
        raise ValueError(f"must be a whole number, not {say(value)}")
    return int(text)


def need_mapping(value: object) -> Mapping[str, object]:
    """Return a mapping, empty for nothing."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"must be a mapping of keys to values, not {say(value)}")  # noqa: TRY004
    return value


def as_plain(value: object) -> object:
    """Return numbers without the memory of how they were written."""
    if isinstance(value, dict):
        return {key: as_plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_plain(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return int(value) if isinstance(value, int) else float(value)
