"""What a branch is against the one of a remote, as a row of the report.

Pure. Must not know where the counts come from. Invariant: only a branch whose remote has nothing that is not here is to
be pushed; whatever else is not done has its reason and the next command to type.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devenv.domain.git_rules import SyncRules
from devenv.domain.sizes import count
from devenv.domain.syncing import Look, Outcome, PushRow
from devenv.sync.refusals import Place, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How many commits only this side has (`ahead`), and how many only the remote (`behind`)."""

    ahead: int = 0
    behind: int = 0

    @property
    def is_diverged(self) -> bool:
        """Tell whether both sides have commits that the other lacks."""
        return bool(self.ahead and self.behind)


def name_branches(look: Look, rules: SyncRules) -> tuple[str, ...]:
    """Return the branches to push: those of the rules, else the current one."""
    return tuple(dict.fromkeys(rules.branches or ((look.branch,) if look.branch else ())))


def name_asked(look: Look, rules: SyncRules) -> tuple[str, ...]:
    """Return the branches to ask a remote for: also the two of the promotion."""
    promoted = (rules.promote.source, rules.promote.target) if rules.promote else ()
    return tuple(dict.fromkeys((*name_branches(look, rules), *promoted)))


def merge_answers(answers: Sequence[Mapping[str, str]], mine: Mapping[str, str]) -> dict[str, str]:
    """Return what a remote with several URLs has: what all have, and where they differ, what is not ours."""
    first, *others = answers
    shared = [branch for branch in first if all(branch in answer for answer in others)]
    return {
        branch: next((one[branch] for one in answers if one[branch] != mine.get(branch)), first[branch])
        for branch in shared
    }


def compare(place: Place, gap: Gap, *, is_shallow: bool = False) -> PushRow:
    """Return the row of a branch that both sides have."""
    if gap.is_diverged:
        return _diverged(place, gap, is_shallow=is_shallow)
    if gap.behind:
        why = f"{place.remote} has {count(gap.behind, 'commit')} more"
        return row(place, Outcome.BEHIND, commits=gap.behind, why=why, fix=_catch_up(place))
    return row(place, Outcome.TO_PUSH if gap.ahead else Outcome.THERE, commits=gap.ahead)


def absent(place: Place, theirs: Mapping[str, str], *, is_unborn: bool = False) -> PushRow:
    """Return the row of a branch that is not here; `theirs` are the commits that remotes have for it.

    Nothing is owed where all of them have the same: a fresh clone has only one branch. `is_unborn` tells that it is
    checked out, and that its first commit is still to be made.
    """
    if is_unborn and not theirs:
        return row(place, Outcome.FAILED, why=f"{place.branch} has no commit yet", fix=place.git("commit"))
    if not theirs:
        why = f"there is no branch {place.branch}, neither here nor at a remote"
        return row(place, Outcome.FAILED, why=why, fix=place.git("branch", "{branch}"))
    if place.remote in theirs and len(set(theirs.values())) == 1:
        return row(place, Outcome.THERE, why=f"there is no branch {place.branch} here")
    where = "the remotes have different ones" if place.remote in theirs else f"only at {', '.join(theirs)}"
    fix = place.git("fetch", next(iter(theirs)), "{branch}:{branch}")
    return row(place, Outcome.FAILED, why=f"there is no branch {place.branch} here; {where}", fix=fix)


def row(place: Place, outcome: Outcome, *, commits: int = 0, why: str = "", fix: str = "") -> PushRow:
    """Return a row of this place."""
    return PushRow(branch=place.branch, remote=place.remote, outcome=outcome, commits=commits, why=why, fix=fix)


def failed(place: Place, refusal: Refusal) -> PushRow:
    """Return the row of a branch that a remote refused."""
    return row(place, Outcome.FAILED, why=refusal.why, fix=refusal.fix)


def unconfirmed(place: Place, refusal: Refusal | None = None) -> PushRow:
    """Return the row of a branch that git says it has pushed, and the remote does not."""
    told = f"git pushed it, but {place.remote} does not have it"
    why = f"git pushed it, but it cannot be proven: {refusal.why}" if refusal else told
    fix = refusal.fix if refusal else place.git("ls-remote", "{remote}", "{branch}")
    return row(place, Outcome.FAILED, why=why, fix=fix)


def _diverged(place: Place, gap: Gap, *, is_shallow: bool) -> PushRow:
    why, fix = _describe(place, gap), _mend(place)
    if is_shallow:
        why, fix = f"{why}; this clone is shallow, so that they may be the same", place.git("fetch", "--unshallow")
    return row(place, Outcome.DIVERGED, commits=gap.ahead, why=why, fix=fix)


def _catch_up(place: Place) -> str:
    if place.folder:
        return place.git("pull", "--ff-only", "{remote}", "{branch}", folder=place.folder)
    return place.git("fetch", "{remote}", "{branch}:{branch}")


def _mend(place: Place) -> str:
    pull = ("pull", "--no-rebase", "{remote}", "{branch}")
    if place.folder:
        return place.git(*pull, folder=place.folder)
    return f"{place.git('switch', '{branch}')} && {place.git(*pull)}"


def _describe(place: Place, gap: Gap) -> str:
    return f"{count(gap.ahead, 'commit')} only here, {count(gap.behind, 'commit')} only at {place.remote}"
