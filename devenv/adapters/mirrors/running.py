"""One run of a mirror: looking at both sides, planning, copying. Blocks; for a thread.

Must not know git. Invariants: looking changes nothing; a source that is empty deletes nothing; whatever keeps a file
from being copied or deleted is a remark.
"""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from devenv.adapters.mirrors.copying import Copying, Task
from devenv.adapters.mirrors.manifest import ManifestFile
from devenv.adapters.mirrors.sides import Refused, Sides, find_existing
from devenv.adapters.mirrors.survey import Pause, Supply, survey_source, survey_target
from devenv.adapters.mirrors.tree import Tree
from devenv.domain.errors import HostError
from devenv.domain.syncing import LeftOut, MirrorReport, Remark
from devenv.sync.mirroring import Found, Manifest, MirrorPlan, plan_mirror, settle

Judge = Callable[[str, str, bytes], str]
"""Tells why no commit may take a file, '' where one may: its path, its place, and what it held before."""

_MOST_NAMED = 20
_MOST_BEFORE = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The paths of the source (those of the target mapped to them), and what is left out before any is looked at."""

    origins: Mapping[str, str]
    left_out: tuple[LeftOut, ...] = ()
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a run will do, and what it was decided from. The manifest is settled."""

    sides: Sides
    origins: Mapping[str, str]
    file: ManifestFile
    manifest: Manifest
    supply: Supply
    there: Mapping[str, Found]
    plan: MirrorPlan
    left_out: tuple[LeftOut, ...]
    remarks: tuple[Remark, ...]


def look_ahead(sides: Sides, listing: Listing, file: ManifestFile, judge: Judge, pause: Pause) -> Outlook:
    """Look at both sides and plan. Raises HostError, and Refused where the source has nothing any more."""
    manifest = file.read()
    with Tree(sides.source) as source, Tree(sides.target) as target:
        supply = survey_source(source, listing.origins, manifest, pause)
        there = survey_target(target, manifest.paths.union(supply.wanted), manifest, pause)
    manifest = settle(manifest, there)
    spared = {one.path for one in (*listing.left_out, *supply.left_out, *supply.unread)}
    plan = plan_mirror(supply.wanted, there, manifest, partial(_is_among, spared=spared))
    if plan.deletes and not supply.wanted:
        raise _refuse_emptiness(sides, len(plan.deletes))
    judged = tuple(_judge_all(sides, listing, plan.copies, judge, pause))
    if judged:
        spared |= {one.path for one in judged}
        supply = replace(supply, wanted={path: one for path, one in supply.wanted.items() if path not in spared})
        plan = plan_mirror(supply.wanted, there, manifest, partial(_is_among, spared=spared))
    return Outlook(
        sides=sides,
        origins=listing.origins,
        file=file,
        manifest=manifest,
        supply=supply,
        there=there,
        plan=plan,
        left_out=(*listing.left_out, *supply.left_out, *judged, *plan.strangers),
        remarks=(*listing.remarks, *_warn(sides, supply, file)),
    )


def carry_out(outlook: Outlook, report: MirrorReport, pause: Pause) -> tuple[MirrorReport, Manifest]:
    """Copy and delete; return the report with what was done, and what is known then."""
    sides, problems = outlook.sides, list[Remark]()
    with Tree(sides.source) as source, Tree(sides.target) as target:
        task = Task(
            source=source,
            target=target,
            origins=outlook.origins,
            wanted=outlook.supply.wanted,
            there=outlook.there,
            manifest=outlook.manifest,
            plan=outlook.plan,
        )
        copying = Copying(task=task, file=outlook.file, pause=pause)
        try:
            copying.run()
        except (OSError, HostError) as error:
            why = error.why if isinstance(error, HostError) else error.strerror or str(error)
            fix = f"df -h {shlex.quote(find_existing(sides.target))}"
            problems.append(Remark(text=f"not all could be written: {why}", fix=fix, blocks=True))
    problems += _name_each("{} was not copied or deleted", copying.failed, fix=f"ls -la {shlex.quote(sides.target)}")
    done = replace(
        report,
        copied=tuple(sorted(copying.copied)),
        deleted=tuple(sorted(copying.deleted)),
        remarks=(*report.remarks, *problems),
    )
    return done, copying.known


def _refuse_emptiness(sides: Sides, lost: int) -> Refused:
    """Return what to say where the source has nothing left of all that earlier runs copied."""
    text = f"{sides.source} has no file left, and {sides.target} has {lost} of it; none was deleted"
    return Refused(f"{text}. Where that is meant, delete them there", f"ls -A {shlex.quote(sides.source)}")


def _judge_all(sides: Sides, listing: Listing, paths: Sequence[str], judge: Judge, pause: Pause) -> Iterator[LeftOut]:
    """Return which of the files that are to be copied may not be; what the target has already is not new there."""
    for path in paths:
        pause()
        place = f"{sides.source}/{listing.origins[path]}"
        if judge(path, place, b"") and (why := judge(path, place, _read_start(sides, path))):
            yield LeftOut(path=path, why=why)


def _read_start(sides: Sides, path: str) -> bytes:
    """Return what the target has at a path, as far as a judge needs it."""
    with suppress(OSError), Tree(sides.target) as tree, tree.open(path) as file:
        return file.read(_MOST_BEFORE)
    return b""


def _is_among(path: str, spared: set[str]) -> bool:
    """Tell whether a path is one of `spared`, or lies in one."""
    return path in spared or any(path.startswith(f"{one}/") for one in spared)


def _warn(sides: Sides, supply: Supply, file: ManifestFile) -> Iterator[Remark]:
    """Say what the user should know of both sides."""
    if file.is_damaged:
        yield Remark(
            text="what earlier runs copied is not known any more (the manifest is damaged): nothing is deleted"
        )
    if not supply.wanted and not supply.unread:
        yield Remark(text=f"{sides.source} holds no file that can be copied")
    yield from _name_each("{} of the source cannot be read", supply.unread, fix=f"ls -la {shlex.quote(sides.source)}")


def _name_each(words: str, failed: Sequence[LeftOut], *, fix: str) -> Iterator[Remark]:
    """Return a remark for each path that failed, and one for those that are too many."""
    for one in failed[:_MOST_NAMED]:
        yield Remark(text=f"{words.format(one.path)}: {one.why}", fix=fix, blocks=True)
    if (more := len(failed) - _MOST_NAMED) > 0:
        yield Remark(text=words.format(f"{more} more"), fix=fix, blocks=True)
