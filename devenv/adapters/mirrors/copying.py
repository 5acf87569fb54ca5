"""Carries a mirror's plan out, so that a kill between any two of its steps loses nothing and confuses no later run.

Must not decide what is copied or deleted. The steps: note the names that new files are written under; write them, each
in the folder that it is for or the nearest above; note their inodes, and what is to be deleted; delete; give the new
files their names; note what is there now. Invariants: a file has either its old content or its new one; nothing is
overwritten or deleted that is not, at that moment, what the plan saw; where the disk is too full, no file changes.
"""

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from io import BufferedReader, BufferedWriter

from devenv.adapters.mirrors.manifest import STAGED, ManifestFile
from devenv.adapters.mirrors.survey import Pause
from devenv.adapters.mirrors.tree import Barred, Tree, ancestors, join, link_content, stamp_of
from devenv.domain.syncing import LeftOut
from devenv.sync.mirroring import Content, Found, Kind, Manifest, MirrorPlan, Record, Wanted

_CHUNK = 1 << 20
_HOPELESS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE})
_CHANGED = "it was changed while the mirror ran"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be carried out. `origins` maps paths of the target to the source's."""

    source: Tree
    target: Tree
    origins: Mapping[str, str]
    wanted: Mapping[str, Wanted]
    there: Mapping[str, Found]
    manifest: Manifest
    plan: MirrorPlan


