"""What a file or folder is made of: its size on the disk, and what in it speaks against removing it.

Must not know git's index or who has it open. Invariants: nothing is changed, no link is followed; a tree of which
something cannot be seen is never called removable.
"""

# thousands of paths, compared as text
# ruff: noqa: PTH118, PTH120, PTH123, PTH208

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

MOST_DEEP = 200
"""Folders nested deeper than this are no build output, and each level costs a descriptor while it is removed."""

_BLOCK = 512
_REPOSITORY = frozenset({"HEAD", "objects", "refs"})
"""What a repository without a work tree holds."""


class MustStay(Exception):
    """The tree is not to be removed; the text says why."""


@dataclass(slots=True)
class Size:
    """Bytes on the disk. A file with several names counts once all of them were seen."""

    plain: int = 0
    links: dict[tuple[int, int], tuple[int, int, int]] = field(default_factory=dict)
    """Files with several names, by device and inode: names seen, names that there are, bytes."""

    @property
    def bytes(self) -> int:
        """Return what the disk would get back."""
        return self.plain + sum(size for seen, names, size in self.links.values() if seen >= names)

    def add(self, seen: os.stat_result) -> None:
        """Count one name of a file, or a folder."""
        size = seen.st_blocks * _BLOCK
        if stat.S_ISDIR(seen.st_mode) or seen.st_nlink == 1:
            self.plain += size
        else:
            self._count((seen.st_dev, seen.st_ino), 1, seen.st_nlink, size)

    def merge(self, other: "Size") -> None:
        """Count another tree as well."""
        self.plain += other.plain
        for key, (seen, names, size) in other.links.items():
            self._count(key, seen, names, size)

    def _count(self, key: tuple[int, int], seen: int, names: int, size: int) -> None:
        before = self.links.get(key, (0, 0, 0))[0]
        self.links[key] = (before + seen, names, size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Something that nothing in it speaks against removing: its device and inode, and its size."""

    path: str
    identity: tuple[int, int]
    size: Size


def survey(path: str, mounts: Collection[str]) -> Tree:
    """Look at everything that would go with `path`. Raises MustStay."""
    _check_mounts(path, mounts)
    found = _look(path)
    if found.st_dev != os.lstat(os.path.dirname(path)).st_dev:
        raise MustStay("it is on another file system")
    size = Size()
    size.add(found)
    if stat.S_ISDIR(found.st_mode):
        for seen in _walk(path, found.st_dev):
            size.add(seen)
    return Tree(path=path, identity=(found.st_dev, found.st_ino), size=size)


def measure(path: str) -> int:
    """Return the bytes on the disk of everything at and below `path` that can be seen, 0 for nothing."""
    size = Size()
    waiting = [path]
    while waiting:
        current = waiting.pop()
        try:
            seen = os.lstat(current)
            size.add(seen)
            if stat.S_ISDIR(seen.st_mode):
                waiting += [os.path.join(current, name) for name in os.listdir(current)]
        except OSError:
            continue
    return size.bytes


def _walk(top: str, device: int) -> Iterator[os.stat_result]:
    """Yield all below a folder. Raises MustStay for what must not be removed with it."""
    waiting = [(top, 0)]
    while waiting:
        folder, depth = waiting.pop()
        shown = _show(folder, top)
        if depth > MOST_DEEP:
            raise MustStay(f"it is nested deeper than {MOST_DEEP} folders")
        names = _list(folder, shown)
        if ".git" in names or names >= _REPOSITORY:
            raise MustStay(f"it holds a git repository{shown}")
        if names:
            _check_rights(folder, shown)
        for name in names:
            path = os.path.join(folder, name)
            seen = _look(path)
            if seen.st_dev != device:
                raise MustStay(f"it holds another file system{_show(path, top)}")
            yield seen
            if stat.S_ISDIR(seen.st_mode):
                waiting.append((path, depth + 1))


def _check_mounts(path: str, mounts: Collection[str]) -> None:
    for mount in mounts:
        if mount == path or path.startswith(f"{mount}/"):
            raise MustStay(f"{mount} is mounted from elsewhere")
        if mount.startswith(f"{path}/"):
            raise MustStay(f"{mount} in it is mounted from elsewhere")


def _check_rights(folder: str, shown: str) -> None:
    """Refuse a folder that cannot be emptied; a read-only one of our own can be made writable."""
    owner = os.lstat(folder).st_uid
    if owner != os.geteuid() and not os.access(folder, os.W_OK | os.X_OK, effective_ids=_BY_EFFECTIVE_ID):
        raise MustStay(f"it belongs to user id {owner}, and may not be emptied{shown}")


_BY_EFFECTIVE_ID = os.access in os.supports_effective_ids


def _look(path: str) -> os.stat_result:
    try:
        return os.lstat(path)
    except OSError as error:
        raise MustStay(f"it cannot be looked at: {error.strerror}") from error


def _list(folder: str, shown: str) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError as error:
        raise MustStay(f"it cannot be looked into{shown}: {error.strerror}") from error


def _show(path: str, top: str) -> str:
    return f", at {os.path.relpath(path, os.path.dirname(top))}" if path != top else ""


def read_mounts(root: str) -> frozenset[str]:
    """Return the places below `root` where something is mounted, from the same file system or another."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            points = [line.split(b" ")[4] for line in file]
    except OSError:
        return frozenset()  # no Linux: there a mount is always another file system
    places = (os.fsdecode(_unescape(point)) for point in points)
    return frozenset(place for place in places if place.startswith(f"{root}/"))


def _unescape(point: bytes) -> bytes:
    for code, character in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        point = point.replace(code, character)
    return point
