"""What a sync sees of a repository, on real ones in every state that a day leaves them in."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from devenv.adapters.git import looking
from devenv.adapters.git.command import Git
from devenv.adapters.git.contents import is_marked, read_file
from devenv.domain.errors import HostError, UsageError
from devenv.domain.syncing import Look
from tests.support.git import Repository, git_environment, make_clone, make_remote, make_repository

pytestmark = pytest.mark.anyio

CONFLICT = "<<<<<<< ours\none\n=======\ntwo\n>>>>>>> theirs\n"


async def look(folder: Path, **environment: str) -> Look:
    """Look at the repository that a folder lies in."""
    return await looking.look(Git(folder=str(folder), environment=git_environment() | environment))


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    """Return a repository with a commit on `dev` and `master`."""
    made = make_repository(tmp_path / "shop")
    made.commit("app.py", "one\n")
    made.git("branch", "master")
    return made


def conflict(shop: Repository, path: str = "app.py") -> None:
    """Make two branches that cannot be merged: `other`, and `dev`, which is checked out."""
    shop.git("switch", "-q", "-c", "other")
    shop.commit(path, "theirs\n", "theirs")
    shop.git("switch", "-q", "dev")
    shop.commit(path, "ours\n", "ours")


async def test_clean_repository_has_nothing_to_tell(shop: Repository) -> None:
    """Branch, commit and branches are there; nothing is dirty."""
    seen = await look(shop.folder)
    assert seen == Look(
        root=str(shop.folder),
        common_dir=str(shop.folder / ".git"),
        branch="dev",
        head=shop.tip("HEAD"),
        branches={"dev": shop.tip("dev"), "master": shop.tip("master")},
        checked_out={"dev": str(shop.folder)},
    )
    assert not seen.is_dirty


async def test_each_kind_of_work_is_counted(shop: Repository) -> None:
    """Staged, changed and new files; ignored ones are none, and a folder is its files."""
    shop.commit(".gitignore", "*.log\n")
    shop.write("app.py", "staged\n")
    shop.git("add", "app.py")
    shop.write("app.py", "and changed again\n")
    shop.write("new/a", "1")
    shop.write("new/b", "2")
    shop.write("noise.log", "3")
    seen = await look(shop.folder)
    assert (seen.staged, seen.unstaged, seen.untracked) == (1, 1, 2)
    assert seen.is_dirty


async def test_subfolder_sees_the_whole_repository(shop: Repository) -> None:
    """`repos:` may name any folder of a repository."""
    shop.write("deep/er/file", "1")
    seen = await look(shop.folder / "deep" / "er")
    assert (seen.root, seen.common_dir, seen.untracked) == (str(shop.folder), str(shop.folder / ".git"), 1)


async def test_worktrees_share_their_common_folder_and_know_of_each_other(shop: Repository, tmp_path: Path) -> None:
    """The branch of the other one is not to be moved under its feet."""
    shop.git("worktree", "add", "-q", str(tmp_path / "second"), "master")
    seen = await look(tmp_path / "second")
    assert (seen.root, seen.common_dir) == (str(tmp_path / "second"), str(shop.folder / ".git"))
    assert seen.checked_out == {"dev": str(shop.folder), "master": str(tmp_path / "second")}


async def test_repository_without_a_commit_is_looked_at(tmp_path: Path) -> None:
    """The first day of a project."""
    made = make_repository(tmp_path / "new")
    made.write("file", "1")
    seen = await look(made.folder)
    assert (seen.branch, seen.head, seen.branches, seen.untracked) == ("dev", "", {}, 1)
    assert not seen.is_stray


async def test_detached_head_is_stray_only_where_no_ref_has_it(shop: Repository) -> None:
    """A commit that only HEAD has is lost with the next checkout."""
    shop.git("checkout", "-q", "--detach")
    seen = await look(shop.folder)
    assert (seen.branch, seen.is_stray) == ("", False)
    shop.commit("app.py", "two\n")
    assert (await look(shop.folder)).is_stray
    shop.git("tag", "kept")
    assert not (await look(shop.folder)).is_stray


async def test_merge_and_its_conflicts_are_seen(shop: Repository) -> None:
    """The paths too."""
    conflict(shop)
    shop.git("merge", "other", check=False)
    seen = await look(shop.folder)
    assert (seen.under_way, seen.unmerged, seen.marked) == ("merge", ("app.py",), ())
    shop.git("add", "app.py")
    assert (await look(shop.folder)).marked == ("app.py",)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("rebase", "other"), "rebase"),
        (("rebase", "--apply", "other"), "rebase"),
        (("cherry-pick", "other"), "cherry-pick"),
        (("revert", "--no-edit", "HEAD~1"), "revert"),
        (("bisect", "start", "HEAD", "HEAD~1"), "bisect"),
        (("am", "patch"), "am"),
    ],
)
async def test_what_is_under_way_is_named(shop: Repository, words: tuple[str, ...], expected: str) -> None:
    """Nothing is committed in the middle of it; its branch counts as checked out."""
    conflict(shop)
    shop.commit("app.py", "ours again\n", "again")
    shop.write("patch", shop.git("format-patch", "-1", "--stdout", "other") + "\n")
    shop.git(*words, check=False)
    seen = await look(shop.folder)
    assert seen.under_way == expected
    assert seen.checked_out["dev"] == str(shop.folder)


async def test_pick_of_many_is_seen_between_two_of_them(shop: Repository) -> None:
    """There is no CHERRY_PICK_HEAD once the conflict has been committed."""
    conflict(shop)
    shop.git("branch", "more", "other")
    shop.git("switch", "-q", "more")
    shop.commit("second", "2")
    shop.git("switch", "-q", "dev")
    shop.git("cherry-pick", "dev..more", check=False)
    shop.git("commit", "-q", "-a", "-m", "picked")
    assert (await look(shop.folder)).under_way == "cherry-pick"


async def test_conflict_markers_are_found_in_changed_and_new_files(shop: Repository) -> None:
    """A heading underlined with equals signs is none, nor is what the last commit has as well."""
    shop.commit("fixture", CONFLICT)
    shop.write("fixture", f"{CONFLICT}more\n")
    shop.write("app.py", CONFLICT)
    shop.write("new", f"before\r\n{CONFLICT}".replace("\n", "\r\n"))
    shop.write("README.rst", "Heading\n=======\n")
    shop.write("quoted", f'x = "{CONFLICT}"\n')
    (shop.folder / "link").symlink_to("/dev/zero")
    assert (await look(shop.folder)).marked == ("app.py", "new")


async def test_only_files_are_opened(tmp_path: Path) -> None:
    """A pipe would wait for ever, and a link may lead to anything."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "file").write_text(CONFLICT)
    assert is_marked(str(tmp_path / "file"))
    assert not is_marked(str(tmp_path / "pipe"))
    assert not is_marked(str(tmp_path / "link"))
    assert read_file(str(tmp_path / "file"), 7) == b"<<<<<<<"


