"""The remote side of what is checked out: fetching one branch of it, and fast-forwarding to what came.

Implements `devenv.app.ports.Checkouts`. Must not decide whether to pull. Invariants: a fetch moves nothing but the ref
that follows the branch, and that only forward; a fast-forward either brings the whole work tree to the commit or
changes nothing, and overwrites no file that is not committed, ignored ones included.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from devenv.adapters.git import holding, looking
from devenv.adapters.git.command import Git, Ran
from devenv.adapters.git.remotes import measure, quote
from devenv.domain.errors import HostError
from devenv.domain.pulling import Checkout, News, Source, find_hindrance, name_some
from devenv.sync.refusals import Place, explain

FETCH_S = 20.0
"""So long may a remote take."""

MERGE_S = 300.0
"""So long may a fast-forward take with the hooks of the user's, which like to install packages."""

_NOTHING_ELSE = ("--no-tags", "--no-recurse-submodules", "--no-prune", "--no-write-fetch-head", "--refmap=")
_LOSE_NOTHING = ("--ff-only", "--no-overwrite-ignore", "--no-autostash")
_HEADS = "refs/heads/"


@dataclass(frozen=True, slots=True, kw_only=True)
class GitCheckouts:
    """The work trees of a stack. `environment` is that of the command that asks."""

    environment: Mapping[str, str]

    async def find(self, folder: str, remotes: Sequence[str], files: Sequence[str]) -> Checkout:
        """Return the work tree around `folder` and where its branch is pulled from."""
        git = Git(folder=folder, environment=self.environment)
        top = (await looking.find_places(git)).top
        branch = (await git.run("symbolic-ref", "--quiet", "HEAD")).text.removeprefix(_HEADS)
        known = (await git.ask("remote")).splitlines()
        upstream = await _find_upstream(git, branch, known) if branch else None
        named = [_source(remote, branch) for remote in remotes if branch and remote in known]
        return Checkout(
            root=top,
            branch=branch,
            head=(await git.run("rev-parse", "--verify", "--quiet", "HEAD")).text,
            sources=(upstream,) if upstream else tuple(named),
            follows=upstream is not None,
            files=_inside(top, files),
        )

    async def fetch(self, checkout: Checkout) -> News | None:
        """Fetch from the first source that there is."""
        git = Git(folder=checkout.root, environment=self.environment)
        for source in checkout.sources:
            what = f"{_HEADS}{source.branch}:{source.tracking}"
            ran = await git.reach("fetch", *_NOTHING_ELSE, source.remote, what, deadline_s=FETCH_S)
            if "couldn't find remote ref" in ran.err:
                continue
            if ran.status != 0 or ran.is_late:
                raise _explain_fetch(ran, checkout, source)
            return await _compare(git, checkout, source)
        return None

    async def fast_forward(self, checkout: Checkout, news: News) -> str:
        """Merge the news' commit where the work tree is clean; the user's hooks run as they do at a pull."""
        git = Git(folder=checkout.root, environment=self.environment)
        waits: list[str] = []
        try:
            async with holding.hold(git, waits.append, patience_s=0.0):
                return find_hindrance(checkout, await looking.look(git)) or await _merge(
                    git, checkout.branch, news.commit
                )
        except HostError:
            if waits:
                return "another sync or pull of this repository is under way"
            raise


async def _merge(git: Git, branch: str, commit: str) -> str:
    """Fast-forward to a commit; return why that was not done, '' where it was, whatever a hook said afterwards."""
    ran = await git.run(
        "merge", *_LOSE_NOTHING, "--no-stat", "--quiet", commit, settings=_plainly(branch), deadline_s=MERGE_S
    )
    has_it = await git.run("merge-base", "--is-ancestor", commit, "HEAD")
    return "" if has_it.status == 0 else _explain_merge(ran)


def _plainly(branch: str) -> dict[str, str]:
    """Return the setting without which a branch's own options could make a fast-forward a squash or a merge."""
    return {f"branch.{branch}.mergeOptions": "--ff-only"}


def _inside(root: str, files: Sequence[str]) -> tuple[str, ...]:
    """Return those of `files` that lie below `root`, relative to it; of a link both it and what it leads to."""
    links = [Path(os.path.realpath(Path(path).parent), Path(path).name) for path in files]
    places = [*links, *(Path(os.path.realpath(path)) for path in files)]
    return tuple(dict.fromkeys(str(place.relative_to(root)) for place in places if place.is_relative_to(root)))


async def _find_upstream(git: Git, branch: str, known: Sequence[str]) -> Source | None:
    """Return the branch's upstream where that is a branch at a `known` remote, not one here or at a bare URL."""
    parts = ("%(upstream:remotename)", "%(upstream:remoteref)", "%(upstream)")
    told = await git.ask("for-each-ref", f"--format=%(refname)%00{'%00'.join(parts)}", f"{_HEADS}{branch}")
    lines = (line.split("\0") for line in told.splitlines())  # a pattern finds what lies below it, too
    remote, ref, tracking = next((rest for name, *rest in lines if name == f"{_HEADS}{branch}"), ("", "", ""))
    if remote not in known or not ref.startswith(_HEADS):
        return None
    source = _source(remote, ref.removeprefix(_HEADS))
    return replace(source, tracking=tracking) if tracking.startswith("refs/remotes/") else source


def _source(remote: str, branch: str) -> Source:
    return Source(remote=remote, branch=branch, tracking=f"refs/remotes/{remote}/{branch}")


async def _compare(git: Git, checkout: Checkout, source: Source) -> News:
    commit = await git.ask("rev-parse", "--verify", f"{source.tracking}^{{commit}}")
    here = f"{_HEADS}{checkout.branch}"
    gap = await measure(git, here, commit)
    changed: tuple[str, ...] = ()
    if gap.behind and not gap.ahead:
        changed = (await git.require("diff-tree", "-r", "-z", "--name-only", "--no-renames", here, commit)).records
    return News(source=source, commit=commit, ahead=gap.ahead, behind=gap.behind, changed=changed)


def _explain_fetch(ran: Ran, checkout: Checkout, source: Source) -> HostError:
    if "[rejected]" in ran.err:
        why, fix = "commits that it had are gone there; they are kept here", checkout.git("fetch", source.remote)
        return HostError(f"cannot follow {source}", why=why, fix=fix)
    place = Place(root=checkout.root, remote=source.remote, branch=source.branch, timeout_s=FETCH_S)
    refusal = explain(quote(ran), place)
    return HostError(f"cannot fetch from {source.remote}", why=refusal.why, fix=refusal.fix)


def _explain_merge(ran: Ran) -> str:
    """Return why git did not fast-forward; it names files on lines of their own, after a tab."""
    if ran.is_late:
        return f"it was ended after {MERGE_S:g} s, and files may be half of the one and half of the other (git status)"
    files = [line.strip() for line in ran.err.splitlines() if line.startswith("\t")]
    return f"it would overwrite {name_some(files)}" if files else ran.complaint
