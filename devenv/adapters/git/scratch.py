"""Room beside a repository, in which commits are prepared that nobody may ever see.

Must not know what is prepared. Invariants: what is written in the room is the repository's only once `publish` has run;
the room goes on every path out, and one that a kill left behind goes with the next sync, or with git's own clean-up
(`tmp_objdir`).
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "tmp_objdir-devenv-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    """`objects` are the repository's, `folder` is the room."""

    objects: Path
    folder: Path

    def index(self, name: str, copied_from: Path | None = None) -> Path:
        """Return the place of an index of one's own: empty, or a copy. Raises OSError.

        A copy is as old as what it was copied from: git takes a file that was written after its index for unchanged
        where size and time are the same.
        """
        place = self.folder / name
        if copied_from is not None:
            with suppress(FileNotFoundError), copied_from.open("rb") as source:  # a new repository has no index
                with place.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
                info = os.fstat(source.fileno())
                os.utime(place, ns=(info.st_atime_ns, info.st_mtime_ns))
        return place

    def surround(self, index: Path | None = None) -> Mapping[str, str]:
        """Return the variables with which git writes here, and sees the repository as well."""
        escaped = str(self.objects).replace("\\", "\\\\").replace('"', '\\"')
        return {
            "GIT_OBJECT_DIRECTORY": str(self.folder / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{escaped}"',
            "GIT_INDEX_FILE": str(index or self.folder / "no-index"),
        }

    def publish(self) -> None:
        """Give the repository what was written here. Raises OSError; what it has then is whole, and in no ref yet."""
        written = self.folder / "objects"
        for file in sorted(_walk(written), key=lambda one: one.suffix == ".idx"):  # with its index a pack counts
            place = self.objects / file.relative_to(written)
            if not place.parent.is_dir():
                place.parent.mkdir(exist_ok=True)
                shutil.copymode(self.objects, place.parent)
            file.replace(place)


@contextmanager
def open_scratch(common_dir: str) -> Iterator[Scratch]:
    """Make a room for the repository whose shared folder is `common_dir`, and remove it afterwards. Raises OSError."""
    objects = Path(common_dir, "objects")
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=objects))
    try:
        (folder / "objects").mkdir()
        yield Scratch(objects=objects, folder=folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear_rooms(common_dir: str) -> None:
    """Remove rooms that a kill left behind; only for who holds the repository, so that none is in use."""
    for left in Path(common_dir, "objects").glob(f"{_PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if stat.S_ISREG(os.lstat(path).st_mode) and not path.name.startswith("tmp_"):
            yield path
