"""What a dump or a restore is told of its database, and what the kinds of database have in common.

Must not know files of snapshots, nor migrations. Invariant: a kind's `restore` leaves the database as it was where it
raises, interrupted or not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from devenv.domain.database import Database, ServerPlace
from devenv.domain.snapshots import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A database, and the way to it.

    `version` is the server's (`PostgreSQL 15.18`); `ask` runs one query that only reads, and raises CannotLook; `say`
    tells the user what happens.
    """

    database: Database
    server: ServerPlace
    version: str
    ask: Callable[[str], list[tuple[object, ...]]]
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """The roles that a restore of everything needs; empty where a database has none of its own."""

    owners: tuple[str, ...] = ()
    grantees: tuple[str, ...] = ()


class Kind(Protocol):
    """A kind of database: three functions."""

    def dump(self, access: Access, target: Path) -> Roles:
        """Write the whole database into the new file `target`. Raises DevenvError."""
        ...

    def restore(self, access: Access, source: Path, snapshot: Snapshot, fallback: Path) -> None:
        """Put `source` in the place of everything that is there.

        `fallback` is a dump of what is there, taken a moment ago. Raises DevenvError.
        """
        ...

    def count_rows(self, access: Access) -> int:
        """Return about how many rows there are, without reading them where the server has an estimate."""
        ...