async def test_remotes_are_told_without_their_passwords(shop: Repository) -> None:
    """A token may stand in the place of the user."""
    shop.git("remote", "add", "origin", "https://ada:s3cret@example.org/shop.git")
    shop.git("remote", "add", "org.new", "https://t0ken@example.org/shop.git")
    shop.git("remote", "add", "ssh", "ssh://git:s3cret@example.org/shop.git")
    shop.git("remote", "add", "short", "git@example.org:shop.git")
    assert (await look(shop.folder)).remotes == {
        "origin": "https://example.org/shop.git",
        "org.new": "https://example.org/shop.git",
        "ssh": "ssh://git@example.org/shop.git",
        "short": "git@example.org:shop.git",
    }


async def test_shallow_clone_is_known(shop: Repository, tmp_path: Path) -> None:
    """Some remotes take no push from one."""
    shop.commit("app.py", "two\n")
    shop.git("clone", "-q", "--depth=1", f"file://{shop.folder}", str(tmp_path / "shallow"))
    assert (await look(tmp_path / "shallow")).is_shallow


async def test_index_lock_is_told_with_its_age(shop: Repository) -> None:
    """One that is hours old belongs to nobody any more."""
    lock = shop.write(".git/index.lock", "")
    os.utime(lock, (time.time() - 7200, time.time() - 7200))
    age_s = (await look(shop.folder)).index_lock_age_s
    assert age_s is not None
    assert 7100 < age_s < 8000


