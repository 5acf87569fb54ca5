"""Work that is not committed is kept beside the branch and comes back whole; the repository does not change by it."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from devenv.adapters.git import keeping, looking
from devenv.adapters.git.command import Git
from devenv.domain.errors import HostError
from devenv.domain.syncing import Kept
from tests.support.git import Repository, git_environment, make_repository

pytestmark = pytest.mark.anyio

STAMP = "20261126T180000"
REF = f"refs/devenv/recovery/dev/{STAMP}"


async def keep(repository: Repository, stamp: str = STAMP) -> Kept | None:
    """Keep the work of a repository."""
    git = Git(folder=str(repository.folder), environment=git_environment())
    return await keeping.keep_work(git, await looking.look(git), stamp)


async def keep_surely(repository: Repository, stamp: str = STAMP) -> Kept:
    """Keep the work of a repository that has some, and see that nothing else changes by it."""
    before = observe(repository)
    kept = await keep(repository, stamp)
    assert kept is not None
    after = observe(repository)
    after["refs"] = {ref: tip for ref, tip in after["refs"].items() if ref != kept.ref}
    before["refs"] = {ref: tip for ref, tip in before["refs"].items() if ref != kept.ref}
    assert after == before
    return kept


def observe(repository: Repository) -> dict[str, object]:
    """Return all that nobody but the user may change: files, index, refs, what is in git's own folder."""
    top = repository.folder
    private = top / ".git"
    return {
        "files": {
            str(path): (path.lstat().st_mode, path.readlink() if path.is_symlink() else path.read_bytes())
            for path in top.rglob("*")
            if not path.is_relative_to(private) and (path.is_symlink() or path.is_file())
        },
        "index": (private / "index").read_bytes() if (private / "index").exists() else b"",
        "refs": repository.refs(),
        "private": sorted(
            str(path.relative_to(private)) for path in private.glob("*") if path.name not in {"objects", "logs"}
        ),
        "rooms": [path.name for path in (private / "objects").glob("tmp_*")],
    }


def tell(repository: Repository) -> str:
    """Return what git says of the work tree."""
    return repository.git("status", "--porcelain=v1", "-uall", "-z")


def type_command(command: str) -> None:
    """Do as the user does with a command of the report."""
    subprocess.run(command, shell=True, check=True, capture_output=True, timeout=20, env=git_environment())


def restore(kept: Kept, elsewhere: Repository) -> Repository:
    """Type the command that the report names, in another work tree of the repository."""
    assert kept.restore.endswith(f" stash apply --index {kept.ref}")
    elsewhere.git("stash", "apply", "--index", kept.ref)
    return elsewhere


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    """Return a repository with a commit."""
    made = make_repository(tmp_path / "shop")
    made.write("gone.py", "1\n")
    made.write("run", "#!/bin/sh\n")
    made.git("add", ".")
    made.commit("app.py", "one\ntwo\n")
    return made


@pytest.fixture
def elsewhere(shop: Repository, tmp_path: Path) -> Repository:
    """Return a second work tree of it, with newer commits in it."""
    shop.git("worktree", "add", "-q", "-b", "later", str(tmp_path / "elsewhere"))
    made = Repository(folder=tmp_path / "elsewhere")
    made.commit("unrelated", "1")
    return made


async def test_two_keepers_of_one_moment_do_not_meet(shop: Repository, tmp_path: Path) -> None:
    """Work trees share their refs: neither loses its work to the other."""
    looks = []
    for number in range(4):
        folder = tmp_path / f"tree-{number}"
        shop.git("worktree", "add", "-q", "--detach", str(folder))
        Repository(folder=folder).write("new", f"{number}\n")
        git = Git(folder=str(folder), environment=git_environment())
        looks.append((git, await looking.look(git)))
    async with anyio.create_task_group() as tasks:
        for git, look in looks:
            tasks.start_soon(keeping.keep_work, git, look, STAMP)
    kept = [ref for ref in shop.refs() if ref.startswith("refs/devenv/recovery/")]
    assert {shop.git("show", f"{ref}^3:new") for ref in kept} == {"0", "1", "2", "3"}


async def test_nothing_is_kept_of_a_clean_repository(shop: Repository) -> None:
    """No ref, and none for a file whose time alone changed."""
    assert await keep(shop) is None
    os.utime(shop.folder / "app.py", (1, 1))
    assert await keep(shop) is None
    assert list(shop.refs()) == ["refs/heads/dev"]


