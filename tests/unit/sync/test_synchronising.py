"""The order of a sync, and what becomes of its failures; the parts are fakes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import anyio
import pytest

from devenv.domain.errors import HostError
from devenv.domain.git_rules import CommitPolicy, GitRules, MirrorRule, Promotion, SyncRules
from devenv.domain.syncing import MirrorReport, Outcome, SyncReport
from devenv.sync.failures import find_failures
from devenv.sync.ports import CommitPlan
from devenv.sync.synchronising import Ask, Surroundings, synchronise
from tests.support.fakes_sync import CLEAN, CONFLICT, PROMOTED, SECRET, FakeMirrors, FakeRepository

pytestmark = pytest.mark.anyio

DIRTY = replace(CLEAN, staged=1, untracked=1)
PLAN = CommitPlan(paths=("app.py", "new.py"), left_out=(SECRET,))
HOOK = HostError("cannot commit", why="the hook pre-commit refused", fix="git commit", details=("app.py:1: bad",))


async def sync(
    *repositories: FakeRepository,
    commit: CommitPolicy = CommitPolicy.NEVER,
    promote: Promotion | None = None,
    mirrors: FakeMirrors | None = None,
    rules: tuple[MirrorRule, ...] = (),
    ask: Ask | None = None,
    dry_run: bool = False,
) -> SyncReport:
    """Sync these repositories, whose folders are their names."""
    by_folder = {one.name: one for one in repositories}
    asked = SyncRules(repos=tuple(by_folder), remotes=("origin", "org"), commit=commit, promote=promote)
    around = Surroundings(
        open=by_folder.__getitem__,
        mirrors=mirrors or FakeMirrors(),
        now=datetime(2026, 11, 26, 18, 0, tzinfo=UTC),
        say=lambda text: None,
        ask=ask,
        dry_run=dry_run,
    )
    return await synchronise(GitRules(root="/", sync=asked, mirrors=rules), around)


async def test_clean_repository_is_pushed_to_every_remote() -> None:
    """Nothing to keep, nothing to say but the rows."""
    shop = FakeRepository()
    report = await sync(shop)
    assert [(row.remote, row.outcome) for row in report.repositories[0].rows] == [
        ("origin", Outcome.PUSHED),
        ("org", Outcome.PUSHED),
    ]
    assert report.is_complete
    assert find_failures(report) == ()
    assert "keep_work" not in shop.done


async def test_work_is_kept_before_anything_is_pushed() -> None:
    """With `commit: never` the work of the day stays here, where it can be got back."""
    shop = FakeRepository(state=DIRTY)
    report = await sync(shop)
    assert shop.done.index("keep_work") < shop.done.index("push")
    assert "commit" not in shop.done
    assert report.repositories[0].kept is not None
    assert report.repositories[0].kept.ref == "refs/devenv/recovery/dev/20261126T180000"
    assert report.is_complete


async def test_commit_takes_the_plan_and_fills_the_message() -> None:
    """`auto` commits what may be committed, and names what it left out."""
    shop = FakeRepository(state=DIRTY, plan=PLAN)
    report = await sync(shop, commit=CommitPolicy.AUTO)
    assert shop.messages == ["chore: end of day 2026-11-26"]
    assert shop.done.index("commit") < shop.done.index("push")
    committed = report.repositories[0].committed
    assert committed is not None
    assert committed.left_out == (SECRET,)


async def test_commit_that_a_hook_stops_keeps_the_work_and_stops_nothing_else() -> None:
    """It is incomplete, and said; what was committed before is pushed all the same."""
    shop = FakeRepository(state=DIRTY, plan=PLAN, failing={"commit": HOOK})
    report = await sync(shop, commit=CommitPolicy.AUTO)
    assert shop.done.index("commit") < shop.done.index("keep_work") < shop.done.index("push")
    assert not report.is_complete
    (failure,) = find_failures(report)
    assert (failure.why, failure.details) == ("cannot commit: the hook pre-commit refused", ("app.py:1: bad",))


@pytest.mark.parametrize("obstacle", [{"under_way": "rebase"}, {"branch": ""}])
async def test_nothing_is_committed_where_no_branch_would_get_it(obstacle: dict[str, str]) -> None:
    """A rebase under way or a detached HEAD: the work is kept, the rest goes on, and it is said."""
    shop = FakeRepository(state=replace(DIRTY, **obstacle), plan=PLAN)
    report = await sync(shop, commit=CommitPolicy.AUTO)
    assert "commit" not in shop.done
    assert {"keep_work", "push"} <= set(shop.done)
    assert not report.is_complete


@pytest.mark.parametrize(("answer", "expected"), [(True, "commit"), (False, "keep_work")])
async def test_answer_decides_between_committing_and_keeping(answer: bool, expected: str) -> None:
    """`ask` commits after a yes, and keeps the work after anything else."""
    asked: list[str] = []
    shop = FakeRepository(state=DIRTY, plan=PLAN)

    async def ask(name: str, plan: CommitPlan) -> bool:
        asked.append(f"{name}: {', '.join(plan.paths)}")
        return answer

    await sync(shop, commit=CommitPolicy.ASK, ask=ask)
    assert asked == ["shop: app.py, new.py"]
    assert {"commit", "keep_work"} & set(shop.done) == {expected}


async def test_work_is_kept_where_nobody_can_be_asked() -> None:
    """In a pipe or in CI `ask` is `never`, and says so."""
    shop = FakeRepository(state=DIRTY, plan=PLAN)
    report = await sync(shop, commit=CommitPolicy.ASK)
    assert "commit" not in shop.done
    assert report.repositories[0].kept is not None
    assert any("nobody can be asked" in remark.text for remark in report.repositories[0].remarks)


async def test_stray_commit_of_a_detached_head_gets_a_ref() -> None:
    """Nothing else would keep it once another branch is checked out."""
    shop = FakeRepository(state=replace(CLEAN, branch="", is_stray=True))
    await sync(shop)
    assert shop.done.index("keep_head") < shop.done.index("push")


async def test_promotion_comes_before_the_push_and_its_conflict_stops_nothing() -> None:
    """The other branches are pushed; the files in conflict are told."""
    shop = FakeRepository(promoted=CONFLICT)
    report = await sync(shop, promote=Promotion(source="dev", target="master"))
    assert shop.done.index("promote") < shop.done.index("push")
    (failure,) = find_failures(report)
    assert failure.exit_status == 7
    assert failure.details == ("app.py",)


async def test_failing_repository_does_not_keep_others_from_their_turn() -> None:
    """Each is told by itself."""
    broken = FakeRepository(name="broken", failing={"look": HostError("cannot look at broken", why="no repository")})
    shop = FakeRepository()
    report = await sync(broken, shop)
    assert [one.is_complete for one in report.repositories] == [False, True]
    assert "push" in shop.done


async def test_repositories_take_their_turns_at_the_same_time() -> None:
    """Each looks only once all have begun: one after the other they would wait for ever."""
    begun: set[str] = set()
    all_begun = anyio.Event()

    def meet(name: str) -> Callable[[], Awaitable[None]]:
        async def wait() -> None:
            begun.add(name)
            if len(begun) == 5:
                all_begun.set()
            await all_begun.wait()

        return wait

    names = [f"r{number}" for number in range(5)]
    with anyio.fail_after(10):
        report = await sync(*(FakeRepository(name=name, await_others=meet(name)) for name in names))
    assert [one.name for one in report.repositories] == names


async def test_dry_run_changes_nothing_and_foresees_the_promotion() -> None:
    """The row of the promoted branch counts what the promotion would bring."""
    shop = FakeRepository(state=DIRTY, plan=PLAN, promoted=replace(PROMOTED, target="dev"))
    report = await sync(shop, commit=CommitPolicy.AUTO, promote=Promotion(source="x", target="dev"), dry_run=True)
    assert {"commit", "keep_work", "keep_head"} & set(shop.done) == set()
    assert report.is_dry_run
    assert {row.commits for row in report.repositories[0].rows} == {3}
    committed = report.repositories[0].committed
    assert committed is not None
    assert (committed.commit, committed.files) == ("", 2)


async def test_mirror_commits_its_own_paths_before_the_repositories_are_pushed() -> None:
    """A commit in the target is pushed by the same sync, where the target is one of its repositories."""
    target = FakeRepository(name="/target", state=DIRTY, plan=CommitPlan(paths=("app/a.py", "mine.py")))
    mirrors = FakeMirrors(report=MirrorReport(source="/s", target="/target/app", copied=("a.py",), paths=("app/a.py",)))
    rule = MirrorRule(source="/s", target="/target/app", commit="mirror {date}")
    report = await sync(target, mirrors=mirrors, rules=(rule,))
    assert target.messages == ["mirror 2026-11-26"]
    assert report.mirrors[0].committed is not None
    assert report.mirrors[0].committed.files == 1
    assert target.done.index("commit") < target.done.index("push")


async def test_mirror_without_a_repository_is_told_and_stops_nothing() -> None:
    """The report names the way on."""
    shop = FakeRepository()
    report = await sync(shop, mirrors=FakeMirrors(top=""), rules=(MirrorRule(source="/s", target="/t"),))
    assert "push" in shop.done
    assert [error.fix for error in find_failures(report)] == ["git init"]