async def test_submodules_are_told_by_what_is_in_them(shop: Repository, tmp_path: Path) -> None:
    """Changes inside one are that repository's; a commit that no remote of it has cannot be cloned by anybody."""
    remote = make_remote(tmp_path / "remote")
    library = make_repository(tmp_path / "library", branch="main")
    library.commit("lib.py", "1\n")
    library.git("push", "-q", str(remote.folder), "main")
    shop.git("submodule", "add", "-q", str(remote.folder), "lib")
    shop.git("commit", "-q", "-m", "lib")
    seen = await look(shop.folder)
    assert (seen.dirty_submodules, seen.unpublished_submodules, seen.is_dirty) == ((), (), False)
    lib = Repository(folder=shop.folder / "lib")
    lib.write("lib.py", "2\n")
    lib.write("new.py", "3\n")
    seen = await look(shop.folder)
    assert (seen.dirty_submodules, seen.unpublished_submodules, seen.is_dirty) == (("lib",), (), False)
    lib.git("add", ".")
    lib.git("commit", "-q", "-m", "only here")
    seen = await look(shop.folder)
    assert (seen.dirty_submodules, seen.unpublished_submodules, seen.unstaged) == ((), ("lib",), 1)
    lib.git("push", "-q", "origin", "HEAD:main")
    assert (await look(shop.folder)).unpublished_submodules == ()
    assert (await look(shop.folder / "lib")).root == str(shop.folder / "lib")


async def test_conflict_in_the_list_of_submodules_is_one_like_any(shop: Repository) -> None:
    """Git itself cannot read the file then."""
    shop.commit(".gitmodules", '[submodule "a"]\npath = a\n')
    conflict(shop, ".gitmodules")
    shop.git("merge", "other", check=False)
    seen = await look(shop.folder)
    assert (seen.unmerged, seen.unpublished_submodules) == ((".gitmodules",), ())


async def test_repository_inside_is_not_its_files(shop: Repository) -> None:
    """What it holds is its own business; it is named."""
    inner = make_repository(shop.folder / "inner")
    inner.commit("file", "1")
    seen = await look(shop.folder)
    assert (seen.nested, seen.untracked, seen.is_dirty) == (("inner",), 0, False)


@pytest.mark.parametrize("name", [b"new\nline", b'quo"te', b"-dash", b"\xff\xfe", b"trailing "])
async def test_any_file_name_is_read(shop: Repository, name: bytes) -> None:
    """Names are bytes."""
    shop.write(os.fsdecode(name), CONFLICT)
    assert (await look(shop.folder)).marked == (os.fsdecode(name),)


async def test_folder_names_may_hold_line_ends(tmp_path: Path) -> None:
    """Of the repository itself, too."""
    made = make_repository(tmp_path / "two\nlines" / "false\n")
    made.commit()
    seen = await look(made.folder)
    assert (seen.root, seen.common_dir) == (str(made.folder), str(made.folder / ".git"))


async def test_looking_changes_nothing(shop: Repository) -> None:
    """Not even the index, which git likes to refresh."""
    os.utime(shop.folder / "app.py", (1, 1))
    before = (shop.folder / ".git" / "index").read_bytes()
    await look(shop.folder)
    assert (shop.folder / ".git" / "index").read_bytes() == before


async def test_folder_outside_of_any_repository_is_a_mistake_of_the_file(tmp_path: Path) -> None:
    """With the command that makes one."""
    with pytest.raises(UsageError, match="cannot look at") as caught:
        await look(tmp_path)
    assert caught.value.why == "it is in no git repository"
    assert caught.value.fix == f"git -C {tmp_path} init"


