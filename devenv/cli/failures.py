"""Errors in words: what, why, fix; as lines for people or as data.

Pure. Invariant: every failure is shown, the causes first; no traceback for anything that a user can cause.
"""

import shutil
import textwrap
from collections.abc import Iterable

from devenv.domain.errors import ConfigError, DevenvError, Diagnostic


def describe_error(error: DevenvError) -> list[str]:
    """Return the lines that tell `error`."""
    lines = [f"error: {error.what}"]
    if error.why:
        lines += _indent(error.why)
    if isinstance(error, ConfigError):
        for diagnostic in error.diagnostics:
            lines += describe_diagnostic(diagnostic)
    lines += [f"  | {line}" for line in error.details]
    if error.fix:
        lines.append(f"  fix: {error.fix}")
    return lines


def describe_diagnostic(diagnostic: Diagnostic) -> list[str]:
    """Return `file:line:column: message`, the offending line with a caret, and the hint."""
    lines = [f"  {diagnostic.place}: {diagnostic.message}"]
    if diagnostic.source:
        caret = " " * max(0, diagnostic.column - 1) + "^"
        lines += [f"    {diagnostic.source}", f"    {caret}"] if diagnostic.column else [f"    {diagnostic.source}"]
    if diagnostic.hint:
        lines.append(f"    {diagnostic.hint}")
    return lines


def describe_errors(errors: Iterable[DevenvError]) -> str:
    """Return all of them, one after the other."""
    return "\n".join(line for error in errors for line in describe_error(error))


def _indent(text: str) -> list[str]:
    width = max(60, shutil.get_terminal_size((100, 24)).columns - 2)
    return [
        wrapped
        for line in text.splitlines()
        for wrapped in textwrap.wrap(line, width, initial_indent="  ", subsequent_indent="  ", break_long_words=False)
    ]
