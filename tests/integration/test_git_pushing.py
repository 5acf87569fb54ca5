"""Pushes on real git: each remote for itself, proven by its own answer, and never a ref moved backwards."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import anyio
import pytest

from devenv.adapters.git.command import Git
from devenv.adapters.git.looking import look
from devenv.adapters.git.pushing import push
from devenv.adapters.git.remotes import ask_remotes
from devenv.domain.git_rules import SyncRules
from devenv.domain.syncing import Outcome, PushRow
from tests.support.git import Repository, git_environment, make_clone, make_remote, make_repository
from tests.support.wait import until_async

pytestmark = pytest.mark.anyio

TIMEOUT_S = 30.0
"""Longer than any answer takes on a busy machine; what is to be late has its own."""


@pytest.fixture
def remotes(tmp_path: Path) -> Iterator[dict[str, Repository]]:
    """Return the bare repositories `origin` and `org`; afterwards none of their refs may have moved backwards."""
    made = {name: make_remote(tmp_path / name) for name in ("origin", "org")}
    for one in made.values():
        one.git("config", "core.logAllRefUpdates", "always")
    yield made
    for one in made.values():
        assert_only_forward(one)


def assert_only_forward(remote: Repository) -> None:
    """Check in a remote's own log that every ref went from commits to their descendants, and none was deleted."""
    for ref in remote.refs():
        log = remote.git("reflog", "show", "--format=%H", ref, "--", check=False).splitlines()
        assert log, f"{ref} has no log to check"
        for newer, older in pairwise(log):
            remote.git("merge-base", "--is-ancestor", older, newer)


@pytest.fixture
def here(tmp_path: Path, remotes: dict[str, Repository]) -> Repository:
    """Return a repository on `dev` that both remotes have, and two commits that neither has."""
    made = make_repository(tmp_path / "here")
    made.commit("file", "one\n", "one")
    for name, remote in remotes.items():
        made.git("remote", "add", name, str(remote.folder))
        made.git("push", "-q", name, "dev")
    made.commit("file", "two\n", "two")
    made.commit("file", "three\n", "three")
    return made


