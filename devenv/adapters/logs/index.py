"""The time index of a log: sparse fixed records of (logical offset, UTC seconds).

A record says: what lies before this offset had been written by this time. Standard library only. Must not know lines
or rotation. Invariant: records ascend in offset and time, and a half-written last record is ignored.
"""

import os
import struct
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from pathlib import Path

_RECORD = struct.Struct("<Qd")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeIndex:
    """The records of one log; `changed` is the time for what lies after the last one."""

    offsets: tuple[int, ...]
    times: tuple[float, ...]
    changed: float

    def time_at(self, offset: int) -> float:
        """Return when the byte at `offset` was written, at most one tick late."""
        place = bisect_right(self.offsets, offset)
        return self.times[place] if place < len(self.times) else self.changed

    def offset_at(self, time: float) -> int:
        """Return an offset before which everything is older than `time`."""
        place = bisect_left(self.times, time)
        return self.offsets[place - 1] if place else 0


def read_index(path: Path, changed: float) -> TimeIndex:
    """Return the index in `path`, an empty one where there is none."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raw = b""
    records = list(_RECORD.iter_unpack(raw[: len(raw) // _RECORD.size * _RECORD.size]))
    return TimeIndex(
        offsets=tuple(offset for offset, _ in records), times=tuple(time for _, time in records), changed=changed
    )


def append_record(path: Path, offset: int, time: float) -> None:
    """Add a record, over a half-written one if need be. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        place = os.fstat(fd).st_size // _RECORD.size * _RECORD.size
        os.pwrite(fd, _RECORD.pack(offset, time), place)
    finally:
        os.close(fd)


def last_record(path: Path) -> tuple[int, float]:
    """Return the last record, (0, 0.0) where there is none."""
    index = read_index(path, 0.0)
    return (index.offsets[-1], index.times[-1]) if index.offsets else (0, 0.0)


def prune_records(path: Path, first: int) -> None:
    """Drop the records of what lies before `first`. Raises OSError."""
    index = read_index(path, 0.0)
    keep = bisect_left(index.offsets, first)
    if keep:
        kept = zip(index.offsets[keep:], index.times[keep:], strict=True)
        beside = path.with_name(f"{path.name}.beside")
        beside.write_bytes(b"".join(_RECORD.pack(*record) for record in kept))
        beside.replace(path)
