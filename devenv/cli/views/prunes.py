"""What a prune removed, or would remove, in words and rows; no terminal in sight.

Pure. Invariant: every row and every refusal of the report is shown, on lines of their own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from devenv.cli.output import format_table
from devenv.domain.cleaning import PruneReport, Reclaimed, encode_report
from devenv.domain.sizes import count, format_size
from devenv.domain.texts import printable

_SHOWN = 4
"""So many names stand in a row; `--json` has all."""


def describe_prune(report: PruneReport, failures: Sequence[Mapping[str, object]] = ()) -> str:
    """Return the table, the total, and why the rest stays, but for what `failures` have said already."""
    said = {f"{failure['what']}: {failure['why']}" for failure in failures}
    refused = tuple(one for one in report.refused if one.why not in said)
    return "\n".join(_lines(replace(report, refused=refused), failed=bool(failures)))


def prune_document(report: PruneReport, *, version: int, status: int, failures: list[Any]) -> dict[str, Any]:
    """Return what `prune --json` prints; documented in the README."""
    return {"version": version, "status": status, **encode_report(report), "failures": failures}


def _lines(report: PruneReport, *, failed: bool) -> Iterator[str]:
    if report.reclaimed:
        header = ("KIND", "WOULD GO" if report.is_dry_run else "REMOVED", "BYTES", "NOTE")
        yield format_table(header, [_row(one) for one in report.reclaimed])
        yield f"{'would give back' if report.is_dry_run else 'gave back'} {format_size(report.bytes)}"
    else:
        yield "nothing was removed" if failed else "nothing to remove"
    for one in report.refused:
        yield f"stays: {printable(one.name)}: {printable(one.why)}"


def _row(row: Reclaimed) -> tuple[str, str, str, str]:
    return (row.kind, _name(row), format_size(row.bytes), printable(row.note))


def _name(row: Reclaimed) -> str:
    """Return the first names of a row; those of build cache are numbers that say nothing."""
    if row.kind == "build cache":
        return count(len(row.names), "record") if row.names else ""
    names = ", ".join(printable(name) for name in row.names[:_SHOWN])
    more = len(row.names) - _SHOWN
    return f"{names} and {more} more" if more > 0 else names