async def test_all_work_comes_back_with_one_command(shop: Repository, elsewhere: Repository) -> None:
    """Staged, changed again, deleted, renamed, executable, linked, new and in folders: as it was."""
    shop.write("app.py", "one\ntwo\nstaged\n")
    shop.git("add", "app.py")
    shop.write("app.py", "one\ntwo\nstaged\nnot staged\n")
    (shop.folder / "gone.py").unlink()
    (shop.folder / "run").chmod(0o755)
    shop.write("deep/new file", "new\n")
    (shop.folder / "link").symlink_to("deep/new file")
    shop.write("added", "added\n")
    shop.git("add", "added")
    kept = await keep_surely(shop)
    assert (kept.ref, kept.files, kept.is_new, kept.left_out) == (REF, 6, True, ())
    restore(kept, elsewhere)
    assert tell(elsewhere) == tell(shop)
    for path in ("app.py", "deep/new file", "added"):
        assert (elsewhere.folder / path).read_bytes() == (shop.folder / path).read_bytes()
    assert str((elsewhere.folder / "link").readlink()) == "deep/new file"
    assert os.access(elsewhere.folder / "run", os.X_OK)
    assert elsewhere.git("show", ":app.py") == "one\ntwo\nstaged"


async def test_work_is_kept_from_a_subfolder_of_a_second_worktree(shop: Repository, elsewhere: Repository) -> None:
    """Each work tree has its own index."""
    elsewhere.write("deep/new", "1\n")
    elsewhere.write("app.py", "changed\n")
    elsewhere.git("add", "app.py")
    git = Git(folder=str(elsewhere.folder / "deep"), environment=git_environment())
    kept = await keeping.keep_work(git, await looking.look(git), STAMP)
    assert kept is not None
    assert kept.ref == f"refs/devenv/recovery/later/{STAMP}"
    restore(kept, shop)
    assert tell(shop) == tell(elsewhere)


async def test_same_work_is_kept_once(shop: Repository) -> None:
    """The second sync of an evening adds no ref; more work does, and both stay."""
    shop.write("new", "1\n")
    first = await keep_surely(shop)
    objects = shop.git("count-objects")
    again = await keep_surely(shop, "20261127T090000")
    assert (again.ref, again.commit, again.is_new) == (first.ref, first.commit, False)
    assert shop.git("count-objects") == objects
    shop.write("new", "2\n")
    other = await keep_surely(shop)
    assert (other.ref, other.is_new) == (f"{REF}-2", True)
    assert shop.git("show", f"{first.ref}^3:new") == "1"
    assert shop.git("show", f"{other.ref}^3:new") == "2"


async def test_work_before_the_first_commit_comes_back(tmp_path: Path) -> None:
    """Into an empty repository, and into one that has a commit by now."""
    made = make_repository(tmp_path / "new")
    made.write("staged", "1\n")
    made.git("add", "staged")
    made.write("staged", "2\n")
    made.write("new", "3\n")
    kept = await keep_surely(made)
    for begun in (False, True):
        other = make_repository(tmp_path / f"other-{begun}")
        if begun:
            other.commit("begun", "1\n")
        other.git("fetch", "-q", str(made.folder), f"{kept.ref}:{kept.ref}")
        restore(kept, other)
        assert tell(other) == tell(made)
        assert (other.folder / "staged").read_text() == "2\n"
        assert other.git("show", ":staged") == "1"


async def test_empty_repository_has_nothing_to_keep(tmp_path: Path) -> None:
    """Not even an empty commit."""
    assert await keep(make_repository(tmp_path / "new")) is None


async def test_conflicts_are_kept_with_every_side(shop: Repository, elsewhere: Repository) -> None:
    """The file as it is, and the three versions of the index, are in the ref; the merge goes on undisturbed."""
    elsewhere.commit("app.py", "theirs\n")
    elsewhere.git("rm", "-q", "gone.py")
    elsewhere.git("commit", "-q", "-m", "gone")
    shop.commit("gone.py", "still wanted\n")
    shop.commit("app.py", "ours\n")
    shop.git("merge", "later", check=False)
    shop.write("new", "1\n")
    shop.write("app.py", "half resolved\n")
    (shop.folder / "gone.py").unlink()
    kept = await keep_surely(shop)
    assert shop.git("ls-tree", "--name-only", kept.ref, "gone.py") == ""
    assert shop.git("show", f"{kept.ref}:app.py") == "half resolved"
    sides = {side: shop.git("show", f"{kept.ref}^4:{side}/app.py") for side in ("base", "ours", "theirs")}
    assert sides == {"base": "one\ntwo", "ours": "ours", "theirs": "theirs"}
    assert shop.git("show", f"{kept.ref}^4:ours/gone.py") == "still wanted"
    assert shop.git("show", f"{kept.ref}^2:app.py") == "ours"
    shop.git("merge", "--abort")
    (shop.folder / "new").unlink()
    restore(kept, shop)
    assert (shop.folder / "app.py").read_text() == "half resolved\n"
    assert (shop.folder / "new").read_text() == "1\n"


