"""Reads Django models (4.2, 5.x) into plain data, for the database of the project's own settings.

Sent as text beside probe_protocol.py, into the service's own interpreter: Python 3.8 or later, no import of devenv.
Libraries come through `import_module`: they are the user's, of whatever version. Invariant: no connection is opened.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

if TYPE_CHECKING:  # when sent, these are in the same namespace
    from devenv.adapters.models.probe_places import Places
    from devenv.adapters.models.probe_protocol import Unreadable, refuse_connection  # noqa: TC004 - see above

_ENGINES = {"postgresql": "postgresql", "mysql": "mysql", "sqlite": "sqlite3"}
_SCHEMES = {"postgresql": "postgresql", "mysql": "mysql", "sqlite": "sqlite"}
_MYSQL_VERSION = "8.0.30"
_COUNTERS = ("AutoField", "BigAutoField", "SmallAutoField")


def read(request: dict[str, Any], places: Places) -> dict[str, Any]:
    """Return the tables of all installed applications."""
    folder = str(Path(request["manage_py"]).parent) if request["manage_py"] else request["folder"]
    os.chdir(folder)
    sys.path.insert(0, folder)
    try:
        django = import_module("django")
    except ModuleNotFoundError as error:
        raise Unreadable("no-library", str(error), ["Django", error.name or ""]) from error
    _choose_settings(request)
    import_module("django.db.backends.base.base").BaseDatabaseWrapper.ensure_connection = refuse_connection
    import_module("django.db.backends.base.base").BaseDatabaseWrapper.connect = refuse_connection
    django.setup()
    connection = _connection(request["dialect"])
    router = import_module("django.db").router
    models = import_module("django.apps").apps.get_models(include_auto_created=True)
    of_tables = [model for model in models if not model._meta.proxy]  # noqa: SLF001 - documented by Django
    kept = [one for one in of_tables if one._meta.managed and router.allow_migrate_model("default", one)]  # noqa: SLF001
    reading = _Reading(connection, places)
    return {
        "dialect": connection.vendor,
        "source": f"Django {os.environ['DJANGO_SETTINGS_MODULE']}",
        "tables": [reading.table(model) for model in kept],
        "enums": [],
        "ignored": [_title(model) for model in of_tables if model not in kept],
        "database_url": _database_url(folder),
        "warnings": reading.warnings,
    }


class _Configured(BaseException):
    """Raised where manage.py hands over to Django."""


def _choose_settings(request: dict[str, Any]) -> None:
    """Run manage.py up to where it calls Django: it may load variables or change the path before."""
    if request["reference"]:
        os.environ["DJANGO_SETTINGS_MODULE"] = request["reference"].partition(":")[0]
        return
    management: Any = import_module("django.core.management")

    def hand_over(*_: object, **__: object) -> None:
        raise _Configured

    management.execute_from_command_line = hand_over
    management.ManagementUtility.execute = hand_over
    sys.argv = [request["manage_py"], "check"]
    with contextlib.suppress(_Configured):
        runpy.run_path(request["manage_py"], run_name="__main__")
    if not os.environ.get("DJANGO_SETTINGS_MODULE"):
        raise Unreadable("no-settings", "neither manage.py nor the environment sets DJANGO_SETTINGS_MODULE")


def _connection(dialect: str) -> Any:
    """Return Django's own wrapper of the database, or a standard one where the settings name another kind."""
    connections = import_module("django.db").connections
    own = connections["default"]
    if own.vendor not in _ENGINES and not dialect:
        raise Unreadable("no-dialect", f"the settings name a database of the kind {own.vendor}, which is not read")
    if dialect and own.vendor != dialect:
        backend = import_module(f"django.db.backends.{_ENGINES[dialect]}.base")
        own = backend.DatabaseWrapper({**own.settings_dict, "OPTIONS": {}}, "default")
    if own.vendor == "mysql":  # some types depend on the server's version, which only a connection would tell
        own.__dict__["mysql_server_data"] = {
            "version": _MYSQL_VERSION,
            "sql_mode": "",
            "default_storage_engine": "InnoDB",
            "lower_case_table_names": False,
            "has_zoneinfo_database": True,
        }
    return own


def _split(db_table: str) -> tuple[str, str]:
    """Return schema and name: `schema"."table` is how Django projects name a schema."""
    schema, dot, name = db_table.strip('"').partition('"."')
    return (schema, name) if dot else ("", schema)


def _title(model: Any) -> str:
    schema, name = _split(model._meta.db_table)  # noqa: SLF001 - documented by Django
    return f"{schema}.{name}" if schema else name