@dataclass(slots=True, kw_only=True)
class Copying:
    """One run of a task.

    What it did is in `copied` and `deleted`, what it could not do, with why, in `failed`, and what is known then in
    `known`: also where it raised.
    """

    task: Task
    file: ManifestFile
    pause: Pause
    copied: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    failed: list[LeftOut] = field(default_factory=list)
    known: Manifest = field(default_factory=Manifest)
    _names: dict[str, str] = field(default_factory=dict)
    _coming: dict[str, Record] = field(default_factory=dict)

    def run(self) -> None:
        """Do it. Raises HostError, and OSError where going on makes no sense."""
        self._clear(self.task.manifest.staged)
        plan, records = self.task.plan, self.task.manifest.records
        replaced = {path: records[path] for path in plan.copies if path in records}
        self.known = replace(self.task.manifest, records={**replaced, **plan.records}, staged=())
        self.task.target.forget()
        try:
            if plan.copies or plan.deletes:
                self._prepare()
                self._delete()
                self._place()
            self._remove_folders()
        finally:
            self._clear(self._names[path] for path in self._names.keys() - set(self.copied))
            self._conclude()
            self.file.write(self.known)

    def _prepare(self) -> None:
        """Write all that is new under other names, and note what happens next."""
        if self.task.plan.copies:
            os.makedirs(self.task.target.root, exist_ok=True)  # noqa: PTH103 - a path of any bytes
        token = secrets.token_hex(8)
        anchors = {path: self._find_anchor(path) for path in self.task.plan.copies}
        for number, (path, anchor) in enumerate(anchors.items()):
            self._names[path] = join(anchor, f"{STAGED}{token}-{number}")
        self.pause()
        self.file.write(replace(self.known, staged=tuple(self._names.values())))
        for path in self._names:
            self.pause()
            self._try(path, self._stage)
        new = {folder for path, anchor in anchors.items() for folder in ancestors(path) if len(folder) > len(anchor)}
        self.known = replace(self.known, folders=self.known.folders | new)
        going = {path: self.task.there[path].stamp for path in self.task.plan.deletes}
        self.pause()
        names = tuple(self._names.values())
        self.file.write(replace(self.known, staged=names, coming=self._coming, going=going))

    def _stage(self, path: str) -> None:
        """Write what `path` is to have under its other name."""
        name, origin, wanted = self._names[path], self.task.origins[path], self.task.wanted[path]
        if wanted.content.kind is Kind.LINK:
            text = self.task.source.read_link(origin)
            self.task.target.link(name, text)
            made = link_content(text)
        else:
            with self.task.source.open(origin) as old, self.task.target.create(name) as new:
                made = _copy(old, new)
        seen = self.task.target.stat(name)
        if made != wanted.content:
            self.failed.append(LeftOut(path=path, why=_CHANGED))
            return
        put = made if made.kind is Kind.LINK else replace(made, is_executable=bool(seen.st_mode & stat.S_IXUSR))
        self._coming[path] = Record(
            source=wanted.content, put=put, source_proof=wanted.proof, target_proof=stamp_of(seen)
        )

    def _delete(self) -> None:
        for path in self.task.plan.deletes:
            self.pause()
            self._try(path, self._delete_one)

    def _delete_one(self, path: str) -> None:
        if not self._is_as_seen(path):
            self.failed.append(LeftOut(path=path, why=_CHANGED))
            return
        self.task.target.unlink(path)
        self.deleted.append(path)

    def _place(self) -> None:
        """Give every written file its name."""
        for path in self._coming:
            self._try(path, self._place_one)

    def _place_one(self, path: str) -> None:
        if self.task.there[path].kind is Kind.FOLDER:
            self._remove_empty(path)
        for folder in ancestors(path):
            if not self._is_folder(folder):
                self.pause()
                self.task.target.make_folder(folder)
        self.pause()
        if not self._is_as_seen(path):
            self.failed.append(LeftOut(path=path, why=_CHANGED))
            return
        self.task.target.rename(self._names[path], path)
        self.copied.append(path)

    def _is_as_seen(self, path: str) -> bool:
        """Tell whether there is what the plan saw there, or nothing where that is out of the way by now."""
        found = self.task.there[path]
        try:
            return stamp_of(self.task.target.stat(path)) == found.stamp
        except FileNotFoundError:
            return found.content is None

    def _remove_folders(self) -> None:
        """Remove the folders that runs made and nobody needs any more."""
        kept = self.known.records.keys() - set(self.deleted)
        needed = {folder for path in kept.union(self.task.wanted) for folder in ancestors(path)}
        left = set(self.known.folders)
        for folder in sorted(left - needed, reverse=True):
            self.pause()
            try:
                self.task.target.remove_folder(folder)
            except (FileNotFoundError, Barred):
                left.discard(folder)
            except OSError:  # somebody put something into it: it stays
                continue
            else:
                left.discard(folder)
        self.known = replace(self.known, folders=frozenset(left))

    def _remove_empty(self, folder: str) -> None:
        """Remove a folder that holds nothing but empty folders. Raises OSError where it holds more."""
        self.task.target.forget()
        for name in sorted(self.task.target.names(folder)):
            self._remove_empty(join(folder, name))
        self.pause()
        self.task.target.remove_folder(folder)

    def _conclude(self) -> None:
        """Note as much as was done."""
        done = {path: replace(self._coming[path], target_proof=()) for path in self.copied}
        deleted = set(self.deleted)
        kept = {path: record for path, record in self.known.records.items() if path not in deleted}
        gone = self.known.gone.union(self.deleted).difference(self.task.wanted)
        self.known = replace(self.known, records={**kept, **done}, gone=gone)

    def _clear(self, names: Iterable[str]) -> None:
        for name in tuple(names):
            with suppress(OSError):
                self.task.target.unlink(name)

    def _find_anchor(self, path: str) -> str:
        """Return the nearest folder above a path that there is."""
        return next((folder for folder in reversed(ancestors(path)) if self._is_folder(folder)), "")

    def _is_folder(self, path: str) -> bool:
        try:
            self.task.target.folder(path)
        except OSError:
            return False
        return True

    def _try(self, path: str, step: Callable[[str], None]) -> None:
        try:
            step(path)
        except OSError as error:
            if error.errno in _HOPELESS:
                raise
            self.failed.append(LeftOut(path=path, why=error.strerror or str(error)))


def _copy(old: BufferedReader, new: BufferedWriter) -> Content:
    """Copy a file's bytes and permissions; return what was written."""
    digest = hashlib.sha256()
    while chunk := old.read(_CHUNK):
        digest.update(chunk)
        new.write(chunk)
    mode = os.fstat(old.fileno()).st_mode & 0o777
    with suppress(PermissionError):  # some file systems keep none
        os.fchmod(new.fileno(), mode)
    return Content(digest=digest.hexdigest(), is_executable=bool(mode & stat.S_IXUSR))