class Run:
    """A sync's question and push; what happens between the two is up to a test."""

    def __init__(
        self,
        repository: Repository,
        *branches: str,
        remotes: tuple[str, ...] = ("origin", "org"),
        timeout_s: float = TIMEOUT_S,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.git = Git(folder=str(repository.folder), environment=git_environment() | (environment or {}))
        self.rules = SyncRules(repos=(".",), remotes=remotes, branches=branches, timeout_s=timeout_s)

    async def ask(self) -> None:
        self.look = await look(self.git)
        self.heads, self.silent = await ask_remotes(self.git, self.look, self.rules)

    async def push(self, *, dry_run: bool = False) -> dict[tuple[str, str], PushRow]:
        rows = await push(self.git, self.look, self.rules, self.heads, dry_run=dry_run)
        return {(row.remote, row.branch): row for row in (*self.silent, *rows)}

    async def all(self, *, dry_run: bool = False) -> dict[tuple[str, str], PushRow]:
        await self.ask()
        return await self.push(dry_run=dry_run)


async def run(repository: Repository, *branches: str, dry_run: bool = False) -> dict[tuple[str, str], PushRow]:
    """Ask and push to both remotes."""
    return await Run(repository, *branches).all(dry_run=dry_run)


def told(rows: dict[tuple[str, str], PushRow]) -> dict[tuple[str, str], tuple[Outcome, int]]:
    """Return what became of what, and how many commits."""
    return {key: (row.outcome, row.commits) for key, row in rows.items()}


def push_as_colleague(tmp_path: Path, remote: Repository, branch: str = "dev") -> str:
    """Push a commit of somebody else's; return it."""
    colleague = make_clone(tmp_path / f"colleague of {remote.folder.name}", remote)
    colleague.git("checkout", "-q", branch)
    commit = colleague.commit("theirs", "theirs\n", "a colleague's")
    colleague.git("push", "-q", "origin", branch)
    return commit


async def test_every_remote_gets_the_commits_and_the_second_run_has_nothing_to_do(
    here: Repository, remotes: dict[str, Repository]
) -> None:
    """Pushed, with how many commits; then already there."""
    assert told(await run(here)) == {(name, "dev"): (Outcome.PUSHED, 2) for name in remotes}
    assert {remote.tip("dev") for remote in remotes.values()} == {here.tip("dev")}

    assert told(await run(here)) == {(name, "dev"): (Outcome.THERE, 0) for name in remotes}


async def test_remotes_are_served_at_the_same_time(here: Repository, remotes: dict[str, Repository]) -> None:
    """Each waits in its hook until the other one is being pushed to."""
    meeting = here.folder.parent
    for name, other in (("origin", "org"), ("org", "origin")):
        wait = f"touch {meeting}/{name}.met; until [ -e {meeting}/{other}.met ]; do sleep 0.01; done"
        remotes[name].hook("pre-receive", wait)

    assert told(await run(here)) == {(name, "dev"): (Outcome.PUSHED, 2) for name in remotes}


async def test_dry_run_says_what_would_go_and_sends_nothing(here: Repository, remotes: dict[str, Repository]) -> None:
    """The same table; a remote that is ahead is looked into all the same, and no ref anywhere changes."""
    push_as_colleague(here.folder.parent, remotes["org"])
    before = here.refs(), *(remote.refs() for remote in remotes.values())

    rows = await run(here, dry_run=True)

    assert told(rows) == {("origin", "dev"): (Outcome.TO_PUSH, 2), ("org", "dev"): (Outcome.DIVERGED, 2)}
    assert (here.refs(), *(remote.refs() for remote in remotes.values())) == before


async def test_ref_that_follows_a_remote_is_no_proof(here: Repository, remotes: dict[str, Repository]) -> None:
    """It said `up to date` while the remote was behind."""
    for name in remotes:
        here.git("update-ref", f"refs/remotes/{name}/dev", "dev")

    assert told(await run(here)) == {(name, "dev"): (Outcome.PUSHED, 2) for name in remotes}


async def test_branch_that_is_new_to_a_remote_is_pushed(here: Repository, remotes: dict[str, Repository]) -> None:
    """Its commits are those that no other branch there has; deleted there, it comes back."""
    here.git("checkout", "-q", "-b", "feature")
    here.commit("feature", "feature\n", "feature")
    rows = await run(here, "dev", "feature")
    assert told(rows)["origin", "feature"] == (Outcome.PUSHED, 3)

    remotes["origin"].git("update-ref", "-d", "refs/heads/feature")
    rows = await run(here, "dev", "feature")
    assert told(rows)["origin", "feature"] == (Outcome.PUSHED, 1)
    assert remotes["origin"].tip("feature") == here.tip("feature")


async def test_branch_that_is_not_here_owes_nothing_where_the_remote_has_it(
    here: Repository, remotes: dict[str, Repository]
) -> None:
    """A fresh clone has only one branch; a name that nobody has is a mistake."""
    remotes["origin"].git("branch", "master", "dev")

    rows = await run(here, "dev", "master", "mastr")

    assert (rows["origin", "master"].outcome, rows["org", "master"].outcome) == (Outcome.THERE, Outcome.FAILED)
    assert rows["org", "master"].why == "there is no branch master here; only at origin"
    assert rows["org", "mastr"].why == "there is no branch mastr, neither here nor at a remote"
    assert rows["org", "mastr"].fix == f"git -C {here.folder} branch mastr"

    here.git(*rows["org", "master"].fix.split()[3:])
    assert (await run(here, "master"))["org", "master"].outcome is Outcome.PUSHED


async def test_remote_that_is_ahead_is_behind_here(here: Repository, remotes: dict[str, Repository]) -> None:
    """Nothing to push, and the command that catches up works."""
    await run(here)
    push_as_colleague(here.folder.parent, remotes["origin"])
    refs = here.refs()

    row = (await run(here))["origin", "dev"]

    assert (row.outcome, row.commits, row.why) == (Outcome.BEHIND, 1, "origin has 1 commit more")
    assert here.refs() == refs
    assert row.fix == f"git -C {here.folder} pull --ff-only origin dev"
    here.git(*row.fix.split()[3:])
    assert told(await run(here))["origin", "dev"] == (Outcome.THERE, 0)


async def test_branch_that_is_behind_and_not_checked_out_has_a_command_that_stays_off_the_work_tree(
    here: Repository, remotes: dict[str, Repository]
) -> None:
    """Servers keep running on the files they had."""
    await run(here)
    push_as_colleague(here.folder.parent, remotes["origin"])
    here.git("checkout", "-q", "-b", "feature")

    row = (await run(here, "dev"))["origin", "dev"]

    assert row.fix == f"git -C {here.folder} fetch origin dev:dev"
    here.git(*row.fix.split()[3:])
    assert here.tip("dev") == remotes["origin"].tip("dev")


async def test_remote_that_has_diverged_is_left_as_it_is(here: Repository, remotes: dict[str, Repository]) -> None:
    """Both sides have commits: the command that brings them together is told, and the other remote is served."""
    theirs = push_as_colleague(here.folder.parent, remotes["origin"])

    rows = await run(here)

    row = rows["origin", "dev"]
    assert (row.outcome, row.why) == (Outcome.DIVERGED, "2 commits only here, 1 commit only at origin")
    assert row.fix == f"git -C {here.folder} pull --no-rebase origin dev"
    assert remotes["origin"].tip("dev") == theirs
    assert told(rows)["org", "dev"] == (Outcome.PUSHED, 2)
    here.git(*row.fix.split()[3:])
    assert (await run(here))["origin", "dev"].outcome is Outcome.PUSHED


async def test_history_that_was_rewritten_here_is_not_pushed_over_the_remote_s(
    here: Repository, remotes: dict[str, Repository]
) -> None:
    """An amended commit: what the remote has stays."""
    await run(here)
    theirs = remotes["origin"].tip("dev")
    here.git("commit", "-q", "--amend", "-m", "another word")

    assert told(await run(here))["origin", "dev"] == (Outcome.DIVERGED, 1)
    assert remotes["origin"].tip("dev") == theirs


async def test_push_of_somebody_else_between_question_and_push_is_found(
    here: Repository, remotes: dict[str, Repository]
) -> None:
    """The row says what is so at the end."""
    turn = Run(here)
    await turn.ask()
    theirs = push_as_colleague(here.folder.parent, remotes["origin"])

    rows = await turn.push()

    assert told(rows) == {("origin", "dev"): (Outcome.DIVERGED, 2), ("org", "dev"): (Outcome.PUSHED, 2)}
    assert remotes["origin"].tip("dev") == theirs


async def test_settings_of_the_user_can_neither_force_nor_widen_a_push(
    here: Repository, remotes: dict[str, Repository]
) -> None:
    """Only the branches of the rules go, and only forward."""
    here.git("tag", "-a", "-m", "tag", "v1")
    here.git("branch", "private")
    for name in remotes:
        here.git("config", f"remote.{name}.push", "+refs/*:refs/*")
        here.git("config", f"remote.{name}.mirror", "true")
    for setting in ("push.followTags=true", "push.default=matching", "push.recurseSubmodules=on-demand"):
        here.git("config", *setting.split("="))
    remotes["org"].git("branch", "theirs", "dev")
    diverged = push_as_colleague(here.folder.parent, remotes["origin"])

    rows = await run(here)

    assert told(rows) == {("origin", "dev"): (Outcome.DIVERGED, 2), ("org", "dev"): (Outcome.PUSHED, 2)}
    assert remotes["origin"].refs() == {"refs/heads/dev": diverged}
    assert set(remotes["org"].refs()) == {"refs/heads/dev", "refs/heads/theirs"}

    turn = Run(here)
    await turn.ask()
    turn.heads = {"origin": {}}  # as if the remote had had nothing when it was asked
    assert (await turn.push())["origin", "dev"].outcome is Outcome.DIVERGED
    assert remotes["origin"].refs() == {"refs/heads/dev": diverged}


async def test_remote_of_any_name_is_served(here: Repository, remotes: dict[str, Repository]) -> None:
    """Its settings are overruled by name: dots and equals signs have a meaning there."""
    here.git("remote", "rename", "org", "or.g=x")
    here.git("config", "remote.or.g=x.mirror", "true")
    rows = await Run(here, remotes=("or.g=x",)).all()
    assert told(rows) == {("or.g=x", "dev"): (Outcome.PUSHED, 2)}


async def test_one_remote_rejects_and_the_other_has_it(here: Repository, remotes: dict[str, Repository]) -> None:
    """Each remote for itself."""
    remotes["origin"].hook("pre-receive", "echo 'the build is red' >&2; exit 1")
    old = remotes["origin"].tip("dev")

    rows = await run(here)

    row = rows["origin", "dev"]
    assert (row.outcome, row.why) == (Outcome.FAILED, "a hook of origin declined it: the build is red")
    assert row.fix == f"git -C {here.folder} push origin dev"
    assert (remotes["origin"].tip("dev"), told(rows)["org", "dev"]) == (old, (Outcome.PUSHED, 2))


@pytest.mark.parametrize("hook", ["pre-receive", "update"])
async def test_protected_branch_keeps_no_other_branch_back(
    here: Repository, remotes: dict[str, Repository], hook: str
) -> None:
    """A server's hook may decline all that is pushed together: each branch gets its own chance."""
    here.git("branch", "master")
    refs = "while read -r _ _ ref; do" if hook == "pre-receive" else 'for ref in "$1"; do'
    decline = 'echo "GH006: Protected branch update failed" >&2; exit 1'
    remotes["origin"].hook(hook, f'{refs} [ "$ref" = refs/heads/master ] && {{ {decline}; }}; done; exit 0')

    rows = await run(here, "dev", "master")

    assert told(rows)["origin", "dev"] == (Outcome.PUSHED, 2)
    row = rows["origin", "master"]
    assert (row.outcome, row.why) == (Outcome.FAILED, "origin protects master: GH006: Protected branch update failed")
    assert row.fix == f"git -C {here.folder} push origin master:refs/heads/master-for-review"
    assert "refs/heads/master" not in remotes["origin"].refs()


async def test_own_hook_that_fails_is_named_with_its_last_words(
    here: Repository, remotes: dict[str, Repository]
) -> None:
    """Whatever it says, it is neither the network nor the server; and it is not run again and again."""
    runs = here.folder.parent / "runs"
    here.hook(
        "pre-push", f"echo >> {runs}; echo out; echo 'fatal: Connection refused' >&2; echo '2 tests failed' >&2; exit 1"
    )

    rows = await Run(here, remotes=("origin",)).all()

    row = rows["origin", "dev"]
    assert row.outcome is Outcome.FAILED
    assert row.why == "the pre-push hook of this repository stopped it: Connection refused; 2 tests failed"
    assert row.fix == f"git -C {here.folder} push origin dev"
    assert runs.read_text() == "\n"
    assert remotes["origin"].tip("dev") != here.tip("dev")


async def test_own_hook_that_stops_one_branch_lets_the_other_go(here: Repository) -> None:
    """`never push to master` is a hook that many have; what it prints is not mistaken for git's own lines."""
    here.git("branch", "master")
    here.hook(
        "pre-push",
        'printf "To x\\n=\\trefs/heads/dev:refs/heads/dev\\t[up to date]\\n" >/dev/null; ! grep -q refs/heads/master',
    )

    rows = await run(here, "dev", "master")

    assert told(rows)["origin", "dev"] == (Outcome.PUSHED, 2)
    assert rows["origin", "master"].why == "the pre-push hook of this repository stopped it: it said nothing"


async def test_hook_that_lies_proves_nothing(here: Repository, remotes: dict[str, Repository]) -> None:
    """Only what the remote says it has counts: not what git printed, and not its status."""
    liar = here.folder.parent / "bin" / "git"
    liar.parent.mkdir()
    real = here.git("--exec-path") + "/git"
    liar.write_text(f'#!/bin/sh\ncase " $* " in *" push "*) exit 0;; esac\nexec {real} "$@"\n')
    liar.chmod(0o755)

    rows = await Run(here, environment={"PATH": f"{liar.parent}:{os.environ['PATH']}"}).all()

    assert [row.outcome for row in rows.values()] == [Outcome.FAILED] * 2
    assert rows["origin", "dev"].why == "git pushed it, but origin does not have it"


async def test_remote_that_hangs_while_it_takes_a_push_is_not_waited_for(
    here: Repository, remotes: dict[str, Repository]
) -> None:
    """The deadline ends it with all that it started here, and the next run completes it."""
    remotes["origin"].hook("pre-receive", "exec sleep 1000")

    rows = await Run(here, timeout_s=3.0).all()

    assert rows["origin", "dev"].why == "origin gave no answer within 3 s"
    assert told(rows)["org", "dev"] == (Outcome.PUSHED, 2)

    (remotes["origin"].folder / "hooks" / "pre-receive").unlink()
    assert told(await run(here))["origin", "dev"] == (Outcome.PUSHED, 2)


async def test_push_that_is_killed_half_way_is_completed_by_the_next_run(
    here: Repository, remotes: dict[str, Repository]
) -> None:
    """Nothing of it is lost, here or there."""
    pids = here.folder.parent / "pids"
    remotes["origin"].hook("pre-receive", f"echo $PPID > {pids}; exec sleep 1000")
    rows: dict[tuple[str, str], PushRow] = {}

    async def sync() -> None:
        rows.update(await Run(here, remotes=("origin",)).all())

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sync)
            await wait_for(pids)
            receiver = int(pids.read_text())
            os.kill(parent_of(receiver), signal.SIGKILL)  # the pushing git: a remote that is a folder runs below it

    assert rows["origin", "dev"].outcome is Outcome.FAILED
    assert rows["origin", "dev"].why == "git was ended by signal 9"
    (remotes["origin"].folder / "hooks" / "pre-receive").unlink()
    assert told(await run(here)) == {("origin", "dev"): (Outcome.PUSHED, 2), ("org", "dev"): (Outcome.PUSHED, 2)}
    remotes["origin"].git("fsck", "--strict")


