"""The paths that `clean.paths` names: which of them may go, and their going.

Owns the order of the questions and of the steps. Invariants: a path goes only if git ignores or does not track it and
tracks nothing below it, it lies in the project after every link was followed, and nothing that a stack or an engine
runs has it open; every other one is refused by name. A new question belongs here, never into the removal.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import anyio
import anyio.to_thread

from devenv.adapters.cleaning import trash as trash_folder
from devenv.adapters.cleaning.globs import CannotMean, Glob
from devenv.adapters.cleaning.tracking import Standing, Tracking
from devenv.adapters.cleaning.trash import CannotRemove, Taken, Trash, open_trash
from devenv.adapters.cleaning.trees import MustStay, Size, Tree, read_mounts, survey
from devenv.adapters.processes.open_paths import find_open_paths
from devenv.app.ports import Cleaning
from devenv.domain.cleaning import PruneReport, Reclaimed, Refused
from devenv.domain.errors import HostError

KIND = "paths"
_LEFT = "(what an earlier prune began)"


@dataclass(slots=True, kw_only=True)
class PathCleaning:
    """One prune of the project's paths."""

    cleaning: Cleaning
    _refused: dict[str, str] = field(default_factory=dict)
    _names: list[str] = field(default_factory=list)
    _bytes: int = 0
    _untracked: int = 0

    async def run(self) -> PruneReport:
        """Do it; a prune that is cancelled has put back what it had not removed."""
        rules = self.cleaning.rules
        root = os.path.realpath(rules.root)  # noqa: ASYNC240 - a few looks
        if not rules.paths and not trash_folder.is_left(root):
            return PruneReport()
        mounts = read_mounts(root)
        found = await anyio.to_thread.run_sync(self._find, root, mounts)
        trees = await self._judge(root, found, mounts)
        if self.cleaning.dry_run:
            self._tell_ahead(root, trees)
        elif trees or trash_folder.is_left(root):
            try:
                with open_trash(root) as trash:
                    await self._remove(trash, trees)
            except CannotRemove as error:
                self._refuse_all(root, trees, str(error))
        return self._report()

    def _find(self, root: str, mounts: frozenset[str]) -> list[str]:
        """Return what the globs mean, what holds others first."""
        found: dict[str, None] = {}
        for pattern in self.cleaning.rules.paths:
            try:
                found |= dict.fromkeys(Glob(root=root, pattern=pattern, mounts=mounts).find())
            except CannotMean as error:
                self._refused[error.name] = error.why
        return sorted(found, key=lambda path: path.count("/"))

    async def _judge(self, root: str, found: list[str], mounts: frozenset[str]) -> list[Tree]:
        """Return those that may go, and what they are."""
        tracking = Tracking(environment=self.cleaning.environment)
        opened = await anyio.to_thread.run_sync(find_open_paths) if found else {}
        free: list[Tree] = []
        going: set[str] = set()
        for path in found:
            if not going.isdisjoint(_list_above(path, root)):
                continue
            name = path.removeprefix(f"{root}/")
            try:
                tree, standing = await self._examine(path, name, mounts, tracking, opened)
            except MustStay as error:
                self._refused[name] = str(error)
            except HostError as error:
                self._refused[name] = f"{error.what}: {error.why}"
            else:
                self._untracked += standing.untracked
                free.append(tree)
                going.add(path)
        return free

    async def _examine(
        self, path: str, name: str, mounts: frozenset[str], tracking: Tracking, opened: Mapping[str, str]
    ) -> tuple[Tree, Standing]:
        """Ask everything of one path. Raises MustStay, and HostError where there is no git."""
        if why := self._find_owner(path, name):
            raise MustStay(why)
        tree = await anyio.to_thread.run_sync(survey, path, mounts)
        standing = await tracking.look_up(path)
        if why := standing.why or _find_user(path, opened):
            raise MustStay(why)
        return tree, standing

    def _find_owner(self, path: str, name: str) -> str:
        """Return why nobody may remove this path, whatever git says; '' for nothing."""
        parts = name.split("/")
        if ".git" in parts:
            return "it is git's own"
        if trash_folder.NAME in parts:
            return "it is devenv's own"
        for kept in map(os.path.realpath, self.cleaning.stay):
            if _is_at_or_below(kept, path) or _is_at_or_below(path, kept):
                return f"this stack needs {kept}"
        for mount in self.cleaning.mounts:
            place = os.path.realpath(mount.path)
            if _is_at_or_below(place, path) or (mount.is_ours and _is_at_or_below(path, place)):
                return f"{mount.who}, at {mount.path}"
        return ""

    def _tell_ahead(self, root: str, trees: list[Tree]) -> None:
        size = Size()
        for tree in trees:
            size.merge(tree.size)
        self._names = [tree.path.removeprefix(f"{root}/") for tree in trees]
        if trash_folder.is_left(root):
            with suppress(MustStay):
                size.merge(survey(f"{root}/{trash_folder.NAME}", ()).size)
                self._names.append(_LEFT)
        self._bytes = size.bytes

    async def _remove(self, trash: Trash, trees: list[Tree]) -> None:
        """Take everything, look once more who has it open, and remove what nobody has."""
        waiting = {one.token: one for one in await anyio.to_thread.run_sync(self._collect, trash)}
        try:
            for tree in trees:
                taken = self._take(trash, tree)
                if taken is not None:
                    waiting[taken.token] = taken
            opened = await anyio.to_thread.run_sync(find_open_paths)
            for taken in list(waiting.values()):
                if why := _find_user(taken.place, opened):
                    self._refuse(trash, taken, f"{why}, since a moment ago")
                    del waiting[taken.token]
            for taken in list(waiting.values()):
                size, why = await anyio.to_thread.run_sync(trash.remove, taken)
                del waiting[taken.token]
                self._bytes += size
                if why:
                    self._refused[self._name(trash, taken)] = f"it cannot be removed: {why}"
                else:
                    self._names.append(self._name(trash, taken))
        finally:
            for taken in waiting.values():
                trash.put_back(taken)

    def _collect(self, trash: Trash) -> Iterator[Taken]:
        """Return what a killed prune left, if it may still go."""
        kept: list[Taken] = []
        for taken in trash.list_left():
            try:
                survey(taken.place, read_mounts(trash.root))
            except MustStay as error:
                self._refused[self._name(trash, taken)] = str(error)
            else:
                kept.append(taken)
        return iter(kept)

    def _take(self, trash: Trash, tree: Tree) -> Taken | None:
        try:
            return trash.take(tree.path, tree.identity)
        except CannotRemove as error:
            self._refused[tree.path.removeprefix(f"{trash.root}/")] = str(error)
            return None

    def _refuse(self, trash: Trash, taken: Taken, why: str) -> None:
        place = trash.put_back(taken)
        self._refused[self._name(trash, taken)] = why if place == taken.path else f"{why}; it is at {place} now"

    def _refuse_all(self, root: str, trees: list[Tree], why: str) -> None:
        for name in [tree.path.removeprefix(f"{root}/") for tree in trees] or [trash_folder.NAME]:
            self._refused[name] = why

    def _name(self, trash: Trash, taken: Taken) -> str:
        return _LEFT if taken.path == trash_folder.NAME else taken.path.removeprefix(f"{trash.root}/")

    def _report(self) -> PruneReport:
        files = f"{self._untracked} {'file' if self._untracked == 1 else 'files'}"
        note = f"{files} that git neither tracked nor ignored" if self._untracked else ""
        row = Reclaimed(kind=KIND, names=tuple(self._names), bytes=self._bytes, note=note)
        refused = tuple(Refused(name=name, why=why) for name, why in self._refused.items())
        return PruneReport(reclaimed=(row,) if row.names or row.bytes else (), refused=refused)


def _find_user(path: str, opened: Mapping[str, str]) -> str:
    """Return who has `path` or something below it open, '' for nobody."""
    return next((f"{who} has {place} open" for place, who in opened.items() if _is_at_or_below(place, path)), "")


def _is_at_or_below(path: str, top: str) -> bool:
    return path == top or path.startswith(f"{top}/")


def _list_above(path: str, root: str) -> Iterator[str]:
    parts = path.removeprefix(f"{root}/").split("/")
    for count in range(1, len(parts)):
        yield "/".join((root, *parts[:count]))
