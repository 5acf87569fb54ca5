"""Finds the migration tools of a service by their files, and what has moved by its name.

Reads names and small files only. Must not know databases. Invariants: what is found by itself exists; what a hint names
and is not there is a CannotLook; where files fit several tools, all of them are given, the likeliest first.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from devenv.schema.ports import CannotLook
from devenv.schema.prisma.locate import find_prisma_schema
from devenv.schema.records.alembic import read_config
from devenv.schema.records.files import read_bytes
from devenv.schema.records.state import ToolPlace
from devenv.schema.records.tools import TOOLS, Tool, tool_of_config
from devenv.schema.records.walking import walk_folders

_USUAL_FOLDERS = (
    "migrations", "db/migrations", "db/migrate", "db/migration", "database/migrations", "sql/migrations", "sql/schema",
    "sql", "src/migrations", "src/db/migrations", "src/database/migrations", "src/main/resources/db/migration",
    "priv/repo/migrations", "internal/db/migrations", "internal/database/migrations", "pkg/db/migrations",
)  # fmt: skip
_ALIASES = {
    "migrate": "golang-migrate",
    "golang": "golang-migrate",
    "active-record": "rails",
    "activerecord": "rails",
    "flask-migrate": "alembic",
    "sequelize-cli": "sequelize",
    "drizzle-kit": "drizzle",
    "phoenix": "ecto",
}
_MOST_LISTED = 2000
_MOST_CANDIDATES = 10
_JAVASCRIPT = ("js", "cjs", "mjs", "ts", "cts", "mts")


def find_tools(folder: Path, *, hint: str = "", argv: tuple[str, ...] = ()) -> tuple[ToolPlace, ...]:
    """Return the migration tools that `folder` uses; several of one folder where its files fit several tools.

    `hint` is a tool's name, a folder or a configuration file; `argv` is the service's program line, whose files count.
    Raises CannotLook where the hint names nothing that is there.
    """
    if hint:
        return _find_hinted(folder, hint, argv)
    return _unique(
        (
            *_find_alembic(folder, argv),
            *_find_django(folder, argv),
            *_find_prisma(folder, argv),
            *_find_configured(folder),
            *_find_in_usual_folders(folder),
        )
    )


def find_moved(repository: Path, wanted: str) -> tuple[Path, ...]:
    """Return what `wanted` (a file, a folder or a tool's name) may mean in the repository, the likeliest first."""
    tool = _tool_key(wanted)
    sought = Path(_CONFIG_NAMES.get(tool, wanted))
    found: list[Path] = []
    for folder in walk_folders(repository):
        if folder.name == sought.name and folder != repository and _classify(folder, folder.parent):
            found.append(folder)
        if sought.suffix == ".prisma":
            found += [path for path in sorted(folder.glob("*.prisma")) if "datasource" in _read(path)]
        elif (folder / sought.name).is_file():
            found.append(folder / sought.name)
        elif tool and not sought.suffix and tool in _classify(folder, folder.parent):
            found.append(folder)
    parts = sought.parts[::-1]

    def rank(path: Path) -> tuple[int, int]:
        same = next((n for n, (one, other) in enumerate(zip(path.parts[::-1], parts, strict=False)) if one != other), 9)
        return -same, len(path.parts)

    return tuple(sorted(dict.fromkeys(found), key=rank)[:_MOST_CANDIDATES])


_CONFIG_NAMES = {"alembic": "alembic.ini", "django": "manage.py", "prisma": "schema.prisma"}


def _tool_key(name: str) -> str:
    key = re.sub(r"[\s_.]+", "-", name.strip().lower())
    return _ALIASES.get(key, key if key in TOOLS else "")


def _find_hinted(folder: Path, hint: str, argv: tuple[str, ...]) -> tuple[ToolPlace, ...]:
    path = folder / hint
    key = _tool_key(hint)
    if key:
        found = [place for place in find_tools(folder, argv=argv) if place.tool == key]
        found = found or list(_find_by_names(folder, TOOLS[key]))
        reason = f"no migrations of {TOOLS[key].title} in {folder}, nor a configuration that names them"
    elif path.is_file():
        found = list(_read_configuration(folder, path, argv))
        reason = f"{path} does not say where migrations are"
    elif path.is_dir():
        found = [_place(folder, tool, path) for tool in _classify(path, folder)]
        found = found or list(find_tools(path, argv=argv))
        reason = f"{path} holds no migrations of a tool that is known here ({', '.join(TOOLS)})"
    else:
        found = []
        reason = f"{hint} is neither the name of a migration tool nor a file or folder in {folder}"
    if not found:
        raise CannotLook(reason, code="no-migrations", fix="set `schema: {migrations: …}` in services.yaml")
    return _unique(found)


def _find_alembic(folder: Path, argv: tuple[str, ...]) -> Iterator[ToolPlace]:
    named = [folder / word for word in argv if word.endswith(".ini")]
    configs = [*named, folder / "alembic.ini", folder / "pyproject.toml", *sorted(folder.glob("*/alembic.ini"))]
    for config in configs:
        found = tuple(_read_alembic(folder, config)) if config.is_file() else ()
        if found:
            yield from found
            return
    for environment in sorted((*folder.glob("*/env.py"), *folder.glob("*/*/env.py"))):
        versions = environment.parent / "versions"
        if versions.is_dir():
            yield _place(folder, "alembic", versions)


def _read_alembic(folder: Path, config: Path) -> Iterator[ToolPlace]:
    for scripts in read_config(config, folder):
        yield _place(folder, "alembic", scripts.versions[0], config)


def _find_django(folder: Path, argv: tuple[str, ...]) -> Iterator[ToolPlace]:
    named = [folder / word for word in argv if Path(word).name == "manage.py"]
    for path in (*named, folder / "manage.py", *sorted(folder.glob("*/manage.py"))):
        if path.is_file() and "django" in _read(path):
            yield _place(folder, "django", path.parent, path)
            return


def _find_prisma(folder: Path, argv: tuple[str, ...]) -> Iterator[ToolPlace]:
    schema = find_prisma_schema(folder, argv)
    if schema is not None:
        yield from _place_prisma(folder, schema)


def _place_prisma(folder: Path, schema: Path) -> Iterator[ToolPlace]:
    """Give the migrations of a schema: where prisma.config says, else beside it; none for one without migrations."""
    named = [_read_path(path, "migrations", "path") for path in _list_scripts(folder, "prisma.config")]
    home = schema if schema.is_dir() else schema.parent
    for migrations in (*named, home / "migrations", home.parent / "migrations"):
        if migrations is not None and _has_prisma_files(migrations):
            yield _place(folder, "prisma", migrations, schema)
            return


def _find_configured(folder: Path) -> Iterator[ToolPlace]:
    """Give the places that configuration files in `folder` point at."""
    names = (*_stems("knexfile"), *_stems("drizzle.config"), "drizzle.config.json", ".sequelizerc")
    for name in (*names, "flyway.conf", "flyway.toml", "conf/flyway.conf"):
        if (folder / name).is_file():
            yield from _read_configuration(folder, folder / name, ())
    if (folder / "drizzle/meta/_journal.json").is_file():
        yield _place(folder, "drizzle", folder / "drizzle")


def _read_configuration(folder: Path, config: Path, argv: tuple[str, ...]) -> Iterator[ToolPlace]:
    """Give the places that one configuration file names, as far as they exist."""
    tool = tool_of_config(config)
    places: list[Path | None] = []
    match tool:
        case "" | "alembic":
            yield from _read_alembic(folder, config)
        case "django":
            yield _place(folder, tool, config.parent, config)
        case "prisma":
            schema = config if config.suffix == ".prisma" else find_prisma_schema(folder, argv)
            yield from _place_prisma(folder, schema) if schema else ()
        case "knex":
            places = [_read_path(config, "migrations", "directory"), config.parent / "migrations"]
        case "sequelize":
            places = [_read_path(config, "", "migrations-path"), config.parent / "migrations"]
        case "drizzle" if config.name == "_journal.json":
            places = [config.parent.parent]
        case "drizzle":
            out = _read_path(config, "", "out") or config.parent / "drizzle"
            places = [out if (out / "meta/_journal.json").is_file() else None]
        case "flyway":
            places = [*_read_flyway(folder, config), *(folder / usual for usual in _USUAL_FOLDERS)]
            places = [place for place in places if place and "flyway" in _classify(place, folder)]
    found = next((place for place in places if place is not None and place.is_dir()), None)
    if found is not None:
        yield _place(folder, tool, found, config)


def _read_flyway(folder: Path, config: Path) -> Iterator[Path]:
    for line in re.findall(r"^\s*(?:flyway\.)?locations\s*=(.*)", _read(config), re.MULTILINE):
        for kind, path in re.findall(r"(filesystem|classpath):([^\s,\"'\]]+)", line):
            yield folder / path if kind == "filesystem" else folder / "src/main/resources" / path


def _read_path(config: Path, block: str, key: str) -> Path | None:
    """Return the path that a JavaScript (or JSON) configuration gives `key`, inside the object `block` if named."""
    text = _read(config)
    if block:
        inside = re.search(rf"\b{block}[\"']?\s*:\s*\{{([^}}]*)\}}", text)
        text = inside[1] if inside else ""
    found = re.search(rf"(?<![\w-])[\"']?{key}[\"']?\s*:\s*([^\n]*)", text)
    if found is None:
        return None
    value = found[1]
    value = value.partition(")")[0] if "(" in value.partition(",")[0] else re.split(r"[,}]", value)[0]
    parts = [part.strip("/") if number or "__dirname" in value else part
             for number, part in enumerate(re.findall(r"[\"'`]([^\"'`]+)[\"'`]", value))]  # fmt: skip
    return config.parent.joinpath(*parts) if parts else None


def _find_in_usual_folders(folder: Path) -> Iterator[ToolPlace]:
    for usual in (*_USUAL_FOLDERS, *sorted(str(one.relative_to(folder)) for one in folder.glob("priv/*/migrations"))):
        place = folder / usual
        if place.is_dir():
            yield from (_place(folder, tool, place) for tool in _classify(place, folder))


def _find_by_names(folder: Path, tool: Tool) -> Iterator[ToolPlace]:
    """Give the first of the usual folders whose files are named as those of `tool`, whatever is in them."""
    naming = tool.naming
    for usual in _USUAL_FOLDERS:
        if naming and any(naming.pattern.fullmatch(name) for name in _list(folder / usual)):
            yield _place(folder, tool.key, folder / usual)
            return


def _classify(place: Path, root: Path) -> tuple[str, ...]:
    """Return the tools whose migrations the files of `place` may be; `root` is where companions stand."""
    if (place / "meta/_journal.json").is_file():
        return ("drizzle",)
    if _has_prisma_files(place):
        return ("prisma",)
    if (place.parent / "env.py").is_file() and place.name == "versions":
        return ("alembic",)
    names = _list(place)
    certain: list[str] = []
    likely: list[str] = []
    possible: list[str] = []
    for tool in TOOLS.values():
        fitting = [name for name in names if tool.naming and tool.naming.pattern.fullmatch(name)]
        if not fitting or tool.key == "prisma":
            continue
        has_companion = any((base / one).exists() for base in (root, root.parent) for one in tool.companions)
        if tool.mark is not None:
            if any(tool.mark.search(_read(place / name)) for name in (fitting[0], fitting[-1])):
                certain.append(tool.key)
        elif tool.key == "flyway":
            certain.append(tool.key)
        elif has_companion:
            likely.append(tool.key)
        elif any(".up." in name for name in fitting):
            possible.append(tool.key)
    return tuple(certain[:1] or likely or possible)


def _has_prisma_files(place: Path) -> bool:
    return (place / "migration_lock.toml").is_file() or next(place.glob("*/migration.sql"), None) is not None


def _list(folder: Path) -> list[str]:
    try:
        names = [path.name for path, _ in zip(folder.iterdir(), range(_MOST_LISTED), strict=False)]
    except OSError:
        return []
    return sorted(names)


def _list_scripts(folder: Path, stem: str) -> Iterator[Path]:
    return (folder / name for name in _stems(stem) if (folder / name).is_file())


def _stems(stem: str) -> tuple[str, ...]:
    return tuple(f"{stem}.{ending}" for ending in _JAVASCRIPT)


def _read(path: Path) -> str:
    try:
        return read_bytes(path).decode("utf-8", errors="replace")
    except OSError:
        return ""


def _place(root: Path, tool: str, folder: Path, config: Path | None = None) -> ToolPlace:
    return ToolPlace(
        tool=tool,
        folder=_normal(folder),
        config=_normal(config) if config else "",
        root=_normal(root),
    )


def _normal(path: Path) -> str:
    return os.path.normpath(path.absolute())


def _unique(places: Iterable[ToolPlace]) -> tuple[ToolPlace, ...]:
    """Return places each once; what a configuration names wins over what its folder looks like."""
    found: dict[tuple[str, str], ToolPlace] = {}
    settled: set[str] = set()
    for place in places:
        if place.folder in settled and (place.tool, place.folder) not in found and not place.config:
            continue
        found.setdefault((place.tool, place.folder), place)
        if place.config:
            settled.add(place.folder)
    return tuple(found.values())