async def wait_for(path: Path) -> None:
    """Wait until something was written to a file."""

    async def is_written() -> bool:
        return os.path.exists(path) and os.path.getsize(path) > 0  # noqa: PTH110, PTH202, ASYNC240 - a local folder

    await until_async(is_written, deadline_s=60, what=f"something in {path}")


def parent_of(pid: int) -> int:
    """Return the git that runs this process, through the shell in between if there is one."""
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    words = Path(f"/proc/{parent}/cmdline").read_bytes().split(b"\0")
    return parent if b"push" in words else parent_of(parent)


async def test_sync_that_is_cancelled_in_the_middle_of_a_push_ends_it(
    here: Repository, remotes: dict[str, Repository]
) -> None:
    """Ctrl-C: nothing is left running, and the next run completes it."""
    began = here.folder.parent / "began"
    remotes["origin"].hook("pre-receive", f"echo >> {began}; exec sleep 1000")

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, here)
            await wait_for(began)
            tasks.cancel_scope.cancel()

    (remotes["origin"].folder / "hooks" / "pre-receive").unlink()
    rows = await run(here)
    assert rows["origin", "dev"].outcome is Outcome.PUSHED
    assert all(row.is_done for row in rows.values())


async def test_connection_that_breaks_off_in_a_push_is_tried_again(
    here: Repository, remotes: dict[str, Repository], tmp_path: Path
) -> None:
    """Here the first push is cut off by its server; the second arrives."""
    cut = tmp_path / "cut"
    remotes["origin"].hook("pre-receive", f"[ -e {cut} ] && exit 0; touch {cut}; kill -9 $PPID; exec sleep 5")

    rows = await Run(here, remotes=("origin",)).all()

    assert told(rows) == {("origin", "dev"): (Outcome.PUSHED, 2)}
    assert cut.exists()


