"""What `clean.paths` removes, and all that it must not: real files, real git, real processes, links and mounts."""

# blocking is the point of a few lines: nothing else runs
# ruff: noqa: ASYNC220, ASYNC221, ASYNC240

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from devenv.adapters.cleaning.host import HostCleaner
from devenv.adapters.cleaning.trash import NAME as TRASH
from devenv.adapters.cleaning.trees import measure
from devenv.adapters.processes.host import HostProcesses
from devenv.adapters.processes.identity import STACK_MARKER
from devenv.app.ports import Cleaning, Mount
from devenv.domain.cleaning import CleanRules, PruneReport
from tests.support.git import Repository, git_environment, make_repository
from tests.support.wait import until

pytestmark = pytest.mark.anyio

IGNORED = "dist/\nnode_modules/\n__pycache__/\n.next/\nlink\nodd*\n"


@pytest.fixture
def project(tmp_path: Path) -> Repository:
    """Give a repository that ignores build output."""
    made = make_repository(tmp_path / "project")
    made.write(".gitignore", IGNORED)
    made.write("services.yaml", "services: {}\n")
    made.write("src/app.py", "print()\n")
    made.git("add", "--all")
    made.git("commit", "-q", "-m", "start")
    return made


async def prune(
    project: Repository, *paths: str, dry_run: bool = False, stay: tuple[str, ...] = (), mounts: tuple[Mount, ...] = ()
) -> PruneReport:
    """Remove what these globs mean below the project."""
    cleaner = HostCleaner(run=HostProcesses("test").run, home=project.folder.parent / "home", crashes=())
    return await cleaner.clean(
        Cleaning(
            rules=CleanRules(root=str(project.folder), paths=paths),
            environment=git_environment(),
            stay=(str(project.folder / "services.yaml"), *stay),
            mounts=mounts,
            dry_run=dry_run,
        )
    )


def removed(report: PruneReport) -> set[str]:
    """Return the names that went."""
    return {name for row in report.reclaimed for name in row.names}


def reasons(report: PruneReport) -> dict[str, str]:
    """Return why the others stay."""
    return {one.name: one.why for one in report.refused}


def fill(project: Repository, folder: str, size: int = 100_000) -> Path:
    """Write a folder with two files of `size` bytes."""
    for name in ("one", "sub/two"):
        project.write(f"{folder}/{name}", os.urandom(size))
    return project.folder / folder


# What goes


async def test_ignored_and_untracked_paths_go_and_their_bytes_are_those_of_the_disk(project: Repository) -> None:
    """Globs at the top and at any depth; nothing else changes, and no trash is left."""
    places = [fill(project, name) for name in ("dist", "src/__pycache__", "src/deep/er/__pycache__", "scratch")]
    expected = sum(measure(str(place)) for place in places)
    report = await prune(project, "dist", "**/__pycache__", "scratch", "missing")
    assert removed(report) == {"dist", "src/__pycache__", "src/deep/er/__pycache__", "scratch"}
    assert report.bytes == expected > 800_000
    assert not any(place.exists() for place in places)
    assert not (project.folder / TRASH).exists()
    assert project.git("status", "--porcelain") == ""
    assert report.refused == ()
    assert report.reclaimed[0].note == "2 files that git neither tracked nor ignored"


async def test_dry_run_tells_the_same_table_and_touches_nothing(project: Repository) -> None:
    """Names, bytes and refusals are those of the real run after it."""
    fill(project, "dist")
    fill(project, "src/__pycache__")
    ahead = await prune(project, "dist", "**/__pycache__", "src", dry_run=True)
    assert (project.folder / "dist/sub/two").exists()
    assert not (project.folder / TRASH).exists()
    done = await prune(project, "dist", "**/__pycache__", "src")
    assert (ahead.reclaimed, ahead.refused) == (done.reclaimed, done.refused)
    assert (ahead.is_dry_run, done.is_dry_run) == (True, False)


