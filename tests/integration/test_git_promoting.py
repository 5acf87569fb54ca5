"""A promotion on real repositories: the target moves forward beside the work tree, or nothing changes at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from devenv.adapters.git.command import Git
from devenv.adapters.git.looking import look
from devenv.adapters.git.promoting import promote
from devenv.adapters.git.remotes import ask_remotes
from devenv.domain.git_rules import Promotion, SyncRules
from devenv.domain.syncing import Promoted, Promoting
from tests.support.git import Repository, git_environment, make_clone, make_remote, make_repository

pytestmark = pytest.mark.anyio

DEV_TO_MASTER = Promotion(source="dev", target="master")


@pytest.fixture
def here(tmp_path: Path) -> Repository:
    """Return a repository on `dev`, with `master` at the same commit."""
    made = make_repository(tmp_path / "here")
    made.commit("file", "one\n", "one")
    made.git("branch", "master")
    return made


def git_of(repository: Repository, **more: str | None) -> Git:
    """Return devenv's git for it; None takes a variable away."""
    environment = {**git_environment(), **more}
    return Git(
        folder=str(repository.folder), environment={name: one for name, one in environment.items() if one is not None}
    )


async def run(repository: Repository, promotion: Promotion = DEV_TO_MASTER, *, dry_run: bool = False) -> Promoted:
    """Ask the remotes that there are, and promote."""
    git = git_of(repository)
    state = await look(git)
    rules = SyncRules(repos=(state.root,), remotes=tuple(state.remotes), promote=promotion)
    heads, silent = await ask_remotes(git, state, rules)
    assert silent == ()
    return await promote(git, state, promotion, heads, dry_run=dry_run)


def diverge(repository: Repository, ours: str = "ours", theirs: str = "theirs") -> str:
    """Give `master` a commit that `dev` lacks and the other way round; return that of `master`."""
    repository.git("checkout", "-q", "master")
    commit = repository.commit(theirs, "theirs\n", "on master")
    repository.git("checkout", "-q", "dev")
    repository.commit(ours, "ours\n", "on dev")
    return commit


def tree(repository: Repository) -> dict[str, bytes | int]:
    """Return what a promotion may not touch: the files with their times, index and HEAD."""
    top = repository.folder
    files = {path for path in top.rglob("*") if path.is_file() and ".git" not in path.relative_to(top).parts}
    kept: dict[str, bytes | int] = {str(path): path.stat().st_mtime_ns for path in files}
    return kept | {name: (top / ".git" / name).read_bytes() for name in ("index", "HEAD")}


async def test_target_is_fast_forwarded_beside_the_work_tree(here: Repository) -> None:
    """What runs from the work tree goes on with the files that it has."""
    here.commit("file", "two\n", "two")
    tip = here.commit("file", "three\n", "three")
    here.write("file", "not committed\n")
    before = tree(here)

    promoted = await run(here)

    assert (promoted.how, promoted.commit, promoted.commits) == (Promoting.FAST_FORWARD, tip, 2)
    assert here.tip("master") == tip
    assert tree(here) == before


async def test_target_gets_a_merge_of_both_when_both_have_commits(here: Repository) -> None:
    """Two parents, both trees, and git's own words; the work tree has nothing of it."""
    theirs = diverge(here)
    before = tree(here)

    promoted = await run(here)

    assert (promoted.how, promoted.commits) == (Promoting.MERGE, 1)
    assert here.tip("master") == promoted.commit
    assert (
        here.git("log", "-1", "--format=%P|%s|%an", "master")
        == f"{theirs} {here.tip('dev')}|Merge branch 'dev' into master|Ada"
    )
    assert here.git("ls-tree", "--name-only", "master").splitlines() == ["file", "ours", "theirs"]
    assert tree(here) == before


async def test_nothing_changes_when_the_target_has_all(here: Repository) -> None:
    """The second run of a day sees nothing to do."""
    diverge(here)
    first = await run(here)

    again = await run(here)

    assert (again.how, again.commit, again.commits) == (Promoting.NOTHING, first.commit, 0)