async def test_lock_of_another_push_at_the_remote_is_waited_for(
    here: Repository, remotes: dict[str, Repository], tmp_path: Path
) -> None:
    """A ref that somebody else is just changing is free in a moment; a lock that stays is said."""
    lock = remotes["origin"].folder / "refs" / "heads" / "dev.lock"
    remotes["origin"].hook("pre-receive", f"[ -e {tmp_path}/second ] && rm -f {lock}; touch {tmp_path}/second; exit 0")
    lock.touch()
    assert told(await Run(here, remotes=("origin",)).all()) == {("origin", "dev"): (Outcome.PUSHED, 2)}

    lock = remotes["org"].folder / "refs" / "heads" / "dev.lock"
    lock.touch()
    row = (await Run(here, remotes=("org",)).all())["org", "dev"]
    assert row.why.startswith("org could not change dev: ")
    lock.unlink()


async def test_remote_that_goes_away_after_the_question_is_said(
    here: Repository, remotes: dict[str, Repository]
) -> None:
    """Its branches are not taken for pushed, and the other remote is served."""
    turn = Run(here)
    await turn.ask()
    away = remotes["origin"].folder.rename(here.folder.parent / "away")

    rows = await turn.push()

    away.rename(remotes["origin"].folder)
    assert rows["origin", "dev"].outcome is Outcome.FAILED
    assert rows["origin", "dev"].why.startswith("origin leads to no repository: ")
    assert told(rows)["org", "dev"] == (Outcome.PUSHED, 2)


