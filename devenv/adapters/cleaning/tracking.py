"""What git says of paths: tracked, ignored, or neither.

Must not know why it is asked. Invariant: a path of which nothing can tell whether it is tracked is never called free;
the answer comes from the repository that the path lies in, the innermost one.
"""

# thousands of paths, compared as text
# ruff: noqa: PTH118, PTH120

import os
import unicodedata
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

from devenv.adapters.git.command import Git, GitFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What git says of one path: `why` it is to stay, '' where it is free.

    `untracked` is how many files it holds that are neither tracked nor ignored: new work, perhaps.
    """

    why: str = ""
    untracked: int = 0


@dataclass(frozen=True, slots=True)
class _Index:
    """Sorted paths of one repository, in the form in which its file system compares names."""

    paths: tuple[str, ...]
    folds: bool

    def at_or_below(self, path: str) -> tuple[str, ...]:
        """Return the paths that are `path` or lie below it."""
        path = _fold(path) if self.folds else path
        exact = self.paths[(place := bisect_left(self.paths, path)) : place + 1]
        start, end = bisect_left(self.paths, f"{path}/"), bisect_left(self.paths, f"{path}0")  # `0` follows `/`
        return (*(one for one in exact if one == path), *self.paths[start:end])


@dataclass(slots=True, kw_only=True)
class Tracking:
    """Asks each repository once. `environment` is that of the command that asks."""

    environment: Mapping[str, str]
    _tops: dict[str, str] = field(default_factory=dict)
    _known: dict[str, "tuple[_Index, _Index] | str"] = field(default_factory=dict)

    async def look_up(self, path: str) -> Standing:
        """Return what git says of `path`, real but for its last part. Raises HostError where git is missing."""
        top = self._find_top(os.path.dirname(path))
        if not top:
            return Standing(why="it lies in no git repository, so nothing tells whether it is somebody's work")
        known = await self._read(top)
        if isinstance(known, str):
            return Standing(why=f"git cannot tell whether it is tracked: {known}")
        tracked, untracked = known
        inside = path.removeprefix(top).lstrip("/")
        above = inside
        while above := os.path.dirname(above):  # a submodule that is not there, a link that became a folder
            if above in tracked.at_or_below(above):
                return Standing(why=f"git tracks {above}")
        if found := tracked.at_or_below(inside):
            return Standing(why=_describe(found, inside))
        return Standing(untracked=len(untracked.at_or_below(inside)))

    def _find_top(self, folder: str) -> str:
        """Return the nearest folder from `folder` upwards that has a `.git`, '' for none."""
        if folder not in self._tops:
            if os.path.lexists(os.path.join(folder, ".git")):
                self._tops[folder] = folder
            else:
                parent = os.path.dirname(folder)
                self._tops[folder] = "" if parent == folder else self._find_top(parent)
        return self._tops[folder]

    async def _read(self, top: str) -> "tuple[_Index, _Index] | str":
        """Return what is tracked and what is new below `top`, or why git does not tell."""
        if top not in self._known:
            try:
                self._known[top] = await self._ask(top)
            except GitFailed as error:
                self._known[top] = error.why
        return self._known[top]

    async def _ask(self, top: str) -> tuple[_Index, _Index]:
        git = Git(folder=top, environment=self.environment)
        folds = (await git.run("config", "--type=bool", "core.ignoreCase")).text == "true"
        tracked = (await git.require("ls-files", "-z", "--cached")).records
        new = (await git.require("ls-files", "-z", "--others", "--exclude-standard")).records
        return _index(tracked, folds=folds), _index(new, folds=folds)


def _index(paths: tuple[str, ...], *, folds: bool) -> _Index:
    return _Index(tuple(sorted(map(_fold, paths) if folds else paths)), folds)


def _fold(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _describe(found: tuple[str, ...], inside: str) -> str:
    if found[0] == inside:
        return "git tracks it"
    return f"git tracks {len(found)} {'file' if len(found) == 1 else 'files'} below it, such as {found[0]}"