async def test_hard_links_count_only_when_the_last_name_goes(project: Repository) -> None:
    """A store's file that a project also names gives nothing back; both names in the project give it back once."""
    store = project.folder.parent / "store"
    store.write_bytes(os.urandom(500_000))
    fill(project, "dist", 1000)
    (project.folder / "dist/shared").hardlink_to(store)
    ahead = await prune(project, "dist", dry_run=True)
    assert ahead.bytes == (await prune(project, "dist")).bytes < 100_000
    fill(project, "dist", 1000)
    (project.folder / "dist/first").write_bytes(os.urandom(500_000))
    project.write(".next/x", "x")
    (project.folder / ".next/second").hardlink_to(project.folder / "dist/first")
    ahead = await prune(project, "dist", ".next", dry_run=True)
    done = await prune(project, "dist", ".next")
    assert ahead.bytes == done.bytes
    assert 500_000 < done.bytes < 600_000


@pytest.mark.parametrize("name", ["odd\nline", "-odd", "odd 'quote\"", b"odd\xff\xfe", "odd*[x]"])
async def test_odd_names_go_and_their_neighbours_stay(project: Repository, name: str | bytes) -> None:
    """Newline, leading dash, quotes, bytes that are no UTF-8, wild cards: each is one name and no other."""
    text = os.fsdecode(name)
    project.write(".gitignore", IGNORED + "-odd\n")
    place = fill(project, f"src/{text}")
    neighbour = fill(project, "src/keep")
    report = await prune(
        project, f"src/{text.replace('[', '[[]').replace('*', '[*]')}" if "*" in text else f"src/{text}"
    )
    assert removed(report) == {f"src/{text}"}
    assert not place.exists()
    assert neighbour.exists()


async def test_wild_cards_mean_no_hidden_name_and_nothing_behind_a_link(project: Repository) -> None:
    """`src/*` leaves `.env`, and `**` does not go through a link, also not to a place in the project."""
    project.write("src/.env", "SECRET=1\n")
    fill(project, "src/out")
    fill(project, "real/__pycache__")
    (project.folder / "src/link").symlink_to(project.folder / "real")
    report = await prune(project, "src/*", "src/**/__pycache__")
    assert removed(report) == {"src/out", "src/link"}
    assert (project.folder / "src/.env").exists()
    assert (project.folder / "real/__pycache__/one").exists()


async def test_a_link_goes_and_what_it_points_to_stays(project: Repository) -> None:
    """Also one that points out of the project, and one to nothing."""
    outside = project.folder.parent / "outside"
    outside.mkdir()
    (outside / "work").write_text("mine")
    (project.folder / "link").symlink_to(outside)
    (project.folder / "odd").symlink_to("nowhere")
    fill(project, "dist")
    (project.folder / "dist/inner").symlink_to(outside)
    report = await prune(project, "link", "odd", "dist")
    assert removed(report) == {"link", "odd", "dist"}
    assert (outside / "work").read_text() == "mine"


async def test_a_named_link_inside_the_project_is_followed_to_the_real_path(project: Repository) -> None:
    """`web/dist` where web is a link to packages/web means packages/web/dist."""
    fill(project, "packages/web/dist")
    (project.folder / "web").symlink_to("packages/web")
    assert removed(await prune(project, "web/dist")) == {"packages/web/dist"}


# What stays


@pytest.mark.parametrize("pattern", ["/", ".", "", "./", "../x", "dist/../../x", "/tmp", "*", "**", "**/*"])
async def test_globs_that_mean_the_project_or_lead_out_of_it_are_refused(project: Repository, pattern: str) -> None:
    """The configuration refuses them; so does the remover, whoever made the rule."""
    fill(project, "dist")
    (project.folder.parent / "x").mkdir()
    report = await prune(project, pattern)
    assert removed(report) == set()
    assert list(reasons(report)) == [pattern]
    assert (project.folder / "dist").exists()
    assert (project.folder.parent / "x").exists()


