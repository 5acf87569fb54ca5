"""What is said of a repository before a sync: one sentence and one way on for each state."""

from __future__ import annotations

from dataclasses import replace

import pytest

from devenv.domain.git_rules import SyncRules
from devenv.domain.syncing import Look, Remark
from devenv.sync.remarks import describe_look

HEAD = "1a2b3c4d5e6f7a8b9c0d1a2b3c4d5e6f7a8b9c0d"
CLEAN = Look(
    root="/work/shop",
    common_dir="/work/shop/.git",
    branch="dev",
    head=HEAD,
    remotes={"origin": "git@example.org:shop"},
    branches={"dev": HEAD, "master": HEAD},
    checked_out={"dev": "/work/shop"},
)
RULES = SyncRules(repos=("/work/shop",), branches=("dev", "master"))
CURRENT = replace(RULES, branches=())


def only(look: Look, rules: SyncRules = RULES, shown: str = ".") -> Remark:
    """Return the one remark on a state."""
    (remark,) = describe_look(look, rules, shown)
    return remark


def test_nothing_is_said_of_a_clean_repository() -> None:
    """The table says the rest."""
    assert describe_look(CLEAN, RULES, "../shop") == ()


def test_detached_head_is_told_with_its_commit() -> None:
    """It blocks only a sync of the branch that is checked out."""
    detached = replace(CLEAN, branch="")
    assert only(detached) == Remark(text="HEAD is on no branch, but at 1a2b3c4d5e", fix="git switch -c NAME")
    assert only(detached, CURRENT).blocks
    assert only(replace(detached, is_stray=True)).text.endswith("1a2b3c4d5e, which nothing else has")


@pytest.mark.parametrize(
    ("under_way", "text", "fix"),
    [
        ("merge", "a merge is under way", "git merge --continue"),
        ("rebase", "a rebase is under way", "git rebase --continue"),
        ("cherry-pick", "a cherry-pick is under way", "git cherry-pick --continue"),
        ("revert", "a revert is under way", "git revert --continue"),
        ("am", "an am is under way", "git am --continue"),
        ("bisect", "a bisect is under way", "git bisect reset"),
    ],
)
def test_what_is_under_way_is_told_with_the_command_that_ends_it(under_way: str, text: str, fix: str) -> None:
    """Its detached HEAD is not told twice."""
    assert only(replace(CLEAN, under_way=under_way)) == Remark(text=text, fix=fix)
    detached = replace(CLEAN, under_way=under_way, branch="", is_stray=True)
    assert only(detached, CURRENT) == Remark(text=text, fix=fix, blocks=True)


def test_conflicts_and_their_markers_are_told_by_file() -> None:
    """The first three; more are counted."""
    unmerged = replace(CLEAN, unmerged=("a", "b", "c", "d"))
    assert only(unmerged).text == "conflicts are not resolved in a, b, c and 1 more file"
    marked = only(replace(CLEAN, marked=("a", "b")))
    assert marked == Remark(text="conflict markers are left in a, b", fix="git diff --check")


def test_work_is_counted_by_kind() -> None:
    """Kinds without any are not told."""
    dirty = replace(CLEAN, staged=2, untracked=1234)
    assert only(dirty) == Remark(text="not committed so far: 2 staged, 1,234 untracked", fix="git status")
    assert only(replace(CLEAN, unstaged=1)).text == "not committed so far: 1 not staged"


@pytest.mark.parametrize("rules", [RULES, CURRENT])
def test_repository_without_a_commit_blocks_nothing(rules: SyncRules) -> None:
    """There is nothing that could be pushed, and so nothing that was left undone."""
    new = replace(CLEAN, head="", branches={"master": HEAD})
    assert only(new, rules) == Remark(text="dev has no commit yet: there is nothing to push", fix="git commit")


def test_shallow_clone_comes_with_the_command_that_deepens_it() -> None:
    """It is pushed from all the same."""
    assert only(replace(CLEAN, is_shallow=True)).fix == "git fetch --unshallow"


def test_only_an_old_index_lock_is_advised_to_go() -> None:
    """A young one belongs to a git that is at work."""
    young = only(replace(CLEAN, index_lock_age_s=5.0), shown="../shop")
    assert young.text == "another git command has worked here for 5 s: its index.lock is there"
    assert young.fix == "git -C ../shop status"
    old = only(replace(CLEAN, index_lock_age_s=7200.0), shown="../shop")
    assert old.text == "index.lock has been there for 2 h: a git that died left it"
    assert old.fix == 'rm "$(git -C ../shop rev-parse --absolute-git-dir)/index.lock"'


def test_what_lies_inside_is_told_with_its_own_folder() -> None:
    """Submodules and repositories that happen to lie there."""
    inside = replace(CLEAN, dirty_submodules=("lib",), unpublished_submodules=("old lib",), nested=("tool",))
    dirty, unpublished, nested = describe_look(inside, RULES, "../shop")
    assert dirty.fix == "git -C ../shop/lib status"
    assert "no remote of it is known to have" in unpublished.text
    assert unpublished.fix == "git -C '../shop/old lib' push origin HEAD:BRANCH"
    assert nested.text.startswith("tool is a repository of its own")
    assert describe_look(inside, RULES)[0].fix == "git -C lib status"
    assert not any(remark.blocks for remark in (dirty, unpublished, nested))


def test_missing_remote_blocks_and_names_those_that_are_there() -> None:
    """A remote that the rules name and nobody added: said here only where no row of the table can."""
    asked = replace(RULES, remotes=("origin", "org"), branches=())
    detached = replace(CLEAN, branch="")
    remark = describe_look(detached, asked, shown="../the shop")[-1]
    assert remark.text == "there is no remote org (there are: origin)"
    assert (remark.fix, remark.blocks) == ("git -C '../the shop' remote add org URL", True)
    assert describe_look(replace(detached, remotes={}), asked)[-1].text == "there is no remote org"
    assert describe_look(CLEAN, asked) == ()


def test_missing_branch_is_left_to_the_rows_of_the_table() -> None:
    """A fresh clone has only one branch, and a promotion makes the other."""
    assert describe_look(replace(CLEAN, branches={"dev": HEAD}), RULES) == ()


def test_every_remark_has_a_way_on() -> None:
    """A sentence without one leaves the user where they were."""
    worst = Look(
        root="/r", common_dir="/r/.git", branch="dev", under_way="merge", staged=1, unmerged=("a",), marked=("b",)
    )
    worst = replace(worst, is_shallow=True, index_lock_age_s=9e9, nested=("n",), dirty_submodules=("s",))
    remarks = describe_look(worst, RULES, "-odd")
    assert len(remarks) == 9
    assert all(remark.fix and remark.text for remark in remarks)
