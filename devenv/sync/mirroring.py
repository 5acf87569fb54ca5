"""What a mirror run does to each file of its target, decided from what the source has, what is there, and the manifest.

Pure. The manifest is what earlier runs know of the target: what they put there, and, of a run that was killed, what it
was about to do. Paths are relative to the top of the target, with `/`; undecodable bytes are surrogates. Invariants: a
file that no run put there is neither overwritten nor deleted, and neither is one that somebody has changed since;
what a killed run put there counts as put there, and what it was about to do does not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from devenv.domain.syncing import LeftOut

Stamp = tuple[int, ...]
"""Device, inode, size, and the times of the last change of content and of the file, in ns; () for none."""


class Kind(StrEnum):
    """What a path can be."""

    NOTHING = "nothing"
    FILE = "a file"
    LINK = "a symbolic link"
    FOLDER = "a folder"
    REPOSITORY = "a repository of its own"
    OTHER = "a pipe, socket or device"
    SHUT = "something that cannot be read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is compared of a file or a link: its bytes (or where it points) as SHA-256, and whether it can be run."""

    kind: Kind = Kind.FILE
    digest: str
    is_executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file of the source. `proof` is a stamp that only a file with this content has, () where there is none yet."""

    content: Content
    proof: Stamp = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is at a path of the target; `content` is that of a file or a link.

    `behind` is the nearest folder above that cannot be entered, as it is none or none of ours: nothing is at the path
    then. `spelled` is the name by which the file system has it, where that is another than the path. `inside` are the
    files of a folder.
    """

    kind: Kind = Kind.NOTHING
    content: Content | None = None
    stamp: Stamp = ()
    proof: Stamp = ()
    behind: str = ""
    spelled: str = ""
    inside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A file of the target that is as a run left it: what the source had, and what became of it here.

    `is_ours` is False where an equal file was there already: it is overwritten with newer content, but never deleted.
    """

    source: Content
    put: Content
    is_ours: bool = True
    source_proof: Stamp = ()
    target_proof: Stamp = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What earlier runs know of the target. `folders` are those that they made.

    `gone` are the files that they deleted and nobody committed yet. Of a run under way: `staged` are the names of its
    half-written files, `coming` what it puts where, stamped as it lies under its staged name, `going` what it deletes.
    """

    records: Mapping[str, Record] = field(default_factory=dict)
    folders: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    staged: tuple[str, ...] = ()
    coming: Mapping[str, Record] = field(default_factory=dict)
    going: Mapping[str, Stamp] = field(default_factory=dict)

    @property
    def paths(self) -> frozenset[str]:
        """Return every path that it knows something of."""
        return frozenset((*self.records, *self.coming, *self.going))


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """A path of the target that is left as it is, although the source has something else, and why."""

    path: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorPlan:
    """What is to be done. `records` is what stays true of the other files.

    `strangers` are files that the source no longer has, and that were here before the first run.
    """

    copies: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    strangers: tuple[LeftOut, ...] = ()
    records: Mapping[str, Record] = field(default_factory=dict)


def settle(manifest: Manifest, there: Mapping[str, Found]) -> Manifest:
    """Return the manifest with what became of a run that was killed; `staged` stays, for whoever removes those.

    What such a run put is told by its inode, not by its content alone: somebody may have written the same.
    """
    records, gone = dict(manifest.records), set(manifest.gone)
    for path, record in manifest.coming.items():
        found = there[path]
        if found.content == record.put and found.stamp[:4] == record.target_proof[:4]:
            records[path] = replace(record, target_proof=found.proof)
    for path, stamp in manifest.going.items():
        if there[path].content is None:
            gone.add(path)
        if there[path].stamp != stamp:  # gone, or written anew since by somebody else
            records.pop(path, None)
    return replace(manifest, records=records, gone=frozenset(gone), coming={}, going={})