async def test_bare_repository_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """There is no work in it."""
    with pytest.raises(UsageError) as caught:
        await look(make_remote(tmp_path / "bare").folder)
    assert "it is a bare repository" in caught.value.why


async def test_folder_of_git_itself_is_refused_in_a_sentence(shop: Repository) -> None:
    """It has no work tree either."""
    with pytest.raises(UsageError) as caught:
        await look(shop.folder / ".git")
    assert "inside of git's own folder" in caught.value.why


async def test_missing_folder_is_named(tmp_path: Path) -> None:
    """As the file has it."""
    with pytest.raises(HostError) as caught:
        await look(tmp_path / "gone")
    assert caught.value.why == "there is no such folder"


async def test_repository_of_another_user_comes_with_the_command_that_trusts_it(shop: Repository) -> None:
    """Git's own word for it is dubious ownership."""
    with pytest.raises(HostError) as caught:
        await look(shop.folder, GIT_TEST_ASSUME_DIFFERENT_OWNER="1")
    assert "another user" in caught.value.why
    assert caught.value.fix == f"git config --global --add safe.directory {shop.folder}"


async def test_damaged_head_is_named(shop: Repository) -> None:
    """As after a power failure; git would only say that there is no repository."""
    (shop.folder / ".git" / "HEAD").write_text("\0\0\0\0")
    with pytest.raises(HostError) as caught:
        await look(shop.folder)
    assert f"{shop.folder}/.git/HEAD names no branch" in caught.value.why
    assert caught.value.fix.endswith(f"> {shop.folder}/.git/HEAD")


async def test_damaged_repository_is_not_taken_for_the_one_around_it(shop: Repository) -> None:
    """Git itself would go on with the outer one, and its files would be committed there."""
    inner = make_repository(shop.folder / "inner")
    (inner.folder / ".git" / "HEAD").unlink()
    with pytest.raises(HostError, match="inner"):
        await look(inner.folder)


async def test_damaged_branch_is_not_taken_for_an_empty_one(shop: Repository) -> None:
    """Git itself says that there is no commit yet; a commit would then cut the history off."""
    (shop.folder / ".git" / "refs" / "heads" / "dev").write_text("")
    with pytest.raises(HostError) as caught:
        await look(shop.folder)
    assert "its ref is damaged" in caught.value.why


async def test_lost_git_folder_of_a_worktree_is_named(shop: Repository, tmp_path: Path) -> None:
    """The `.git` of a work tree is a file that names another folder."""
    shop.git("worktree", "add", "-q", str(tmp_path / "second"), "master")
    shop.folder.rename(tmp_path / "moved")
    with pytest.raises(HostError) as caught:
        await look(tmp_path / "second")
    assert "names a git folder that is not there" in caught.value.why


async def test_missing_git_is_told(shop: Repository, tmp_path: Path) -> None:
    """No traceback."""
    with pytest.raises(HostError) as caught:
        await look(shop.folder, PATH=str(tmp_path))
    assert (caught.value.what, caught.value.fix) == ("cannot run git", "install git")


async def test_old_git_is_told_with_its_version(shop: Repository, tmp_path: Path) -> None:
    """What it prints was another form."""
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\necho 'git version 2.28.1 (Apple Git-1)'\n")
    program.chmod(0o755)
    with pytest.raises(HostError) as caught:
        await look(shop.folder, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert "git version 2.28.1" in caught.value.why
    assert caught.value.fix == "install git 2.34 or newer"


async def test_clone_knows_its_remote(shop: Repository, tmp_path: Path) -> None:
    """A folder is a URL as well."""
    remote = make_remote(tmp_path / "remote")
    shop.git("push", "-q", str(remote.folder), "dev:main")
    clone = make_clone(tmp_path / "clone", remote)
    assert (await look(clone.folder)).remotes == {"origin": str(remote.folder)}
