"""The log probe: the service has written a line that says so.

Must not know where logs are kept. Invariant: only what was written since the last start counts.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from devenv.domain.errors import DevenvError
from devenv.domain.probe import NotYet, Outcome, Passed, Target
from devenv.probes.reach import shorten


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """`log: "listening on"` is a regular expression; `^` and `$` match at lines."""

    kind: ClassVar[str] = "log"
    asks_port: ClassVar[bool] = False
    is_watched: ClassVar[bool] = False  # a line that was written proves a start, not that the service still lives
    __pydantic_config__: ClassVar[Mapping[str, str]] = {"extra": "forbid"}

    value: str
    attempt_s: float = 2.0

    def __post_init__(self) -> None:
        if not self.value:
            raise ValueError("log needs a regular expression")
        try:
            re.compile(self.value)
        except re.error as error:
            raise ValueError(f"log is no regular expression: {error}") from None

    def describe(self) -> str:
        """Return the kind and the expression."""
        return f"log {self.value!r}"

    async def check(self, target: Target) -> Outcome:
        """Look through what has been written so far."""
        if target.read_log is None:
            return NotYet(reason=f"{target.service} has no log to read", final=True)
        try:
            text = await target.read_log()
        except DevenvError as error:
            return NotYet(reason=f"the log cannot be read: {error.why or error.what}")
        found = re.search(self.value, text, re.MULTILINE)
        if found:
            return Passed(detail=shorten(found[0]))
        lines = [line for line in text.splitlines() if line.strip()]
        last = f"its last line is: {shorten(lines[-1])}" if lines else "it is empty"
        return NotYet(reason=f"the log has no match for {self.value!r} yet; {last}")
