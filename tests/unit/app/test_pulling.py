"""What `up` makes of newer commits, on fakes and in virtual time: pulled before anything starts, or said."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from devenv.app.pulling import PULL_WAIT_S
from devenv.domain.errors import HostError
from devenv.domain.git_rules import GitRules, Pull, SyncRules
from devenv.domain.lifecycle import State
from devenv.domain.model import Service, Stack
from tests.support.builders import ROOT, container, ready_after, service, stack
from tests.support.fakes_app import Rig
from tests.support.fakes_checkouts import FakeCheckouts, news

pytestmark = pytest.mark.anyio

DOCS = "/home/ada/src/docs"
FILE = f"{ROOT}/services.yaml"
OFFLINE = HostError("cannot fetch from origin", why="Could not resolve host: example.org", fix="git fetch origin")


def pulling(*services: Service, **rules: object) -> Stack:
    """Return a stack that pulls; `rules` are further ones of `git:`."""
    git = GitRules(root=ROOT, pull=Pull.FF_ONLY)
    return replace(stack(*(services or (service("api"),))), git=replace(git, **rules), files=(FILE,))  # type: ignore[arg-type]


def with_docs(*services: Service) -> Rig:
    """Return a stack of two repositories."""
    rig = Rig(pulling(*services, sync=SyncRules(repos=(ROOT, DOCS))))
    rig.checkouts.found[DOCS] = FakeCheckouts.checkout(DOCS)
    return rig


async def test_commits_are_pulled_before_anything_starts() -> None:
    """The first process is started on the files that the pull brought."""
    rig = Rig(pulling())
    rig.checkouts.news[ROOT] = news(3, "src/app.py")
    started: list[list[str]] = []
    rig.checkouts.when_pulled = lambda: started.append(rig.spawned.copy())
    async with rig.serve():
        assert (await rig.up(pull=True)).status == 0
        assert await rig.notes() == ["pulled 3 commits of origin/dev"]
    assert started == [[]]
    assert rig.spawned == ["api"]


async def test_second_up_pulls_too() -> None:
    """Everything runs already, and what is new is pulled all the same."""
    rig = Rig(pulling())
    async with rig.serve():
        await rig.up(pull=True)
        assert rig.checkouts.pulled == []
        rig.checkouts.news[ROOT] = news(1)
        ended = await rig.up(pull=True)
    assert rig.checkouts.pulled == [ROOT]
    assert [step["action"] for step in ended.summary["steps"]] == ["keep"]  # type: ignore[attr-defined]


async def test_configuration_that_was_pulled_is_the_one_that_starts() -> None:
    """It is said before anything starts, read anew, and nothing is fetched twice."""
    rig = Rig(pulling())
    rig.checkouts.news[ROOT] = news(1, "services.yaml")
    rig.checkouts.when_pulled = lambda: rig.change(service("new"))
    async with rig.serve():
        assert (await rig.up(pull=True)).status == 0
        history = [str(one.event) for one in await rig.history()]
    assert set(rig.spawned) == {"api", "new"}
    assert rig.checkouts.fetched == [ROOT]
    said = next(place for place, text in enumerate(history) if "reading services.yaml anew" in text)
    assert said < next(place for place, text in enumerate(history) if "State.STARTING" in text)


async def test_configuration_that_cannot_be_prepared_gives_way_to_the_pulled_one() -> None:
    """A service that only the newer file has can be asked for at once."""
    rig = Rig(pulling())
    rig.checkouts.news[ROOT] = news(1, "services.yaml")
    rig.checkouts.when_pulled = lambda: rig.change(service("new"))
    async with rig.serve():
        assert (await rig.up("new", pull=True)).status == 0
        assert (await rig.up("newer", pull=True)).status == 2
    assert rig.spawned == ["new"]


async def test_lock_file_that_was_pulled_is_named_with_what_installs_it() -> None:
    """From the folder that the command is for."""
    rig = Rig(pulling())
    rig.checkouts.news[ROOT] = news(1, "web/package-lock.json", "requirements-dev.txt", "web/index.js")
    async with rig.serve():
        await rig.up(pull=True)
        [said] = await rig.notes("warning")
    assert "requirements-dev.txt (`pip install -r requirements-dev.txt`)" in said
    assert "web/package-lock.json (`cd web && npm ci`)" in said
    assert "index.js" not in said


async def test_hindrance_is_said_with_the_command_that_pulls() -> None:
    """The stack starts with what is checked out."""
    rig = Rig(pulling())
    rig.checkouts.news[ROOT] = news(3)
    rig.checkouts.hindered[ROOT] = "2 files changed"
    async with rig.serve():
        assert (await rig.up(pull=True)).status == 0
        assert await rig.notes() == [
            "dev is 3 commits behind origin/dev, not pulled: 2 files changed (git pull --ff-only)"
        ]
    assert rig.checkouts.pulled == []


async def test_diverged_branch_is_not_merged() -> None:
    """It is no fast-forward."""
    rig = Rig(pulling())
    rig.checkouts.news[ROOT] = news(3, ahead=1)
    async with rig.serve():
        assert (await rig.up(pull=True)).status == 0
        assert await rig.notes() == [
            "dev and origin/dev have diverged (1 here, 3 there), not pulled (git merge origin/dev)"
        ]
    assert rig.checkouts.pulled == []


async def test_commits_that_only_are_here_are_no_news() -> None:
    """Nothing is to be said of a branch that is ahead."""
    rig = Rig(pulling())
    rig.checkouts.news[ROOT] = news(0, ahead=2)
    async with rig.serve():
        await rig.up(pull=True)
        assert await rig.notes() == []


async def test_remote_that_cannot_be_reached_is_one_warning() -> None:
    """Also where it is the remote of two repositories; the status stays 0."""
    rig = with_docs()
    rig.checkouts.errors = {ROOT: OFFLINE, DOCS: OFFLINE}
    async with rig.serve():
        assert (await rig.up(pull=True)).status == 0
        [said] = await rig.notes("warning")
    assert said.startswith("cannot fetch from origin: Could not resolve host: example.org (., ../docs)")
    assert said.endswith("; starting with what is checked out")


async def test_slow_remote_keeps_nothing_waiting_for_long() -> None:
    """Services start after the wait, and what comes then is pulled where it changes neither stack nor packages."""
    rig = Rig(pulling(service("api", probes=ready_after(30.0))))
    rig.checkouts.takes_s[ROOT] = 10.0
    rig.checkouts.news[ROOT] = news(2, "src/app.py")
    async with rig.serve():
        began = anyio.current_time()
        operation = rig.begin_up(pull=True)
        await rig.reaching("api", State.PROBING)
        assert anyio.current_time() - began == pytest.approx(PULL_WAIT_S, abs=0.1)
        assert await rig.notes("warning") == ["origin has not answered after 3 s: starting with what is checked out"]
        assert (await rig.follow(operation)).status == 0
        assert await rig.notes("info") == ["pulled 2 commits of origin/dev"]


@pytest.mark.parametrize("path", ["services.yaml", "services.override.yaml", ".env", "web/yarn.lock"])
async def test_nothing_that_the_stack_is_made_of_is_pulled_once_services_start(path: str) -> None:
    """It is said with the command."""
    rig = Rig(pulling(service("api", probes=ready_after(30.0))))
    rig.checkouts.takes_s[ROOT] = 10.0
    rig.checkouts.news[ROOT] = news(2, "src/app.py", path)
    async with rig.serve():
        assert (await rig.up(pull=True)).status == 0
        said = (await rig.notes("warning"))[1]
    assert said.startswith("dev is 2 commits behind origin/dev, not pulled: services start already")
    assert said.endswith(f" it changes {path} (git pull --ff-only)")
    assert rig.checkouts.pulled == []


async def test_long_preparation_counts_as_waiting() -> None:
    """What takes longer than the wait anyway leaves none for the remote."""
    rig = Rig(pulling(container("db")))
    rig.containers.images.clear()
    rig.containers.pull_s = 20.0
    rig.checkouts.takes_s[ROOT] = 1000.0
    async with rig.serve():
        assert (await rig.up(pull=True)).status == 0
        assert await rig.notes("warning") == ["origin has not answered after 20 s: starting with what is checked out"]


async def test_one_slow_remote_does_not_hold_back_the_other() -> None:
    """What has come in time is pulled in time."""
    rig = with_docs()
    rig.checkouts.takes_s[DOCS] = 1000.0
    rig.checkouts.news = {ROOT: news(1), DOCS: news(1)}
    async with rig.serve():
        assert (await rig.up(pull=True)).status == 0
    assert rig.checkouts.pulled == [ROOT]


async def test_two_repositories_are_fetched_at_the_same_time() -> None:
    """It costs the slower one, and each is named."""
    rig = with_docs()
    rig.checkouts.takes_s = {ROOT: 2.0, DOCS: 2.0}
    rig.checkouts.news = {ROOT: news(1), DOCS: news(2)}
    async with rig.serve():
        began = anyio.current_time()
        await rig.up(pull=True)
        assert anyio.current_time() - began < 3.0
        assert sorted(await rig.notes()) == ["../docs: pulled 2 commits of origin/dev", "pulled 1 commit of origin/dev"]


async def test_work_tree_that_is_listed_twice_is_pulled_once() -> None:
    """By whatever path it is named, it is the stack's own."""
    rig = with_docs()
    rig.checkouts.found[DOCS] = rig.checkouts.found[ROOT]
    rig.checkouts.news[ROOT] = news(1)
    async with rig.serve():
        await rig.up(pull=True)
        assert await rig.notes() == ["pulled 1 commit of origin/dev"]
    assert rig.checkouts.fetched == [ROOT]


