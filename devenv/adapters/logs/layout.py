"""Where the bytes of a service's log lie: the current file, the older ones, and a rotation that may be half-done.

Shared by the writer (`rotation`) and the readers; standard library only. Must not know lines or times. Offsets are
*logical*: bytes since the service's first line ever, which rotation does not change.

Files of a service, for instance `web`: `web.log` is written by the service itself; `web.log.START` are its older
pieces, each named by the logical offset of its first byte; `web.log.new` is the piece being cut off; `web.base` says
which logical offset `web.log` begins with, and how far a rotation has come; `web.idx` tells offsets' times.

Invariant: from `web.base` and one look at the file, every byte has exactly one place at every moment of a rotation,
also when it was killed there (see `rotation`).
"""

import json
import os
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_ATTEMPTS = 200
_FILE = re.compile(r"(?P<service>.+)\.(?:log(?:\.(?:[0-9]+|new))?|(?:base|idx)(?:\.beside)?)", re.DOTALL)


class Step(StrEnum):
    """How far a rotation has come."""

    NONE = ""
    COPIED = "copied"
    """The head is in the new piece; `web.log` still has it, or it is becoming a hole."""
    PUNCHED = "punched"
    """The head of `web.log` is a hole, or it has been cut out by now."""
    TRUNCATING = "truncating"
    """The whole file is in the new piece, but for what was written since; it is being emptied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What `web.base` says. `base` is the logical offset that the file began with before this rotation."""

    base: int = 0
    step: Step = Step.NONE
    cut: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """`length` bytes from `start` (logical) on, which are at `position` of the file `path`."""

    path: Path
    start: int
    position: int
    length: int

    @property
    def end(self) -> int:
        """Return the logical offset after its last byte."""
        return self.start + self.length


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """All pieces in order, the current file last; `first` and `end` are logical offsets, `changed` its last write."""

    pieces: tuple[Piece, ...]
    changed: float

    @property
    def first(self) -> int:
        """Return the oldest offset that is still there."""
        return self.pieces[0].start

    @property
    def end(self) -> int:
        """Return the offset after the last byte."""
        return self.pieces[-1].end


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNames:
    """The paths of one service's log."""

    folder: Path
    service: str

    @property
    def log(self) -> Path:
        """Return the file that the service writes."""
        return self.folder / f"{self.service}.log"

    @property
    def new(self) -> Path:
        """Return the piece that is being cut off."""
        return self.folder / f"{self.service}.log.new"

    @property
    def base(self) -> Path:
        """Return the file that says where the current one begins."""
        return self.folder / f"{self.service}.base"

    @property
    def index(self) -> Path:
        """Return the time index."""
        return self.folder / f"{self.service}.idx"

    def old(self, start: int) -> Path:
        """Return the name of the old piece that begins at `start`."""
        return self.folder / f"{self.service}.log.{start}"

    def list_old(self) -> list[int]:
        """Return the starts of the old pieces, ascending."""
        prefix = f"{self.service}.log."
        try:
            names = os.listdir(self.folder)  # noqa: PTH208 - this is asked often
        except FileNotFoundError:
            return []
        return sorted(
            int(name[len(prefix) :]) for name in names if name.startswith(prefix) and name[len(prefix) :].isdigit()
        )


def service_of(file: str) -> str:
    """Return the service that a file of the log folder belongs to, '' for a name that is none of ours."""
    found = _FILE.fullmatch(file)
    return found["service"] if found else ""


