"""The lock of a sync: one at a time, also from another work tree, and free as soon as its holder is gone."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import anyio
import pytest

from devenv.adapters.git.command import Git
from devenv.adapters.git.holding import hold
from devenv.domain.errors import HostError, UsageError
from tests.support.git import Repository, git_environment, make_repository

pytestmark = pytest.mark.anyio

HOLDER = textwrap.dedent(
    """
    import sys, anyio
    from devenv.adapters.git.command import Git
    from devenv.adapters.git.holding import hold
    async def main():
        async with hold(Git(folder=sys.argv[1]), print):
            print("held", flush=True)
            await anyio.sleep_forever()
    anyio.run(main)
    """
)


@pytest.fixture
def here(tmp_path: Path) -> Repository:
    """Return a repository with a commit."""
    made = make_repository(tmp_path / "here")
    made.commit()
    return made


def git_of(repository: Repository) -> Git:
    """Return devenv's git for it."""
    return Git(folder=str(repository.folder), environment=git_environment())


def quiet(text: str) -> None:
    """Expect nothing to be said."""
    pytest.fail(f"said: {text}")


async def test_second_sync_waits_and_says_so_once(here: Repository, tmp_path: Path) -> None:
    """It begins when the first has ended, also where it comes from another work tree of the repository."""
    other = Repository(folder=tmp_path / "other")
    here.git("worktree", "add", "-q", "--detach", str(other.folder))
    told: list[str] = []
    order: list[str] = []
    is_told = anyio.Event()

    def say(text: str) -> None:
        told.append(text)
        is_told.set()

    async def second() -> None:
        async with hold(git_of(other), say):
            order.append("second")

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks, hold(git_of(here), quiet):
            tasks.start_soon(second)
            await is_told.wait()
            await anyio.sleep(0.1)  # it goes on waiting
            order.append("first")

    assert order == ["first", "second"]
    assert told == [f"waiting for another part of this sync of {other.folder} (pid {os.getpid()})"]


def start(words: list[str]) -> subprocess.Popen[str]:
    """Start a program whose output is read."""
    root = Path(__file__).parents[2]
    return subprocess.Popen(words, cwd=root, env=git_environment(), stdout=subprocess.PIPE, text=True)


async def test_lock_of_a_sync_that_was_killed_is_free(here: Repository) -> None:
    """A kill -9 leaves no repository that cannot be synced."""
    words = [sys.executable, "-c", HOLDER, str(here.folder)]
    told: list[str] = []
    is_told = anyio.Event()

    def say(text: str) -> None:
        told.append(text)
        is_told.set()

    with start(words) as holder:
        assert holder.stdout is not None
        assert await anyio.to_thread.run_sync(holder.stdout.readline) == "held\n"

        async def kill() -> None:
            await is_told.wait()
            holder.kill()

        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(kill)
                async with hold(git_of(here), say):
                    pass
    assert told == [f"waiting for another sync of {here.folder} (pid {holder.pid})"]


async def test_waiting_ends_with_a_sentence(here: Repository) -> None:
    """A sync that hangs for ever holds up no other one for ever."""
    async with hold(git_of(here), quiet):
        with pytest.raises(HostError) as caught:
            async with hold(git_of(here), lambda _: None, patience_s=0.1):
                pass
    assert caught.value.fix == f"ps -fp {os.getpid()}"
    async with hold(git_of(here), quiet):
        pass


async def test_waiting_can_be_cancelled(here: Repository) -> None:
    """Ctrl-C; the holder is not disturbed, and the lock is free afterwards."""
    async with hold(git_of(here), quiet):
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:

                async def second() -> None:
                    async with hold(git_of(here), lambda _: tasks.cancel_scope.cancel()):
                        pytest.fail("held twice")

                tasks.start_soon(second)
    async with hold(git_of(here), quiet):
        pass


async def test_error_inside_frees_the_lock(here: Repository) -> None:
    """As every end does."""
    with pytest.raises(HostError, match="inside"):
        async with hold(git_of(here), quiet):
            raise HostError("inside")
    async with hold(git_of(here), quiet):
        pass


async def test_lock_is_not_seen_by_git(here: Repository) -> None:
    """It lies in git's own folder, where no clean and no status looks."""
    async with hold(git_of(here), quiet):
        assert here.git("status", "--porcelain", "--ignored") == ""


async def test_folder_without_a_repository_is_a_sentence(tmp_path: Path) -> None:
    """The lock is asked for before anything else is."""
    with pytest.raises(UsageError, match="cannot look at"):
        async with hold(git_of(Repository(folder=tmp_path)), quiet):
            pytest.fail("held")


async def test_folder_that_cannot_be_made_is_a_sentence(here: Repository) -> None:
    """A full disk, a read-only file system; here a file is in its place."""
    (here.folder / ".git" / "devenv").touch()
    with pytest.raises(HostError, match="cannot make the folder"):
        async with hold(git_of(here), quiet):
            pytest.fail("held")