def plan_mirror(
    wanted: Mapping[str, Wanted],
    there: Mapping[str, Found],
    manifest: Manifest,
    is_spared: Callable[[str], bool] = lambda _path: False,
) -> MirrorPlan:
    """Plan a run. `there` has every path of `wanted` and the settled `manifest`, and what these are behind.

    `is_spared` tells of a path that the source has, but that is not copied: it is left as it is.
    """
    planning = _Planning(there=there, manifest=manifest)
    for path in sorted(set(manifest.records) - set(wanted)):
        planning.leave(path, is_spared=is_spared(path))
    for path in sorted(wanted):
        planning.want(path, wanted[path])
    return MirrorPlan(
        copies=tuple(planning.copies),
        deletes=tuple(planning.deletes),
        obstacles=tuple(Obstacle(path=path, why=why) for path, why in sorted(planning.obstacles.items())),
        strangers=tuple(planning.strangers),
        records=planning.records,
    )


@dataclass(slots=True, kw_only=True)
class _Planning:
    there: Mapping[str, Found]
    manifest: Manifest
    copies: list[str] = field(default_factory=list)
    deletes: dict[str, None] = field(default_factory=dict)
    obstacles: dict[str, str] = field(default_factory=dict)
    strangers: list[LeftOut] = field(default_factory=list)
    records: dict[str, Record] = field(default_factory=dict)

    def leave(self, path: str, *, is_spared: bool) -> None:
        """Decide on a file that the source no longer has."""
        record, found = self.manifest.records[path], self.there[path]
        if found.content is None and found.kind is not Kind.SHUT:
            return  # somebody took it away: nothing to delete, nothing to remember
        is_as_put = found.content == record.put
        self.records[path] = replace(record, target_proof=found.proof if is_as_put else ())
        if is_spared:
            return
        if found.kind is Kind.SHUT:
            self.obstacles[path] = "it cannot be read"
        elif not is_as_put:
            self.obstacles[path] = "it was edited there, and the source no longer has it"
        elif record.is_ours:
            self.deletes[path] = None
        else:
            why = "is no longer in the source, but it was here before the first mirror run"
            self.strangers.append(LeftOut(path=path, why=why))

    def want(self, path: str, wanted: Wanted) -> None:
        """Decide on a file that the source has."""
        record, found = self.manifest.records.get(path), self.there[path]
        if self._is_blocked(path, found):
            self._keep(path, record)
        elif found.content is None:
            self.copies.append(path)
        elif found.content == wanted.content:
            is_ours = record is not None and record.is_ours
            self._note(path, wanted, found, found.content, is_ours=is_ours)
        elif record is None or found.content != record.put:
            self.obstacles[path] = "it was edited there" if record else "it is not from a mirror run"
            self._keep(path, record)
        elif record.source == wanted.content:  # as far as this file system can tell, it is what the source has
            self._note(path, wanted, found, found.content, is_ours=record.is_ours)
        else:
            self.copies.append(path)

    def _is_blocked(self, path: str, found: Found) -> bool:
        """Tell whether something is in the way that is not going, and note it."""
        if found.spelled and found.spelled not in self.deletes:
            self.obstacles[path] = f"{found.spelled} is there, and the file system takes both for one name"
            return True
        if found.behind and found.behind not in self.deletes:
            kind = self.there[found.behind].kind
            self.obstacles[found.behind] = f"{kind} is there, where the source has a folder"
            return True
        if found.kind in {Kind.OTHER, Kind.REPOSITORY, Kind.SHUT}:
            self.obstacles[path] = f"{found.kind} is there, where the source has a file"
            return True
        others = [one for one in found.inside if one not in self.deletes]
        if others:
            self.obstacles[path] = f"a folder is there, where the source has a file; it holds {others[0]}"
        return bool(others)

    def _keep(self, path: str, record: Record | None) -> None:
        if record is not None:
            self.records[path] = replace(record, target_proof=())

    def _note(self, path: str, wanted: Wanted, found: Found, put: Content, *, is_ours: bool) -> None:
        self.records[path] = Record(
            source=wanted.content,
            put=put,
            is_ours=is_ours,
            source_proof=wanted.proof,
            target_proof=found.proof,
        )
