"""A commit takes what it may and nothing else; one that does not come to be leaves everything as it was."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from devenv.adapters.git import committing, judging, looking
from devenv.adapters.git.command import Git
from devenv.adapters.git.committing import COMMIT_S
from devenv.domain.errors import HostError
from devenv.domain.syncing import Committed
from devenv.sync.ports import CommitPlan
from tests.support.git import Repository, git_environment, make_remote, make_repository
from tests.support.wait import until

pytestmark = pytest.mark.anyio

MESSAGE = "chore: end of day"
TOKEN = "gh" + "p_" + "Zq3" * 12
KEY = "-----BEGIN RSA " + "PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" * 3 + "\n"
CONFLICT = "<<<<<<< ours\none\n=======\ntwo\n>>>>>>> theirs\n"


def git_of(repository: Repository) -> Git:
    """Return git in a repository."""
    return Git(folder=str(repository.folder), environment=git_environment())


async def plan(repository: Repository, *within: str) -> CommitPlan:
    """Plan a commit."""
    git = git_of(repository)
    return await committing.plan_commit(git, await looking.look(git), within)


async def commit(repository: Repository, *within: str, deadline_s: float = COMMIT_S) -> Committed:
    """Plan a commit, and make it."""
    git = git_of(repository)
    look = await looking.look(git)
    wanted = await committing.plan_commit(git, look, within)
    return await committing.commit(git, look, wanted, MESSAGE, deadline_s=deadline_s)


def tell(repository: Repository) -> str:
    """Return what git says of index and work tree."""
    return repository.git("status", "--porcelain=v2", "-uall", "-z")


def observe(repository: Repository) -> tuple[object, ...]:
    """Return all that a commit which does not come to be must not change."""
    files = {path.name for path in (repository.folder / ".git").iterdir()} - {"COMMIT_EDITMSG", "logs"}
    return tell(repository), repository.git("ls-files", "--stage", "-z"), repository.refs(), files


def reasons(left_out: CommitPlan | Committed) -> dict[str, str]:
    """Return what was left out, and why."""
    return {one.path: one.why for one in left_out.left_out}


def taken(repository: Repository) -> list[str]:
    """Return what the last commit changed."""
    names = repository.git("show", "--format=", "--name-status", "-z", "--no-renames", "HEAD").split("\0")
    return sorted(f"{letter} {path}" for letter, path in zip(names[::2], names[1::2], strict=False))


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    """Return a repository with a commit."""
    made = make_repository(tmp_path / "shop")
    made.write("gone.py", "1\n")
    made.write("old.py", "1\n2\n3\n")
    made.git("add", ".")
    made.commit("app.py", "one\n")
    return made


async def test_commit_takes_all_that_changed(shop: Repository) -> None:
    """Changed, new, deleted, renamed and linked files, with the message that was asked for."""
    shop.write("app.py", "two\n")
    shop.write("deep/new.py", "1\n")
    (shop.folder / "gone.py").unlink()
    shop.git("mv", "old.py", "renamed.py")
    (shop.folder / "link").symlink_to("/etc/passwd")
    before = shop.tip("HEAD")
    made = await commit(shop)
    assert made == Committed(commit=shop.tip("HEAD"), branch="dev", files=6)
    assert taken(shop) == ["A deep/new.py", "A link", "A renamed.py", "D gone.py", "D old.py", "M app.py"]
    assert (shop.tip("HEAD^"), shop.git("log", "-1", "--format=%B")) == (before, f"{MESSAGE}\n")
    assert tell(shop) == ""


async def test_nothing_is_committed_where_nothing_changed(shop: Repository) -> None:
    """No empty commit."""
    before = shop.tip("HEAD")
    assert await commit(shop) == Committed(branch="dev")
    assert shop.tip("HEAD") == before


async def test_change_that_git_does_not_see_is_no_failure(shop: Repository) -> None:
    """Line ends that are made the same before they are compared."""
    shop.git("config", "core.autocrlf", "input")
    shop.write("app.py", "one\r\n")
    os.utime(shop.folder / "app.py", (1, 1))
    assert await commit(shop) == Committed(branch="dev")


async def test_first_commit_is_made(tmp_path: Path) -> None:
    """In a repository that has none."""
    made = make_repository(tmp_path / "new")
    made.write("a", "1\n")
    made.write("b", "2\n")
    made.git("add", "a")
    assert (await commit(made)).files == 2
    assert taken(made) == ["A a", "A b"]
    assert tell(made) == ""


async def test_paths_confine_a_commit_and_the_rest_stays_staged(shop: Repository) -> None:
    """As a mirror commits what it copied, and nothing of what else goes on there."""
    shop.write("mine.py", "staged\n")
    shop.write("app.py", "staged\n")
    shop.git("add", ".")
    shop.write("services/a.py", "1\n")
    shop.write("services/b.py", "2\n")
    shop.write("services.py", "3\n")
    shop.write("other/a.py", "4\n")
    made = await commit(shop, "services")
    assert made.files == 2
    assert taken(shop) == ["A services/a.py", "A services/b.py"]
    assert shop.git("status", "--short", "-uall").splitlines() == [
        "M  app.py",
        "A  mine.py",
        "?? other/a.py",
        "?? services.py",
    ]
    assert (await plan(shop, "services/a.py", "app.py")).paths == ("app.py",)
    assert (await plan(shop, ".")).paths == ("app.py", "mine.py", "other/a.py", "services.py")


async def test_secrets_are_left_out_by_name_and_reason(shop: Repository) -> None:
    """The others go; what was left out is as it was."""
    shop.write("new.py", f'a = 1\nKEY = "{TOKEN}"\n')
    shop.write("app.py", f"one\n{KEY}")
    shop.write("api/.env", "A=1\n")
    shop.write(".env.example", "API_KEY=your-key\n")
    shop.write("server.pem", KEY)
    shop.write("store.p12", b"\0\1")
    shop.write("photo.png", b"\x89PNG\0" + os.urandom(5000))
    shop.write("windows.txt", f"\ufeffAPI = '{TOKEN}'\n".encode("utf-16-le"))
    made = await commit(shop)
    assert taken(shop) == ["A .env.example", "A photo.png"]
    assert reasons(made) == {
        "new.py": "looks like it holds a secret: a GitHub Token in line 2",
        "app.py": "looks like it holds a secret: a private key in line 2",
        "api/.env": "is an environment file",
        "server.pem": "looks like it holds a secret: a private key in line 1",
        "store.p12": "is a store of keys",
        "windows.txt": "looks like it holds a secret: a GitHub Token in line 1",
    }
    assert TOKEN not in str(made)
    assert (shop.folder / "app.py").read_text() == f"one\n{KEY}"


async def test_secret_that_the_last_commit_has_is_not_new(shop: Repository) -> None:
    """Whoever committed it knew; another one in the same file is told."""
    shop.commit("settings.py", f'A = "{TOKEN}"\n')
    shop.write("settings.py", f'A = "{TOKEN}"\nB = 2\n')
    assert (await plan(shop)).paths == ("settings.py",)
    shop.write("settings.py", f'A = "{TOKEN}"\nB = "{TOKEN.replace("Zq3", "Yq4")}"\n')
    assert reasons(await plan(shop)) == {"settings.py": "looks like it holds a secret: a GitHub Token in line 2"}


async def test_folder_of_environment_files_is_told_once(shop: Repository) -> None:
    """A virtual environment called .env would fill the screen."""
    for number in range(3):
        shop.write(f".env/lib/{number}.py", "1\n")
    assert reasons(await plan(shop)) == {".env/": "is an environment file"}


async def test_tracked_environment_file_may_be_deleted(shop: Repository) -> None:
    """That is what everybody hopes for."""
    shop.commit(".env", "A=1\n")
    (shop.folder / ".env").unlink()
    assert (await commit(shop)).files == 1


async def test_large_files_and_texts_are_left_out(shop: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """50 MB are more than most remotes take; a dump is more than can be searched for secrets."""
    with (shop.folder / "video").open("wb") as file:
        file.truncate(judging.LARGEST + 1)
    shop.write("photo", b"\0" * (judging.SEARCHED + 1))
    shop.write("dump.sql", "x" * 99 + "\n")
    monkeypatch.setattr(judging, "SEARCHED", 50)
    found = await plan(shop)
    assert found.paths == ("photo",)
    assert reasons(found) == {
        "video": "is larger than 50 MB (50 MB)",
        "dump.sql": "is too large to be searched for secrets (100 B of text)",
    }


async def test_what_was_not_reached_in_time_is_left_out(shop: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not committed unseen."""
    monkeypatch.setattr(judging, "JUDGE_S", -1.0)
    shop.write("new", "1\n")
    assert reasons(await plan(shop)) == {"new": "was not looked at in time"}


