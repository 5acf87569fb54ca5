"""Mirrors between repositories: what git says of both sides, and the report.

Implements `devenv.sync.ports.Mirrors`. Must not decide what is copied or deleted (`sync.mirroring` does). Invariants: a
dry run changes nothing; the manifest lies in the git folder of the target's work tree, never among its files; where git
cannot list the source as a whole, nothing is deleted.
"""

import hashlib
import os
import shlex
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from devenv.adapters.git.command import Git, GitFailed
from devenv.adapters.git.judging import refuse_file
from devenv.adapters.git.looking import Places, find_places, find_under_way
from devenv.adapters.git.mirror_diffs import describe_obstacles
from devenv.adapters.git.secrets import judge_name
from devenv.adapters.mirrors.manifest import ManifestFile
from devenv.adapters.mirrors.running import Judge, Listing, Outlook, carry_out, look_ahead
from devenv.adapters.mirrors.sides import Refused, Sides, find_existing, find_sides
from devenv.adapters.mirrors.survey import Pause, find_strange, walk_files
from devenv.adapters.mirrors.tree import Tree
from devenv.domain.errors import HostError, UsageError
from devenv.domain.git_rules import MirrorRule
from devenv.domain.syncing import LeftOut, MirrorReport, Remark
from devenv.sync.mirroring import Manifest
from devenv.sync.ports import Say

T = TypeVar("T")