async def test_what_git_tracks_stays_and_so_does_a_folder_with_something_tracked(project: Repository) -> None:
    """Ignored folders with a file that was added by force as well; the new file beside it is not removed alone."""
    fill(project, "dist")
    project.git("add", "--force", "--", "dist/sub/two")
    report = await prune(project, "src", "services.yaml", "dist", "src/app.py")
    assert removed(report) == set()
    assert reasons(report)["dist"] == "git tracks 1 file below it, such as dist/sub/two"
    assert reasons(report)["src"] == "git tracks 1 file below it, such as src/app.py"
    assert set(reasons(report)) == {"src", "services.yaml", "dist", "src/app.py"}
    assert (project.folder / "dist/one").exists()


async def test_a_path_below_one_that_stays_is_judged_by_itself(project: Repository) -> None:
    """`src` is tracked, its caches are not; below one that goes nothing has to be asked."""
    for name in ("src/__pycache__", "dist/__pycache__", "dist/x/dist"):
        fill(project, name)
    report = await prune(project, "src", "dist", "**/__pycache__", "**/dist")
    assert removed(report) == {"src/__pycache__", "dist"}
    assert set(reasons(report)) == {"src"}


@pytest.mark.parametrize("pattern", [".git", ".git/hooks", ".git/objects"])
async def test_the_repository_itself_stays(project: Repository, pattern: str) -> None:
    """History is nobody's build output."""
    report = await prune(project, pattern)
    assert reasons(report) == {pattern: "it is git's own"}
    assert project.git("fsck") == ""


async def test_files_that_the_stack_needs_stay_also_where_git_ignores_them(project: Repository) -> None:
    """An ignored .env that the stack reads, its folder, and the state of devenv."""
    kept = project.write("dist/config/.env", "A=1\n")
    (project.folder.parent / "home").symlink_to(project.folder / "node_modules")
    fill(project, "node_modules")
    report = await prune(project, "dist", "dist/config/.env", "node_modules/sub", stay=(str(kept),))
    assert removed(report) == set()
    assert reasons(report)["dist"] == f"this stack needs {kept}"
    assert "this stack needs" in reasons(report)["node_modules/sub"]


async def test_anything_with_a_repository_in_it_stays(project: Repository) -> None:
    """A clone, a linked work tree and a bare repository, each at some depth of an ignored folder."""
    clone = make_repository(project.folder / "dist/a/clone")
    clone.commit()
    subprocess.run(["git", "init", "-q", "--bare", str(project.folder / "node_modules/x/bare")], check=True)
    project.git("worktree", "add", "-q", "-b", "other", ".next/tree")
    report = await prune(project, "dist", "node_modules", ".next")
    assert removed(report) == set()
    assert reasons(report) == {
        "dist": "it holds a git repository, at dist/a/clone",
        "node_modules": "it holds a git repository, at node_modules/x/bare",
        ".next": "it holds a git repository, at .next/tree",
    }
    assert clone.tip("HEAD")


async def test_a_path_in_a_nested_repository_is_judged_by_that_one(project: Repository) -> None:
    """What the outer repository does not track may be the inner one's work."""
    inner = make_repository(project.folder / "inner")
    inner.commit("__pycache__/kept.py")
    fill(project, "inner/sub/__pycache__")
    report = await prune(project, "**/__pycache__")
    assert removed(report) == {"inner/sub/__pycache__"}
    assert reasons(report) == {"inner/__pycache__": "git tracks 1 file below it, such as __pycache__/kept.py"}


async def test_without_a_repository_nothing_goes(tmp_path: Path) -> None:
    """Nothing tells what is somebody's work there."""
    bare = Repository(folder=tmp_path / "plain")
    place = fill(bare, "dist")
    report = await prune(bare, "dist")
    assert "no git repository" in reasons(report)["dist"]
    assert place.exists()