async def test_conflicts_are_left_out(shop: Repository) -> None:
    """Markers in a new file or a changed one, unless the last commit has them as well."""
    shop.commit("fixture", CONFLICT)
    shop.write("fixture", f"{CONFLICT}more\n")
    shop.write("app.py", CONFLICT)
    found = await plan(shop)
    assert (found.paths, reasons(found)) == (("fixture",), {"app.py": "has conflict markers"})


async def test_unmerged_files_are_left_out(shop: Repository) -> None:
    """A stash that did not apply leaves them without a merge."""
    shop.write("app.py", "stashed\n")
    shop.git("stash", "-q")
    shop.commit("app.py", "other\n")
    shop.git("stash", "apply", check=False)
    shop.write("new", "1\n")
    before = shop.git("ls-files", "--unmerged")
    found = await plan(shop)
    assert (found.paths, reasons(found)) == (("new",), {"app.py": "has a conflict that is not resolved"})
    assert before


async def test_repositories_inside_are_left_out_unless_others_could_get_them(shop: Repository, tmp_path: Path) -> None:
    """A submodule's commit has to be at a remote of it before anybody can check it out."""
    make_repository(shop.folder / "inner").commit("file", "1\n")
    remote = make_remote(tmp_path / "remote")
    library = make_repository(tmp_path / "library", branch="main")
    library.commit("lib.py", "1\n")
    library.git("push", "-q", str(remote.folder), "main")
    shop.git("submodule", "add", "-q", str(remote.folder), "lib")
    assert (await plan(shop)).paths == (".gitmodules", "lib")
    Repository(folder=shop.folder / "lib").commit("lib.py", "2\n")
    found = await plan(shop)
    assert found.paths == (".gitmodules",)
    assert reasons(found) == {
        "inner": "is a repository of its own",
        "lib": "is a submodule at a commit that no remote of it is known to have",
    }