_LITERAL = {"GIT_LITERAL_PATHSPECS": "1"}
_LIST = ("ls-files", "-z", "-t", "--cached", "--others", "--exclude-standard")
_STATUS = ("status", "--porcelain", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=all")
_MANY = 1000
_ABSENT = "is not checked out in the source (git sparse-checkout)"


def judge_file(path: str, place: str, before: bytes) -> str:
    """Return why no commit may take a file, '' where one may."""
    named = judge_name(path)
    return named.why if named else refuse_file(place, path, before)


@dataclass(frozen=True, slots=True, kw_only=True)
class GitMirrors:
    """Copies what git does not ignore from one folder to one of another repository.

    `say` tells what takes a while; `judge` knows the files that are not copied, as no commit may take them.
    """

    environment: Mapping[str, str]
    say: Say
    judge: Judge = judge_file

    async def find_top(self, rule: MirrorRule) -> str:
        """Return the top of the repository that the target lies in. Raises HostError or UsageError."""
        sides = await anyio.to_thread.run_sync(find_sides, rule)
        return (await self._find_places(sides)).top

    async def copy(self, rule: MirrorRule, *, dry_run: bool) -> MirrorReport:
        """Make the target like the source, as far as that loses nothing. Raises HostError or UsageError."""
        sides = await anyio.to_thread.run_sync(find_sides, rule)
        places = await self._find_places(sides)
        if under_way := find_under_way(places.private):
            text = f"a {under_way} is under way in {places.top}; nothing was copied or deleted"
            raise Refused(text, f"git -C {shlex.quote(places.top)} status")
        prefix = _find_prefix(sides, places)
        listing, file = await self._list(sides), _find_manifest(sides, places, prefix)
        if len(listing.origins) >= _MANY:
            self.say(f"mirroring {len(listing.origins):,} files to {rule.target}")
        outlook = await _in_thread(partial(look_ahead, sides, listing, file, self.judge))
        report = MirrorReport(
            source=rule.source,
            target=rule.target,
            copied=outlook.plan.copies,
            deleted=outlook.plan.deletes,
            edited=await describe_obstacles(self._git(places.top), outlook, self.judge),
            left_out=outlook.left_out,
            remarks=outlook.remarks,
        )
        known = outlook.manifest
        if not dry_run:
            report, known = await _in_thread(partial(carry_out, outlook, report))
        if not rule.commit:
            return report
        differing = await self._find_differing(places, prefix)
        if not dry_run:
            with suppress(HostError):  # what is committed by now needs no more remembering, but does no harm
                outlook.file.write(replace(known, gone=known.gone & differing))
        return replace(report, paths=_select_paths(outlook, known, report, prefix, differing))

    async def _find_places(self, sides: Sides) -> Places:
        return await find_places(self._git(find_existing(sides.target)))

    async def _list(self, sides: Sides) -> Listing:
        """List the source: what git does not ignore, or all of it where there is no git."""
        git, name = self._git(sides.source), sides.source_name
        try:
            await find_places(git)
        except UsageError:
            return await _list_all(sides)
        ran = await git.run(*_LIST, *(("--", name) if name else ()), more=_LITERAL)
        if ran.status != 0 or ran.is_late or "could not open" in ran.err:  # then the list is not whole
            raise GitFailed(ran, sides.source)
        tags = {record[2:].removesuffix("/"): record[0] for record in ran.records}
        if name and name not in tags:
            fix = f"git -C {shlex.quote(sides.source)} check-ignore -v -- {shlex.quote(name)}"
            raise Refused(f"git ignores {sides.source}/{name}", fix)
        if name:
            return Listing(origins={sides.target_name: name})
        absent = {path for path, tag in tags.items() if tag == "S" and not _is_there(sides, path)}
        paths = tags.keys() - absent
        origins = {path: path for path in (*paths, *await _list_strange(git, paths))}
        return Listing(origins=origins, left_out=tuple(LeftOut(path=path, why=_ABSENT) for path in sorted(absent)))

    async def _find_differing(self, places: Places, prefix: str) -> frozenset[str]:
        """Return the paths of the target that differ from the last commit."""
        ran = await self._git(places.top).require(*_STATUS, "--", prefix or ".", more=_LITERAL)
        return frozenset(record[3:].removeprefix(prefix) for record in ran.records)

    def _git(self, folder: str) -> Git:
        return Git(folder=folder, environment=self.environment)


def _is_there(sides: Sides, path: str) -> bool:
    return os.path.lexists(f"{sides.source}/{path}")


def _find_prefix(sides: Sides, places: Places) -> str:
    """Return what comes before the target's paths in those of its repository."""
    near = os.path.relpath(sides.target, os.path.realpath(places.top))
    return "" if near == "." else f"{near}/"


def _find_manifest(sides: Sides, places: Places, prefix: str) -> ManifestFile:
    """Return the mirror's manifest; its name stays the same where both repositories move together."""
    names = {
        "source": os.path.relpath(sides.source, os.path.realpath(places.top)),
        "target": prefix,
        "source_name": sides.source_name,
        "target_name": sides.target_name,
    }
    key = hashlib.sha256(os.fsencode("\0".join(names.values()))).hexdigest()[:16]
    return ManifestFile(Path(places.private, "devenv", "mirrors", f"{key}.json"), names)


def _select_paths(
    outlook: Outlook, known: Manifest, report: MirrorReport, prefix: str, differing: frozenset[str]
) -> tuple[str, ...]:
    """Return the paths that a commit has to take, from the top: also those of an earlier run that none took."""
    left_alone = {one.path for one in outlook.plan.obstacles}
    mirrored = {path for path in outlook.supply.wanted if path in known.records} - left_alone
    paths = differing.intersection(mirrored | known.gone).union(report.copied, report.deleted)
    return tuple(sorted(prefix + path for path in paths))


async def _list_all(sides: Sides) -> Listing:
    """List a source that lies in no repository."""
    remark = Remark(text=f"{sides.source} is in no git repository, so all its files are copied")
    if sides.source_name:
        return Listing(origins={sides.target_name: sides.source_name})

    def walk(pause: Pause) -> list[str]:
        with Tree(sides.source) as tree:
            return list(walk_files(tree, pause))

    try:
        paths = await _in_thread(walk)
    except OSError as error:
        fix = f"ls -lR {shlex.quote(sides.source)}"
        raise HostError(f"cannot list {sides.source}", why=str(error), fix=fix) from error
    return Listing(origins={path: path for path in paths}, remarks=(remark,))


async def _list_strange(git: Git, paths: set[str]) -> tuple[str, ...]:
    """Return the pipes, sockets and devices beside `paths`, which git does not list, but for those it ignores."""

    def find(_pause: Pause) -> list[str]:
        with Tree(git.folder) as tree:
            return [path for path in find_strange(tree, paths) if path not in paths]

    found = await _in_thread(find)
    if not found:
        return ()
    ran = await git.run("check-ignore", "-z", "--stdin", feed=os.fsencode("\0".join(found)), more=_LITERAL)
    return tuple(path for path in found if path not in ran.records)


async def _in_thread(work: Callable[[Pause], T]) -> T:
    """Run blocking steps beside the event loop; where we are cancelled, wait until the step under way is over."""
    stop, idle = threading.Event(), threading.Event()
    idle.set()

    def pause() -> None:
        if stop.is_set():
            raise _Stopped

    def run() -> T:
        idle.clear()
        try:
            pause()
            return work(pause)
        finally:
            idle.set()

    try:
        return await anyio.to_thread.run_sync(run, abandon_on_cancel=True)
    finally:
        stop.set()
        with anyio.CancelScope(shield=True):
            while not idle.is_set():  # noqa: ASYNC110 - it is a thread that sets it
                await anyio.sleep(0.005)


class _Stopped(Exception):
    """The task that waits for this thread was cancelled."""
