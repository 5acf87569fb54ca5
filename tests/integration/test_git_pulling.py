"""Fetching and fast-forwarding what is checked out, on real git: nothing is lost, and nothing moves by half."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv.adapters.git import holding, pulling
from devenv.adapters.git.command import Git
from devenv.adapters.git.pulling import GitCheckouts
from devenv.domain.errors import DevenvError, HostError, UsageError
from devenv.domain.pulling import Checkout, News
from tests.support import processes
from tests.support.git import Repository, git_environment, make_clone, make_remote, make_repository
from tests.support.wait import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def remote(tmp_path: Path) -> Repository:
    """Return a remote with one commit on dev."""
    made = make_remote(tmp_path / "remote.git")
    first = make_repository(tmp_path / "first")
    first.commit("file", "one\n")
    first.commit(".gitignore", "ignored\n")
    first.commit("services.yaml", "services: {}\n")
    first.git("push", "-q", str(made.folder), "dev")
    made.git("symbolic-ref", "HEAD", "refs/heads/dev")
    return made


@pytest.fixture
def mine(tmp_path: Path, remote: Repository) -> Repository:
    """Return a clone of it: the user's."""
    return make_clone(tmp_path / "mine", remote)


@pytest.fixture
def theirs(tmp_path: Path, remote: Repository) -> Repository:
    """Return another clone: a colleague's."""
    return make_clone(tmp_path / "theirs", remote)


def push(theirs: Repository, path: str = "file", text: str = "theirs\n") -> str:
    """Let the colleague push a commit; return it."""
    commit = theirs.commit(path, text, f"change {path}")
    theirs.git("push", "-q", "origin", "HEAD:dev")
    return commit


def checkouts(**more: str) -> GitCheckouts:
    """Return what is tested, in the tests' environment."""
    return GitCheckouts(environment={**git_environment(), **more})


async def find(repository: Repository, *remotes: str, files: tuple[str, ...] = ()) -> Checkout:
    """Look at a clone."""
    return await checkouts().find(str(repository.folder), remotes or ("origin",), files)


async def fetch(repository: Repository, *remotes: str) -> tuple[Checkout, News]:
    """Fetch for a clone; there is something to fetch from."""
    checkout = await find(repository, *remotes)
    news = await checkouts().fetch(checkout)
    assert news is not None
    return checkout, news


async def pull(repository: Repository) -> str:
    """Fetch and fast-forward; return why it was not."""
    return await checkouts().fast_forward(*await fetch(repository))


async def test_fetch_tells_how_far_and_what_changed(mine: Repository, theirs: Repository) -> None:
    """Counts in commits, paths from the top; names with any byte are whole."""
    push(theirs, "new\nline")
    last = push(theirs, "services.yaml", "services: {api: {command: x}}\n")
    checkout, news = await fetch(mine)
    assert (news.ahead, news.behind, news.commit) == (0, 2, last)
    assert set(news.changed) == {"new\nline", "services.yaml"}
    assert str(news.source) == "origin/dev"
    assert checkout.follows


async def test_fetch_moves_only_the_ref_that_follows_the_branch(mine: Repository, theirs: Repository) -> None:
    """No other branch, no tag, no FETCH_HEAD; nothing in the work tree; whatever the user's settings say."""
    theirs.git("tag", "v1")
    theirs.git("push", "-q", "origin", "v1", "HEAD:refs/heads/other")
    last = push(theirs)
    mine.git("config", "fetch.prune", "true")
    mine.git("config", "remote.origin.tagOpt", "--tags")
    mine.git("update-ref", "refs/remotes/origin/gone", "HEAD")
    mine.git("remote", "set-head", "origin", "--delete")
    mine.git("config", "--add", "remote.origin.fetch", "+refs/heads/*:refs/backup/*")
    before = mine.refs()
    await fetch(mine)
    assert mine.refs() == {**before, "refs/remotes/origin/dev": last}
    assert not (mine.folder / ".git/FETCH_HEAD").exists()
    assert mine.git("status", "--porcelain") == ""


