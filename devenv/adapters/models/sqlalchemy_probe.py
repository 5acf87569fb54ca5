"""Reads SQLAlchemy models (1.4, 2.0, 2.1) into plain data, and what env.py tells Alembic of them.

Sent as text beside probe_protocol.py, into the service's own interpreter: Python 3.8 or later, no import of devenv.
Libraries come through `import_module`: they are the user's, of whatever version. Invariant: no connection is opened.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # when sent, these are in the same namespace
    from devenv.adapters.models.probe_places import Places, Spot
    from devenv.adapters.models.probe_protocol import Unreadable, refuse_connection  # noqa: TC004 - see above
    from devenv.adapters.models.sqlalchemy_tables import TableReading  # noqa: TC004 - see above

_LAYERS = ("sqlalchemy", "flask_sqlalchemy", "flask_sqlalchemy_lite", "sqlmodel", "alembic", "advanced_alchemy")
_PLACEHOLDER = "driver://"
_DIALECTS = {"mysql": "mysql", "mariadb": "mysql", "sqlite": "sqlite"}


def read(request: dict[str, Any], places: Places) -> dict[str, Any]:
    """Return the tables of the metadata that the request names, or that env.py gives to Alembic."""
    sys.path.insert(0, request["folder"])
    sqlalchemy = _import_sqlalchemy()
    import_module("sqlalchemy.pool").Pool.connect = refuse_connection
    spots = _note_places(sqlalchemy, places)
    warnings: list[str] = []
    metadatas = _find_metadata(request["reference"]) if request["reference"] else []
    settings: dict[str, Any] = {}
    if request["alembic_ini"]:
        settings = _ask_alembic(request, warnings, is_needed=not metadatas)
        metadatas = metadatas or _flatten(settings.get("target_metadata"))
    if not metadatas:
        raise Unreadable("no-metadata", "env.py gives Alembic no target_metadata")
    tables = [table for metadata in metadatas for table in metadata.tables.values()]
    if not tables:
        raise Unreadable("no-tables", "the metadata has no table")
    kept, ignored = _apply_filters(tables, settings, warnings)
    url = _show_url(settings.get("url"))
    dialect = request["dialect"] or _DIALECTS.get(url.partition(":")[0].partition("+")[0], "postgresql")
    reading = TableReading(sqlalchemy, dialect, places, spots, warnings)
    return {
        "dialect": dialect,
        "source": f"SQLAlchemy {request['reference'] or 'models of env.py'}",
        "tables": [reading.table(table) for table in kept],
        "enums": list(reading.enums.values()),
        "version_table": settings.get("version_table") or "alembic_version",
        "version_schema": settings.get("version_table_schema") or "",
        "ignored": ignored,
        "database_url": url,
        "warnings": warnings,
    }


def _import_sqlalchemy() -> Any:
    try:
        return import_module("sqlalchemy")
    except ModuleNotFoundError as error:
        raise Unreadable("no-library", str(error), ["SQLAlchemy", error.name or ""]) from error


# Finding the metadata


def _find_metadata(reference: str) -> list[Any]:
    module_name, _, path = reference.partition(":")
    module = import_module(module_name)
    if not path:
        found = {id(one): one for value in vars(module).values() for one in _flatten(value)}
        if len(found) == 1:
            return list(found.values())
        raise Unreadable("no-attribute", module_name, _candidates(module))
    value: Any = module
    for name in path.split("."):
        if not hasattr(value, name):
            raise Unreadable("no-attribute", name, _candidates(module))
        value = getattr(value, name)
    metadatas = _flatten(value)
    if not metadatas and callable(value):
        metadatas = _flatten(value())
    if not metadatas:
        raise Unreadable("no-metadata", type(value).__name__, _candidates(module))
    return metadatas


def _flatten(value: Any) -> list[Any]:
    """Return the metadata of a declarative base, a registry, a Flask `db`, or a collection of any."""
    metadata_class = import_module("sqlalchemy").MetaData
    if isinstance(value, metadata_class):
        return [value]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [one for item in value for one in _flatten(item)]
    if isinstance(value, dict):
        return _flatten(list(value.values()))
    held = getattr(value, "metadata", None)
    return [held] if isinstance(held, metadata_class) else []


def _candidates(module: Any) -> list[str]:
    """Return the names in a module that hold metadata: models last, the base of all first."""
    names = [name for name, value in vars(module).items() if not name.startswith("_") and _flatten(value)]
    return sorted(names, key=lambda name: hasattr(getattr(module, name), "__table__"))[:5]


# Alembic


class _Configured(BaseException):
    """Raised where env.py has said what there is to know."""


def _ask_alembic(request: dict[str, Any], warnings: list[str], *, is_needed: bool) -> dict[str, Any]:
    """Return what env.py passes to `context.configure`; no more than a warning where it fails and is not needed."""
    folder = str(Path(request["alembic_ini"]).parent)
    os.chdir(folder)
    if folder not in sys.path:
        sys.path.insert(1, folder)
    try:
        return _run_env(request["alembic_ini"], request["folder"])
    except Exception as error:
        if is_needed:
            raise
        warnings.append(f"env.py could not be run for its settings: {type(error).__name__}: {error}")
        return {}


def _run_env(ini: str, service_folder: str) -> dict[str, Any]:
    try:
        config_class = import_module("alembic.config").Config
    except ModuleNotFoundError as error:
        raise Unreadable("no-library", str(error), ["Alembic", error.name or ""]) from error
    config = config_class(toml_file=ini) if ini.endswith(".toml") else config_class(ini)
    beside = Path(ini).parent
    if not Path(_location(config)).is_dir() and Path(service_folder, _location(config)).is_dir():
        os.chdir(service_folder)  # `alembic -c db/alembic.ini` begins where it is started
    if not config.get_main_option("script_location") and (beside / "env.py").is_file():
        # Flask-Migrate names the folder on its command line
        config.set_main_option("script_location", str(beside))
        _push_flask_application(service_folder)
    scripts = import_module("alembic.script").ScriptDirectory.from_config(config)
    environment_class = import_module("alembic.runtime.environment").EnvironmentContext
    captured: dict[str, Any] = {"url": config.get_main_option("sqlalchemy.url")}

    def configure(_: object, *__: object, **settings: Any) -> None:
        captured.update({name: value for name, value in settings.items() if value is not None})
        raise _Configured

    environment_class.configure = configure
    try:
        with environment_class(config, scripts, fn=lambda *_: [], as_sql=True, destination_rev="head"):
            scripts.run_env()
    except _Configured:
        pass
    except Exception as error:
        target = _find_global(error, "target_metadata")
        if target is None:
            raise
        captured["target_metadata"] = target
    return captured


def _location(config: Any) -> str:
    """Return where the scripts are, in whichever file Alembic reads that from."""
    read = getattr(config, "get_alembic_option", config.get_main_option)  # 1.16 reads pyproject.toml, too
    return str(read("script_location") or "")


def _push_flask_application(folder: str) -> None:
    os.chdir(folder)
    import_module("flask.cli").ScriptInfo().load_app().app_context().push()


def _find_global(error: BaseException, name: str) -> Any:
    """Return a global of the env.py that failed: one that refuses to run offline has named its metadata before."""
    trace = error.__traceback__
    found = None
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).name == "env.py":
            found = trace.tb_frame.f_globals.get(name, found)
        trace = trace.tb_next
    return found


def _apply_filters(tables: list[Any], settings: dict[str, Any], warnings: list[str]) -> tuple[list[Any], list[str]]:
    """Return the tables that the project's own filters keep, and the titles of the others."""
    kept, ignored = [], []
    for table in tables:
        try:
            is_kept = _is_kept(table, settings)
        except Exception as error:  # noqa: BLE001 - the user's own function, written for another caller
            warnings.append(f"include_object of env.py failed for {table.fullname}: {type(error).__name__}: {error}")
            is_kept = True
        if is_kept:
            kept.append(table)
        else:
            ignored.append(table.fullname)
    return kept, ignored


