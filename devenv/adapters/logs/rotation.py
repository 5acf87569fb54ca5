"""Cutting the head off a log that somebody is writing, without losing a byte where the file system can.

Owns the order of the steps; `log_layout` reads every state that they can be left in. Must not know when to rotate.

Where the file system can collapse a range (ext4, XFS, F2FS): copy the block-aligned head to `web.log.new`; note
COPIED; punch a hole over the head; note PUNCHED; collapse the hole, so that the file begins after the head; rename the
copy to `web.log.START`; note the new base. The hole is there because it can be *seen* after a kill -9: COPIED with
data at the front means that nothing was removed, PUNCHED with data at the front that the collapse was done.

Elsewhere: copy all of it, note TRUNCATING, empty the file. **Lossy window**: what the service writes between the last
copied byte and the emptying, some microseconds, is lost; Linux and macOS offer no way to do both at once.

Invariant: every byte is in exactly one place for readers at every moment, and `recover` finishes any rotation that
was begun.
"""

import contextlib
import ctypes
import errno
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from devenv.adapters.logs.layout import Base, LogNames, Step, has_leading_hole, is_cut, read_base, write_base

_KEEP_SIZE = 0x01
_PUNCH_HOLE = 0x02
_COLLAPSE_RANGE = 0x08
_COPY_SIZE = 1 << 20


class Rotation:
    """The steps of one rotation of one log; each is a method, so that a test can stop after any of them."""

    def __init__(self, names: LogNames, *, keep: int, can_collapse: bool | None = None) -> None:
        self.names = names
        self._keep = keep
        self._can_collapse = probe_collapse(names.folder) if can_collapse is None else can_collapse

    def rotate(self) -> int:
        """Cut off the head and return its bytes, 0 where the file is too small. Raises OSError (disk full)."""
        with _opened(self.names.log) as fd:
            cut = self.copy(fd)
            if not cut:
                return 0
            if self._can_collapse:
                self.punch(fd)
                self.collapse(fd)
            else:
                self.empty(fd)
        self.finish()
        return cut

    def copy(self, fd: int) -> int:
        """Copy the head and note it; what was copied does not change any more, because services append."""
        base = read_base(self.names)
        size = os.fstat(fd).st_size
        block = os.fstatvfs(fd).f_bsize
        # The range must end before the end of the file, and on a block.
        cut = (size - 1) // block * block if self._can_collapse else size
        if cut <= 0:
            return 0
        try:
            with _opened(self.names.new, os.O_RDWR | os.O_CREAT | os.O_TRUNC) as new:
                _copy_range(fd, new, 0, cut)
        except OSError:
            self.names.new.unlink(missing_ok=True)
            raise
        step = Step.COPIED if self._can_collapse else Step.NONE
        write_base(self.names, Base(base=base.base, step=step, cut=cut if self._can_collapse else 0))
        return cut

    def punch(self, fd: int) -> None:
        """Make the copied head a hole and note it."""
        base = read_base(self.names)
        _fallocate(fd, _PUNCH_HOLE | _KEEP_SIZE, base.cut)
        write_base(self.names, Base(base=base.base, step=Step.PUNCHED, cut=base.cut))

    def collapse(self, fd: int) -> None:
        """Cut the hole out."""
        _fallocate(fd, _COLLAPSE_RANGE, read_base(self.names).cut)

    def empty(self, fd: int) -> None:
        """Copy what came meanwhile, note the size, and empty the file at once: the lossy window is here."""
        base = read_base(self.names).base
        with _opened(self.names.new, os.O_RDWR) as new:
            _copy_rest(fd, new)
            write_base(self.names, Base(base=base, step=Step.TRUNCATING, cut=os.fstat(new).st_size))
            if _copy_rest(fd, new):
                write_base(self.names, Base(base=base, step=Step.TRUNCATING, cut=os.fstat(new).st_size))
            os.ftruncate(fd, 0)

    def finish(self) -> None:
        """Give the copy its name, note the new base, and drop the oldest pieces."""
        base = read_base(self.names)
        if self.names.new.exists():
            self.names.new.replace(self.names.old(base.base))
        write_base(self.names, Base(base=base.base + base.cut))
        for start in find_excess(self.names, self._keep):
            self.names.old(start).unlink(missing_ok=True)

    def recover(self) -> None:
        """Finish or take back what a killed rotation left."""
        base = read_base(self.names)
        if base.step is Step.NONE or not self.names.log.exists():
            self.names.new.unlink(missing_ok=True)
            return
        with _opened(self.names.log) as fd:
            has_hole = has_leading_hole(fd)
            cut = is_cut(base, os.fstat(fd).st_size, has_hole=has_hole)
            if has_hole and not cut:
                write_base(self.names, Base(base=base.base, step=Step.PUNCHED, cut=base.cut))
                self.collapse(fd)
                cut = True
        if cut:
            self.finish()
        else:
            write_base(self.names, Base(base=base.base))
            self.names.new.unlink(missing_ok=True)


def find_excess(names: LogNames, keep: int) -> list[int]:
    """Return the starts of the older pieces beyond the newest `keep`."""
    old = names.list_old()
    return old[: max(0, len(old) - keep)]


@cache
def probe_collapse(folder: Path) -> bool:
    """Tell whether the file system below `folder` can collapse and punch, by trying."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            block = os.fstatvfs(file.fileno()).f_bsize
            os.write(file.fileno(), b"x" * (2 * block))
            _fallocate(file.fileno(), _PUNCH_HOLE | _KEEP_SIZE, block)
            if not has_leading_hole(file.fileno()):
                return False
            _fallocate(file.fileno(), _COLLAPSE_RANGE, block)
            return os.fstat(file.fileno()).st_size == block
    except OSError:
        return False


def _fallocate(fd: int, mode: int, length: int) -> None:
    """Apply `mode` to the first `length` bytes; raises OSError."""
    call = _libc_fallocate()
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    while call(fd, mode, 0, length) != 0:
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))


@cache
def _libc_fallocate() -> "ctypes._NamedFuncPointer | None":
    library = ctypes.CDLL(None, use_errno=True)
    call = getattr(library, "fallocate64", None) or getattr(library, "fallocate", None)  # musl has only the latter
    if call is not None:
        call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
        call.restype = ctypes.c_int
    return call


@contextlib.contextmanager
def _opened(path: Path, flags: int = os.O_RDWR) -> Iterator[int]:
    fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


def _copy_range(source: int, target: int, start: int, end: int) -> None:
    buffer = memoryview(bytearray(min(_COPY_SIZE, end - start)))  # one for all: fresh ones cost a page fault a page
    while start < end:
        got = os.preadv(source, [buffer[: end - start]], start)
        if not got:
            raise OSError(errno.EIO, "the log became shorter while it was copied")
        written = 0
        while written < got:
            written += os.pwrite(target, buffer[written:got], start + written)
        start += got


def _copy_rest(source: int, target: int) -> int:
    """Copy what `source` has beyond the length of `target`; return how much."""
    have, size = os.fstat(target).st_size, os.fstat(source).st_size
    _copy_range(source, target, have, size)
    return size - have