async def test_what_git_could_not_take_alone_is_left_out(shop: Repository) -> None:
    """A file that became a folder, one that left the index, one that is staged and gone; their index entries stay."""
    shop.commit("folder/a", "1\n")
    (shop.folder / "app.py").unlink()
    shop.write("app.py/inside", "1\n")
    (shop.folder / "folder" / "a").unlink()
    (shop.folder / "folder").rmdir()
    shop.write("folder", "1\n")
    shop.git("rm", "-q", "--cached", "old.py")
    shop.write("brief", "1\n")
    shop.git("add", "brief")
    (shop.folder / "brief").unlink()
    before = observe(shop)
    made = await commit(shop)
    assert made.commit == ""
    assert set(reasons(made)) == {"app.py", "app.py/inside", "folder", "folder/a", "old.py", "brief"}
    assert observe(shop) == before


async def test_staged_version_that_is_passed_over_is_kept(shop: Repository) -> None:
    """A commit takes the work tree's; the index had another."""
    shop.write("app.py", "staged\n")
    shop.git("add", "app.py")
    shop.write("app.py", "later\n")
    made = await commit(shop)
    assert shop.git("show", "HEAD:app.py") == "later"
    assert made.kept is not None
    assert shop.git("show", f"{made.kept.ref}^2:app.py") == "staged"


@pytest.mark.parametrize("name", [b"new\nline", b'quo"te', b"-dash", b":(glob)*", b"*", b"\xff\xfe", b"trailing "])
async def test_any_file_name_is_committed_and_no_other(shop: Repository, name: bytes) -> None:
    """A name is not a pattern."""
    path = os.fsdecode(name)
    shop.commit(path, "1\n")
    shop.write(path, "2\n")
    shop.write(f"new/{path}", "3\n")
    shop.write("app.py", "not asked for\n")
    made = await commit(shop, path, "new")
    assert made.files == 2
    assert taken(shop) == sorted([f"M {path}", f"A new/{path}"])


async def test_hooks_run_with_the_files_of_the_commit(shop: Repository) -> None:
    """They see what is committed in the index, and patterns are patterns to them."""
    shop.hook("pre-commit", "git diff --cached --name-only -- '*.py' > seen; git add seen")
    shop.write("app.py", "two\n")
    shop.write("new.py", "1\n")
    shop.write(".env", "A=1\n")
    made = await commit(shop)
    assert shop.git("show", "HEAD:seen").split() == ["app.py", "new.py"]
    assert made.files == 3


