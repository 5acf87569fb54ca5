"""The snapshots of one stack on disk: a folder each, with the dump and what is known of it.

Must not know databases. Invariants: a folder appears under its name only when it is whole (written beside, then
renamed), and what a killed command left half written is removed by the next one; nobody else can read any of it.
"""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from devenv.adapters.state.paths import Lock, create_private, translate
from devenv.domain.errors import DatabaseFailed, UsageError
from devenv.domain.snapshots import Snapshot, decode_snapshot, encode_snapshot, select_expired, sort_newest_first

DUMP = "dump"
_FACTS = "snapshot.json"
_STAGING = ".new-"
_REMOVED = ".gone-"
_YOUNG_S = 60.0


class SnapshotStore:
    """The snapshots below `folder`, which need not exist."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list_snapshots(self) -> tuple[Snapshot, ...]:
        """Return every whole snapshot, the newest first."""
        found = (self._read(path) for path in self._folder.glob("*") if not path.name.startswith("."))
        return sort_newest_first(one for one in found if one is not None)

    def find(self, name: str) -> Snapshot:
        """Return the snapshot of that name. Raises UsageError."""
        found = next((one for one in self.list_snapshots() if one.name == name), None)
        if found is None:
            raise UsageError(
                f"cannot find the snapshot {name}", why="there is none of that name", fix="devenv snapshot list"
            )
        return found

    def dump_of(self, snapshot: Snapshot) -> Path:
        """Return the path of its dump."""
        return self._folder / snapshot.name / DUMP

    def verify(self, snapshot: Snapshot) -> None:
        """Read the dump once. Raises DatabaseFailed where it is not what was written."""
        what = f"cannot use the snapshot {snapshot.name}"
        try:
            checksum = hash_file(self.dump_of(snapshot))
        except OSError as error:
            raise DatabaseFailed(what, why=f"its dump cannot be read: {error}", fix="devenv snapshot list") from error
        if checksum != snapshot.checksum:
            raise DatabaseFailed(what, why="its dump is damaged: the checksum differs", fix="devenv snapshot list")

    @contextmanager
    def stage(self) -> Iterator[Path]:
        """Give a new private folder to write a dump into; it goes where `keep` did not take it."""
        self._prepare()
        try:
            folder = Path(tempfile.mkdtemp(prefix=_STAGING, dir=self._folder))
        except OSError as error:
            raise translate(error, "cannot make a snapshot") from error
        held = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield folder
        except OSError as error:
            raise translate(error, "cannot write the snapshot") from error
        finally:
            os.close(held)
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, staged: Path, snapshot: Snapshot, *, spared: str = "") -> None:
        """Give a staged folder its name, then remove the automatic snapshots that are too many, but for `spared`."""
        dump, facts = staged / DUMP, staged / _FACTS
        dump.chmod(0o600)
        facts.touch(mode=0o600)
        facts.write_text(json.dumps(encode_snapshot(snapshot), indent=2) + "\n")
        for path in (dump, facts):
            _sync(path)
        try:
            staged.rename(self._folder / snapshot.name)
        except OSError as error:
            raise UsageError(
                f"cannot name the snapshot {snapshot.name}",
                why=f"there is one of that name ({error.strerror})",
                fix=f"devenv snapshot rm {snapshot.name}",
            ) from error
        _sync(self._folder)
        for old in select_expired(self.list_snapshots(), snapshot.service, spared=spared):
            self.remove(old)

    def remove(self, snapshot: Snapshot) -> None:
        """Remove it; a removal that is cut off has removed it from the list."""
        gone = self._folder / f"{_REMOVED}{snapshot.name}"
        try:
            shutil.rmtree(gone, ignore_errors=True)
            (self._folder / snapshot.name).rename(gone)
            shutil.rmtree(gone)
        except FileNotFoundError:
            return  # somebody was faster
        except OSError as error:
            raise translate(error, f"cannot remove the snapshot {snapshot.name}") from error

    @contextmanager
    def changing(self, service: str) -> Iterator[None]:
        """Hold the right to change the service's database. Raises UsageError where another command has it."""
        self._prepare()
        lock = Lock(self._folder / f".lock-{hashlib.sha256(service.encode()).hexdigest()[:12]}")
        if not lock.acquire():
            raise UsageError(
                f"cannot change the database of {service}",
                why=f"another devenv command (pid {lock.holder_pid()}) is restoring or migrating it",
                fix="wait for it, and repeat",
            )
        try:
            yield
        finally:
            lock.release()

    def _prepare(self) -> None:
        create_private(self._folder)
        for left in (*self._folder.glob(f"{_STAGING}*"), *self._folder.glob(f"{_REMOVED}*")):
            if left.name.startswith(_REMOVED) or _is_abandoned(left):
                shutil.rmtree(left, ignore_errors=True)

    def _read(self, folder: Path) -> Snapshot | None:
        """Return None for what is no snapshot, or one that somebody has damaged by hand."""
        try:
            snapshot = decode_snapshot(json.loads((folder / _FACTS).read_text()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return snapshot if snapshot.name == folder.name else None


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_abandoned(staged: Path) -> bool:
    """Tell whether nobody writes there any more: its writer locks the folder, soon after making it, for life."""
    try:
        if time.time() - staged.stat().st_mtime < _YOUNG_S:
            return False
        held = os.open(staged, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(held)
    return True


def _sync(path: Path) -> None:
    """Let what was written survive a power cut, where the file system can do that."""
    with suppress(OSError):
        held = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(held)
        finally:
            os.close(held)
