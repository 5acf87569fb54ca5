"""Where a service's Prisma schema is: the places that Prisma itself looks at, in its order, and what else there is.

Reads names and small files only; runs no JavaScript. Invariant: `find_prisma_schema` returns one of `places_looked_at`,
and a place that is named in a file or on a command line ends the search, whether or not something is there.
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from devenv.schema.prisma.parser import list_files

_CONFIG_SUFFIXES = (".js", ".ts", ".mjs", ".cjs", ".mts", ".cts")
_CONFIG_STEMS = ("prisma.config", ".config/prisma", ".config/prisma.config")
_LARGEST_BYTES = 1024 * 1024
_SKIPPED_FOLDERS = frozenset({"node_modules", "dist", "build", "out", "venv", "__pycache__", "vendor", "target"})
_MOST_FOLDERS = 20_000
_MOST_CANDIDATES = 10

_REMARKS = re.compile(r"/\*.*?(?:\*/|\Z)|(?<!:)//[^\n]*", re.DOTALL)
_TEXT = r"""["'`]([^"'`\n]+)["'`]"""
# The last text of `schema: "db"`, `schema: path.join(__dirname, "db")` or `schema: path.join("db", "schema.prisma")`.
_SCHEMA = re.compile(rf"\bschema\s*:\s*(?:{_TEXT}|[\w.]+\(([^()]*)\))")
_MIGRATIONS = re.compile(rf"\bmigrations\s*:\s*\{{[^{{}}]*?\bpath\s*:\s*(?:{_TEXT}|[\w.]+\(([^()]*)\))")
_URL = re.compile(
    rf"\burl\s*:\s*(?:env(?:<\w+>)?\(\s*{_TEXT}\s*\)|process\.env(?:\.(\w+)|\[{_TEXT}\])|{_TEXT})",
)
_DATASOURCE = re.compile(r"^[ \t]*datasource[ \t]+(\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrismaConfig:
    """What prisma.config.ts says, as far as it is written out in it; '' and None for what is not.

    `url_variable` is the environment variable that the URL comes from, `url` a literal one (Prisma 7).
    """

    path: Path
    schema: Path | None = None
    migrations: Path | None = None
    url: str = ""
    url_variable: str = ""


def find_prisma_schema(folder: Path, argv: tuple[str, ...] = ()) -> Path | None:
    """Return the schema, a file or a folder, that Prisma would use when it is run in `folder`."""
    return next((place for place in places_looked_at(folder, argv) if _is_schema(place)), None)


def places_looked_at(folder: Path, argv: tuple[str, ...] = ()) -> tuple[Path, ...]:
    """Return where Prisma looks: `--schema`, prisma.config, package.json, then its usual places."""
    named = _named_on_line(argv) or _named_in_config(folder) or _named_in_package(folder)
    if named is not None:
        return (_join(folder, named),)
    usual = ("schema.prisma", "prisma/schema.prisma", "prisma/schema")
    return tuple(folder / name for name in usual)


def read_prisma_config(folder: Path) -> PrismaConfig | None:
    """Return what the prisma.config file of `folder` says; None where there is none."""
    names = (f"{stem}{suffix}" for stem in _CONFIG_STEMS for suffix in _CONFIG_SUFFIXES)
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        return None
    text = _REMARKS.sub("", _read_small(path))
    url = _URL.search(text)
    variable = next((name for name in url.groups()[:3] if name), "") if url else ""
    return PrismaConfig(
        path=path,
        schema=_named_path(_SCHEMA, text, path.parent),
        migrations=_named_path(_MIGRATIONS, text, path.parent),
        url=(url[4] or "") if url else "",
        url_variable=variable,
    )


def find_candidates(repository: Path) -> tuple[Path, ...]:
    """Return the files of the repository that have a `datasource`, the shallowest first; at most ten.

    Skips what is installed or built, and does not look into more than 20,000 folders.
    """
    found = (file for file in _walk(repository) if describe_candidate(file))
    nearest = sorted(found, key=lambda file: (len(file.parts), str(file)))
    return tuple(nearest[:_MOST_CANDIDATES])


def describe_candidate(path: Path) -> str:
    """Return `datasource db` as the file names it, '' where it has none."""
    found = _DATASOURCE.search(_read_small(path))
    return f"datasource {found[1]}" if found else ""


def climb(folder: Path) -> Iterator[Path]:
    """Give `folder` and the folders above it, up to the repository's root."""
    for place in (folder, *folder.parents):
        yield place
        if (place / ".git").exists():
            return


def read_package(folder: Path) -> dict[str, object] | None:
    """Return the package.json of `folder`, None where there is none that can be read."""
    text = _read_small(folder / "package.json")
    try:
        package = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    return package if isinstance(package, dict) else None


def _is_schema(place: Path) -> bool:
    return bool(list_files(place))


def _named_on_line(argv: tuple[str, ...]) -> Path | None:
    for position, word in enumerate(argv):
        if word.startswith("--schema="):
            return Path(word.removeprefix("--schema="))
        if word == "--schema" and position + 1 < len(argv):
            return Path(argv[position + 1])
    return None


def _named_in_config(folder: Path) -> Path | None:
    config = read_prisma_config(folder)
    return config.schema if config else None


def _named_in_package(folder: Path) -> Path | None:
    """Return what the nearest package.json says; its paths begin where it is."""
    for place in climb(folder):
        package = read_package(place)
        if package is not None:
            settings = package.get("prisma")
            named = settings.get("schema") if isinstance(settings, dict) else None
            return _join(place, Path(named)) if isinstance(named, str) else None
    return None


def _named_path(pattern: re.Pattern[str], text: str, folder: Path) -> Path | None:
    found = pattern.search(text)
    if found is None:
        return None
    parts = [found[1]] if found[1] else re.findall(_TEXT, found[2] or "")
    return _join(folder, Path(*parts)) if parts else None


def _join(folder: Path, named: Path) -> Path:
    return Path(os.path.normpath(folder / named))


def _walk(repository: Path) -> Iterator[Path]:
    for count, (place, folders, files) in enumerate(os.walk(repository)):
        if count > _MOST_FOLDERS:
            return
        folders[:] = sorted(name for name in folders if name not in _SKIPPED_FOLDERS and not name.startswith("."))
        yield from (Path(place) / name for name in files if name.endswith(".prisma"))


def _read_small(path: Path) -> str:
    """Return the text of a file, '' where it cannot be read or is too large to be written by hand."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_BYTES:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
