"""The report of a sync in lines and as failures."""

from __future__ import annotations

from devenv.cli.views.syncs import report_lines
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