async def test_a_repository_that_git_cannot_read_keeps_everything(project: Repository) -> None:
    """A broken index is no reason to believe that nothing is tracked."""
    fill(project, "dist")
    (project.folder / ".git/index").write_bytes(b"broken")
    report = await prune(project, "dist")
    assert reasons(report)["dist"].startswith("git cannot tell whether it is tracked: ")


async def test_a_link_on_the_way_that_leads_out_is_refused_by_name(project: Repository) -> None:
    """`link/x` is not removed where link points out of the project, whatever is there."""
    outside = project.folder.parent / "outside"
    (outside / "x").mkdir(parents=True)
    (project.folder / "link").symlink_to(outside)
    report = await prune(project, "link/x")
    assert reasons(report) == {"link/x": f"the link link leads out of the project, to {outside}"}
    assert (outside / "x").exists()


@contextmanager
def mounted(place: Path, *options: str) -> Iterator[None]:
    """Mount something at `place` while the body runs."""
    place.mkdir(parents=True)
    subprocess.run(["mount", *options, str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


async def test_other_file_systems_and_bind_mounts_are_refused(project: Repository) -> None:
    """At the path, below it, and around it; a bind mount of the same disk as well, which has the same device."""
    outside = project.folder.parent / "outside"
    outside.mkdir()
    (outside / "work").write_text("mine")
    with (
        mounted(project.folder / "dist/deep", "-t", "tmpfs", "none"),
        mounted(project.folder / "node_modules/bound", "--bind", str(outside)),
        mounted(project.folder / ".next", "--bind", str(outside)),
    ):
        report = await prune(project, "dist", "node_modules", ".next", "node_modules/bound/work")
        assert removed(report) == set()
        assert len(report.refused) == 4
        assert all("mounted from elsewhere" in why for why in reasons(report).values()), reasons(report)
        assert removed(await prune(project, "node_modules/bound/work")) == set()
    assert (outside / "work").read_text() == "mine"


HOLD = """
import mmap, os, sys, time
how, place = sys.argv[1:3]
if how == "cwd": os.chdir(place)
elif how == "file": kept = open(place + "/one")
elif how == "mapped":
    with open(place + "/one", "r+b") as file: kept = mmap.mmap(file.fileno(), 0)
elif how == "child":
    if os.fork():
        time.sleep(60)
    os.setsid()
    kept = open(place + "/sub/two")
elif how == "unmarked":
    if os.fork():
        time.sleep(60)
    os.execve(sys.executable, [sys.executable, "-S", "-E", "-c", sys.argv[3], "file", place, ""], {})
print("holds", flush=True)
time.sleep(60)
"""


@contextmanager
def holder(how: str, place: Path, *, marked: bool) -> Iterator[None]:
    """Run a process that has something in `place` open, marked as a stack's or not."""
    environment = {name: value for name, value in os.environ.items() if name != STACK_MARKER}
    child = subprocess.Popen(
        [sys.executable, "-S", "-E", "-c", HOLD, how, str(place), HOLD],
        stdout=subprocess.PIPE, text=True, start_new_session=True,
        env={**environment, **({STACK_MARKER: "anystack"} if marked else {})},
    )  # fmt: skip
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "holds\n"
        yield
    finally:
        below = _children(child.pid)
        for pid in [child.pid, *below]:
            os.kill(pid, signal.SIGKILL)
        child.wait()
        until(lambda: not any(map(has_open_files, below)), deadline_s=5, what="the end of what held it")
        assert child.stdout is not None
        child.stdout.close()


def has_open_files(pid: int) -> bool:
    """Tell whether a process is still there with what it has open; one that has ended is waited for by init."""
    try:
        return bool(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return False


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("how", ["cwd", "file", "mapped", "child", "unmarked"])
async def test_what_a_process_of_a_stack_has_open_stays(project: Repository, how: str) -> None:
    """Working folder, open file, mapped file, children without session or mark; once all ended, it goes."""
    place = fill(project, "dist")
    with holder(how, place, marked=True):
        for dry_run in (True, False):
            report = await prune(project, "dist", dry_run=dry_run)
            assert list(reasons(report)) == ["dist"]
            assert reasons(report)["dist"].startswith("pid ")
        assert (place / "sub/two").exists()
    assert removed(await prune(project, "dist")) == {"dist"}


async def test_a_process_that_is_nobody_s_stack_holds_nothing(project: Repository) -> None:
    """An editor or a shell that is in the folder does not keep it: the file goes when it is closed."""
    place = fill(project, "dist")
    with holder("file", place, marked=False):
        assert removed(await prune(project, "dist")) == {"dist"}


async def test_what_a_container_or_a_volume_works_in_stays(project: Repository) -> None:
    """A folder that is mounted, or holds a mounted one; what is in it only where the mount is the stack's own."""
    for name in ("dist", ".next", "node_modules"):
        fill(project, name)
    mounts = (
        Mount(path=str(project.folder / "dist/sub"), who="container other has it mounted"),
        Mount(path=str(project.folder / ".next"), who="volume shop_data keeps its data there", is_ours=True),
        Mount(path=str(project.folder), who="container agent has it mounted"),
    )
    report = await prune(project, "dist", ".next/sub", "node_modules", mounts=mounts)
    assert removed(report) == {"node_modules"}
    assert "container other" in reasons(report)["dist"]
    assert "volume shop_data" in reasons(report)[".next/sub"]


# Rights, kills, and two at once

AS_NOBODY = """
import asyncio, json, os, sys
from pathlib import Path
from devenv.adapters.cleaning.host import HostCleaner
from devenv.adapters.processes.host import HostProcesses
from devenv.app.ports import Cleaning
from devenv.domain.cleaning import CleanRules, encode_report

async def main():
    cleaner = HostCleaner(run=HostProcesses("test").run, home=Path("/nonexistent"), crashes=())
    rules = CleanRules(root=sys.argv[1], paths=tuple(sys.argv[2:]))
    report = await cleaner.clean(Cleaning(rules=rules, environment=dict(os.environ)))
    print(json.dumps(encode_report(report)))

asyncio.run(main())
"""
NOBODY = 65534
WITHOUT_RIGHTS = AS_NOBODY.replace(
    "asyncio.run(main())",
    textwrap.dedent(f"""
        if os.getuid() == 0:
            # only now: the interpreter itself may lie where nobody else can read it
            sys.argv[2:], paths = [], sys.argv[2:]
            sys.stdout, shown = open(os.devnull, "w"), sys.stdout
            asyncio.run(main())
            sys.argv[2:], sys.stdout = paths, shown
            os.setgroups([])
            os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
            os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
        asyncio.run(main())
    """),
)


def hand_over(folder: Path) -> None:
    """Give a tree to another user, and let that user reach it."""
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    for above in folder.parents:
        if above.stat().st_uid == os.getuid() and above != Path("/"):
            above.chmod(above.stat().st_mode | 0o055)


def prune_as_nobody(project: Repository, *paths: str) -> dict[str, object]:
    """Prune as a user whom rights stop, which they do not with root; where we are no root, as ourselves."""
    import json

    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_RIGHTS, str(project.folder), *paths], capture_output=True, text=True,
        cwd=Path(__file__).parents[2], env={**git_environment(), "HOME": "/nonexistent"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_read_only_files_and_folders_of_our_own_go(project: Repository) -> None:
    """Module caches are read-only on purpose."""
    place = fill(project, "dist")
    hand_over(project.folder)
    for path in [*place.rglob("*"), place]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    report = prune_as_nobody(project, "dist")
    assert report["refused"] == []
    assert not place.exists()


def test_a_folder_that_may_not_be_emptied_is_refused_before_anything_in_it_goes(project: Repository) -> None:
    """What a container wrote as root stays whole, with the user id that has it; one that cannot be read as well."""
    place = fill(project, "dist")
    locked = fill(project, "node_modules")
    hand_over(project.folder)
    if os.getuid() == 0:
        os.chown(place / "sub", 0, 0)
    (locked / "sub").chmod(0)
    report = prune_as_nobody(project, "dist", "node_modules")
    (locked / "sub").chmod(0o755)
    refused = {one["name"]: one["why"] for one in report["refused"]}  # type: ignore[attr-defined]
    assert refused["node_modules"] == "it cannot be looked into, at node_modules/sub: Permission denied"
    assert (locked / "sub/two").exists()
    if os.getuid() == 0:
        assert refused["dist"] == "it belongs to user id 0, and may not be emptied, at dist/sub"
        assert (place / "one").exists()


async def test_what_cannot_be_removed_is_back_under_its_name(project: Repository) -> None:
    """An immutable file: the reason is the system's, the bytes are of what really went."""
    place = fill(project, "dist")
    if subprocess.run(["chattr", "+i", str(place / "sub/two")], check=False, capture_output=True).returncode:
        (place / "sub/two").chmod(0o444)
        pytest.fail("this test needs root and a file system with attributes (ext4, XFS, btrfs)")
    try:
        report = await prune(project, "dist")
        assert "Operation not permitted" in reasons(report)["dist"]
        assert (place / "sub/two").exists()
        assert not (project.folder / TRASH).exists()
        assert report.bytes <= 120_000
    finally:
        subprocess.run(["chattr", "-i", str(place / "sub/two")], check=True)
    assert removed(await prune(project, "dist")) == {"dist"}


KILLED = AS_NOBODY.replace(
    "asyncio.run(main())",
    textwrap.dedent("""
        from devenv.adapters.cleaning import trash
        def slowly(self, name, folder, unlink=trash._Remover._unlink):
            unlink(self, name, folder)
            print("one", flush=True)
            __import__("time").sleep(60)
        trash._Remover._unlink = slowly
        asyncio.run(main())
    """),
)


async def test_a_killed_prune_leaves_what_git_does_not_see_and_the_next_one_finishes(project: Repository) -> None:
    """A kill -9 between two files: a rest in the trash; a dry run tells it; the next prune removes it."""
    for name in ("dist", ".next"):
        fill(project, name)
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(project.folder), "dist", ".next"],
        stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2], env=git_environment(),
    )  # fmt: skip
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "one\n"
        child.kill()
    assert (project.folder / TRASH).is_dir()
    assert not (project.folder / "dist").exists()
    assert project.git("status", "--porcelain") == ""
    ahead = await prune(project, "dist", dry_run=True)
    assert ahead.bytes > 300_000
    report = await prune(project, "dist")
    assert report.bytes > 300_000
    assert report.refused == ()
    assert not (project.folder / TRASH).exists()