async def test_fast_forward_brings_the_work_tree_along(mine: Repository, theirs: Repository) -> None:
    """The branch, the files, and the user's hook, as a pull does."""
    last = push(theirs)
    mine.hook("post-merge", "echo ran > ../hook-ran")
    assert await pull(mine) == ""
    assert mine.tip("refs/heads/dev") == last
    assert (mine.folder / "file").read_text() == "theirs\n"
    assert mine.git("status", "--porcelain") == ""
    assert (mine.folder.parent / "hook-ran").exists()


async def test_hook_that_fails_after_the_fast_forward_changes_nothing_of_it(
    mine: Repository, theirs: Repository
) -> None:
    """The commits are there: the pull was done."""
    last = push(theirs)
    mine.hook("post-merge", "exit 1")
    assert await pull(mine) == ""
    assert mine.tip("HEAD") == last


@pytest.mark.parametrize("is_staged", [False, True])
async def test_changed_file_keeps_everything_as_it_is(mine: Repository, theirs: Repository, *, is_staged: bool) -> None:
    """Also one that the commits do not touch."""
    push(theirs)
    mine.write("services.yaml", "mine\n")
    if is_staged:
        mine.git("add", "services.yaml")
    before = mine.git("status", "--porcelain"), mine.tip("HEAD")
    assert await pull(mine) == ("1 file staged" if is_staged else "1 file changed")
    assert (mine.git("status", "--porcelain"), mine.tip("HEAD")) == before


async def test_untracked_file_stays_and_does_not_matter(mine: Repository, theirs: Repository) -> None:
    """Unless the commits bring one of that name."""
    push(theirs)
    mine.write("notes", "mine\n")
    assert await pull(mine) == ""
    assert (mine.folder / "notes").read_text() == "mine\n"


@pytest.mark.parametrize("path", ["notes", "ignored"])
async def test_file_that_is_not_committed_is_never_overwritten(mine: Repository, theirs: Repository, path: str) -> None:
    """An ignored one neither, which `git pull` takes for worthless."""
    theirs.write(path, "theirs\n")
    theirs.git("add", "-f", path)
    push(theirs)
    mine.write(path, "mine\n")
    before = mine.tip("HEAD")
    assert await pull(mine) == f"it would overwrite {path}"
    assert (mine.folder / path).read_text() == "mine\n"
    assert mine.tip("HEAD") == before
    assert (mine.folder / "file").read_text() == "one\n"


async def test_change_that_git_was_told_not_to_look_for_is_kept(mine: Repository, theirs: Repository) -> None:
    """`--assume-unchanged` hides a local setting from `git status`, not from the pull."""
    push(theirs)
    mine.git("update-index", "--assume-unchanged", "file")
    mine.write("file", "mine\n")
    assert await pull(mine) == "it would overwrite file"
    assert (mine.folder / "file").read_text() == "mine\n"


async def test_diverged_branch_is_told_and_cannot_be_merged(mine: Repository, theirs: Repository) -> None:
    """Even if it were asked for: nothing but a fast-forward is made."""
    push(theirs)
    own = mine.commit("mine")
    checkout, news = await fetch(mine)
    assert (news.ahead, news.behind) == (1, 1)
    assert await checkouts().fast_forward(checkout, news) != ""
    assert mine.tip("HEAD") == own


async def test_merge_under_way_is_left_alone(mine: Repository, theirs: Repository) -> None:
    """It is the user's to finish."""
    push(theirs)
    mine.git("switch", "-q", "-c", "side")
    mine.commit("file", "side\n")
    mine.git("switch", "-q", "dev")
    mine.commit("file", "other\n")
    mine.git("merge", "-q", "side", check=False)
    checkout = await find(mine)
    news = await checkouts().fetch(checkout)
    assert news is not None
    assert await checkouts().fast_forward(checkout, news) == "a merge is under way"
    assert mine.tip("MERGE_HEAD")


