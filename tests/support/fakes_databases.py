"""A database in memory behind the Protocol of the schema gate: SQLite, so that it answers real queries.

Must not know what is asked of it. Invariant: `asked` has every query, in its order.
"""

from __future__ import annotations

import sqlite3

from devenv.schema.ir import Dialect, Schema
from devenv.schema.ports import CannotLook


class MemoryDatabase:
    """A SQLite database that lives as long as the test; see `schema.ports.LiveDatabase`."""

    dialect = Dialect.SQLITE
    version = f"SQLite {sqlite3.sqlite_version}"
    default_schema = "main"
    place = "a database in memory"

    def __init__(self, script: str = "") -> None:
        """Run `script`, which makes the tables."""
        self.asked: list[str] = []
        self._connection = sqlite3.connect(":memory:")
        self._connection.executescript(script)

    def fill(self, table: str, *rows: tuple[object, ...]) -> MemoryDatabase:
        """Add rows; return itself."""
        for row in rows:
            places = ", ".join("?" * len(row))
            self._connection.execute(f"INSERT INTO {table} VALUES ({places})", row)
        return self

    def query(self, sql: str) -> list[tuple[object, ...]]:
        """Return the rows. Raises CannotLook."""
        self.asked.append(sql)
        try:
            return self._connection.execute(sql).fetchall()
        except sqlite3.Error as error:
            raise CannotLook(str(error), code="failed") from error

    def has_table(self, name: str, schema: str = "") -> bool:
        """Tell whether the table exists."""
        return bool(self.query(f"SELECT 1 FROM sqlite_master WHERE name = '{name}'"))

    def introspect(self) -> Schema:
        """Refuse: only rows are asked for."""
        raise AssertionError("records and imports need no introspection")

    def close(self) -> None:
        """Forget everything; safe to call twice."""
        self._connection.close()
