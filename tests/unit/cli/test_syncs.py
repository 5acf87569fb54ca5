"""The report of a sync in lines and as failures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from devenv.cli.views.syncs import report_lines, shorten_command, shorten_report
from devenv.domain.syncing import (
    Committed,
    Edited,
    Kept,
    LeftOut,
    MirrorReport,
    Outcome,
    Promoted,
    Promoting,
    PushRow,
    Remark,
    RepositoryReport,
    SyncReport,
    encode_sync,
)
from devenv.sync.failures import find_failures

ROWS = (
    PushRow(branch="dev", remote="origin", outcome=Outcome.PUSHED, commits=2),
    PushRow(branch="dev", remote="org", outcome=Outcome.THERE),
    PushRow(branch="master", remote="origin", outcome=Outcome.PUSHED, commits=1),
    PushRow(branch="master", remote="org", outcome=Outcome.BEHIND, commits=3, why="org is ahead", fix="git pull org"),
)
SHOP = RepositoryReport(
    name="shop",
    remarks=(Remark(text="2 files are not committed", fix="git status"),),
    kept=Kept(ref="refs/devenv/recovery/dev/x", commit="k", files=2, restore="git stash apply --index k"),
    promoted=Promoted(source="dev", target="master", how=Promoting.FAST_FORWARD, commits=2),
    rows=ROWS,
)


def test_every_branch_at_every_remote_has_a_row() -> None:
    """The table is repository x branch x remote, and says how many commits."""
    lines = report_lines(SyncReport(repositories=(SHOP,)), colour=False)
    table = lines[lines.index(next(line for line in lines if line.startswith("REPOSITORY"))) :]
    assert [line.split(maxsplit=3) for line in table] == [
        ["REPOSITORY", "BRANCH", "REMOTE", "RESULT"],
        ["shop", "dev", "origin", "pushed 2 commits"],
        ["shop", "dev", "org", "already there"],
        ["shop", "master", "origin", "pushed 1 commit"],
        ["shop", "master", "org", "behind by 3 commits"],
    ]


def test_what_was_kept_is_told_with_the_command_that_brings_it_back() -> None:
    """A ref that nobody hears of is as good as lost."""
    text = "\n".join(report_lines(SyncReport(repositories=(SHOP,)), colour=False))
    assert "kept 2 files in refs/devenv/recovery/dev/x; to get it back: git stash apply --index k" in text
    assert "promoted 2 commits of dev to master (fast-forward)" in text


def test_row_that_is_not_done_is_a_failure_with_its_way_on() -> None:
    """Exit status 7, why, and the next command."""
    report = SyncReport(repositories=(SHOP,))
    (failure,) = find_failures(report)
    assert not report.is_complete
    assert failure.exit_status == 7
    assert (failure.what, failure.why, failure.fix) == (
        "cannot push master of shop to org: it is behind",
        "org is ahead",
        "git pull org",
    )


def test_one_cause_that_keeps_several_branches_from_a_remote_is_told_once() -> None:
    """What differs by branch is told by branch; another remote is another failure."""
    gone = [
        PushRow(branch=branch, remote="org", outcome=Outcome.FAILED, why="org is away", fix=f"git push org {branch}")
        for branch in ("dev", "master", "docs")
    ]
    rows = (*gone, replace(gone[0], remote="origin"), replace(gone[0], why="dev is protected"))
    failures = find_failures(SyncReport(repositories=(replace(SHOP, rows=rows),)))
    assert [(failure.what, failure.fix) for failure in failures] == [
        ("cannot push dev, master and docs of shop to org", "git push org dev"),
        ("cannot push dev of shop to origin", "git push org dev"),
        ("cannot push dev of shop to org", "git push org dev"),
    ]
    behind = tuple(replace(row, outcome=Outcome.BEHIND) for row in gone)
    assert len(find_failures(SyncReport(repositories=(replace(SHOP, rows=behind),)))) == 3


def near(folder: str) -> str:
    """Return a folder as it is typed from /work/shop."""
    return "." if folder == "/work/shop" else folder.replace("/work/", "../")


@pytest.mark.parametrize(
    ("command", "typed"),
    [
        ("git -C /work/shop pull --ff-only origin dev", "git pull --ff-only origin dev"),
        ("git -C /work/docs stash apply", "git -C ../docs stash apply"),
        ("git -C '/work/my docs' status", "git -C '../my docs' status"),
        ("""git -C '/work/it'"'"'s mine' status""", """git -C '../it'"'"'s mine' status"""),
        ("git -C /work/shop switch dev && git -C /work/shop pull", "git switch dev && git pull"),
        ("devenv sync", "devenv sync"),
    ],
)
def test_commands_are_told_as_they_are_typed_from_here(command: str, typed: str) -> None:
    """Short where the repository is the folder that the user is in, and always what works when it is pasted."""
    assert shorten_command(command, near) == typed


def test_report_for_people_has_short_folders_and_commands() -> None:
    """In every place that shows one."""
    long = "git -C /work/shop status"
    kept = Kept(ref="r", commit="k", files=1, restore=long)
    edited = Edited(path="d", diff="--- /work/shop/d\n+++ /work/docs/d\n+2")
    committed = Committed(kept=kept)
    remark = Remark(text="it is so", fix=long, blocks=True)
    shop = replace(SHOP, remarks=(remark,), kept=kept, committed=committed, rows=(replace(ROWS[3], fix=long),))
    refused = Promoted(source="dev", target="master", how=Promoting.REFUSED, why="so", fix=long)
    mirror = MirrorReport(
        source="/work/shop", target="/work/docs", edited=(edited,), remarks=(remark,), committed=committed
    )
    report = SyncReport(repositories=(replace(shop, promoted=refused),), mirrors=(mirror,))
    short = shorten_report(report, near)
    text = "\n".join(report_lines(short, colour=False))
    told = [f"{one.what} {one.why} {one.fix} {one.details}" for one in find_failures(short)]
    assert "/work" not in text + "".join(told)
    assert text.count("git status") == 3
    assert short.mirrors[0].edited[0].diff == "--- ./d\n+++ ../docs/d\n+2"


def test_nothing_to_sync_is_not_said_beside_a_failure() -> None:
    """There was something, and it failed."""
    failed = RepositoryReport(name="shop", remarks=(Remark(text="no such folder", fix="ls", blocks=True),))
    assert report_lines(SyncReport(), colour=False) == ["nothing to sync"]
    assert report_lines(SyncReport(repositories=(failed,)), colour=False) == []


def test_left_out_files_are_named_with_their_reason_and_cannot_move_the_cursor() -> None:
    """File names are text from outside."""
    committed = Committed(
        commit="c" * 40, branch="dev", files=1, left_out=(LeftOut(path="a\x1b[2J\nb", why="a secret"),)
    )
    report = SyncReport(repositories=(RepositoryReport(name="shop", committed=committed),))
    lines = report_lines(report, colour=False)
    assert lines == ["shop: committed 1 file on dev as cccccccccc", "shop: left out a\\x1b[2J b: a secret"]


def test_mirror_tells_what_it_did_and_shows_the_edit_that_it_kept() -> None:
    """A file edited in the target is a failure with its diff."""
    mirror = MirrorReport(
        source="/s", target="/t", copied=("a", "b"), deleted=("c",), edited=(Edited(path="d", diff="-1\n+2"),)
    )
    report = SyncReport(mirrors=(mirror,))
    assert report_lines(report, colour=False) == ["/t: 2 files copied, 1 deleted (mirror of /s)"]
    (failure,) = find_failures(report)
    assert failure.details == ("-1", "+2")


def test_dry_run_says_would() -> None:
    """Nothing in it sounds as if it had happened."""
    row = PushRow(branch="dev", remote="origin", outcome=Outcome.TO_PUSH, commits=1)
    promoted = Promoted(source="dev", target="master", how=Promoting.MERGE, commits=2)
    shop = RepositoryReport(name="shop", committed=Committed(branch="dev", files=3), promoted=promoted, rows=(row,))
    mirror = MirrorReport(source="/s", target="/t", copied=("a",))
    text = "\n".join(report_lines(SyncReport(repositories=(shop,), mirrors=(mirror,), is_dry_run=True), colour=False))
    for words in ("would be copied", "would commit 3 files", "would promote 2 commits", "would push 1 commit"):
        assert words in text


def test_document_holds_every_row_as_plain_data() -> None:
    """`--json` loses nothing."""
    document = encode_sync(SyncReport(repositories=(SHOP,)))
    assert [row["outcome"] for row in document["repositories"][0]["rows"]] == [str(row.outcome) for row in ROWS]
    assert document["is_complete"] is False
