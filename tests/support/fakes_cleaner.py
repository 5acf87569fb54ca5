"""A machine's files that may go, of the tests' own making.

Invariant: touches nothing; `asked` is what it was told, `report` what it answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from devenv.app.ports import Cleaning
from devenv.domain.cleaning import PruneReport


async def _nothing() -> None:
    """Take no time."""


class FakeCleaner:
    """Says that nothing went; `meanwhile` is what happens while it works."""

    def __init__(self) -> None:
        self.asked: list[Cleaning] = []
        self.report = PruneReport()
        self.meanwhile: Callable[[], Awaitable[None]] = _nothing

    async def clean(self, cleaning: Cleaning) -> PruneReport:
        """Answer `report`."""
        self.asked.append(cleaning)
        await self.meanwhile()
        return self.report
