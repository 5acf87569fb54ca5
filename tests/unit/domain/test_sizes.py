"""Sizes as people write them, and as they are told."""

from __future__ import annotations

import pytest

from devenv.domain.sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1048576", 1_048_576),
        ("512B", 512),
        ("10GB", 10_000_000_000),
        ("10 GB", 10_000_000_000),
        ("10g", 10_000_000_000),
        ("500MB", 500_000_000),
        ("16mb", 16_000_000),
        ("1.5GiB", 1_610_612_736),
        ("64KiB", 65_536),
        ("2Ti", 2_199_023_255_552),
        (" 1kB ", 1000),
    ],
)
def test_size_is_read(text: str, size: int) -> None:
    """GB is a power of 1000 and GiB one of 1024, in any case, as bare bytes too."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", " ", "much", "-1GB", "10XB", "GB", "1e3", "1 000", ".5GB", "1..5GB", "10iB", "10GBs"]
)
def test_anything_else_is_none(text: str) -> None:
    """The configuration says where it stands."""
    assert parse_size(text) is None


@pytest.mark.parametrize(
    ("size", "said"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9_949, "9.9 kB"), (25_000_000, "25 MB")]
)
def test_size_is_told_in_two_digits(size: int, said: str) -> None:
    """Enough to compare."""
    assert format_size(size) == said


@pytest.mark.parametrize("size", [0, 999, 1000, 1_300_000, 25_000_000, 10_000_000_000, 3_000_000_000_000])
def test_size_is_the_same_when_what_is_told_is_read_again(size: int) -> None:
    """One unit both ways: what a report says can be put into services.yaml."""
    assert parse_size(format_size(size)) == size
