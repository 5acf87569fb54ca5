"""Differences between code and database in the style of a diff, and as a document: `devenv schema diff`.

Pure. Must not know how they were found, nor which of them make one finding. Invariant: every difference is shown, each
once, beside the others of its table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from devenv.cli.views.texts import paint
from devenv.domain.findings import RANK
from devenv.domain.texts import hide_passwords, printable
from devenv.schema.differences import Difference, Kind

VERSION = 1
_WIDEST = 44
"""A column of the view grows no wider; what is longer pushes its own row to the right."""

_WORDS: Mapping[Kind, tuple[str, str]] = {
    Kind.TABLE_MISSING: ("-", "the database lacks this table"),
    Kind.TABLE_EXTRA: ("+", "the code does not know this table"),
    Kind.COLUMN_MISSING: ("-", "the database lacks this column"),
    Kind.COLUMN_EXTRA: ("+", "the code does not know this column"),
    Kind.COLUMN_REQUIRED: ("+", "the database demands a value that the code does not know of"),
    Kind.TYPE_DIFFERS: ("~", "another type"),
    Kind.TYPE_NARROWER: ("~", "the database's type is narrower"),
    Kind.TYPE_WIDER: ("~", "the database's type is wider"),
    Kind.TYPE_UNCERTAIN: ("~", "another type, which may fit"),
    Kind.LENGTH_DIFFERS: ("~", "another length"),
    Kind.NULLABLE: ("~", "the database allows NULL"),
    Kind.NOT_NULL: ("~", "the database refuses NULL"),
    Kind.DEFAULT_MISSING: ("~", "the database demands a value and has no default"),
    Kind.ENUM_MISSING: ("-", "the database lacks this enum type"),
    Kind.ENUM_VALUE_MISSING: ("-", "the database lacks this value"),
    Kind.ENUM_VALUE_EXTRA: ("+", "the code does not know this value"),
    Kind.PRIMARY_KEY: ("~", "another primary key"),
    Kind.UNIQUE_MISSING: ("-", "the database lacks this unique constraint"),
    Kind.UNIQUE_EXTRA: ("+", "the code does not know this unique constraint"),
    Kind.INDEX_MISSING: ("-", "the database lacks this index"),
    Kind.INDEX_INVALID: ("~", "the index is invalid: the server never uses it"),
    Kind.FOREIGN_KEY_MISSING: ("-", "the database lacks this foreign key"),
}
_STYLES = {"-": "red", "+": "green", "~": "yellow"}
_OF_COLUMNS = frozenset(
    {
        Kind.PRIMARY_KEY,
        Kind.UNIQUE_MISSING,
        Kind.UNIQUE_EXTRA,
        Kind.INDEX_MISSING,
        Kind.INDEX_INVALID,
        Kind.FOREIGN_KEY_MISSING,
    }
)
"""Kinds whose `part` is a list of columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The differences of one service; `database` tells which one was looked at."""

    service: str
    database: str
    differences: tuple[Difference, ...] = ()


def difference_lines(differences: Sequence[Difference], *, colour: bool, with_ids: bool = False) -> list[str]:
    """Return a line for each, grouped by table; `with_ids` adds the id that an `accept` file names it by."""
    if not differences:
        return ["no differences"]
    rows = {one: _row(one) for one in sorted(dict.fromkeys(differences), key=_order)}
    widths = [min(_WIDEST, max(len(row[index]) for row in rows.values())) for index in range(3)]
    lines: list[str] = []
    for _, group in groupby(rows, key=lambda one: one.table):
        lines += [""] if lines else []
        for one in group:
            sign, _ = _WORDS[one.kind]
            cells = "  ".join(cell.ljust(width) for cell, width in zip(rows[one], (*widths, 0), strict=True)).rstrip()
            lines.append(paint(f"{sign} {cells}", _STYLES[sign], colour=colour))
            lines += [f"    id: {printable(one.id)}"] if with_ids else []
    return lines


def differences_document(compared: Sequence[Compared], *, status: int) -> dict[str, object]:
    """Return what `schema diff --json` prints; `status` is the command's exit status."""
    return {
        "version": VERSION,
        "status": status,
        "services": [
            {
                "service": one.service,
                "database": hide_passwords(one.database),
                "differences": [_encode(difference) for difference in sorted(one.differences, key=_order)],
            }
            for one in compared
        ],
    }


def _order(one: Difference) -> tuple[str, bool, int, str]:
    """Tables by name; in each the table itself, then the gravest."""
    return one.table, bool(one.part), RANK[one.severity], one.part


def _row(one: Difference) -> tuple[str, str, str, str]:
    _, words = _WORDS[one.kind]
    part = f" ({one.part})" if one.kind in _OF_COLUMNS else f".{one.part}"
    name = one.table + (part if one.part else "")
    shape = f"{one.expected} → {one.found}" if one.expected and one.found else one.expected or one.found
    return printable(name), printable(shape), f"{one.severity}: {words}", printable(one.place)


def _encode(one: Difference) -> dict[str, object]:
    return {
        "id": one.id,
        "kind": str(one.kind),
        "severity": str(one.severity),
        "table": one.table,
        "part": one.part,
        "expected": one.expected,
        "found": one.found,
        "place": one.place,
    }