async def test_other_branch_is_a_warning_and_stays_checked_out() -> None:
    """What it follows is pulled."""
    rig = Rig(pulling(branch="dev"))
    rig.checkouts.found[ROOT] = FakeCheckouts.checkout(ROOT, branch="feature/x")
    rig.checkouts.news[ROOT] = news(1)
    async with rig.serve():
        assert (await rig.up(pull=True)).status == 0
        assert await rig.notes("warning") == [
            "feature/x is checked out, not dev, where `git.branch` expects work (git switch dev)"
        ]
    assert rig.checkouts.pulled == [ROOT]


async def test_detached_head_is_said_and_nothing_fetched() -> None:
    """There is no branch to move."""
    rig = Rig(pulling(branch="dev"))
    rig.checkouts.found[ROOT] = FakeCheckouts.checkout(ROOT, branch="")
    async with rig.serve():
        assert (await rig.up(pull=True)).status == 0
        assert await rig.notes("warning") == [
            "no branch (abcdef012) is checked out, not dev, where `git.branch` expects work (git switch dev)",
            "nothing is pulled: HEAD is detached (git branch --all)",
        ]
    assert rig.checkouts.fetched == []


async def test_branch_that_no_remote_has_is_said() -> None:
    """It has not been pushed yet."""
    rig = Rig(pulling())
    rig.checkouts.news[ROOT] = None
    async with rig.serve():
        await rig.up(pull=True)
        assert await rig.notes() == ["nothing is pulled: origin has no branch dev (git push -u origin dev)"]


