"""Bytes of logs that must not reach a terminal as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.adapters.logs.index import append_record, last_record, prune_records, read_index
from devenv.adapters.logs.text import clean_text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain\ttext", "plain\ttext"),
        (b"a\nb\r\n", "a\nb\n"),
        ("grün ✓".encode(), "grün ✓"),
        (b"bad \xff\xfe", "bad \\xff\\xfe"),
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b[2J\x1b[1;1Hwiped", "wiped"),
        (b"\x1b]0;title\x07text", "text"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"nul\x00bell\x07del\x7f", "nulbelldel"),
        ("c1 \x9b31m".encode(), "c1 31m"),
        (b"cut \x1b[3", "cut "),
        (b"cut \x1b", "cut "),
    ],
)
def test_clean_text_is_safe(raw: bytes, text: str) -> None:
    """No control code but tab and newline is left."""
    assert clean_text(raw) == text


def test_clean_text_keeps_colour_when_asked() -> None:
    """Colours stay, movements of the cursor do not."""
    assert clean_text(b"\x1b[2J\x1b[1;31mred\x1b[0m\x07", keep_colour=True) == "\x1b[1;31mred\x1b[0m"


def test_index_tells_times_when_asked_by_offset(tmp_path: Path) -> None:
    """A byte's time is that of the first look that saw it; later ones have the file's."""
    path = tmp_path / "web.idx"
    for offset, time in ((10, 1.0), (20, 2.0)):
        append_record(path, offset, time)
    index = read_index(path, 9.0)
    assert [index.time_at(offset) for offset in (0, 9, 10, 19, 20, 99)] == [1.0, 1.0, 2.0, 2.0, 9.0, 9.0]
    assert [index.offset_at(time) for time in (0.5, 1.5, 2.0, 3.0)] == [0, 10, 10, 20]


def test_index_survives_when_the_last_record_is_half(tmp_path: Path) -> None:
    """A record cut by a crash or a full disk is written over."""
    path = tmp_path / "web.idx"
    append_record(path, 10, 1.0)
    with path.open("ab") as file:
        file.write(b"half")
    append_record(path, 20, 2.0)
    assert read_index(path, 0.0).offsets == (10, 20)


def test_index_forgets_when_pieces_are_dropped(tmp_path: Path) -> None:
    """Times of lines that are gone go, too."""
    path = tmp_path / "web.idx"
    for offset in (10, 20, 30):
        append_record(path, offset, float(offset))
    prune_records(path, 20)
    assert read_index(path, 0.0).offsets == (20, 30)
    assert last_record(path) == (30, 30.0)