async def test_conflict_without_new_files_comes_back_too(shop: Repository, elsewhere: Repository) -> None:
    """The sides are the fourth parent, so that git does not take them for new files."""
    elsewhere.commit("app.py", "theirs\n")
    shop.commit("app.py", "ours\n")
    shop.git("merge", "later", check=False)
    conflict = (shop.folder / "app.py").read_text()
    kept = await keep_surely(shop)
    shop.git("merge", "--abort")
    restore(kept, shop)
    assert (shop.folder / "app.py").read_text() == conflict
    assert "base" not in tell(shop)


async def test_announced_file_is_kept(shop: Repository, elsewhere: Repository) -> None:
    """`git add --intent-to-add` leaves the index with a name and no content."""
    shop.write("announced", "1\n")
    shop.git("add", "--intent-to-add", "announced")
    kept = await keep_surely(shop)
    restore(kept, elsewhere)
    assert (elsewhere.folder / "announced").read_text() == "1\n"


async def test_file_taken_out_of_the_index_is_kept(shop: Repository, elsewhere: Repository) -> None:
    """`git rm --cached`: deleted for the index, new for the work tree."""
    shop.git("rm", "-q", "--cached", "app.py")
    shop.write("app.py", "mine alone\n")
    kept = await keep_surely(shop)
    restore(kept, elsewhere)
    assert tell(elsewhere) == tell(shop)
    assert (elsewhere.folder / "app.py").read_text() == "mine alone\n"


async def test_file_and_folder_may_have_changed_places(shop: Repository, elsewhere: Repository) -> None:
    """A file became a folder, a folder a file, and one a link."""
    shop.commit("folder/a", "1\n")
    shop.commit("linked/b", "2\n")
    elsewhere.git("merge", "-q", "-m", "same", "dev")
    (shop.folder / "app.py").unlink()
    shop.write("app.py/inside", "3\n")
    (shop.folder / "folder" / "a").unlink()
    (shop.folder / "folder").rmdir()
    shop.write("folder", "4\n")
    (shop.folder / "linked").rename(shop.folder / "moved")
    (shop.folder / "linked").symlink_to("moved")
    kept = await keep_surely(shop)
    contents = {path: shop.git("show", f"{kept.ref}^3:{path}") for path in ("app.py/inside", "folder", "moved/b")}
    assert contents == {"app.py/inside": "3", "folder": "4", "moved/b": "2"}
    assert shop.git("ls-tree", "-r", "--name-only", kept.ref).splitlines() == ["gone.py", "run"]


async def test_index_lock_of_somebody_else_is_no_obstacle(shop: Repository) -> None:
    """An editor that works with git, or one that died."""
    shop.write("new", "1\n")
    shop.write(".git/index.lock", "")
    kept = await keep_surely(shop)
    assert kept.files == 1


@pytest.mark.parametrize("name", [b"new\nline", b'quo"te', b"-dash", b":(glob)*", b"\xff\xfe", b"trailing "])
async def test_any_file_name_is_kept(shop: Repository, elsewhere: Repository, name: bytes) -> None:
    """New ones and changed ones."""
    path = os.fsdecode(name)
    shop.commit(path, "1\n")
    elsewhere.git("merge", "-q", "-m", "same", "dev")
    shop.write(path, "2\n")
    shop.write(f"new/{path}", "3\n")
    kept = await keep_surely(shop)
    assert (kept.files, kept.left_out) == (2, ())
    restore(kept, elsewhere)
    assert (elsewhere.folder / path).read_text() == "2\n"
    assert (elsewhere.folder / "new" / path).read_text() == "3\n"


