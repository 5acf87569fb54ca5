"""`python -m tests.bench.run [CASE…] [--rounds N] [--json FILE]`: the speed that is promised, and what it is.

Runs the cases, prints a row for each promise, and ends with 1 where one is missed. Ratios are of medians of one run;
contestants take turns in random order. Must not measure anything itself.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench.containers import images_missing, run_chain, run_flat, run_seven, run_slow_ends
from tests.bench.lab import Lab, open_lab
from tests.bench.processes import run_down, run_lag, run_many, run_printing
from tests.bench.quiet import run_holders, run_idle
from tests.bench.rows import Row, format_rows, to_json
from tests.bench.schema import run_gate, run_models
from tests.bench.sync import run_sync

CASES: dict[str, Callable[[Lab], list[Row]]] = {
    "chain": run_chain,
    "seven": run_seven,
    "slow": run_slow_ends,
    "flat": run_flat,
    "lag": run_lag,
    "down": run_down,
    "many": run_many,
    "printing": run_printing,
    "idle": run_idle,
    "holders": run_holders,
    "gate": run_gate,
    "models": run_models,
    "sync": run_sync,
}
NEED_ENGINE = frozenset({"chain", "seven", "slow", "flat"})


def main() -> int:
    """Run what was asked for; return 0 when every promise is kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.run", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)} (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant (default: 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows, with all samples, to FILE")
    asked = parser.parse_args()
    unknown = [name for name in asked.cases if name not in CASES]
    if unknown:
        parser.error(f"no such case: {', '.join(unknown)}")
    rows: list[Row] = []
    with open_lab(asked.rounds) as lab:
        names = asked.cases or list(CASES)
        missing = images_missing(lab) if NEED_ENGINE & set(names) else []
        if missing:
            parser.error(f"no image {', '.join(missing)}: run tests/engine/images.sh")
        for name in names:
            _say(f"{name}: {' '.join((CASES[name].__doc__ or '').split())}")
            found = CASES[name](lab)
            _say(format_rows(found) + "\n")
            rows += found
    _show(rows, asked.json)
    return int(any(row.verdict == "MISS" for row in rows))


def _show(rows: list[Row], file: Path | None) -> None:
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{format_rows(rows)}\n\n{os.cpu_count()} cores, load {load}, python {sys.version.split()[0]}")
    if file is not None:
        file.write_text(json.dumps([to_json(row) for row in rows], indent=1) + "\n")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