@pytest.mark.parametrize("hook", ["pre-commit", "commit-msg"])
async def test_hook_that_refuses_leaves_everything_as_it_was(shop: Repository, hook: str) -> None:
    """Its last lines are told."""
    shop.hook(hook, "echo line is too long; echo 'app.py:1: bad' >&2; exit 1")
    shop.write("app.py", "staged\n")
    shop.git("add", "app.py")
    shop.write("new.py", "1\n")
    before = observe(shop)
    with pytest.raises(HostError, match="cannot commit in") as caught:
        await commit(shop)
    assert caught.value.why == f"a hook refused it ({hook}): app.py:1: bad"
    assert caught.value.fix == "devenv sync"
    assert caught.value.details == ("line is too long", "app.py:1: bad")
    assert observe(shop) == before
    assert (shop.folder / "new.py").read_text() == "1\n"


async def test_hook_that_edits_files_and_refuses_loses_nothing(shop: Repository) -> None:
    """As formatters do: what they wrote is in the work tree, and the index is as it was."""
    shop.hook("pre-commit", "echo formatted > app.py; exit 1")
    shop.write("app.py", "staged\n")
    shop.git("add", "app.py")
    with pytest.raises(HostError):
        await commit(shop)
    assert shop.git("show", ":app.py") == "staged"
    assert (shop.folder / "app.py").read_text() == "formatted\n"


async def test_hook_that_hangs_is_ended_and_leaves_no_lock(shop: Repository) -> None:
    """The next git command works."""
    shop.hook("pre-commit", "sleep 600")
    shop.write("app.py", "two\n")
    shop.write("new.py", "1\n")
    before = observe(shop)
    with pytest.raises(HostError) as caught:
        await commit(shop, deadline_s=1.0)
    assert caught.value.why == "a hook (pre-commit) had not ended after 1 s"
    assert observe(shop) == before
    shop.git("add", "app.py")


async def test_hook_that_hangs_after_the_commit_does_not_undo_it(shop: Repository) -> None:
    """The commit is there, and so it is told."""
    shop.hook("post-commit", "sleep 600")
    shop.write("new.py", "1\n")
    made = await commit(shop, deadline_s=2.0)
    assert made.commit == shop.tip("HEAD")
    assert tell(shop) == ""
    shop.git("add", ".")


async def test_secret_that_a_hook_adds_is_not_committed(shop: Repository) -> None:
    """The branch is where it was; the work tree too."""
    shop.hook("pre-commit", "git add --all")
    shop.write("app.py", "two\n")
    shop.write(".env", "A=1\n")
    before = shop.refs()
    with pytest.raises(HostError) as caught:
        await commit(shop)
    assert caught.value.why.startswith("a hook added .env, which is an environment file; the commit was taken back")
    assert shop.refs() == before
    assert shop.git("status", "--short").splitlines() == ["M  app.py", "?? .env"]


async def test_cancelled_commit_leaves_everything_as_it_was(shop: Repository) -> None:
    """Ctrl-C while a hook runs."""
    shop.hook("pre-commit", "touch .git/running; sleep 600")
    shop.write("new.py", "1\n")
    shop.write("app.py", "two\n")
    before = observe(shop)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(commit, shop)
        running = shop.folder / ".git" / "running"
        await anyio.to_thread.run_sync(partial(until, running.exists, deadline_s=30, what="the hook"))
        tasks.cancel_scope.cancel()
    running.unlink()
    assert observe(shop) == before


async def test_signature_that_needs_a_passphrase_is_told(shop: Repository, tmp_path: Path) -> None:
    """Nobody can be asked."""
    program = tmp_path / "gpg"
    program.write_text("#!/bin/sh\necho 'gpg: signing failed: Inappropriate ioctl for device' >&2\nexit 2\n")
    program.chmod(0o755)
    shop.git("config", "commit.gpgsign", "true")
    shop.git("config", "gpg.program", str(program))
    shop.write("new.py", "1\n")
    before = observe(shop)
    with pytest.raises(HostError) as caught:
        await commit(shop)
    assert "nobody can be asked for a passphrase here" in caught.value.why
    assert caught.value.fix == f"git -C {shop.folder} commit --gpg-sign"
    assert observe(shop) == before


