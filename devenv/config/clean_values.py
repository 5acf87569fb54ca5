"""The values of `clean:`: globs, caches, what is kept of logs.

As `values`: what YAML gave to values of the domain, or ValueError with one plain sentence. Invariant: a glob that is
returned is relative, leads neither up nor into a repository's own files, and does not mean everything. That links may
still lead elsewhere is for the remover to see.
"""

from devenv.config.values import read_choice, read_count, read_filled, read_size, say
from devenv.domain.cleaning import CACHES
from devenv.domain.sizes import format_size

MOST_KEPT = 100
_SMALLEST_LOG = 64_000


def read_glob(value: object) -> str:
    """Return a glob without needless slashes and dots."""
    text = read_filled(value)
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if fault := _find_fault(text, parts):
        raise ValueError(f"{say(text)} {fault}; write what is below the folder of this file: dist or **/__pycache__")
    return "/".join(parts)


def read_cache(value: object) -> str:
    """Return the name of a package manager whose cache can be emptied."""
    return read_choice(value, {name: name for name in CACHES})


def read_log_size(value: object) -> int:
    """Return bytes, not so few that a log is rotated all the time."""
    size = read_size(value)
    if size < _SMALLEST_LOG:
        raise ValueError(f"must be {format_size(_SMALLEST_LOG)} or more, not {say(value)}; write 16MB")
    return size


def read_kept(value: object) -> int:
    """Return how many older pieces of a log stay."""
    return read_count(value, most=MOST_KEPT)


def _find_fault(text: str, parts: list[str]) -> str:
    """Return why a glob is refused, '' for one that is not."""
    if text.startswith("/") or parts[:1] == ["~"]:
        return "is no path inside the project"
    if ".." in parts:
        return "leads out of its folder"
    if all(not part.strip("*") for part in parts):
        return "is the whole project"
    if any(part.lower() == ".git" for part in parts):
        return "is where git keeps the work"
    if any("**" in part and part != "**" for part in parts):
        return "has ** beside other characters, which stands for whole folders"
    return ""