@pytest.mark.parametrize("name", [b"plain", b"two\nlines", b'a "quote"', b"-n", b"caf\xe9", b" spaces \t"])
async def test_conflict_changes_nothing_and_lists_the_files(here: Repository, name: bytes) -> None:
    """File names may hold any byte."""
    path = os.fsdecode(name)
    theirs = diverge(here, ours=path, theirs=path)
    before, refs = tree(here), here.refs()

    promoted = await run(here)

    assert (promoted.how, promoted.commit, promoted.conflicts) == (Promoting.CONFLICT, theirs, (path,))
    assert promoted.why == "dev and master changed 1 file in different ways; nothing was changed here"
    assert promoted.fix == f"git -C {here.folder} merge master"
    assert (tree(here), here.refs()) == (before, refs)


async def test_git_that_cannot_merge_beside_the_work_tree_is_told(here: Repository, tmp_path: Path) -> None:
    """Before 2.38 `merge-tree` knows no `--write-tree`; a fast-forward needs none of it."""
    old = tmp_path / "bin" / "git"
    old.parent.mkdir()
    real = shutil.which("git")
    old.write_text(f'#!/bin/sh\ncase "$*" in *--write-tree*) exit 129;; esac\nexec {real} "$@"\n')
    old.chmod(0o755)
    diverge(here)
    refs, git = here.refs(), git_of(here, PATH=f"{old.parent}:{os.environ['PATH']}")

    promoted = await promote(git, await look(git), DEV_TO_MASTER, {}, dry_run=False)

    assert (promoted.how, here.refs()) == (Promoting.REFUSED, refs)
    assert "older than 2.38" in promoted.why
    assert promoted.fix == f"git -C {here.folder} merge master"


async def test_conflict_is_resolved_by_the_command_that_is_told(here: Repository) -> None:
    """The merge is made on the branch that is worked on; afterwards the target is only to follow."""
    diverge(here, ours="same", theirs="same")
    fix = (await run(here)).fix.split()
    assert fix[:3] == ["git", "-C", str(here.folder)]
    here.git(*fix[3:], check=False)
    here.commit("same", "both\n", "resolved")

    assert (await run(here)).how is Promoting.FAST_FORWARD


async def test_dry_run_tells_the_same_and_moves_nothing(here: Repository) -> None:
    """Fast-forward, merge and conflict are foreseen."""
    here.commit("file", "two\n", "two")
    refs = here.refs()
    assert (await run(here, dry_run=True)).how is Promoting.FAST_FORWARD
    assert here.refs() == refs

    diverge(here)
    refs = here.refs()
    foreseen = await run(here, dry_run=True)
    assert (foreseen.how, foreseen.commit, foreseen.commits) == (Promoting.MERGE, "", 2)
    assert here.refs() == refs


async def test_branch_that_is_checked_out_never_moves(here: Repository, tmp_path: Path) -> None:
    """Neither that of this work tree nor that of another; the way on is a merge there."""
    here.commit("file", "two\n", "two")
    other = tmp_path / "other tree"
    here.git("worktree", "add", "-q", str(other), "master")
    refs = here.refs()

    promoted = await run(here)

    assert (promoted.how, here.refs()) == (Promoting.REFUSED, refs)
    assert str(other) in promoted.why
    assert promoted.fix == f"git -C '{other}' merge dev"

    from_there = await run(Repository(folder=other))
    assert (from_there.how, here.refs()) == (Promoting.REFUSED, refs)


async def test_branch_that_another_work_tree_rebases_never_moves(here: Repository, tmp_path: Path) -> None:
    """HEAD is detached there, and yet the branch is at work: its end would be refused."""
    diverge(here, ours="same", theirs="same")
    other = make_worktree(here, tmp_path / "other", "master")
    other.git("rebase", "dev", check=False)
    assert other.git("symbolic-ref", "-q", "HEAD", check=False) == ""
    here.git("commit", "-q", "--allow-empty", "-m", "more")
    refs = here.refs()

    promoted = await run(here)

    assert (promoted.how, here.refs()) == (Promoting.REFUSED, refs)
    assert "rebase" in promoted.why


def make_worktree(repository: Repository, folder: Path, branch: str) -> Repository:
    """Add a work tree."""
    repository.git("worktree", "add", "-q", str(folder), branch)
    return Repository(folder=folder)