async def test_folder_outside_every_repository_is_one_warning() -> None:
    """The stack starts."""
    rig = Rig(pulling(branch="dev"))
    rig.checkouts.found.clear()
    async with rig.serve():
        assert (await rig.up(pull=True)).status == 0
        assert await rig.notes() == [
            f"cannot pull into {ROOT}: not a git repository; starting with what is checked out"
        ]


@pytest.mark.parametrize("options", [{"pull": False}, {"pull": True, "dry_run": True}])
async def test_nothing_is_fetched_when_it_was_not_asked_for(options: dict[str, bool]) -> None:
    """A restart, `--no-pull` and a dry run leave the remotes alone."""
    rig = Rig(pulling())
    async with rig.serve():
        assert (await rig.up(**options)).status == 0
    assert rig.checkouts.fetched == []


async def test_dry_run_warns_of_the_branch() -> None:
    """That much it tells without a remote."""
    rig = Rig(pulling(branch="main", pull=Pull.OFF))
    async with rig.serve():
        await rig.up(pull=True, dry_run=True)
        assert len(await rig.notes("warning")) == 1
    assert rig.checkouts.fetched == []


async def test_interrupt_ends_the_fetch() -> None:
    """The `up` does not end before it."""
    rig = Rig(pulling())
    rig.checkouts.takes_s[ROOT] = 1000.0
    async with rig.serve():
        rig.checkouts.end_takes_s = 0.5
        operation = rig.begin_up(pull=True)
        await anyio.sleep(1.0)
        rig.supervisor.cancel(operation.id, now=False)
        assert (await rig.follow(operation)).status == 130
        assert rig.checkouts.ended == [ROOT]
    assert rig.spawned == []


async def test_interrupt_leaves_no_half_of_a_fast_forward() -> None:
    """What has begun is finished; nothing starts after it."""
    rig = Rig(pulling())
    rig.checkouts.news[ROOT] = news(1)
    rig.checkouts.merge_takes_s = 5.0
    async with rig.serve():
        operation = rig.begin_up(pull=True)
        await anyio.sleep(1.0)
        rig.supervisor.cancel(operation.id, now=False)
        assert (await rig.follow(operation)).status == 130
    assert rig.checkouts.pulled == [ROOT]
    assert rig.spawned == []


async def test_fetch_ends_with_its_up() -> None:
    """Nothing is pulled behind the user's back when all is ready."""
    rig = Rig(pulling())
    rig.checkouts.takes_s[ROOT] = 10.0
    rig.checkouts.news[ROOT] = news(1)
    async with rig.serve():
        assert (await rig.up(pull=True)).status == 0
        await anyio.sleep(100.0)
    assert rig.checkouts.pulled == []


async def test_bug_in_pulling_does_not_end_the_daemon() -> None:
    """It is written down, and the stack starts."""
    rig = Rig(pulling())
    rig.report_bug = lambda error: "less crash"
    rig.checkouts.errors[ROOT] = RuntimeError("a bug")
    async with rig.serve():
        rig.supervisor.crew.report_bug = rig.report_bug
        assert (await rig.up(pull=True)).status == 0
        assert await rig.notes("warning") == ["cannot pull: a bug in devenv (less crash)"]
        assert (await rig.down()).status == 0