async def test_every_url_of_a_remote_has_to_have_it(here: Repository, remotes: dict[str, Repository]) -> None:
    """A remote with two push URLs has a branch when both have."""
    for one in remotes.values():
        here.git("remote", "set-url", "--add", "--push", "origin", str(one.folder))
    remotes["org"].hook("pre-receive", "exit 1")
    rows = await Run(here, remotes=("origin",)).all()
    assert rows["origin", "dev"].outcome is Outcome.FAILED
    assert remotes["origin"].tip("dev") == here.tip("dev")

    (remotes["org"].folder / "hooks" / "pre-receive").unlink()
    assert told(await Run(here, remotes=("origin",)).all()) == {("origin", "dev"): (Outcome.PUSHED, 2)}
    assert remotes["org"].tip("dev") == here.tip("dev")


async def test_branch_that_a_remote_has_checked_out_is_not_pushed(here: Repository, tmp_path: Path) -> None:
    """A remote with a work tree refuses; the command that is told goes beside it."""
    other = make_repository(tmp_path / "other", branch="dev")
    other.commit("file", "one\n", "one")
    here.git("remote", "add", "other", str(other.folder))
    here.git("fetch", "-q", "other")
    here.git("checkout", "-q", "-B", "dev", "other/dev")
    here.commit("file", "more\n", "more")

    row = (await Run(here, remotes=("other",)).all())["other", "dev"]

    assert row.why.startswith("other has dev checked out: ")
    here.git(*row.fix.split()[3:])
    assert other.tip("dev-incoming") == here.tip("dev")


async def test_shallow_clone_pushes_what_is_new(
    here: Repository, remotes: dict[str, Repository], tmp_path: Path
) -> None:
    """Its missing past is no obstacle; where it makes two sides seem to have parted, that is said, with the way on."""
    await Run(here, remotes=("origin",)).all()
    shallow = Repository(folder=tmp_path / "shallow")
    here.git("clone", "-q", "--depth", "1", f"file://{remotes['origin'].folder}", "-b", "dev", str(shallow.folder))
    shallow.commit("file", "four\n", "four")
    assert told(await Run(shallow, remotes=("origin",)).all()) == {("origin", "dev"): (Outcome.PUSHED, 1)}

    shallow.git("remote", "add", "org", f"file://{remotes['org'].folder}")
    row = (await Run(shallow, remotes=("org",)).all())["org", "dev"]
    assert row.outcome is Outcome.DIVERGED
    assert "shallow" in row.why
    assert row.fix == f"git -C {shallow.folder} fetch --unshallow"
    shallow.git("fetch", "-q", "--unshallow")
    assert told(await Run(shallow, remotes=("org",)).all()) == {("org", "dev"): (Outcome.PUSHED, 3)}