async def test_branch_that_was_switched_meanwhile_is_not_moved(mine: Repository, theirs: Repository) -> None:
    """What was fetched for one branch is not for the next."""
    push(theirs)
    checkout, news = await fetch(mine)
    mine.git("switch", "-q", "-c", "other")
    before = mine.refs()
    assert await checkouts().fast_forward(checkout, news) == "other is checked out by now"
    assert mine.refs() == before


async def test_rewritten_remote_moves_nothing_here(mine: Repository, theirs: Repository) -> None:
    """The commits that it had before stay reachable by the ref that follows it."""
    push(theirs)
    await fetch(mine)
    before = mine.refs()
    theirs.git("reset", "-q", "--hard", "HEAD~1")
    theirs.commit("file", "rewritten\n")
    theirs.git("push", "-q", "--force", "origin", "HEAD:dev")
    with pytest.raises(HostError) as failed:
        await fetch(mine)
    assert failed.value.what == "cannot follow origin/dev"
    assert mine.refs() == before


async def test_branch_without_upstream_is_looked_for_at_each_remote(
    tmp_path: Path, mine: Repository, theirs: Repository
) -> None:
    """The first remote that has it counts; without one there is nothing to say but that."""
    org = make_remote(tmp_path / "org.git")
    theirs.git("push", "-q", str(org.folder), "HEAD:refs/heads/topic")
    mine.git("remote", "add", "org", str(org.folder))
    mine.git("switch", "-q", "-c", "topic")
    theirs.commit("file")
    theirs.git("push", "-q", str(org.folder), "HEAD:refs/heads/topic")
    checkout, news = await fetch(mine, "origin", "missing", "org")
    assert (str(news.source), news.behind, checkout.follows) == ("org/topic", 1, False)
    assert checkout.command(news.source) == "git pull --ff-only org topic"
    assert await checkouts().fetch(await find(mine, "origin")) is None


async def test_upstream_of_another_name_is_the_one_that_counts(mine: Repository, theirs: Repository) -> None:
    """`dev` here may follow `master` there."""
    theirs.commit("file")
    theirs.git("push", "-q", "origin", "HEAD:master")
    mine.git("fetch", "-q")
    mine.git("branch", "-q", "--set-upstream-to=origin/master")
    _, news = await fetch(mine)
    assert (str(news.source), news.behind) == ("origin/master", 1)


async def test_mirror_that_fetches_into_its_own_branches_can_be_pulled(mine: Repository, theirs: Repository) -> None:
    """Nothing can be fetched into the branch that is checked out: it is followed beside it."""
    last = push(theirs)
    mine.git("config", "remote.origin.fetch", "+refs/heads/*:refs/heads/*")
    assert await pull(mine) == ""
    assert mine.tip("HEAD") == last


async def test_clone_of_a_single_branch_can_pull_another(
    tmp_path: Path, remote: Repository, theirs: Repository
) -> None:
    """Its settings fetch only the first one."""
    theirs.git("push", "-q", "origin", "HEAD:topic")
    remote.git("clone", "-q", "--single-branch", "--depth=1", f"file://{remote.folder}", str(tmp_path / "one"))
    mine = Repository(folder=tmp_path / "one")
    mine.git("switch", "-q", "-c", "topic")
    mine.git("config", "branch.topic.remote", "origin")
    mine.git("config", "branch.topic.merge", "refs/heads/topic")
    theirs.commit("file")
    theirs.git("push", "-q", "origin", "HEAD:topic")
    assert await pull(mine) == ""
    assert mine.tip("HEAD") == theirs.tip("HEAD")


