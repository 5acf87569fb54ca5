"""The shell's tests run in virtual time."""

from __future__ import annotations

import pytest
from trio.testing import MockClock


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Run on trio, whose clock jumps to the next deadline when nothing else is to be done."""
    return "trio", {"clock": MockClock(autojump_threshold=0)}
