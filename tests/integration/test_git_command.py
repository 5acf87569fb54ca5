"""What becomes of a git command that is ended early, and of everything that it runs."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from devenv.adapters.git.command import Git
from tests.support.git import Repository, git_environment, make_repository
from tests.support.wait import until_async

pytestmark = pytest.mark.anyio

TIDY = "trap 'sleep 0.3; touch tidied; exit 0' TERM; touch begun; while :; do sleep 0.02; done"
"""What takes a moment to clean up, as the other git of a push to a folder does with its locks."""


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    """Return an empty repository."""
    return make_repository(tmp_path / "shop")


def git_of(repository: Repository) -> Git:
    """Return devenv's git for it, with an alias that runs `TIDY` beneath it."""
    repository.git("config", "alias.tidy", f'!sh -c "{TIDY}"; :')
    return Git(folder=str(repository.folder), environment=git_environment())


async def test_all_that_a_late_command_runs_may_clean_up(shop: Repository) -> None:
    """Git itself dies of the signal at once; what it started is not cut off for that."""
    ran = await git_of(shop).run("tidy", deadline_s=1.0)
    assert ran.is_late
    assert (shop.folder / "tidied").exists()


async def test_all_that_a_cancelled_command_runs_may_clean_up(shop: Repository) -> None:
    """After a Ctrl-C no lock stays at a remote that is a folder, where the next run would fail of it."""

    async def has_begun() -> bool:
        return (shop.folder / "begun").exists()

    async def cancel_when_begun(scope: anyio.CancelScope) -> None:
        await until_async(has_begun, deadline_s=10, what="the command beneath git")
        scope.cancel()

    git = git_of(shop)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel_when_begun, tasks.cancel_scope)
            await git.run("tidy")
    assert (shop.folder / "tidied").exists()
