"""What the tests of the schema gate share: a server's databases, the words of a command, the files of a project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.support.daemon import Done
from tests.support.databases import run_postgres

PASSWORD = "k3pt-secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A PostgreSQL, whose superuser `app` has the password PASSWORD."""

    port: int

    def url(self, database: str, scheme: str = "postgresql") -> str:
        """Return where a database is, password included."""
        return f"{scheme}://app:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def run(self, database: str, *statements: str) -> None:
        """Run statements, each for itself."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def copy(self, template: str, database: str) -> str:
        """Make a database like another one, which nobody is connected to; return its name."""
        self.run("postgres", f"CREATE DATABASE {database} TEMPLATE {template}")
        return database


@contextmanager
def serve_postgres() -> Iterator[Postgres]:
    """Run a server."""
    with run_postgres(password=PASSWORD) as port:
        yield Postgres(port=port)


def say(done: Done, expect: int) -> str:
    """Hold a command to its exit status; return its words in one line, in which there is no trace and no password."""
    assert done.status == expect, str(done)
    assert "Traceback" not in done.text, str(done)
    assert PASSWORD not in done.text, str(done)
    return " ".join(done.text.split())


def list_files(folder: Path) -> set[tuple[str, int, int]]:
    """Return every file below with its size and its time: what differs later was written."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in found}