async def test_change_in_the_same_tick_as_the_index_is_kept(shop: Repository) -> None:
    """Same size and same time: git compares the contents then, if it knows how old the index is."""
    shop.git("config", "core.trustctime", "false")
    at_s = (shop.folder / "app.py").stat().st_mtime - 3600
    os.utime(shop.folder / "app.py", (at_s, at_s))
    shop.git("update-index", "--refresh")
    shop.write("app.py", "ONE\nTWO\n")
    for path in ("app.py", ".git/index"):
        os.utime(shop.folder / path, (at_s, at_s))
    kept = await keep_surely(shop)
    assert shop.git("show", f"{kept.ref}:app.py") == "ONE\nTWO"


async def test_files_outside_of_a_sparse_checkout_are_kept(shop: Repository, elsewhere: Repository) -> None:
    """They are there, so somebody works on them."""
    shop.commit("here/a", "1\n")
    shop.commit("there/b", "1\n")
    elsewhere.git("merge", "-q", "-m", "same", "dev")
    shop.git("sparse-checkout", "set", "--cone", "--sparse-index", "here")
    shop.write("there/b", "2\n")
    shop.write("there/new", "3\n")
    kept = await keep_surely(shop)
    restore(kept, elsewhere)
    assert elsewhere.git("status", "--short", "-uall").splitlines() == [" M there/b", "?? there/new"]


async def test_split_index_is_read_and_left_as_it_is(shop: Repository) -> None:
    """Its other half lies beside it."""
    shop.git("config", "core.splitIndex", "true")
    shop.git("update-index", "--split-index")
    shop.write("app.py", "changed\n")
    shop.git("add", "app.py")
    shop.write("new", "1\n")
    kept = await keep_surely(shop)
    assert shop.git("show", f"{kept.ref}^2:app.py") == "changed"


async def test_file_that_cannot_be_read_is_named_and_the_rest_kept(tmp_path: Path) -> None:
    """So is a folder."""
    with plain_user() as place:
        made = make_repository(place / "shop")
        made.commit("tracked", "1\n")
        made.write("tracked", "2\n")
        made.write("closed", "3\n")
        made.write("open", "4\n")
        made.write("folder/deep", "5\n")
        for path in ("tracked", "closed", "folder"):
            (made.folder / path).chmod(0)
        kept = await keep(made)
        assert kept is not None
        assert [(one.path, "Permission denied" in one.why) for one in kept.left_out] == [
            ("folder/", True),
            ("tracked", True),
            ("closed", True),
        ]
        assert kept.files == 1
        assert made.git("show", f"{kept.ref}^3:open") == "4"
        (made.folder / "open").unlink()
        with pytest.raises(HostError, match="cannot keep the work") as caught:
            await keep(made)
        assert "Permission denied" in caught.value.why


@contextmanager
def plain_user() -> Iterator[Path]:
    """Go on as somebody whom file modes stop, in a folder of theirs."""
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as folder:
        if is_root:
            os.chown(folder, 65534, 65534)
            os.setegid(65534)
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            if is_root:
                os.seteuid(0)
                os.setegid(0)


async def test_filter_that_is_missing_costs_its_files_only(shop: Repository) -> None:
    """As git-lfs on a machine that has none."""
    shop.commit(".gitattributes", "*.bin filter=lfs\n")
    shop.git("config", "filter.lfs.clean", "no-such-program")
    shop.git("config", "filter.lfs.required", "true")
    for number in range(5):
        shop.write(f"{number}.bin", "1\n")
        shop.write(f"{number}.txt", "1\n")
    kept = await keep_surely(shop)
    assert kept.files == 5
    assert [one.path for one in kept.left_out] == [f"{number}.bin" for number in range(5)]


async def test_repository_inside_is_left_to_itself(shop: Repository) -> None:
    """Its files are none of ours, and git must not take it for a submodule."""
    inner = make_repository(shop.folder / "inner")
    inner.commit("file", "1\n")
    assert await keep(shop) is None
    shop.write("new", "1\n")
    kept = await keep_surely(shop)
    assert shop.git("ls-tree", "-r", "--name-only", f"{kept.ref}^3") == "new"


async def test_line_ends_that_git_would_warn_of_are_no_obstacle(shop: Repository) -> None:
    """`core.safecrlf` refuses to add such a file."""
    shop.git("config", "core.autocrlf", "input")
    shop.git("config", "core.safecrlf", "true")
    shop.write("dos", "1\r\n2\r\n")
    kept = await keep_surely(shop)
    assert kept.files == 1


async def test_who_has_no_name_can_keep_work(shop: Repository) -> None:
    """The commit is devenv's, not anybody's."""
    shop.write("new", "1\n")
    environment = {name: value for name, value in git_environment().items() if not name.endswith(("_NAME", "_EMAIL"))}
    git = Git(folder=str(shop.folder), environment=environment | {"HOME": "/nonexistent"})
    assert await keeping.keep_work(git, await looking.look(git), STAMP) is not None