async def test_unknown_author_comes_with_the_command(shop: Repository) -> None:
    """Of a new machine."""
    shop.git("config", "user.useConfigOnly", "true")
    shop.write("new.py", "1\n")
    before = observe(shop)
    named = {name: value for name, value in git_environment().items() if not name.endswith(("_NAME", "_EMAIL"))}
    git = Git(folder=str(shop.folder), environment=named)
    look = await looking.look(git)
    with pytest.raises(HostError) as caught:
        await committing.commit(git, look, CommitPlan(paths=("new.py",)), MESSAGE)
    assert caught.value.why == "git does not know who you are"
    assert caught.value.fix == "git config --global user.name NAME && git config --global user.email ADDRESS"
    assert observe(shop) == before


async def test_index_lock_of_somebody_else_is_told(shop: Repository) -> None:
    """It is not removed."""
    shop.write("app.py", "two\n")
    shop.write("new.py", "1\n")
    lock = shop.write(".git/index.lock", "")
    before = observe(shop)
    with pytest.raises(HostError) as caught:
        await commit(shop)
    assert "index.lock" in caught.value.why
    assert lock.exists()
    assert observe(shop) == before


async def test_nothing_is_committed_where_no_branch_is(shop: Repository) -> None:
    """A detached HEAD, a merge under way, a branch that was switched while somebody thought."""
    git = git_of(shop)
    shop.write("new.py", "1\n")
    wanted = CommitPlan(paths=("new.py",))
    on_dev = await looking.look(git)
    shop.git("switch", "-q", "-c", "other")
    with pytest.raises(HostError, match="cannot commit") as caught:
        await committing.commit(git, on_dev, wanted, MESSAGE)
    assert caught.value.why == "dev is no longer checked out"
    shop.git("checkout", "-q", "--detach")
    with pytest.raises(HostError) as caught:
        await committing.commit(git, await looking.look(git), wanted, MESSAGE)
    assert caught.value.why == "HEAD is on no branch"
    shop.git("switch", "-q", "dev")
    shop.git("bisect", "start")
    with pytest.raises(HostError) as caught:
        await committing.commit(git, await looking.look(git), wanted, MESSAGE)
    assert caught.value.why == "a bisect is under way"


async def test_file_that_got_a_secret_after_the_plan_is_left_out(shop: Repository) -> None:
    """Somebody may think about a plan for long."""
    git = git_of(shop)
    shop.write("new.py", "1\n")
    shop.write("app.py", "two\n")
    look = await looking.look(git)
    wanted = await committing.plan_commit(git, look)
    shop.write("new.py", f'KEY = "{TOKEN}"\n')
    shop.write("late.py", "was not in the plan\n")
    made = await committing.commit(git, look, wanted, MESSAGE)
    assert taken(shop) == ["M app.py"]
    assert list(reasons(made)) == ["new.py"]
    assert shop.git("status", "--short").splitlines() == ["?? late.py", "?? new.py"]


async def test_files_outside_of_a_sparse_checkout_are_committed(shop: Repository) -> None:
    """They are there, so somebody works on them."""
    shop.commit("here/a", "1\n")
    shop.commit("there/b", "1\n")
    shop.git("sparse-checkout", "set", "--cone", "--sparse-index", "here")
    shop.write("here/a", "2\n")
    shop.write("there/b", "2\n")
    shop.write("there/new", "3\n")
    assert (await commit(shop)).files == 3
    assert tell(shop) == ""
    assert shop.git("ls-tree", "-r", "--name-only", "HEAD").splitlines() == [
        "app.py", "gone.py", "here/a", "old.py", "there/b", "there/new",
    ]  # fmt: skip


async def test_commit_is_made_from_a_subfolder_of_a_second_worktree(shop: Repository, tmp_path: Path) -> None:
    """Paths are those of its top."""
    shop.git("worktree", "add", "-q", "-b", "later", str(tmp_path / "second"))
    second = Repository(folder=tmp_path / "second")
    second.write("deep/new.py", "1\n")
    second.write("app.py", "two\n")
    made = await commit(Repository(folder=second.folder / "deep"))
    assert (made.branch, made.files, tell(second)) == ("later", 2, "")
    assert shop.tip("dev") != shop.tip("later")