class _Reading:
    """Turns model classes into plain data for one database wrapper."""

    def __init__(self, connection: Any, places: Places) -> None:
        self._connection = connection
        self._places = places
        self.warnings: list[str] = []

    def table(self, model: Any) -> dict[str, Any]:
        """Return a model's table with its columns, keys and indexes."""
        meta = model._meta  # noqa: SLF001 - documented by Django
        written = meta.auto_created or model  # a many-to-many table is written where its field is
        path = getattr(sys.modules.get(model.__module__), "__file__", None)
        spot = self._places.find_class(path, written.__qualname__) if path else None
        place = spot.of(*_fields_through(written, model)) if spot else ""
        schema, name = _split(meta.db_table)
        columns = []
        for field in meta.local_concrete_fields:
            found = self._column(field)
            if found:
                columns.append({**found, "place": spot.of(field.name) if spot and written is model else place})
        uniques, unique_indexes = self._uniques(meta)
        return {
            "name": name,
            "schema": schema,
            "columns": columns,
            "primary_key": self._primary_key(meta),
            "uniques": uniques,
            "indexes": unique_indexes + self._indexes(meta),
            "foreign_keys": [key for field in meta.local_concrete_fields for key in _foreign_keys(field)],
            "is_view": False,
            "place": place,
        }

    def _column(self, field: Any) -> dict[str, Any] | None:
        try:
            type_ = field.db_parameters(connection=self._connection)["type"]
        except Exception as error:  # noqa: BLE001 - fields of other packages raise what they like
            self.warnings.append(f"the type of {field} is not known: {type(error).__name__}: {error}")
            type_ = ""
        if type_ is None:
            return None
        plain = str(type_)
        is_generated = bool(getattr(field, "generated", False))
        is_counter = field.get_internal_type() in _COUNTERS
        return {
            "name": field.column,
            "type": plain.replace(" AUTO_INCREMENT", ""),
            "nullable": bool(field.null) and not field.primary_key,
            "is_filled": is_generated or is_counter or _has_default(field),
            "is_array": plain.endswith("]"),
            "is_generated": is_generated,
            "enum": "",
            "values": [],
        }

    def _primary_key(self, meta: Any) -> list[str]:
        fields = getattr(meta, "pk_fields", None) or [meta.pk]
        return [field.column for field in fields if field.column]

    def _uniques(self, meta: Any) -> tuple[list[list[str]], list[dict[str, Any]]]:
        """Return the unique constraints, and those that a database can only keep as an index."""
        uniques = [[field.column] for field in meta.local_concrete_fields if field.unique and not field.primary_key]
        uniques += [_columns(meta, names) for names in meta.unique_together]
        indexes = []
        constraint_class = import_module("django.db.models").UniqueConstraint
        for one in meta.constraints:
            if not isinstance(one, constraint_class):
                continue
            if one.condition is None and not one.expressions:
                uniques.append(_columns(meta, one.fields))
            else:
                parts = _columns(meta, one.fields) or [""] * len(one.expressions)
                indexes.append(_index(one.name, parts, is_unique=True, is_partial=one.condition is not None))
        return uniques, indexes

    def _indexes(self, meta: Any) -> list[dict[str, Any]]:
        singles = [
            field
            for field in meta.local_concrete_fields
            if field.db_index and not field.unique and field.db_parameters(connection=self._connection)["type"]
        ]
        indexes = [_index("", [field.column]) for field in singles]
        indexes += [_index("", _columns(meta, names)) for names in getattr(meta, "index_together", ())]
        for one in meta.indexes:
            parts = _columns(meta, [name for name, _ in one.fields_orders]) or [""] * len(one.expressions)
            indexes.append(_index(one.name, parts, is_partial=one.condition is not None))
        return indexes


def _fields_through(written: Any, model: Any) -> list[str]:
    fields = written._meta.local_many_to_many  # noqa: SLF001 - documented by Django
    return [field.name for field in fields if field.remote_field.through is model]


def _has_default(field: Any) -> bool:
    """Tell whether the database has a default (Django 5.0 and later)."""
    missing = import_module("django.db.models").NOT_PROVIDED
    return getattr(field, "db_default", missing) is not missing


def _columns(meta: Any, names: Iterable[str]) -> list[str]:
    return [meta.get_field(name).column for name in names]


def _index(name: str, columns: list[str], *, is_unique: bool = False, is_partial: bool = False) -> dict[str, Any]:
    return {"name": name, "columns": columns, "unique": is_unique, "partial": is_partial}


def _foreign_keys(field: Any) -> Iterable[dict[str, Any]]:
    if not field.remote_field or not getattr(field, "db_constraint", False) or not field.column:
        return
    schema, name = _split(field.remote_field.model._meta.db_table)  # noqa: SLF001 - documented by Django
    targets = [field.target_field.column]
    yield {"name": "", "columns": [field.column], "table": name, "schema": schema, "targets": targets}


def _database_url(folder: str) -> str:
    """Return what the settings connect to, as a URL; '' for a kind of database that is none of ours."""
    connection = import_module("django.db").connections["default"]
    settings = connection.settings_dict
    scheme = _SCHEMES.get(connection.vendor)
    if scheme == "sqlite":
        name = str(settings["NAME"])
        return "" if ":memory:" in name or "mode=memory" in name else f"sqlite:///{Path(folder, name)}"
    if scheme is None:
        return ""
    secret = f":{quote(str(settings['PASSWORD']), safe='')}" if settings["PASSWORD"] else ""
    login = f"{quote(str(settings['USER']), safe='')}{secret}@" if settings["USER"] else ""
    host, port = str(settings["HOST"] or ""), str(settings["PORT"] or "")
    options = settings.get("OPTIONS") or {}
    query = {name: str(options[name]) for name in ("options", "sslmode", "unix_socket") if options.get(name)}
    if host.startswith("/"):
        query["host" if scheme == "postgresql" else "unix_socket"] = host
        host = ""
    where = f"[{host}]" if ":" in host else host or "127.0.0.1"
    tail = f"?{urlencode(query, quote_via=quote)}" if query else ""
    return f"{scheme}://{login}{where}{f':{port}' if port else ''}/{quote(str(settings['NAME']), safe='')}{tail}"
