"""Records that cannot be believed, and disks that are full."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devenv.adapters.state.record_codec import decode, encode
from devenv.adapters.state.run_record import JsonRunRecord
from devenv.app.ports import Record
from devenv.domain.errors import HostError

RECORD = Record(stack="s", root="/r", file="/r/f", boot="b")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"version": 0}', '{"version": 1}', "\x00\xff", "[" * 100_000, '"text"'],
)
def test_load_sets_aside_when_broken(tmp_path: Path, text: str) -> None:
    """A broken record is neither believed nor lost."""
    path = tmp_path / "record.json"
    path.write_text(text, encoding="latin-1")
    assert JsonRunRecord(path).load() is None
    assert (tmp_path / "record.json.broken").read_text(encoding="latin-1") == text
    assert not path.exists()


@pytest.mark.parametrize("field", sorted(encode(RECORD)))
@pytest.mark.parametrize("value", [3.5, [1], "x"])
def test_decode_refuses_when_a_field_is_of_another_kind(field: str, value: object) -> None:
    """A wrong kind is a ValueError, or by chance a right one: never anything else."""
    data = {**encode(RECORD), field: value}
    if field in {"stack", "root", "file", "boot"} and isinstance(value, str):
        assert decode(data) != RECORD
        return
    with pytest.raises(ValueError, match=r"\w"):
        decode(data)


def test_save_is_private_and_leaves_nothing_beside(tmp_path: Path) -> None:
    """Only the record is there, and only for its user: it may hold passwords."""
    path = tmp_path / "record.json"
    JsonRunRecord(path).save(RECORD)
    assert [one.name for one in tmp_path.iterdir()] == ["record.json"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["version"] == 1


def test_save_raises_and_keeps_the_old_when_it_cannot_write(tmp_path: Path) -> None:
    """A folder that is gone is the host's trouble."""
    with pytest.raises(HostError, match=r"record\.json"):
        JsonRunRecord(tmp_path / "gone" / "record.json").save(RECORD)
