"""What a branch is against the one of a remote, as a row with the next command."""

from __future__ import annotations

import pytest

from devenv.domain.git_rules import Promotion, SyncRules
from devenv.domain.syncing import Look, Outcome
from devenv.sync.comparing import Gap, absent, compare, merge_answers, name_asked, name_branches
from devenv.sync.refusals import Place

HERE = Place(root="/shop", remote="origin", branch="dev", folder="/shop")
BESIDE = Place(root="/shop", remote="origin", branch="dev")
LOOK = Look(root="/shop", common_dir="/shop/.git", branch="dev")


@pytest.mark.parametrize(
    ("place", "gap", "outcome", "commits", "fix"),
    [
        (HERE, Gap(), Outcome.THERE, 0, ""),
        (HERE, Gap(ahead=3), Outcome.TO_PUSH, 3, ""),
        (HERE, Gap(behind=2), Outcome.BEHIND, 2, "git -C /shop pull --ff-only origin dev"),
        (BESIDE, Gap(behind=2), Outcome.BEHIND, 2, "git -C /shop fetch origin dev:dev"),
        (HERE, Gap(ahead=3, behind=2), Outcome.DIVERGED, 3, "git -C /shop pull --no-rebase origin dev"),
        (
            BESIDE,
            Gap(ahead=3, behind=2),
            Outcome.DIVERGED,
            3,
            "git -C /shop switch dev && git -C /shop pull --no-rebase origin dev",
        ),
    ],
)
def test_only_what_is_only_ahead_is_pushed(place: Place, gap: Gap, outcome: Outcome, commits: int, fix: str) -> None:
    """Anything else that is not done has its reason and the next command."""
    row = compare(place, gap)
    assert (row.outcome, row.commits, row.fix) == (outcome, commits, fix)
    assert bool(row.why) == (not row.is_done)


def test_shallow_clone_does_not_claim_that_two_sides_have_parted() -> None:
    """It does not know their past."""
    row = compare(HERE, Gap(ahead=1, behind=1), is_shallow=True)
    assert "shallow" in row.why
    assert row.fix == "git -C /shop fetch --unshallow"
    assert "shallow" not in compare(HERE, Gap(behind=1), is_shallow=True).why


def test_branch_that_is_not_here_is_a_mistake_only_where_nobody_has_it() -> None:
    """Where all that have it have the same, nothing is owed to them."""
    assert absent(HERE, {"origin": "1", "org": "1"}).is_done
    nowhere, elsewhere, parted = absent(HERE, {}), absent(HERE, {"org": "1"}), absent(HERE, {"origin": "1", "org": "2"})
    assert not any(row.is_done for row in (nowhere, elsewhere, parted))
    assert nowhere.fix == "git -C /shop branch dev"
    assert absent(HERE, {}, is_unborn=True).fix == "git -C /shop commit"
    assert (elsewhere.why, elsewhere.fix) == (
        "there is no branch dev here; only at org",
        "git -C /shop fetch org dev:dev",
    )
    assert (parted.why, parted.fix) == (
        "there is no branch dev here; the remotes have different ones",
        "git -C /shop fetch origin dev:dev",
    )


def test_branches_are_those_of_the_rules_else_the_current_one() -> None:
    """Each once; the promotion's are asked for, not pushed by themselves."""
    promote = Promotion(source="dev", target="master")
    assert name_branches(LOOK, SyncRules(repos=(".",))) == ("dev",)
    assert name_branches(LOOK, SyncRules(repos=(".",), branches=("a", "b", "a"))) == ("a", "b")
    assert name_asked(LOOK, SyncRules(repos=(".",), promote=promote)) == ("dev", "master")
    assert name_branches(LOOK, SyncRules(repos=(".",), promote=promote)) == ("dev",)
    assert name_branches(Look(root="/", common_dir="/"), SyncRules(repos=(".",))) == ()


def test_remote_with_several_urls_has_what_all_of_them_have() -> None:
    """Where they differ, the one that is not ours is what stands in the way."""
    mine = {"dev": "new", "a": "1"}
    assert merge_answers([{"dev": "new", "a": "1"}, {"dev": "old", "b": "2"}], mine) == {"dev": "old"}
    assert merge_answers([{"dev": "new"}, {"dev": "new"}], mine) == {"dev": "new"}
    assert merge_answers([{"dev": "x"}], {}) == {"dev": "x"}
