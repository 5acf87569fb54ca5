"""What a case found: one row a promise, and how a table of them looks.

Must not measure anything. Invariant: a row says what was compared with what, by how much it may be off, and whether it
is; all numbers of one row come from one run.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the issue's table. `value` is held against `limit` (None: only told), both in `unit`."""

    case: str
    what: str
    value: float
    limit: float | None = None
    unit: str = "x"
    detail: str = ""
    samples: dict[str, list[float]] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """Return pass, MISS, or nothing where nothing is promised."""
        if self.limit is None:
            return ""
        return "pass" if self.value <= self.limit else "MISS"


def middle(samples: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(samples)


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that `share` of all do not exceed."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def show_ms(samples: Sequence[float]) -> str:
    """Return the median of seconds in ms, with the span of all."""
    return f"{middle(samples) * 1000:.0f} ({min(samples) * 1000:.0f}-{max(samples) * 1000:.0f})"


def compare(
    case: str, what: str, ours: tuple[str, Sequence[float]], theirs: tuple[str, Sequence[float]], limit: float | None
) -> Row:
    """Return the row of the ratio of two medians of seconds."""
    detail = f"{ours[0]} {show_ms(ours[1])} ms, {theirs[0]} {show_ms(theirs[1])} ms, n={len(ours[1])}/{len(theirs[1])}"
    samples = {ours[0]: list(ours[1]), theirs[0]: list(theirs[1])}
    value = middle(ours[1]) / middle(theirs[1])
    return Row(case=case, what=what, value=value, limit=limit, detail=detail, samples=samples)


def format_rows(rows: Iterable[Row]) -> str:
    """Return the table as text."""
    lines = [("CASE", "WHAT", "VALUE", "LIMIT", "", "MEDIANS")]
    for row in rows:
        limit = "" if row.limit is None else f"{row.limit:g} {row.unit}"
        lines.append((row.case, row.what, f"{row.value:.3g} {row.unit}", limit, row.verdict, row.detail))
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def to_json(row: Row) -> dict[str, object]:
    """Return a row as plain data."""
    return {**asdict(row), "verdict": row.verdict}