def read_base(names: LogNames) -> Base:
    """Return what the base file says; the beginning of all where there is none, or a broken one."""
    try:
        data = json.loads(names.base.read_bytes())
        return Base(base=int(data["base"]), step=Step(data["step"]), cut=int(data["cut"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Base()


def write_base(names: LogNames, base: Base) -> None:
    """Write the base file beside and rename it into place. Raises OSError."""
    beside = names.base.with_name(f"{names.base.name}.beside")
    beside.write_text(json.dumps({"base": base.base, "step": base.step, "cut": base.cut}))
    beside.replace(names.base)


def read_layout(names: LogNames) -> Layout:
    """Return where everything is now; looks again while a rotation moves on under it."""
    for _ in range(_ATTEMPTS):
        before = _observe(names)
        layout = _lay_out(names, before)
        if _observe(names).token == before.token:
            return layout
    raise TimeoutError(f"{names.log} was rotated {_ATTEMPTS} times in one look")


def read_bytes(names: LogNames, start: int, limit: int) -> tuple[int, bytes]:
    """Return at most `limit` bytes from the logical offset `start` on, and where they really begin (older are gone)."""
    for _ in range(_ATTEMPTS):
        before = _observe(names)
        try:
            found = _read_pieces(_lay_out(names, before), start, limit)
        except FileNotFoundError:  # a piece got its name, or was dropped, between the list and the look
            continue
        if _observe(names).token == before.token:
            return found
    raise TimeoutError(f"{names.log} was rotated {_ATTEMPTS} times in one look")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    token: tuple[object, ...]
    base: Base
    size: int
    changed: float
    has_hole: bool


def _observe(names: LogNames) -> _Seen:
    """Look at base and file. The token differs whenever bytes may have moved since the last look."""
    base = read_base(names)
    try:
        fd = os.open(names.log, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return _Seen(token=(base, 0, False, False), base=base, size=0, changed=0.0, has_hole=False)
    try:
        has_hole = base.step is not Step.NONE and has_leading_hole(fd)
        seen = os.fstat(fd)
    finally:
        os.close(fd)
    emptied = base.step is Step.TRUNCATING and seen.st_size < base.cut
    token = (base, seen.st_ino, has_hole, emptied)
    return _Seen(token=token, base=base, size=seen.st_size, changed=seen.st_mtime, has_hole=has_hole)


def has_leading_hole(fd: int) -> bool:
    """Tell whether the file begins with a hole, which only a rotation makes: services append."""
    try:
        return os.lseek(fd, 0, os.SEEK_DATA) > 0
    except OSError:  # no data at all
        return os.fstat(fd).st_size > 0


def is_cut(base: Base, size: int, *, has_hole: bool) -> bool:
    """Tell whether the head has left the current file for good, so that the file begins `cut` bytes later."""
    if base.step is Step.PUNCHED:
        return not has_hole
    return base.step is Step.TRUNCATING and size < base.cut


def _lay_out(names: LogNames, seen: _Seen) -> Layout:
    base = seen.base
    older = [start for start in names.list_old() if start < base.base]
    pieces = [Piece(path=names.old(start), start=start, position=0, length=_size(names.old(start))) for start in older]
    if is_cut(base, seen.size, has_hole=seen.has_hole):
        start, position = base.base + base.cut, 0
    elif base.step in {Step.COPIED, Step.PUNCHED}:
        start, position = base.base + base.cut, base.cut
    else:
        start, position = base.base, 0
    if start > base.base:
        new = names.new if names.new.exists() else names.old(base.base)
        pieces.append(Piece(path=new, start=base.base, position=0, length=base.cut))
    pieces.append(Piece(path=names.log, start=start, position=position, length=max(0, seen.size - position)))
    return Layout(pieces=tuple(pieces), changed=seen.changed)


def _read_pieces(layout: Layout, start: int, limit: int) -> tuple[int, bytes]:
    """Read on until `limit`, the end, or a gap (a log that somebody emptied by hand leaves one)."""
    parts: list[bytes] = []
    begin = at = max(start, layout.first)
    for piece in layout.pieces:
        if limit <= 0 or at >= piece.end:
            continue
        if piece.start > at:
            if parts:
                break
            begin = at = piece.start
        data = _read_at(piece.path, piece.position + at - piece.start, min(limit, piece.end - at))
        parts.append(data)
        limit -= len(data)
        at += len(data)
    return begin, b"".join(parts)


def _read_at(path: Path, position: int, length: int) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(fd, length, position)
    finally:
        os.close(fd)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
