"""What a migration tool's own record says, held against its files: one shape for all tools.

Pure. Must not know a tool. Invariant: `pending` are files without a record, `unknown` are records without a file, and
a tool whose table is missing has `has_table` False and everything pending.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from devenv.domain.findings import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolPlace:
    """A migration tool as it is used in a repository.

    `tool` is its key in `records.tools.TOOLS` (`alembic`, `prisma`, …); `folder` is the absolute path of its migration
    files, `config` that of the file which configures it (alembic.ini, schema.prisma, manage.py), '' where there is
    none. `root` is the folder that it was looked for in: commands run there, and paths are shown from there.
    """

    tool: str
    folder: str
    config: str = ""
    root: str = ""

    def show(self, path: str | PurePath) -> str:
        """Return `path` as seen from `root`, where it lies below it."""
        place = PurePath(path)
        return str(place.relative_to(self.root)) if self.root and place.is_relative_to(self.root) else str(place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One migration file. `id` is what the tool records; `title` is what a person calls it; `path` is absolute.

    `creates` and `adds` are the tables and the (table, column) pairs that it makes, as far as its text tells, in lower
    case and without their schema; `lines` is where in the file, by `table` and by `table.column`.
    """

    id: str
    title: str = ""
    path: str = ""
    creates: frozenset[str] = frozenset()
    adds: frozenset[tuple[str, str]] = frozenset()
    lines: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A migration that began and did not end: when (as the database says it) and with what message."""

    id: str
    at: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A migration whose file is no longer what ran; `only_line_endings` where nothing but those differ."""

    id: str
    path: str
    only_line_endings: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordState:
    """A tool's record against its files. `title` is the tool's own name, `table` where it keeps its record.

    `findings` are the mistakes of the files themselves (several heads, two files of one id, a missing parent, a cycle,
    a syntax error). `apply` is the tool's command that runs what is pending, `make` the one that writes a migration
    for changed models, '' for a tool without one. `known` and `pending` are in the order in which they run, `applied`
    in that of the record. `branches` says of unknown ones where version control has them (`branch X`).
    """

    tool: str
    title: str
    table: str
    folder: str
    has_table: bool = True
    known: tuple[Migration, ...] = ()
    applied: tuple[str, ...] = ()
    pending: tuple[Migration, ...] = ()
    unknown: tuple[str, ...] = ()
    branches: Mapping[str, str] = field(default_factory=dict)
    failed: tuple[Failure, ...] = ()
    edited: tuple[Edit, ...] = ()
    findings: tuple[Finding, ...] = field(default=())
    apply: str = ""
    make: str = ""