async def test_stray_commit_gets_a_ref(shop: Repository) -> None:
    """Once; a branch made of it brings it back."""
    shop.git("checkout", "-q", "--detach")
    stray = shop.commit("app.py", "stray\n")
    git = Git(folder=str(shop.folder), environment=git_environment())
    look = await looking.look(git)
    kept = await keeping.keep_head(git, look, STAMP)
    assert kept is not None
    assert (kept.ref, shop.tip(kept.ref)) == (f"refs/devenv/recovery/detached/{STAMP}", stray)
    again = await keeping.keep_head(git, look, "20261127T090000")
    assert again is not None
    assert (again.ref, again.is_new) == (kept.ref, False)
    assert await keeping.keep_head(git, await looking.look(git), STAMP) is None
    shop.git("switch", "-q", "dev")
    type_command(kept.restore)
    assert shop.tip(f"kept-{stray[:10]}") == stray


async def test_work_on_a_detached_head_is_kept(shop: Repository) -> None:
    """In a ref beside that of the stray commit."""
    shop.git("checkout", "-q", "--detach")
    shop.commit("app.py", "stray\n")
    shop.write("new", "1\n")
    git = Git(folder=str(shop.folder), environment=git_environment())
    look = await looking.look(git)
    head = await keeping.keep_head(git, look, STAMP)
    kept = await keeping.keep_work(git, look, STAMP)
    assert head is not None
    assert kept is not None
    assert (head.ref, kept.ref) == (
        f"refs/devenv/recovery/detached/{STAMP}",
        f"refs/devenv/recovery/detached/{STAMP}-2",
    )


async def test_full_disk_changes_nothing_and_is_told(shop: Repository) -> None:
    """No ref, no half-written object, nothing left that keeps the disk full."""
    shop.write("small", "1\n")
    shop.write("large", os.urandom(1 << 20))
    before, objects = observe(shop), sorted((shop.folder / ".git" / "objects").rglob("*"))
    with largest_file(1 << 16), pytest.raises(HostError, match="cannot keep the work") as caught:
        await keep(shop)
    assert caught.value.why.endswith("; nothing was changed")
    assert observe(shop) == before
    assert sorted((shop.folder / ".git" / "objects").rglob("*")) == objects


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file of this process or its children grow beyond `size`, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk; the limit above shows the same as anybody")
async def test_disk_that_is_really_full_changes_nothing(tmp_path: Path) -> None:
    """A file system of two megabytes."""
    with mounted(tmp_path / "disk", "2m") as disk:
        shop = make_repository(disk / "shop")
        shop.commit("app.py", "1\n")
        shop.write("large", os.urandom(1_500_000))
        before = observe(shop)
        free = os.statvfs(disk).f_bfree
        with pytest.raises(HostError) as caught:
            await keep(shop)
        assert "No space left on device" in caught.value.why
        assert observe(shop) == before
        assert os.statvfs(disk).f_bfree == free


@contextmanager
def mounted(place: Path, size: str) -> Iterator[Path]:
    """Mount a small file system."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)], check=True, timeout=20)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True, timeout=20)


async def test_fault_at_any_step_changes_nothing(shop: Repository, tmp_path: Path) -> None:
    """Whichever of the commands fails, there is no ref and no trace; the run after it keeps the work."""
    shop.write("app.py", "changed\n")
    shop.write("new", "1\n")
    git = Git(folder=str(shop.folder), environment=git_environment())
    look = await looking.look(git)
    before = observe(shop)
    failing = Git(folder=git.folder, environment=git_environment() | {"PATH": make_failing_git(tmp_path)})
    for step in range(100):
        (tmp_path / "left").write_text("." * step)
        try:
            kept = await keeping.keep_work(failing, look, STAMP)
        except HostError:
            assert observe(shop) == before
        else:
            break
    assert step > 10
    assert kept is not None
    assert shop.tip(REF) == kept.commit


def make_failing_git(folder: Path) -> str:
    """Make a git that works as often as the file `left` is long; return a PATH with it."""
    program = folder / "git"
    program.write_text(
        f"""#!/bin/sh
left=$(cat {folder}/left)
[ -n "$left" ] || exit 128
printf %s "${{left#.}}" > {folder}/left
PATH=${{PATH#*:}}
exec git "$@"
"""
    )
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"
