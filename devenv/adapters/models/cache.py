"""Keeps what a probe said, for as long as nothing that it depends on has changed.

Owns the files of one folder. Must not know models. Invariant: an answer is given only while every file that was read
for it has the same size, times and inode, and every folder the same names; a password is never in the cache: it says
where the password stands, and an answer whose password stands nowhere is not kept.
"""

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from devenv.schema.ports import ModelQuestion

_MOST_ENTRIES = 50
_LARGEST_SOURCE = 1 << 20
_TICK_NS = 20_000_000
"""The clock of file times may be this late: what is younger than the probe, less this, may have changed under it."""

_LOCK_FILES = ("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", ".python-version", "pyproject.toml")
_VOLATILE = frozenset({"_", "SHLVL", "PWD", "OLDPWD", "COLUMNS", "LINES", "WINDOWID", "TERM", "TERM_SESSION_ID"})
_VOLATILE_PREFIXES = ("SSH_", "XDG_SESSION_", "TMUX")
_PASSING = ("-journal", "-wal", "-shm", ".swp", ".swx", "~", ".pyc")

Watched = list[tuple[str, list[int] | str | None]]


def make_key(question: ModelQuestion, python: str, script: str) -> str:
    """Return the name of the answer to `question`: what is known before the models are looked at."""
    real = os.path.realpath(python)
    place = question.place
    parts = {
        "script": script,
        "question": {**asdict(question), "place": [place.folder, place.argv]},
        "environment": sorted((name, value) for name, value in place.environment.items() if not _is_volatile(name)),
        "python": [python, real, _stat(real), _stat(str(Path(python).parent.parent / "pyvenv.cfg"))],
        "locks": [(path, _stat(path)) for path in _lock_files(question)],
        "devenv": sys.version,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()


def find(folder: Path, key: str, environment: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the document that is kept under `key`, if what it was made of is still the same."""
    path = folder / f"{key}.json"
    try:
        entry = json.loads(path.read_bytes())
        document: dict[str, Any] = entry["document"]
        if not _is_unchanged(entry["files"], entry["folders"]):
            return None
        document["database_url"] = _with_password(entry["url"], environment)
        os.utime(path)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return document


def store(
    folder: Path, key: str, document: Mapping[str, Any], environment: Mapping[str, str], *, began_ns: int
) -> None:
    """Keep a document; does nothing where it could be stale already, or where the folder cannot be written."""
    files: Watched = [(path, _stat(path)) for path in document["files"]]
    folders: Watched = [(path, _listing(path)) for path in document["folders"]]
    if any(_is_younger(path, began_ns) for path, _ in (*files, *folders)):
        return
    url = _without_password(document["database_url"], environment, document["files"])
    if url is None:
        return
    kept = {name: value for name, value in document.items() if name not in {"files", "folders", "database_url"}}
    entry = {"files": files, "folders": folders, "url": url, "document": kept}
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_beside(folder / f"{key}.json", json.dumps(entry))
        _prune(folder)


def _write_beside(path: Path, text: str) -> None:
    descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".new")  # made 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def _prune(folder: Path) -> None:
    entries = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for old in entries[_MOST_ENTRIES:]:
        old.unlink(missing_ok=True)


# What an answer depends on


def _is_unchanged(files: Iterable[tuple[str, Any]], folders: Iterable[tuple[str, Any]]) -> bool:
    return all(_stat(path) == seen for path, seen in files) and all(_listing(path) == seen for path, seen in folders)


def _stat(path: str) -> list[int] | None:
    try:
        seen = os.stat(path)  # noqa: PTH116 - a thousand of them: a Path costs as much again
    except (OSError, ValueError):
        return None
    return [seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino]


def _listing(path: str) -> str | None:
    """Return a digest of the names in a folder, without those that come and go."""
    try:
        names = sorted(os.listdir(path))  # noqa: PTH208 - as above
    except (OSError, ValueError):
        return None
    lasting = [name for name in names if name != "__pycache__" and not name.endswith(_PASSING)]
    return hashlib.sha256("\0".join(lasting).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _is_younger(path: str, began_ns: int) -> bool:
    seen = _stat(path)
    return seen is not None and max(seen[1], seen[2]) >= began_ns - _TICK_NS


def _is_volatile(name: str) -> bool:
    return name in _VOLATILE or name.startswith(_VOLATILE_PREFIXES)


def _lock_files(question: ModelQuestion) -> Iterator[str]:
    """Return the lock files of the service's folder and of those above it in the same repository."""
    folder = Path(question.place.folder)
    for above in (folder, *folder.parents):
        yield from (str(above / name) for name in _LOCK_FILES)
        with suppress(OSError):
            yield from sorted(str(path) for path in above.glob("requirements*.txt"))
        if (above / ".git").exists():
            return


# Where a password stands


def _without_password(url: str, environment: Mapping[str, str], files: Iterable[str]) -> dict[str, Any] | None:
    """Return the URL in parts, with where its password stands in its place; None where that is nowhere."""
    try:
        written = urlsplit(url).password or ""
    except ValueError:
        return None
    if "password=" in url.partition("?")[2]:
        return None
    if not written:
        return {"head": url}
    head, _, tail = url.partition(f":{written}@")
    for text in dict.fromkeys((written, unquote(written))):
        found = _find_text(text, environment, files)
        if found:
            return {"head": f"{head}:", "tail": f"@{tail}", "is_quoted": text == written, **found}
    return None


def _find_text(text: str, environment: Mapping[str, str], files: Iterable[str]) -> dict[str, Any] | None:
    for name, value in sorted(environment.items()):
        if text in value:
            return {"variable": name, "start": value.index(text), "length": len(text)}
    wanted = text.encode("utf-8", "surrogateescape")
    for path in files:
        if "-packages/" in path:
            continue
        try:
            data = Path(path).read_bytes() if Path(path).stat().st_size <= _LARGEST_SOURCE else b""
        except OSError:
            continue
        if wanted in data:
            return {"file": path, "start": data.index(wanted), "length": len(wanted)}
    return None


def _with_password(url: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    """Return the URL that `_without_password` took apart."""
    if "start" not in url:
        return str(url["head"])
    piece = slice(url["start"], url["start"] + url["length"])
    if "variable" in url:
        text = environment[url["variable"]][piece]
    else:
        text = Path(url["file"]).read_bytes()[piece].decode("utf-8", "surrogateescape")
    return f"{url['head']}{text if url['is_quoted'] else quote(text, safe='')}{url['tail']}"
