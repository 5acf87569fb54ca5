"""Where words go and how: colour, width, and whether somebody watches.

The one module below which nothing prints. Must not know events. Invariant: data goes to standard output,
everything else to standard error; colour and movement only where a person sees them.
"""

import os
import sys
from collections.abc import Iterable, Mapping

AGENTS = ("CLAUDECODE", "AI_AGENT", "CURSOR_AGENT", "CODEX_SANDBOX", "GEMINI_CLI", "OPENCODE")


def is_live(environ: Mapping[str, str]) -> bool:
    """Tell whether a view that redraws itself makes sense on standard error."""
    quiet = "NO_COLOR" in environ or environ.get("TERM") == "dumb" or _is_machine(environ)
    return sys.stderr.isatty() and not quiet


def has_colour(environ: Mapping[str, str]) -> bool:
    """Tell whether standard output takes colour."""
    return sys.stdout.isatty() and "NO_COLOR" not in environ and environ.get("TERM") != "dumb"


def can_ask(environ: Mapping[str, str]) -> bool:
    """Tell whether a person can answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not _is_machine(environ)


def print_data(text: str) -> None:
    """Print to standard output."""
    print(text, flush=True)  # noqa: T201 - the one place


def print_aside(text: str) -> None:
    """Print to standard error."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the one place


def format_table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return columns padded with spaces, as `docker ps` prints them."""
    lines = [header, *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _is_machine(environ: Mapping[str, str]) -> bool:
    in_ci = environ.get("CI", "").lower() not in {"", "0", "false"}
    return in_ci or any(name in environ for name in AGENTS)


def here() -> Mapping[str, str]:
    """Return this command's environment."""
    return os.environ