async def test_branch_that_is_another_name_of_one_never_moves(here: Repository) -> None:
    """It would move what it stands for, which may be checked out."""
    here.git("branch", "-D", "-q", "master")
    here.git("symbolic-ref", "refs/heads/master", "refs/heads/main")
    here.git("branch", "main")
    here.commit("file", "two\n", "two")
    refs = here.refs()

    promoted = await run(here)

    assert (promoted.how, here.refs()) == (Promoting.REFUSED, refs)
    assert "refs/heads/main" in promoted.why


async def test_merge_is_based_on_the_newest_target(here: Repository, tmp_path: Path) -> None:
    """What a colleague has pushed to the target meanwhile is part of it, so that it can be pushed."""
    remote = make_remote(tmp_path / "remote")
    here.git("remote", "add", "origin", str(remote.folder))
    here.git("push", "-q", "origin", "master", "dev")
    colleague = make_clone(tmp_path / "colleague", remote)
    colleague.git("checkout", "-q", "master")
    theirs = colleague.commit("theirs", "theirs\n", "a colleague's")
    colleague.git("push", "-q", "origin", "master")
    here.commit("ours", "ours\n", "ours")

    promoted = await run(here)

    assert promoted.how is Promoting.MERGE
    assert here.git("log", "-1", "--format=%P", "master") == f"{theirs} {here.tip('dev')}"
    here.git("push", "-q", "origin", "master")


async def test_target_follows_a_remote_that_has_all_already(here: Repository, tmp_path: Path) -> None:
    """Somebody else has promoted: the branch here is not to be behind because of it."""
    remote = make_remote(tmp_path / "remote")
    here.git("remote", "add", "origin", str(remote.folder))
    here.git("push", "-q", "origin", "master", "dev")
    here.commit("file", "two\n", "two")
    here.git("push", "-q", "origin", "dev", "dev:master")

    promoted = await run(here)

    assert (promoted.how, promoted.commits, here.tip("master")) == (Promoting.FAST_FORWARD, 1, here.tip("dev"))


async def test_target_that_has_parted_from_a_remote_stays(here: Repository, tmp_path: Path) -> None:
    """Nothing is merged that nobody could push."""
    remote = make_remote(tmp_path / "remote")
    here.git("remote", "add", "origin", str(remote.folder))
    here.git("push", "-q", "origin", "master")
    colleague = make_clone(tmp_path / "colleague", remote)
    colleague.git("checkout", "-q", "master")
    colleague.commit("theirs", "theirs\n", "a colleague's")
    colleague.git("push", "-q", "origin", "master")
    diverge(here)
    refs = here.refs()

    promoted = await run(here)

    assert (promoted.how, here.refs()) == (Promoting.REFUSED, refs)
    assert promoted.why == "master has parted: 1 commit only here, 1 commit only at origin"
    assert promoted.fix.endswith("pull --no-rebase origin master")


async def test_two_remotes_that_disagree_about_the_target_stop_it(here: Repository, tmp_path: Path) -> None:
    """Whichever one were taken, the other could not be pushed to."""
    for name in ("origin", "org"):
        remote = make_remote(tmp_path / name)
        here.git("remote", "add", name, str(remote.folder))
        here.git("push", "-q", name, "master")
        colleague = make_clone(tmp_path / f"{name} colleague", remote)
        colleague.git("checkout", "-q", "master")
        colleague.commit(name, f"{name}\n", name)
        colleague.git("push", "-q", "origin", "master")
    here.commit("ours", "ours\n", "ours")
    refs = here.refs()

    promoted = await run(here)

    assert (promoted.how, here.refs()) == (Promoting.REFUSED, refs)
    assert promoted.why == "origin and org each have commits of master that the other lacks"


async def test_target_that_is_only_at_a_remote_is_made_here(here: Repository, tmp_path: Path) -> None:
    """A fresh clone has only the branch that is worked on."""
    remote = make_remote(tmp_path / "remote")
    here.git("remote", "add", "origin", str(remote.folder))
    here.git("push", "-q", "origin", "master")
    here.git("branch", "-D", "-q", "master")
    here.git("update-ref", "-d", "refs/remotes/origin/master")
    tip = here.commit("file", "two\n", "two")

    promoted = await run(here)

    assert (promoted.how, promoted.commits, here.tip("refs/heads/master")) == (Promoting.FAST_FORWARD, 1, tip)