def _is_kept(table: Any, settings: dict[str, Any]) -> bool:
    by_object, by_name = settings.get("include_object"), settings.get("include_name")
    if by_object is not None and not by_object(table, table.name, "table", False, None):  # noqa: FBT003 - Alembic's own
        return False
    parents = {"schema_name": table.schema, "table_name": table.name, "schema_qualified_table_name": table.fullname}
    return by_name is None or bool(by_name(table.name, "table", parents))


def _show_url(url: Any) -> str:
    if url is None:
        return ""
    text = str(url.render_as_string(hide_password=False)) if hasattr(url, "render_as_string") else str(url)
    return "" if text.startswith(_PLACEHOLDER) else text


# Where tables are written


def _note_places(sqlalchemy: Any, places: Places) -> dict[int, Callable[[], Spot]]:
    """Note the line that makes each table, while it is made: the first frame outside of the libraries."""
    spots: dict[int, Callable[[], Spot]] = {}

    def note(table: Any, _: object) -> None:
        frame: Any = sys._getframe(1)  # noqa: SLF001 - there is no public way to the caller
        while frame is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] in _LAYERS:
            frame = frame.f_back
        if frame is not None:
            path, line = frame.f_code.co_filename, frame.f_lineno
            spots[id(table)] = lambda: places.find_at(path, line)

    sqlalchemy.event.listen(sqlalchemy.Table, "after_parent_attach", note)
    return spots
