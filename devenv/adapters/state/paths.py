"""Where a stack's state lives on this machine, and the lock of who looks after it.

Must not know what is written there, and imports little: every command computes these paths. Invariant: computing a
path creates nothing; folders are made 0700 and believed only if they are ours and no symbolic link.
"""

import errno
import fcntl
import hashlib
import os
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from devenv.domain.errors import HostError

SOCKET_PATH_BYTES = 100  # the kernel takes 108 on Linux and 104 on macOS, the zero byte included
_PRIVATE = 0o700
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True, kw_only=True)
class StatePaths:
    """The files of one stack. `home` holds all stacks' state; `folder` is this one's."""

    key: str
    root: str
    home: Path
    socket: Path

    @property
    def folder(self) -> Path:
        """Return the folder of everything but the socket."""
        return self.home / self.key

    @property
    def record(self) -> Path:
        """Return the run record."""
        return self.folder / "record.json"

    @property
    def logs(self) -> Path:
        """Return the folder of the processes' logs."""
        return self.folder / "logs"

    @property
    def daemon_log(self) -> Path:
        """Return the daemon's own log."""
        return self.folder / "daemon.log"

    @property
    def crash(self) -> Path:
        """Return the folder of crash files."""
        return self.folder / "crash"

    @property
    def lock(self) -> Path:
        """Return the file whose lock the stack's daemon holds for life."""
        return self.folder / "lock"

    def create(self) -> None:
        """Make the folders; raises HostError where one cannot be made or is somebody else's."""
        # The home may be a link to another disk: it lies where only this user can put one. What is below may not.
        create_private(self.home.resolve())
        for folder in (self.folder, self.logs, self.crash):
            create_private(folder)
        create_private(self.socket.parent)


def locate(root: str | os.PathLike[str], project: str | None = None, *, environ: Mapping[str, str]) -> StatePaths:
    """Return the paths of the stack in the folder `root`, a project name given by hand telling stacks apart."""
    real = os.path.realpath(root)
    key = hashlib.sha256(f"{real}\0{project or ''}".encode(errors="surrogateescape")).hexdigest()[:12]
    return StatePaths(key=key, root=real, home=state_home(environ), socket=_socket(key, environ))


def state_home(environ: Mapping[str, str]) -> Path:
    """Return the folder that holds every stack's state; DEVENV_STATE_DIR overrides the platform's place."""
    if given := environ.get("DEVENV_STATE_DIR"):
        return Path(given).absolute()
    if sys.platform == "linux":  # as platformdirs has it, which costs 5 ms to ask
        return Path(environ.get("XDG_STATE_HOME", "").strip() or Path.home() / ".local" / "state") / "devenv"
    import platformdirs  # noqa: PLC0415

    return Path(platformdirs.user_state_dir("devenv", appauthor=False))


def create_private(folder: Path) -> None:
    """Make a folder that only this user can enter; raises HostError where it is a link or another user's."""
    try:
        folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        seen = folder.lstat()
        if stat.S_ISLNK(seen.st_mode) or not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.getuid():
            raise _untrusted(folder, seen)
        if stat.S_IMODE(seen.st_mode) & 0o077:
            folder.chmod(_PRIVATE)
    except OSError as error:
        raise translate(error, f"cannot make the folder {folder}") from error


def translate(error: OSError, what: str) -> HostError:
    """Return a failure of the state's file system as what the user can act on."""
    if error.errno in _FULL:
        return HostError(what, why=f"the disk is full: {error.strerror}", fix="df -h")
    path = error.filename or "the state folder"
    return HostError(what, why=f"{path}: {error.strerror}", fix=f"ls -ld {path}")


class Lock:
    """An exclusive lock on a file, held by a descriptor: a crash of its holder frees it. The file stays."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def acquire(self) -> bool:
        """Take the lock without waiting and write our pid into the file; False where another process has it."""
        if self._fd >= 0:
            return True
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise translate(error, f"cannot open the lock {self._path}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        except OSError as error:  # a file system without locks
            os.close(fd)
            raise translate(error, f"cannot take the lock {self._path}") from error
        self._fd = fd
        with suppress(OSError):  # the pid is for messages: a full disk must not keep `down` from its work
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        return True

    def release(self) -> None:
        """Give it up."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def holder_pid(self) -> int | None:
        """Return the pid that the last holder wrote, for messages only."""
        try:
            return int(self._path.read_text())
        except (OSError, ValueError):
            return None


def _socket(key: str, environ: Mapping[str, str]) -> Path:
    name = f"{key}.sock"
    fallback = Path(f"/tmp/devenv-{os.getuid()}") / name  # noqa: S108 - made 0700 and checked by create_private
    given = environ.get("XDG_RUNTIME_DIR", "")
    preferred = Path(given) / "devenv" / name
    usable = given.startswith("/") and _is_own_folder(given)
    return preferred if usable and len(os.fsencode(preferred)) <= SOCKET_PATH_BYTES else fallback


def _is_own_folder(path: str) -> bool:
    try:
        seen = Path(path).stat()
    except OSError:
        return False
    return stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.getuid() and os.access(path, os.W_OK | os.X_OK)


def _untrusted(folder: Path, seen: os.stat_result) -> HostError:
    kind = "a symbolic link" if stat.S_ISLNK(seen.st_mode) else "not a folder"
    why = kind if not stat.S_ISDIR(seen.st_mode) else f"it belongs to user id {seen.st_uid}, not to us ({os.getuid()})"
    return HostError(
        f"cannot use the folder {folder}", why=why, fix=f"rm -r {folder}   # after a look: ls -ld {folder}"
    )
