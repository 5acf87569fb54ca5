"""Durations as people write them."""

from __future__ import annotations

import pytest

from devenv.domain.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30.0),
        ("1m30s", 90.0),
        ("500ms", 0.5),
        ("250us", 0.00025),
        ("1.5h", 5400.0),
        ("2d", 172_800.0),
        ("10", 10.0),
        ("0.25", 0.25),
        (" 5s ", 5.0),
        ("0", 0.0),
    ],
)
def test_duration_is_read(text: str, seconds: float) -> None:
    """With units, in parts, or as bare seconds."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", " ", "soon", "5 s", "-5s", "5x", "s5", "5s!", "1e3", ".5s", "1..5s"])
def test_anything_else_is_none(text: str) -> None:
    """The configuration says where it stands."""
    assert parse_duration(text) is None
