"""The paths below a folder that a glob means.

Must not know whether they may go. Invariants: what is found lies inside the folder after every link on the way was
followed, a last link itself is never followed; `*` and `**` mean no hidden name, nothing behind a link and nothing on
another file system; the folder itself is never meant.
"""

# thousands of paths, compared as text
# ruff: noqa: PTH112, PTH114, PTH118

import fnmatch
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_WILD = re.compile(r"[*?\[]")


class CannotMean(Exception):
    """A glob, or a path that it leads to, that is refused: `name` and why."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(name)
        self.name = name
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Glob:
    """A glob below `root`, which is a real path. `mounts` are folders that nothing is looked for in."""

    root: str
    pattern: str
    mounts: Collection[str] = ()

    def find(self) -> list[str]:
        """Return real paths; one may lie below another, which may have to stay. Raises CannotMean."""
        return list(dict.fromkeys(self._match(self.root, self._split())))

    def _split(self) -> tuple[str, ...]:
        """Return the pattern's parts, or refuse it: the configuration does, but a rule may come from elsewhere."""
        parts = tuple(part for part in self.pattern.split("/") if part not in {"", "."})
        if self.pattern.startswith("/"):
            raise CannotMean(self.pattern, "it is no path below the project")
        if ".." in parts:
            raise CannotMean(self.pattern, "it leads out of its folder")
        if all(not part.strip("*") for part in parts):
            raise CannotMean(self.pattern, "it is the project itself")
        return parts

    def _match(self, folder: str, parts: tuple[str, ...]) -> Iterator[str]:
        head, rest = parts[0], parts[1:]
        if head == "**":
            for below in self._walk(folder):
                yield from self._match(below, rest or ("*",))
            return
        for path in self._find_named(folder, head) if _WILD.search(head) else _find_exact(folder, head):
            if not rest:
                yield path
            elif inside := self._enter(path, is_named=not _WILD.search(head)):
                yield from self._match(inside, rest)

    def _find_named(self, folder: str, part: str) -> Iterator[str]:
        """Yield what a part with wild cards means; as in a shell, no hidden name that it does not say."""
        for entry in _list(folder):
            if fnmatch.fnmatchcase(entry.name, part) and (part.startswith(".") or not entry.name.startswith(".")):
                yield entry.path

    def _walk(self, folder: str) -> Iterator[str]:
        """Yield `folder` and all folders below it."""
        waiting = [folder]
        while waiting:
            current = waiting.pop()
            yield current
            waiting += [
                entry.path
                for entry in reversed(_list(current))
                if not entry.name.startswith(".")
                and entry.is_dir(follow_symlinks=False)
                and entry.path not in self.mounts
            ]

    def _enter(self, path: str, *, is_named: bool) -> str:
        """Return the folder behind `path`, '' for none. A link counts only where the pattern names it."""
        if not os.path.islink(path):
            return path if os.path.isdir(path) else ""
        if not is_named:
            return ""
        real = os.path.realpath(path)
        if real != self.root and not real.startswith(f"{self.root}/"):
            name = path.removeprefix(f"{self.root}/")
            raise CannotMean(self.pattern, f"the link {name} leads out of the project, to {real}")
        return real if os.path.isdir(real) else ""


def _find_exact(folder: str, name: str) -> tuple[str, ...]:
    path = os.path.join(folder, name)
    return (path,) if os.path.lexists(path) else ()


def _list(folder: str) -> list[os.DirEntry[str]]:
    """Return the entries of a folder in order, none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []
