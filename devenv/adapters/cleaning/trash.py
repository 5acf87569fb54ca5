"""Removing for good, through a folder of its own in the project.

What goes is first renamed into `.devenv-trash`, where nobody can open it by its old name any more, and then removed
there. Must not judge what may go. Invariants: nothing is reached through a link; what was judged is what is removed
(device and inode); what a killed prune left is in the folder, and the next one finishes it; what cannot be removed is
put back under its name.
"""

# everything here goes by descriptors, which pathlib does not know
# ruff: noqa: PTH119, PTH208

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace

NAME = ".devenv-trash"
_MARK = b"# what devenv is removing: https://git-scm.com/docs/gitignore\n*\n"
_MARK_FILE = ".gitignore"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK = 512


class CannotRemove(Exception):
    """Something stays; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Something that was renamed into the trash. `place` is its real path there, `path` the one that it had.

    `mode` is what a folder's rights were before it was made writable, None where they are as they were.
    """

    path: str
    token: str
    place: str
    mode: int | None = None


@dataclass(slots=True, kw_only=True)
class Trash:
    """The trash of the project at `root`, while `open_trash` runs."""

    root: str
    _root_fd: int
    _fd: int
    _made: list[Taken] = field(default_factory=list)

    def list_left(self) -> list[Taken]:
        """Return what an earlier prune did not finish."""
        own = {one.token for one in self._made}
        return [self._name(NAME, token) for token in os.listdir(self._fd) if token not in {*own, _MARK_FILE}]

    def take(self, path: str, identity: tuple[int, int]) -> Taken:
        """Rename `path` into the trash if it is still the thing with this device and inode. Raises CannotRemove."""
        name, taken = os.path.basename(path), self._name(path, secrets.token_hex(8))
        try:
            with self._open_parent(path) as parent:
                _check_identity(name, parent, identity)
                taken = replace(taken, mode=_unlock(name, parent))
                os.rename(name, taken.token, src_dir_fd=parent, dst_dir_fd=self._fd)
            self._made.append(taken)
            _check_identity(taken.token, self._fd, identity)
        except OSError as error:
            raise CannotRemove(f"it cannot be moved: {error.strerror}") from error
        except CannotRemove:
            if taken in self._made:
                self.put_back(taken)
            raise
        return taken

    def put_back(self, taken: Taken) -> str:
        """Give something its name again; return where it is now."""
        if taken.path == NAME:
            return taken.place
        try:
            with self._open_parent(taken.path) as parent:
                name = os.path.basename(taken.path)
                if not _exists(name, parent):
                    os.rename(taken.token, name, src_dir_fd=self._fd, dst_dir_fd=parent)
                    if taken.mode is not None:
                        os.chmod(name, taken.mode, dir_fd=parent)
                    return taken.path
        except (OSError, CannotRemove):
            pass
        return taken.place

    def remove(self, taken: Taken) -> tuple[int, str]:
        """Remove it; return the bytes that went, and what stopped it, '' for nothing."""
        remover = _Remover()
        try:
            remover.remove(taken.token, self._fd)
        except OSError as error:
            where = self.put_back(taken)
            return remover.bytes, f"{error.strerror}, at {where}" if remover.bytes else str(error.strerror)
        return remover.bytes, ""

    def _name(self, path: str, token: str) -> Taken:
        return Taken(path=path, token=token, place=f"{self.root}/{NAME}/{token}")

    @contextmanager
    def _open_parent(self, path: str) -> Iterator[int]:
        """Open the folder of `path` part by part from the root on: a link on the way is an error."""
        with ExitStack() as opened:
            fd = self._root_fd
            for part in path.removeprefix(f"{self.root}/").split("/")[:-1]:
                fd = os.open(part, _FOLDER, dir_fd=fd)
                opened.callback(os.close, fd)
            yield fd


@contextmanager
def open_trash(root: str) -> Iterator[Trash]:
    """Give the trash of a project; it is gone afterwards unless something is left in it. Raises CannotRemove."""
    with ExitStack() as opened:
        try:
            root_fd = os.open(root, _FOLDER)
            opened.callback(os.close, root_fd)
            _lock(root_fd)
            fd = _make(root_fd)
            opened.callback(os.close, fd)
        except OSError as error:
            raise CannotRemove(f"{NAME} cannot be made: {error.strerror}") from error
        trash = Trash(root=root, _root_fd=root_fd, _fd=fd)
        try:
            yield trash
        finally:
            _clear(root_fd, fd)