async def test_a_cancelled_prune_puts_back_what_it_had_not_removed(
    project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C after the first path: the others have their names again, and a second run removes them."""
    from devenv.adapters.cleaning.trash import Trash

    for name in ("dist", ".next", "node_modules"):
        fill(project, name)
    with anyio.CancelScope() as scope:
        real = Trash.remove

        def remove(self: Trash, taken: object) -> tuple[int, str]:
            anyio.from_thread.run_sync(scope.cancel)
            return real(self, taken)  # type: ignore[arg-type]

        monkeypatch.setattr(Trash, "remove", remove)
        await prune(project, "dist", ".next", "node_modules")
    monkeypatch.undo()
    assert not (project.folder / "dist").exists()
    assert (project.folder / ".next/sub/two").exists()
    assert not (project.folder / TRASH).exists()
    assert removed(await prune(project, ".next", "node_modules")) == {".next", "node_modules"}


async def test_something_put_in_the_place_of_what_was_judged_stays(project: Repository) -> None:
    """Between the judgement and the removal a path became another thing, or a folder on the way became a link."""
    from devenv.adapters.cleaning.trash import CannotRemove, open_trash
    from devenv.adapters.cleaning.trees import survey

    place = fill(project, "packages/dist")
    judged = survey(str(place), ())
    place.rename(place.with_name("old"))
    fill(project, "packages/dist")
    with open_trash(str(project.folder)) as trash:
        with pytest.raises(CannotRemove, match="replaced"):
            trash.take(judged.path, judged.identity)
        judged = survey(str(place), ())
        (project.folder / "packages").rename(project.folder.parent / "moved")
        (project.folder / "packages").symlink_to(project.folder.parent / "moved")
        with pytest.raises(CannotRemove, match="cannot be moved"):
            trash.take(judged.path, judged.identity)
    assert (project.folder.parent / "moved/dist/sub/two").exists()


@pytest.mark.parametrize("in_the_way", ["folder", "link", "file"])
async def test_a_trash_that_is_somebody_else_s_is_not_emptied(project: Repository, in_the_way: str) -> None:
    """A folder, a link or a file of that name keeps everything where it is."""
    fill(project, "dist")
    place, outside = project.folder / TRASH, project.folder.parent / "outside"
    outside.mkdir()
    (outside / "work").write_text("mine")
    if in_the_way == "folder":
        project.write(f"{TRASH}/work", "mine")
    elif in_the_way == "link":
        place.symlink_to(outside)
    else:
        place.write_text("mine")
    report = await prune(project, "dist")
    assert f"{TRASH} is in the way" in reasons(report)["dist"]
    assert (project.folder / "dist/sub/two").exists()
    assert (outside / "work").exists()
    assert os.path.lexists(place)


async def test_of_two_prunes_at_once_the_second_leaves_the_first_s_trash_alone(project: Repository) -> None:
    """Two stacks of one folder: the second says so and removes nothing."""
    from devenv.adapters.cleaning.trash import open_trash
    from devenv.adapters.cleaning.trees import survey

    fill(project, "dist")
    fill(project, ".next")
    with open_trash(str(project.folder)) as trash:
        judged = survey(str(project.folder / "dist"), ())
        taken = trash.take(judged.path, judged.identity)
        report = await prune(project, ".next")
        assert reasons(report) == {".next": "another prune of this project is under way"}
        assert Path(taken.place).exists()
        trash.remove(taken)


async def test_a_tree_nested_too_deep_is_refused_and_not_half_removed(project: Repository) -> None:
    """No recursion error, no rest."""
    fill(project, "dist")
    (project.folder / "dist" / "/".join(["d"] * 300)).mkdir(parents=True)
    report = await prune(project, "dist")
    assert reasons(report)["dist"] == "it is nested deeper than 200 folders"
    assert (project.folder / "dist/one").exists()


async def test_a_process_that_opens_it_after_the_first_look_keeps_it(
    project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second look, when nobody can open it by its name any more, puts it back."""
    from devenv.adapters.cleaning.trash import Trash

    place = fill(project, "dist")
    real = Trash.take
    with holder("file", place, marked=False):
        pass  # the helper works
    started: list[contextmanager] = []  # type: ignore[type-arg]

    def take(self: Trash, path: str, identity: tuple[int, int]) -> object:
        held = holder("file", place, marked=True)
        held.__enter__()
        started.append(held)  # type: ignore[arg-type]
        return real(self, path, identity)

    monkeypatch.setattr(Trash, "take", take)
    try:
        report = await prune(project, "dist")
    finally:
        for held in started:
            held.__exit__(None, None, None)  # type: ignore[attr-defined]
    assert "since a moment ago" in reasons(report)["dist"]
    until((place / "sub/two").exists, deadline_s=1, what="the folder under its name")
