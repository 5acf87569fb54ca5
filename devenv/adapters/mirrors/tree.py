"""A folder whose files are reached without following any link below it.

Must not know mirrors. Paths are relative to the folder, with `/`. Invariant: nothing outside the folder is read or
changed, whatever links lie in it, and nothing of a repository that lies in it.
"""

import hashlib
import io
import os
import stat
from collections import OrderedDict
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple

from devenv.sync.mirroring import Content, Kind, Stamp

_MOST_OPEN = 32
_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FOLDER = _ROOT | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe with nobody behind it must not hold us


class Barred(OSError):
    """The folder `path` is none that can be entered: there is `kind`."""

    def __init__(self, path: str, kind: Kind, spelled: str = "") -> None:
        super().__init__(f"{path}: {kind}")
        self.path = path
        self.kind = kind
        self.spelled = spelled


class Entry(NamedTuple):
    """What a folder says of a name in it."""

    inode: int
    kind: Kind


class Tree:
    """The folder `root`, which need not exist; open between `with` and its end."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._open: OrderedDict[str, int] = OrderedDict()
        self._names: dict[str, dict[str, Entry]] = {}

    def __enter__(self) -> "Tree":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.forget()

    def forget(self) -> None:
        """Forget what was seen: somebody may have changed it."""
        while self._open:
            os.close(self._open.popitem()[1])
        self._names.clear()

    def stat(self, path: str) -> os.stat_result:
        """Return what lies at the path itself. Raises OSError, and Barred where a folder above it cannot be entered."""
        return os.stat(_name(path), dir_fd=self.folder(_parent(path)), follow_symlinks=False)

    def spelling(self, path: str) -> str:
        """Return the path under the name that its folder has for it: another one where case does not count.

        The path exists.
        """
        names, name = self.names(_parent(path)), _name(path)
        if name in names:
            return path
        inode = self.stat(path).st_ino
        return join(_parent(path), next((one for one, entry in names.items() if entry.inode == inode), name))

    def names(self, folder: str) -> dict[str, Entry]:
        """Return the names in a folder, as they were when it was first asked for."""
        if folder not in self._names:
            with os.scandir(self.folder(folder)) as entries:
                self._names[folder] = {entry.name: Entry(entry.inode(), _kind_of_entry(entry)) for entry in entries}
        return self._names[folder]

    def read(self, path: str) -> tuple[Content, os.stat_result]:
        """Return the content of a file or a link, and what it was when its reading began. Raises OSError."""
        seen = self.stat(path)
        if stat.S_ISLNK(seen.st_mode):
            return link_content(self.read_link(path)), seen
        with self.open(path) as file:
            seen = os.fstat(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Content(digest=digest, is_executable=bool(seen.st_mode & stat.S_IXUSR)), seen

    def read_link(self, path: str) -> str:
        """Return where a link points."""
        return os.readlink(_name(path), dir_fd=self.folder(_parent(path)))

    def open(self, path: str) -> io.BufferedReader:
        """Open a file for reading; raises OSError for anything but a plain file."""
        number = os.open(_name(path), _FILE, dir_fd=self.folder(_parent(path)))
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            raise Barred(path, Kind.OTHER)
        return os.fdopen(number, "rb")

    def create(self, path: str) -> io.BufferedWriter:
        """Make a new file, for us alone so far."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.fdopen(os.open(_name(path), flags, 0o600, dir_fd=self.folder(_parent(path))), "wb")

    def link(self, path: str, text: str) -> None:
        """Make a new link."""
        os.symlink(text, _name(path), dir_fd=self.folder(_parent(path)))

    def rename(self, path: str, new: str) -> None:
        """Give a file a new name, in the place of a file that has it."""
        old = os.dup(self.folder(_parent(path)))
        try:
            os.rename(_name(path), _name(new), src_dir_fd=old, dst_dir_fd=self.folder(_parent(new)))
        finally:
            os.close(old)
        self._drop(path)
        self._note(new)

    def unlink(self, path: str) -> None:
        """Remove a file or a link."""
        os.unlink(_name(path), dir_fd=self.folder(_parent(path)))
        self._drop(path)

    def make_folder(self, path: str) -> None:
        """Make a folder where there is none."""
        with suppress(FileExistsError):
            os.mkdir(_name(path), dir_fd=self.folder(_parent(path)))
            self._note(path)

    def remove_folder(self, path: str) -> None:
        """Remove a folder that is empty. Raises OSError."""
        self.forget()
        os.rmdir(_name(path), dir_fd=self.folder(_parent(path)))

    def folder(self, path: str) -> int:
        """Return the descriptor of a folder, good until the next call. Raises Barred and OSError."""
        if path in self._open:
            self._open.move_to_end(path)
            return self._open[path]
        number = self._enter(path) if path else os.open(self.root, _ROOT)
        self._open[path] = number
        if len(self._open) > _MOST_OPEN:
            os.close(self._open.popitem(last=False)[1])
        return number

    def _note(self, path: str) -> None:
        """Know of a name that we gave."""
        if _parent(path) in self._names:
            seen = self.stat(path)
            self._names[_parent(path)][_name(path)] = Entry(seen.st_ino, kind_of(seen))

    def _drop(self, path: str) -> None:
        """Forget a name that we took."""
        self._names.get(_parent(path), {}).pop(_name(path), None)

    def _enter(self, path: str) -> int:
        above, name = self.folder(_parent(path)), _name(path)
        try:
            number = os.open(name, _FOLDER, dir_fd=above)
        except OSError as error:
            kind = kind_of(os.stat(name, dir_fd=above, follow_symlinks=False))
            if kind is Kind.FOLDER:
                raise
            raise Barred(path, kind) from error
        try:
            self._check(path, number)
        except OSError:
            os.close(number)
            raise
        return number

    def _check(self, path: str, number: int) -> None:
        """Raise Barred where a folder is another repository, or not of this name."""
        with suppress(FileNotFoundError):
            os.stat(".git", dir_fd=number, follow_symlinks=False)
            raise Barred(path, Kind.REPOSITORY)
        if (spelled := self.spelling(path)) != path:
            raise Barred(path, Kind.FOLDER, spelled)


def kind_of(seen: os.stat_result) -> Kind:
    """Return what something on disk is."""
    kinds = {stat.S_IFREG: Kind.FILE, stat.S_IFLNK: Kind.LINK, stat.S_IFDIR: Kind.FOLDER}
    return kinds.get(stat.S_IFMT(seen.st_mode), Kind.OTHER)


def _kind_of_entry(entry: os.DirEntry[str]) -> Kind:
    if entry.is_symlink():
        return Kind.LINK
    if entry.is_file(follow_symlinks=False):
        return Kind.FILE
    return Kind.FOLDER if entry.is_dir(follow_symlinks=False) else Kind.OTHER


def stamp_of(seen: os.stat_result) -> Stamp:
    """Return what changes when a file does."""
    return (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


def link_content(text: str) -> Content:
    """Return the content of a link that points to `text`."""
    return Content(kind=Kind.LINK, digest=hashlib.sha256(os.fsencode(text)).hexdigest())


def ancestors(path: str) -> list[str]:
    """Return the folders that a path lies in, the outermost first."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def join(folder: str, name: str) -> str:
    """Return the path of `name` in a folder."""
    return f"{folder}/{name}" if folder else name


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _name(path: str) -> str:
    name = path.rpartition("/")[2]
    if name in {"", ".", ".."}:
        raise ValueError(f"no name of a file: {path!r}")
    return name