def is_left(root: str) -> bool:
    """Tell whether a prune that was killed has left something."""
    return os.path.lexists(f"{root}/{NAME}")


def _lock(root_fd: int) -> None:
    """Take the project's lock: of two prunes the second would take the first's trash for a rest."""
    try:
        fcntl.flock(root_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CannotRemove("another prune of this project is under way") from error
    except OSError:
        return  # a file system without locks


def _make(root_fd: int) -> int:
    """Return the folder's descriptor, made where it is not there; one that is not ours is refused."""
    with suppress(FileExistsError):
        os.mkdir(NAME, 0o700, dir_fd=root_fd)
    try:
        fd = os.open(NAME, _FOLDER, dir_fd=root_fd)
    except OSError as error:
        raise CannotRemove(f"{NAME} is in the way, and is no folder of devenv's") from error
    try:
        _mark(fd)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _mark(fd: int) -> None:
    """Write what tells the folder as ours, and keeps git from seeing it."""
    names = set(os.listdir(fd))
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    if _MARK_FILE in names:
        mark = os.open(_MARK_FILE, os.O_RDONLY | flags, dir_fd=fd)
        try:
            text = os.read(mark, len(_MARK) + 1)
        finally:
            os.close(mark)
        if text == _MARK:
            return
    if names - {_MARK_FILE} or os.fstat(fd).st_uid != os.geteuid():
        raise CannotRemove(f"{NAME} is in the way, and is no folder of devenv's")
    mark = os.open(_MARK_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | flags, 0o600, dir_fd=fd)
    try:
        os.write(mark, _MARK)
    finally:
        os.close(mark)


def _clear(root_fd: int, fd: int) -> None:
    """Remove the folder unless something is left in it."""
    with suppress(OSError):
        if set(os.listdir(fd)) <= {_MARK_FILE}:
            os.unlink(_MARK_FILE, dir_fd=fd)
            os.rmdir(NAME, dir_fd=root_fd)


def _check_identity(name: str, folder: int, identity: tuple[int, int]) -> None:
    seen = os.lstat(name, dir_fd=folder)
    if (seen.st_dev, seen.st_ino) != identity:
        raise CannotRemove("it was replaced by something else meanwhile")


def _exists(name: str, folder: int) -> bool:
    try:
        os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


@dataclass(slots=True)
class _Remover:
    """Removes a tree from below, counting what the disk gets back: a file with other names gives nothing."""

    bytes: int = 0

    def remove(self, name: str, parent: int) -> None:
        """Remove `name` in the folder `parent`, whatever it is. Raises OSError."""
        if not stat.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode):
            self._unlink(name, parent)
            return
        for _, folders, files, fd in os.fwalk(name, topdown=False, onerror=_raise, dir_fd=parent):
            _make_writable(fd)
            for one in files:
                self._unlink(one, fd)
            for one in folders:
                self._remove_folder(one, fd)
        self._remove_folder(name, parent)

    def _unlink(self, name: str, folder: int) -> None:
        seen = os.lstat(name, dir_fd=folder)
        os.unlink(name, dir_fd=folder)
        if seen.st_nlink == 1:
            self.bytes += seen.st_blocks * _BLOCK

    def _remove_folder(self, name: str, parent: int) -> None:
        seen = os.lstat(name, dir_fd=parent)
        if not stat.S_ISDIR(seen.st_mode):  # `fwalk` counts a link to a folder among the folders
            self._unlink(name, parent)
            return
        os.rmdir(name, dir_fd=parent)
        self.bytes += seen.st_blocks * _BLOCK


def _unlock(name: str, parent: int) -> int | None:
    """Make a folder of our own writable, which it has to be to get another parent; return its rights before."""
    if not stat.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode):
        return None
    fd = os.open(name, _FOLDER, dir_fd=parent)
    try:
        return _make_writable(fd)
    finally:
        os.close(fd)


def _make_writable(fd: int) -> int | None:
    """Let a folder of our own be emptied; return its rights before, None where nothing was changed."""
    seen = os.fstat(fd)
    if seen.st_uid != os.geteuid() or seen.st_mode & stat.S_IRWXU == stat.S_IRWXU:
        return None
    os.fchmod(fd, stat.S_IMODE(seen.st_mode) | stat.S_IRWXU)
    return stat.S_IMODE(seen.st_mode)


def _raise(error: OSError) -> None:
    raise error