async def test_target_that_is_nowhere_is_not_invented(here: Repository) -> None:
    """It may be a misspelt name; the command that makes it is told."""
    promoted = await run(here, Promotion(source="dev", target="mastre"))

    assert promoted.how is Promoting.REFUSED
    assert promoted.fix == f"git -C {here.folder} branch mastre dev"
    assert "refs/heads/mastre" not in here.refs()


async def test_source_that_is_not_here_is_told(here: Repository) -> None:
    """Nothing to give."""
    promoted = await run(here, Promotion(source="develop", target="master"))
    assert (promoted.how, promoted.why) == (Promoting.REFUSED, "there is no branch develop here")


async def test_histories_without_a_common_commit_are_not_merged(here: Repository) -> None:
    """As git itself refuses them."""
    here.git("checkout", "-q", "--orphan", "other")
    here.git("commit", "-q", "-m", "another beginning")
    refs = here.refs()

    promoted = await run(here, Promotion(source="other", target="master"))

    assert (promoted.how, here.refs()) == (Promoting.FAILED, refs)
    assert "unrelated histories" in promoted.why


async def test_merge_without_a_name_is_refused_with_the_setting_that_is_missing(here: Repository) -> None:
    """A new machine: git guesses, or does not."""
    diverge(here)
    here.git("config", "user.useConfigOnly", "true")
    names = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")
    git = git_of(here, **dict.fromkeys(names))
    refs = here.refs()

    promoted = await promote(git, await look(git), DEV_TO_MASTER, {}, dry_run=False)

    assert (promoted.how, here.refs()) == (Promoting.REFUSED, refs)
    assert promoted.why.startswith("git does not know who you are")
    assert promoted.fix == f"git -C {here.folder} config user.email you@example.org"


async def test_target_that_moves_meanwhile_is_not_overwritten(here: Repository, tmp_path: Path) -> None:
    """The move names the commit that was seen."""
    diverge(here)
    moved = here.git("commit-tree", "master^{tree}", "-p", "master", "-m", "meanwhile")
    once = tmp_path / "once"
    shim = tmp_path / "bin" / "git"
    shim.parent.mkdir()
    real = here.git("--exec-path") + "/git"
    meanwhile = f"[ -e {once} ] || {{ touch {once}; {real} update-ref refs/heads/master {moved}; }}"
    shim.write_text(f'#!/bin/sh\ncase " $* " in *" update-ref "*) {meanwhile};; esac\nexec {real} "$@"\n')
    shim.chmod(0o755)
    git = git_of(here, PATH=f"{shim.parent}:{os.environ['PATH']}")

    promoted = await promote(git, await look(git), DEV_TO_MASTER, {}, dry_run=False)

    assert promoted.how is Promoting.FAILED
    assert "but expected" in promoted.why
    assert here.tip("master") == moved
    assert (await run(here)).how is Promoting.MERGE


async def test_message_is_signed_where_the_user_signs_commits(here: Repository, tmp_path: Path) -> None:
    """A server may take nothing else; a key that cannot be used is told, and changes nothing."""
    diverge(here)
    program = tmp_path / "gpg"
    program.write_text("#!/bin/sh\necho no key >&2\nexit 1\n")
    program.chmod(0o755)
    here.git("config", "commit.gpgSign", "true")
    here.git("config", "gpg.program", str(program))
    refs = here.refs()

    promoted = await run(here)

    assert (promoted.how, here.refs()) == (Promoting.FAILED, refs)
    assert "sign" in promoted.why


async def test_shallow_clone_that_knows_no_common_commit_says_so(here: Repository, tmp_path: Path) -> None:
    """The past that it lacks is to be had."""
    diverge(here)
    shallow = Repository(folder=tmp_path / "shallow")
    here.git("clone", "-q", "--depth", "1", f"file://{here.folder}", "-b", "dev", str(shallow.folder))
    shallow.git("fetch", "-q", "--depth", "1", "origin", "master:master")
    refs = shallow.refs()

    promoted = await run(shallow)

    assert (promoted.how, shallow.refs()) == (Promoting.FAILED, refs)
    assert promoted.fix == f"git -C {shallow.folder} fetch --unshallow"
