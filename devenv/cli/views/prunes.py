"""What a prune removed, or would remove, in words and rows; no terminal in sight.

Pure. Invariant: every row and every refusal of the report is shown, on lines of their own.
"""

from collections.abc import Iterator
from typing import Any

from devenv.cli.output import format_table
from devenv.cli.views.texts import printable
from devenv.domain.cleaning import PruneReport, Reclaimed, encode_report
from devenv.domain.sizes import format_size

_SHOWN = 4
"""So many names stand in a row; `--json` has all."""


def describe_prune(report: PruneReport) -> str:
    """Return the table, the total, and why the rest stays."""
    return "\n".join(_lines(report))


def prune_document(report: PruneReport, *, version: int, status: int, failures: list[Any]) -> dict[str, Any]:
    """Return what `prune --json` prints; documented in the README."""
    return {"version": version, "status": status, **encode_report(report), "failures": failures}


def _lines(report: PruneReport) -> Iterator[str]:
    if report.reclaimed:
        header = ("KIND", "WOULD GO" if report.is_dry_run else "REMOVED", "BYTES", "NOTE")
        yield format_table(header, [_row(one) for one in report.reclaimed])
        yield f"{'would give back' if report.is_dry_run else 'gave back'} {format_size(report.bytes)}"
    else:
        yield "nothing to remove"
    for one in report.refused:
        yield f"stays: {printable(one.name)}: {printable(one.why)}"


def _row(row: Reclaimed) -> tuple[str, str, str, str]:
    names = ", ".join(printable(name) for name in row.names[:_SHOWN])
    more = f" and {len(row.names) - _SHOWN} more" if len(row.names) > _SHOWN else ""
    return (row.kind, f"{names}{more}", format_size(row.bytes), printable(row.note))
