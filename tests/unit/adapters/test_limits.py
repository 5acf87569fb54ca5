"""How much of devenv's own files stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.adapters.state.limits import CRASH_FILES, bound_log, find_old_crashes, remove_files
from devenv.daemon.main import write_crash_file


@pytest.mark.usefixtures("real_subprocess")  # `platform` runs uname
def test_only_the_newest_crash_files_are_kept(tmp_path: Path) -> None:
    """Each new one lets the oldest go; other files are nobody's to remove."""
    for number in range(30):
        (tmp_path / f"20240101T0000{number:02}-1.txt").write_text("old")
    (tmp_path / "notes.md").write_text("mine")
    command = write_crash_file(tmp_path, ValueError("new"))
    left = sorted(path.name for path in tmp_path.glob("*.txt"))
    assert len(left) == CRASH_FILES
    assert command.removeprefix("less ").endswith(left[-1])
    assert left[0] == "20240101T000011-1.txt"
    assert (tmp_path / "notes.md").exists()


def test_removing_tells_what_went_and_leaves_what_cannot(tmp_path: Path) -> None:
    """One that has gone meanwhile counts for nothing."""
    (tmp_path / "a.txt").write_text("x" * 5000)
    gone, size = remove_files([tmp_path / "a.txt", tmp_path / "b.txt"])
    assert gone == [tmp_path / "a.txt"]
    assert size >= 5000
    assert find_old_crashes(tmp_path / "missing") == []


def test_a_log_that_has_grown_is_emptied_under_its_writer(tmp_path: Path) -> None:
    """Its end is kept beside; what is appended afterwards begins at the start of the file."""
    log = tmp_path / "daemon.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"a" * 900 + b"end\n")
        bound_log(log, most=1000)
        assert log.stat().st_size == 904
        writer.write(b"b" * 500_000 + b"END\n")
        bound_log(log, most=1000)
        writer.write(b"after\n")
    assert log.read_bytes() == b"after\n"
    kept = (tmp_path / "daemon.log.1").read_bytes()
    assert kept.endswith(b"b" * 1000 + b"END\n")
    assert len(kept) == 200_000


def test_a_log_that_is_not_there_is_no_failure(tmp_path: Path) -> None:
    """Nor is one that is no file."""
    bound_log(tmp_path / "missing")
    bound_log(tmp_path)
