"""What a mirror's two sides hold.

Must not know git, and changes nothing. A file whose stamp is that of an earlier look is not read again, but only where
that look came long after its last change: within a file system's tick, a change may leave the stamp as it was.
"""

import os
import posixpath
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from devenv.adapters.mirrors.tree import Barred, Tree, join, kind_of, stamp_of
from devenv.domain.syncing import LeftOut
from devenv.sync.mirroring import Content, Found, Kind, Manifest, Stamp, Wanted

Pause = Callable[[], None]
"""Called between any two steps; may raise, to end the work there."""

_SETTLED_NS = 60 * 1_000_000_000  # a file written through a memory map is stamped up to 30 s late
_MOST_INSIDE = 1000


def walk_files(tree: Tree, pause: Pause, folder: str = "") -> Iterator[str]:
    """Yield every file below a folder, links and repositories (as one path each) among them, but no `.git`."""
    for name in sorted(tree.names(folder)):
        pause()
        path = join(folder, name)
        if name.casefold() == ".git":
            continue
        try:
            tree.folder(path)
        except (Barred, FileNotFoundError):
            yield path
        else:
            yield from walk_files(tree, pause, path)


def find_strange(tree: Tree, paths: Iterable[str]) -> Iterator[str]:
    """Yield the pipes, sockets and devices in the folders that `paths` lie in: git does not list them."""
    for folder in sorted({"", *(path.rpartition("/")[0] for path in paths)}):
        try:
            names = tree.names(folder)
        except OSError:
            continue
        yield from (join(folder, name) for name in sorted(names) if names[name].kind is Kind.OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """What the source has: what can be copied, what is not, and what could not be read."""

    wanted: Mapping[str, Wanted]
    left_out: tuple[LeftOut, ...]
    unread: tuple[LeftOut, ...]


def survey_source(tree: Tree, paths: Mapping[str, str], manifest: Manifest, pause: Pause) -> Supply:
    """Return what the source has at `paths`, which map paths of the target to the source's."""
    wanted: dict[str, Wanted] = {}
    left_out: list[LeftOut] = []
    unread: list[LeftOut] = []
    for path, origin in sorted(paths.items()):
        pause()
        try:
            one = _want(tree, path, origin, manifest)
        except FileNotFoundError:
            continue
        except Barred as barred:
            if barred.kind is Kind.REPOSITORY:
                left_out.append(LeftOut(path=path, why=f"lies in {barred.kind}"))
            continue  # below what is no folder any more, there is nothing
        except OSError as error:
            unread.append(LeftOut(path=path, why=error.strerror or str(error)))
            continue
        if isinstance(one, Wanted):
            wanted[path] = one
        else:
            left_out.append(LeftOut(path=path, why=one))
    return Supply(wanted=wanted, left_out=tuple(left_out), unread=tuple(unread))


def survey_target(tree: Tree, paths: Iterable[str], manifest: Manifest, pause: Pause) -> dict[str, Found]:
    """Return what is at each of these paths, and at what keeps one from being reached."""
    there: dict[str, Found] = {}
    for path in sorted(paths):
        pause()
        there[path] = found = _find(tree, path, manifest, pause)
        if found.behind and found.behind not in there:
            there[found.behind] = _find(tree, found.behind, manifest, pause)
    return there


def _want(tree: Tree, path: str, origin: str, manifest: Manifest) -> Wanted | str:
    """Return a file of the source, or why it is not copied."""
    seen = tree.stat(origin)
    kind = kind_of(seen)
    if kind is Kind.FOLDER:
        return f"is {Kind.REPOSITORY}"  # of the folders, only those are listed
    if kind is Kind.OTHER:
        return f"is {kind}"
    if kind is Kind.LINK and (why := _find_fault(tree, origin)):
        return why
    record = manifest.records.get(path)
    if record is not None and record.source_proof == stamp_of(seen):
        return Wanted(content=record.source, proof=record.source_proof)
    content, proof = _read(tree, origin)
    return Wanted(content=content, proof=proof)


def _find_fault(tree: Tree, path: str) -> str:
    """Return why a link would not mean the same in the target, '' where it would."""
    text = tree.read_link(path)
    if text.startswith("/"):
        return "is a link to an absolute path"
    inside = posixpath.normpath(join(posixpath.dirname(path), text))
    real = os.path.realpath(posixpath.join(tree.root, posixpath.dirname(path), text))
    is_inside = real == tree.root or real.startswith(tree.root.rstrip("/") + "/")
    if inside.split("/")[0] == ".." or not is_inside:
        return "is a link that leads out of the source"
    return ""


def _find(tree: Tree, path: str, manifest: Manifest, pause: Pause) -> Found:
    """Return what is at a path; what cannot be looked at is something all the same."""
    try:
        return _look(tree, path, manifest, pause)
    except FileNotFoundError:
        return Found()
    except Barred as barred:
        is_it = barred.path == path
        return Found(kind=barred.kind) if is_it else Found(behind=barred.path, spelled=barred.spelled)
    except OSError:
        return Found(kind=Kind.SHUT)


def _look(tree: Tree, path: str, manifest: Manifest, pause: Pause) -> Found:
    seen = tree.stat(path)
    kind, stamp = kind_of(seen), stamp_of(seen)
    if (spelled := tree.spelling(path)) != path:
        return Found(spelled=spelled)
    if kind is Kind.FOLDER:
        tree.folder(path)
        inside = islice(walk_files(tree, pause, path), _MOST_INSIDE)
        return Found(kind=kind, inside=tuple(one for one in inside if one not in manifest.staged))
    if kind is Kind.OTHER:
        return Found(kind=kind)
    record = manifest.records.get(path)
    if record is not None and record.target_proof == stamp:
        return Found(kind=kind, content=record.put, stamp=stamp, proof=stamp)
    content, proof = _read(tree, path)
    return Found(kind=kind, content=content, stamp=stamp, proof=proof)


def _read(tree: Tree, path: str) -> tuple[Content, Stamp]:
    """Return a content, and a stamp that proves it from now on, () where none does yet."""
    began = time.time_ns()
    content, seen = tree.read(path)
    stamp = stamp_of(seen)
    is_settled = began - seen.st_ctime_ns > _SETTLED_NS and stamp_of(tree.stat(path)) == stamp
    return content, stamp if is_settled else ()