async def test_detached_and_unborn_heads_are_told(tmp_path: Path, mine: Repository) -> None:
    """The one has no branch, the other no commit."""
    mine.git("switch", "-q", "--detach")
    detached = await find(mine)
    assert (detached.branch, detached.head) == ("", mine.tip("HEAD"))
    unborn = await find(make_repository(tmp_path / "new"))
    assert (unborn.branch, unborn.head, unborn.sources) == ("dev", "", ())


async def test_files_of_the_stack_are_seen_from_the_top(tmp_path: Path, mine: Repository) -> None:
    """Through links too; what lies elsewhere is not among them."""
    mine.write("config/real.yaml", "")
    (mine.folder / "compose.yaml").symlink_to("config/real.yaml")
    (tmp_path / "link").symlink_to(mine.folder)
    files = (str(tmp_path / "link/services.yaml"), str(tmp_path / "link/compose.yaml"), str(tmp_path / "elsewhere.env"))
    checkout = await find(mine, files=files)
    assert set(checkout.files) == {"services.yaml", "compose.yaml", "config/real.yaml"}


async def test_folder_below_the_top_is_in_the_same_work_tree(mine: Repository) -> None:
    """services.yaml need not lie at the top."""
    (mine.folder / "deep").mkdir()
    found = await checkouts().find(str(mine.folder / "deep"), ("origin",), ())
    assert found.root == (await find(mine)).root


async def test_what_is_no_repository_is_a_sentence(tmp_path: Path) -> None:
    """Not a traceback."""
    with pytest.raises(UsageError, match="cannot look at"):
        await checkouts().find(str(tmp_path), ("origin",), ())


async def test_no_git_is_a_sentence(mine: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without it can still start services."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DevenvError, match="cannot run git"):
        await GitCheckouts(environment={"PATH": str(tmp_path)}).find(str(mine.folder), ("origin",), ())


async def test_remote_that_is_gone_is_a_sentence(tmp_path: Path, mine: Repository, remote: Repository) -> None:
    """It says which remote, and what is the matter."""
    remote.folder.rename(tmp_path / "moved")
    with pytest.raises(HostError) as failed:
        await fetch(mine)
    assert failed.value.what == "cannot fetch from origin"
    assert "does not appear to be a git repository" in failed.value.why


@pytest.fixture
def deaf_ssh(tmp_path: Path) -> Iterator[Path]:
    """Return an ssh that never answers, and ends what is left of it."""
    script = tmp_path / "deaf-ssh"
    script.write_text(
        f"#!/bin/sh\necho $$ >> {tmp_path}/pids\nexec {sys.executable} -c 'import time; time.sleep(1000)'\n"
    )
    script.chmod(0o755)
    yield script
    for pid in (tmp_path / "pids").read_text().split():
        if left := processes.identify(int(pid)):
            processes.end(left)


async def test_remote_that_hangs_is_left_at_the_deadline(
    mine: Repository, deaf_ssh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its ssh."""
    monkeypatch.setattr(pulling, "FETCH_S", 3.0)
    mine.git("remote", "set-url", "origin", "ssh://nowhere.invalid/x")
    git = checkouts(GIT_SSH_COMMAND=str(deaf_ssh))
    with pytest.raises(HostError) as failed:
        await git.fetch(await find(mine))
    assert "no answer within 3 s" in failed.value.why
    [pid] = (deaf_ssh.parent / "pids").read_text().split()
    until(lambda: processes.identify(int(pid)) is None, deadline_s=5, what="the end of the ssh")


async def test_fast_forward_does_not_wait_for_a_sync(mine: Repository, theirs: Repository) -> None:
    """The other one may push for minutes; it is said, and nothing moves."""
    push(theirs)
    before = mine.tip("HEAD")
    async with holding.hold(Git(folder=str(mine.folder)), lambda text: None):
        assert await pull(mine) == "another sync or pull of this repository is under way"
    assert mine.tip("HEAD") == before
    assert await pull(mine) == ""
