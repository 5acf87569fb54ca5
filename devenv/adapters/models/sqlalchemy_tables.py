"""Turns SQLAlchemy's Table objects into plain data, for one dialect.

Sent as text beside sqlalchemy_probe.py, into the service's own interpreter: Python 3.8 or later, no import of devenv.
Invariant: one odd type or constraint is a warning or a gap, never the end of the reading.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # when sent, these are in the same namespace
    from devenv.adapters.models.probe_places import Places, Spot


class TableReading:
    """Turns Table objects into plain data for one dialect, and gathers the enum types on the way."""

    def __init__(
        self, sqlalchemy: Any, dialect: str, places: Places, spots: dict[int, Callable[[], Spot]], warnings: list[str]
    ) -> None:
        self._sa = sqlalchemy
        self._dialect = import_module(f"sqlalchemy.dialects.{dialect}").dialect()
        self._places = places
        self._spots = spots
        self._warnings = warnings
        self.enums: dict[tuple[str, str], dict[str, Any]] = {}

    def table(self, table: Any) -> dict[str, Any]:
        """Return a table with its columns, keys and indexes."""
        spot = self._spots[id(table)]() if id(table) in self._spots else None
        constraints = sorted(table.constraints, key=lambda one: str(one.name or ""))
        return {
            "name": str(table.name),
            "schema": str(table.schema or ""),
            "columns": [self._column(column, table, spot) for column in table.columns],
            "primary_key": [str(column.name) for column in table.primary_key.columns],
            "uniques": _uniques(constraints, self._sa),
            "indexes": [self._index(index, table) for index in sorted(table.indexes, key=lambda one: str(one.name))],
            "foreign_keys": [key for one in constraints for key in self._foreign_keys(one, table)],
            "is_view": bool(table.info.get("is_view")),
            "place": spot.place if spot else "",
        }

    def _column(self, column: Any, table: Any, spot: Spot | None) -> dict[str, Any]:
        place = spot.of(str(column.name), str(column.key)) if spot else ""
        is_array, item = self._item_type(column.type)
        is_enum = isinstance(item, self._sa.Enum)
        values = [str(value) for value in item.enums] if is_enum else []
        is_native = is_enum and bool(item.native_enum) and self._dialect.name != "sqlite"
        is_inline = is_native and self._dialect.name == "mysql"
        return {
            "name": str(column.name),
            "type": self._type(column, table),
            "nullable": bool(column.nullable),
            "is_filled": _is_filled(column, table),
            "is_array": is_array,
            "is_generated": column.computed is not None,
            "enum": self._note_enum(item, values, place) if is_native and not is_inline else "",
            "values": values if is_inline else [],
            "place": place,
        }

    def _type(self, column: Any, table: Any) -> str:
        try:
            return str(column.type.compile(dialect=self._dialect))
        except Exception as error:  # noqa: BLE001 - types of other packages raise what they like
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            self._warnings.append(f"the type of {table.fullname}.{column.name} is not known: {reason}")
            return ""

    def _item_type(self, type_: Any) -> tuple[bool, Any]:
        """Return whether it is an array, and the type of its items, without decorators and variants."""
        is_array = False
        for _ in range(8):  # a decorator in an array in a decorator: deeper ones are nobody's
            plain = self._undecorated(type_)
            if not isinstance(plain, self._sa.types.ARRAY):
                return is_array, plain
            is_array, type_ = True, plain.item_type
        return is_array, type_

    def _undecorated(self, type_: Any) -> Any:
        """Return what a TypeDecorator or a variant comes down to here; never an error, for `_type` reports those."""
        with contextlib.suppress(Exception):  # the user's own type
            for _ in range(8):
                mapping = getattr(type_, "_variant_mapping", None) or getattr(type_, "mapping", None)
                if isinstance(mapping, dict) and self._dialect.name in mapping:
                    type_ = mapping[self._dialect.name]
                elif isinstance(type_, self._sa.types.TypeDecorator):
                    type_ = type_.load_dialect_impl(self._dialect)
                else:
                    break
        return type_

    def _note_enum(self, type_: Any, values: list[str], place: str) -> str:
        schema, name = str(type_.schema or ""), str(type_.name or "")
        written = getattr(type_, "enum_class", None)
        module = sys.modules.get(getattr(written, "__module__", ""))
        path = getattr(module, "__file__", None)
        if written is not None and path and self._places.is_own(path):
            place = self._places.find_class(path, written.__qualname__).place
        self.enums.setdefault((schema, name), {"name": name, "schema": schema, "values": values, "place": place})
        return f"{schema}.{name}" if schema else name

    def _index(self, index: Any, table: Any) -> dict[str, Any]:
        conditions = index.dialect_options[self._dialect.name]
        return {
            "name": str(index.name or ""),
            "columns": [self._index_part(part, table) for part in index.expressions],
            "unique": bool(index.unique),
            "partial": any(name == "where" and value is not None for name, value in conditions.items()),
        }

    def _index_part(self, part: Any, table: Any) -> str:
        while isinstance(part, self._sa.sql.elements.UnaryExpression):  # desc(), nulls_last()
            part = part.element
        if isinstance(part, self._sa.Column):
            return str(part.name)
        written = str(part) if isinstance(part, self._sa.sql.elements.TextClause) else ""
        return written if written in table.columns else ""

    def _foreign_keys(self, constraint: Any, table: Any) -> Iterable[dict[str, Any]]:
        if not isinstance(constraint, self._sa.ForeignKeyConstraint):
            return
        parts = [element.target_fullname.split(".") for element in constraint.elements]
        targets = [_target_column(element) for element in constraint.elements]
        yield {
            "name": str(constraint.name or ""),
            "columns": [str(column.name) for column in constraint.columns],
            "table": parts[0][-2],
            "schema": ".".join(parts[0][:-2]) or "",
            "targets": targets,
        }


def _target_column(element: Any) -> str:
    try:
        return str(element.column.name)
    except Exception:  # noqa: BLE001 - a table that is nowhere defined: SQLAlchemy has an error for each way
        return str(element.target_fullname.split(".")[-1])


def _uniques(constraints: Iterable[Any], sqlalchemy: Any) -> list[list[str]]:
    kinds = [one for one in constraints if isinstance(one, sqlalchemy.UniqueConstraint)]
    return [[str(column.name) for column in one.columns] for one in kinds if len(one.columns)]


def _is_filled(column: Any, table: Any) -> bool:
    if column.server_default is not None or column.computed is not None or column.identity is not None:
        return True
    counter = table.autoincrement_column if hasattr(table, "autoincrement_column") else table._autoincrement_column  # noqa: SLF001 - 1.4
    return counter is column and column.default is None
