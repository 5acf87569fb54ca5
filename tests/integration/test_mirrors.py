"""Mirrors between real repositories: what is copied and deleted, what is never touched, and runs that are cut off."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from devenv.adapters.git.mirroring import GitMirrors, judge_file
from devenv.adapters.mirrors import survey
from devenv.adapters.mirrors.running import Judge
from devenv.domain.errors import DevenvError
from devenv.domain.git_rules import MirrorRule
from devenv.domain.syncing import MirrorReport, Remark
from tests.support.git import Repository, git_environment, make_repository

ODD_NAMES = ("new\nline", "quo\"te's", "-rf", "spa ce", os.fsdecode(b"no-utf8-\xff"), "dé/à", "star*[a]?", ":(top)x")


SECRET = 'token = "ghp_' + "aZ3bY4cX5dW6eV7fU8gT9hS0iR1jQ2kP3lO4" + '"\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Two repositories, and the mirror from `shared` of one to `app/shared` of the other."""

    folder: Path

    @property
    def core(self) -> Repository:
        """Return the repository of the source."""
        return Repository(folder=self.folder / "core")

    @property
    def tenant(self) -> Repository:
        """Return the repository of the target."""
        return Repository(folder=self.folder / "tenant")

    @property
    def source(self) -> Path:
        """Return the source."""
        return self.folder / "core" / "shared"

    @property
    def target(self) -> Path:
        """Return the target."""
        return self.folder / "tenant" / "app" / "shared"

    def mirror(
        self,
        *,
        source: Path | None = None,
        target: Path | None = None,
        commit: str = "",
        dry_run: bool = False,
        judge: Judge = judge_file,
    ) -> MirrorReport:
        """Run the mirror once."""
        rule = MirrorRule(source=str(source or self.source), target=str(target or self.target), commit=commit)

        async def copy() -> MirrorReport:
            mirrors = GitMirrors(environment=git_environment(), say=print, judge=judge)
            return await mirrors.copy(rule, dry_run=dry_run)

        try:
            return anyio.run(copy)
        except DevenvError as error:  # as a sync has it
            remark = Remark(text=f"{error.what}: {error.why}", fix=error.fix, blocks=True)
            return MirrorReport(source=rule.source, target=rule.target, remarks=(remark,))

    def put(self, path: str, text: str | bytes = "one\n") -> Path:
        """Write a file of the source."""
        return self.core.write(f"shared/{path}", text)

    def read(self, path: str) -> str:
        """Return a file of the target."""
        return (self.target / path).read_text()

    def manifests(self) -> list[Path]:
        """Return the manifests in the target's repository."""
        return sorted(self.tenant.folder.glob(".git/devenv/mirrors/*.json"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return two repositories that have a commit each; the source is still empty."""
    made = World(folder=tmp_path)
    make_repository(tmp_path / "core").commit("README")
    make_repository(tmp_path / "tenant").commit("README")
    made.source.mkdir()
    return made


def picture(folder: Path) -> dict[str, str]:
    """Return every path below a folder with its content, links as links, and the times of all of it."""
    seen = {}
    for path in sorted(folder.rglob("*")):
        at = path.lstat()
        content = str(path.readlink()) if path.is_symlink() else path.read_bytes().hex() if path.is_file() else ""
        seen[str(path.relative_to(folder))] = f"{at.st_mode:o} {at.st_mtime_ns} {at.st_ino} {content}"
    return seen


def contents(folder: Path) -> dict[str, str]:
    """Return the files below a folder with their content and whether they can be run; links as where they point."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = path.read_bytes().decode(errors="replace") + ("*" if path.stat().st_mode & 0o100 else "")
    return found


def edited(report: MirrorReport) -> list[str]:
    """Return the paths that a run left as they are."""
    return [one.path for one in report.edited]


def left_out(report: MirrorReport) -> dict[str, str]:
    """Return what a run left out, and why."""
    return {one.path: one.why for one in report.left_out}


def blocking(report: MirrorReport) -> str:
    """Return what keeps a report from being complete."""
    return "\n".join(f"{one.text} ({one.fix})" for one in report.remarks if one.blocks)


# What is copied and deleted


def test_target_becomes_like_what_git_does_not_ignore(world: World) -> None:
    """Tracked and untracked files are copied with their permissions; what git ignores is not."""
    world.core.commit("shared/tracked.py", "t\n")
    world.put("deep/er/new.py", "n\n")
    world.put("run.sh", "#!/bin/sh\n").chmod(0o755)
    world.put("build/out.o")
    world.core.write(".gitignore", "build/\n")
    report = world.mirror()
    assert report.is_complete
    assert report.copied == ("deep/er/new.py", "run.sh", "tracked.py")
    assert contents(world.target) == {"deep/er/new.py": "n\n", "run.sh": "#!/bin/sh\n*", "tracked.py": "t\n"}


def test_second_run_does_nothing(world: World) -> None:
    """No file of the target is written a second time."""
    for number in range(5):
        world.put(f"f{number}")
    (world.source / "link").symlink_to("f1")
    world.mirror()
    before = picture(world.target)
    report = world.mirror()
    assert (report.copied, report.deleted, report.edited) == ((), (), ())
    assert report.is_complete
    assert picture(world.target) == before


def test_only_what_a_run_put_there_is_deleted(world: World) -> None:
    """Files of the target's own stay, and so does one that was there, equal, before the first run."""
    world.put("ours")
    world.put("both", "same\n")
    world.tenant.write("app/shared/both", "same\n")
    world.tenant.write("app/shared/theirs", "t\n")
    world.mirror()
    (world.source / "ours").unlink()
    (world.source / "both").unlink()
    world.put("another")
    report = world.mirror()
    assert report.deleted == ("ours",)
    assert sorted(contents(world.target)) == ["another", "both", "theirs"]
    assert "before the first mirror run" in left_out(report)["both"]
    assert report.is_complete


def test_equal_file_is_adopted_and_follows_the_source(world: World) -> None:
    """A target that rsync filled before is taken over without copying, and kept up to date from then on."""
    world.put("a", "one\n")
    world.tenant.write("app/shared/a", "one\n")
    assert world.mirror().copied == ()
    world.put("a", "two\n")
    assert world.mirror().copied == ("a",)
    assert world.read("a") == "two\n"


def test_empty_folders_that_a_run_made_go_and_others_stay(world: World) -> None:
    """A folder that somebody else made, or put something into, is not removed."""
    for path in ("ours/deep/x", "used/x", "theirs/x", "stays"):
        world.put(path)
    (world.target / "theirs").mkdir(parents=True)
    world.mirror()
    world.tenant.write("app/shared/used/own", "o\n")
    for name in ("ours", "used", "theirs"):
        shutil.rmtree(world.source / name)
    assert world.mirror().deleted == ("ours/deep/x", "theirs/x", "used/x")
    assert sorted(path.name for path in world.target.iterdir()) == ["stays", "theirs", "used"]


def test_names_with_any_bytes_are_copied_and_deleted(world: World) -> None:
    """A name is bytes: none is an option, a pattern or a text."""
    for name in ODD_NAMES:
        world.put(name, f"{name!a}\n")
    report = world.mirror(commit="sync")
    assert report.is_complete
    assert sorted(report.copied) == sorted(ODD_NAMES)
    assert sorted(report.paths) == sorted(f"app/shared/{name}" for name in ODD_NAMES)
    for name in ODD_NAMES:
        assert world.read(name) == f"{name!a}\n"
        (world.source / name).unlink()
    world.put("last")
    assert sorted(world.mirror().deleted) == sorted(ODD_NAMES)
    assert list(contents(world.target)) == ["last"]


def test_one_file_can_be_mirrored_by_itself(world: World) -> None:
    """It goes into a folder, or gets the name that the target says; files beside it are nobody's business."""
    world.put("settings.py", "s\n")
    world.put("beside.py")
    renamed = world.folder / "tenant" / "conf" / "base.py"
    one = world.source / "settings.py"
    assert world.mirror(source=one, target=renamed).copied == ("base.py",)
    (world.folder / "tenant" / "lib").mkdir()
    assert world.mirror(source=one, target=world.folder / "tenant" / "lib").copied == ("settings.py",)
    assert renamed.read_text() == (world.folder / "tenant" / "lib" / "settings.py").read_text() == "s\n"
    assert world.mirror(source=one, target=renamed, commit="sync").paths == ("conf/base.py",)


def test_source_in_no_repository_is_copied_whole_and_that_is_said(world: World) -> None:
    """Without git nothing is ignored; repositories in it are left out."""
    plain = world.folder / "plain"
    (plain / "deep").mkdir(parents=True)
    (plain / "deep" / "x.o").write_text("x\n")
    make_repository(plain / "inner").commit("f")
    report = world.mirror(source=plain)
    assert report.copied == ("deep/x.o",)
    assert left_out(report) == {"inner": "is a repository of its own"}
    assert "in no git repository" in report.remarks[0].text
    assert report.is_complete


def test_links_are_copied_only_where_they_mean_the_same_in_the_target(world: World) -> None:
    """A link out of the source would make the target depend on this machine."""
    world.put("real/file")
    for name, points_to in (("in", "real/file"), ("real/up", "../real"), ("dangling", "nowhere")):
        (world.source / name).symlink_to(points_to)
    for name, points_to in (("out", "../README"), ("absolute", "/etc/hosts"), ("real/far", "../../../tenant")):
        (world.source / name).symlink_to(points_to)
    report = world.mirror()
    assert report.copied == ("dangling", "in", "real/file", "real/up")
    assert str((world.target / "in").readlink()) == "real/file"
    assert sorted(left_out(report)) == ["absolute", "out", "real/far"]
    assert "leads out of the source" in left_out(report)["out"]


@pytest.mark.parametrize("in_git", [True, False])
def test_what_is_no_file_is_left_out_by_name(world: World, in_git: bool) -> None:
    """Pipes, sockets and repositories are said; none is opened, so that none can hold the run."""
    source = world.source if in_git else world.folder / "plain"
    source.mkdir(exist_ok=True)
    (source / "file").write_text("f\n")
    os.mkfifo(source / "pipe")
    make_repository(source / "inner").commit("f")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(source / "sock"))
    report = world.mirror(source=source)
    assert report.copied == ("file",)
    assert sorted(left_out(report)) == ["inner", "pipe", "sock"]


def test_what_no_commit_may_take_is_not_copied_and_stays_where_it_is(world: World) -> None:
    """A file that got a secret stays in the target as it was, neither updated nor deleted."""
    world.put("a", "harmless\n")
    world.put("conflict", "<<<<<<< a\n1\n=======\n2\n>>>>>>> b\n")
    world.put(".env", "NAME=value\n")
    report = world.mirror()
    assert report.copied == ("a",)
    assert left_out(report) == {".env": "is an environment file", "conflict": "has conflict markers"}
    world.put("a", SECRET)
    report = world.mirror()
    assert (report.copied, report.deleted) == ((), ())
    assert world.read("a") == "harmless\n"
    assert "secret" in left_out(report)["a"]
    assert report.is_complete


def test_secret_that_the_target_has_already_is_not_new_there(world: World) -> None:
    """Or no other change of such a file would ever get there."""
    world.put("a", SECRET)
    world.tenant.write("app/shared/a", SECRET)
    world.mirror()
    world.put("a", f"{SECRET}more\n")
    assert world.mirror().copied == ("a",)


def test_sparse_checkout_of_the_source_deletes_nothing(world: World) -> None:
    """What is not checked out is not gone."""
    world.core.commit("shared/a/x")
    world.core.commit("shared/b/y")
    world.mirror()
    world.core.git("sparse-checkout", "set", "shared/a")
    assert not (world.source / "b").exists()
    report = world.mirror()
    assert report.deleted == ()
    assert "sparse-checkout" in left_out(report)["b/y"]
    assert world.read("b/y")


def test_files_become_folders_and_folders_become_files(world: World) -> None:
    """What earlier runs put in the way goes, and the new content comes, in one run."""
    world.put("swap/x", "file in a folder\n")
    world.put("paws", "a file\n")
    world.mirror()
    shutil.rmtree(world.source / "swap")
    world.put("swap", "a file now\n")
    (world.source / "paws").unlink()
    world.put("paws/y", "a folder now\n")
    report = world.mirror()
    assert report.is_complete, report
    assert contents(world.target) == {"paws/y": "a folder now\n", "swap": "a file now\n"}


# What is never touched


def test_file_edited_in_the_target_is_reported_with_its_diff_and_kept(world: World) -> None:
    """Neither new content of the source nor its deletion there overwrites or deletes it."""
    world.put("changed", "one\ntwo\n")
    world.put("removed", "one\n")
    world.mirror()
    world.tenant.write("app/shared/changed", "one\nTWO\n")
    world.tenant.write("app/shared/removed", "mine\n")
    world.put("changed", "one\ntwo\nthree\n")
    (world.source / "removed").unlink()
    for _ in range(2):
        report = world.mirror()
        assert not report.is_complete
        assert (report.copied, report.deleted) == ((), ())
        assert edited(report) == ["changed", "removed"]
        assert report.edited[0].why == "it was edited there"
        assert "-two\n" in report.edited[0].diff
        assert "+TWO" in report.edited[0].diff
        assert "+mine" in report.edited[1].diff
        assert "no longer has it" in report.edited[1].why
    assert (world.read("changed"), world.read("removed")) == ("one\nTWO\n", "mine\n")


def test_edit_that_went_into_the_source_ends_the_report(world: World) -> None:
    """Moving the edit to the source is a way on, and so is deleting the file."""
    world.put("a", "one\n")
    world.put("b", "one\n")
    world.mirror()
    world.tenant.write("app/shared/a", "mine\n")
    world.tenant.write("app/shared/b", "mine\n")
    assert edited(world.mirror()) == ["a", "b"]
    world.put("a", "mine\n")
    (world.target / "b").unlink()
    report = world.mirror()
    assert report.is_complete
    assert report.copied == ("b",)
    world.put("a", "next\n")
    assert world.mirror().copied == ("a",)


def test_file_that_no_run_put_there_is_not_overwritten(world: World) -> None:
    """A file of the target that happens to have the same name is the target's."""
    world.put("a", "source\n")
    world.tenant.commit("app/shared/a", "target\n")
    report = world.mirror()
    assert [(one.path, one.why) for one in report.edited] == [("a", "it is not from a mirror run")]
    assert world.read("a") == "target\n"


def test_permissions_that_were_changed_in_the_target_count_as_an_edit(world: World) -> None:
    """A script that somebody made runnable stays so."""
    world.put("run.sh", "one\n")
    world.mirror()
    (world.target / "run.sh").chmod(0o755)
    report = world.mirror()
    assert edited(report) == ["run.sh"]
    assert report.edited[0].diff == "old mode 100644\nnew mode 100755"


def test_long_and_binary_diffs_are_cut(world: World) -> None:
    """A report stays readable, whatever was edited."""
    world.put("long", "".join(f"{number}\n" for number in range(1000)))
    world.put("binary", bytes(range(256)))
    world.mirror()
    world.tenant.write("app/shared/long", "".join(f"-{number}\n" for number in range(1000)))
    world.tenant.write("app/shared/binary", bytes(range(255, 0, -1)))
    binary, long = world.mirror().edited
    assert binary.diff == "256 bytes in the source, 255 bytes here"
    assert len(long.diff.splitlines()) == 201
    assert "lines more" in long.diff


def test_diff_shows_no_secret(world: World) -> None:
    """What no commit may take is not printed either, on whichever side it is."""
    world.put("a", "one\n")
    world.mirror()
    world.tenant.write("app/shared/a", SECRET)
    report = world.mirror()
    assert edited(report) == ["a"]
    assert report.edited[0].diff.startswith("not shown: looks like it holds a secret")
    assert SECRET.split('"')[1] not in str(report)


def test_no_link_in_the_target_is_written_through(world: World) -> None:
    """A link that stands where the source has a folder or a file leads nowhere: what it points to stays as it is."""
    outside = world.folder / "outside"
    outside.mkdir()
    (outside / "x").write_text("precious\n")
    world.put("dir/x", "source\n")
    world.put("file", "source\n")
    world.put("fine", "source\n")
    world.target.mkdir(parents=True)
    (world.target / "dir").symlink_to(outside)
    (world.target / "file").symlink_to(outside / "x")
    report = world.mirror()
    assert report.copied == ("fine",)
    assert {one.path: one.why for one in report.edited} == {
        "dir": "a symbolic link is there, where the source has a folder",
        "file": "it is not from a mirror run",
    }
    assert (outside / "x").read_text() == "precious\n"
    assert [path.name for path in outside.iterdir()] == ["x"]


def test_folder_that_became_a_link_after_a_run_deletes_nothing_behind_it(world: World) -> None:
    """The manifest says `dir/x`, but what is behind the link is not what a run put there."""
    world.put("dir/x", "one\n")
    world.put("stays")
    world.mirror()
    outside = world.folder / "outside"
    shutil.move(world.target / "dir", outside)
    (world.target / "dir").symlink_to(outside)
    shutil.rmtree(world.source / "dir")
    assert world.mirror().deleted == ()
    assert (outside / "x").read_text() == "one\n"


def test_repository_in_the_target_is_not_entered(world: World) -> None:
    """A submodule or a clone below the target is another repository's."""
    world.put("vendor/x", "source\n")
    make_repository(world.target / "vendor")
    report = world.mirror()
    assert [(one.path, one.why) for one in report.edited] == [
        ("vendor", "a repository of its own is there, where the source has a folder")
    ]
    assert [path.name for path in (world.target / "vendor").iterdir()] == [".git"]


@pytest.mark.parametrize("theirs", ["folder", "full folder", "file", "pipe"])
def test_what_stands_in_the_way_is_named_and_kept(world: World, theirs: str) -> None:
    """Only an empty folder gives way: there is nothing in it to lose."""
    world.put("a", "file\n")
    world.put("b/c", "in a folder\n")
    world.target.mkdir(parents=True)
    match theirs:
        case "folder":
            (world.target / "a").mkdir()
        case "full folder":
            world.tenant.write("app/shared/a/mine", "m\n")
        case "file":
            world.tenant.write("app/shared/b", "m\n")
        case _:
            os.mkfifo(world.target / "a")
    report = world.mirror()
    expected = {"folder": [], "full folder": ["a"], "file": ["b"], "pipe": ["a"]}[theirs]
    assert edited(report) == expected
    assert report.is_complete is not expected
    if theirs == "full folder":
        assert "it holds a/mine" in report.edited[0].why
        assert world.read("a/mine") == "m\n"


def test_edit_during_a_run_is_not_overwritten(world: World) -> None:
    """What counts is what is there when a file would get its name, not when the run looked."""
    for path in ("changed", "gone", "source"):
        world.put(path, "one\n")
    world.mirror()
    for path in ("changed", "new", "source"):
        world.put(path, "two\n")
    (world.source / "gone").unlink()

    def edit(_path: str, _place: str, _before: bytes) -> str:
        """Be a user who is at it while the run is between looking and copying."""
        for path in ("changed", "gone", "new"):
            world.tenant.write(f"app/shared/{path}", "mine\n")
        world.put("source", "three\n")
        return ""

    report = world.mirror(judge=edit)
    assert (report.copied, report.deleted) == ((), ())
    for path in ("changed", "gone", "new", "source"):
        assert f"{path} was not copied or deleted: it was changed while the mirror ran" in blocking(report)
    assert contents(world.target) == {"changed": "mine\n", "gone": "mine\n", "new": "mine\n", "source": "one\n"}
    assert half_written(world) == []
    assert edited(world.mirror()) == ["changed", "gone", "new"]
    assert world.read("source") == "three\n"


def test_folder_that_becomes_a_link_during_a_run_is_not_followed(world: World) -> None:
    """Between looking and writing, the way to a file may have changed."""
    outside = world.folder / "outside"
    outside.mkdir()
    world.put("dir/x", "one\n")
    world.target.mkdir(parents=True)

    def link(_path: str, _place: str, _before: bytes) -> str:
        if not (world.target / "dir").is_symlink():
            (world.target / "dir").symlink_to(outside)
        return ""

    report = world.mirror(judge=link)
    assert report.copied == ()
    assert "dir/x was not copied" in blocking(report)
    assert list(outside.iterdir()) == []


def test_read_only_files_are_replaced_and_stay_read_only(world: World) -> None:
    """A permission that the source has is no reason to fail."""
    world.put("a", "one\n").chmod(0o444)
    world.mirror()
    (world.source / "a").chmod(0o644)
    world.put("a", "two\n").chmod(0o444)
    assert world.mirror().copied == ("a",)
    assert stat.S_IMODE((world.target / "a").stat().st_mode) == 0o444
    (world.source / "a").unlink()
    world.put("b")
    assert world.mirror().deleted == ("a",)


# Refusals


def refused(report: MirrorReport, *words: str) -> None:
    """Assert that a run did nothing, and said why and how to go on."""
    assert not report.is_complete
    assert (report.copied, report.deleted) == ((), ())
    for word in words:
        assert word in blocking(report)
    assert all(one.fix for one in report.remarks if one.blocks)


def test_missing_source_deletes_nothing(world: World) -> None:
    """A folder that was renamed, or a disk that is not mounted, is not a deletion of everything."""
    world.put("a")
    world.mirror()
    world.source.rename(world.folder / "elsewhere")
    refused(world.mirror(), "is not there")
    assert world.read("a") == "one\n"


@pytest.mark.parametrize("how", ["emptied", "ignored"])
def test_empty_source_deletes_nothing(world: World, how: str) -> None:
    """That nothing at all is left is far more often a mistake than meant; the way on is said."""
    world.put("a")
    world.mirror()
    if how == "emptied":
        (world.source / "a").unlink()
    else:
        world.core.write(".gitignore", "shared/\n")
    refused(world.mirror(), "has no file left", "delete them there")
    assert world.read("a") == "one\n"
    (world.target / "a").unlink()
    assert world.mirror().is_complete


def test_target_in_no_repository_is_refused(tmp_path: Path) -> None:
    """Without git nothing would say what a run put there."""
    make_repository(tmp_path / "core").commit("shared/a")
    world = World(folder=tmp_path)
    refused(world.mirror(target=tmp_path / "plain" / "x"), "no git repository", "init")
    assert not (tmp_path / "plain").exists()


@pytest.mark.parametrize("target", ["core/shared", "core/shared/sub", "core", "link", "core/.git/x", "core/README"])
def test_target_that_cannot_be_one_is_refused(world: World, target: str) -> None:
    """The source itself, what lies in it or around it, by whatever name; git's own folder; a file."""
    world.put("a")
    (world.folder / "link").symlink_to(world.source)
    before = picture(world.folder)
    refused(world.mirror(target=world.folder / target))
    assert picture(world.folder) == before


@pytest.mark.parametrize("what", ["merge", "rebase"])
def test_merge_under_way_in_the_target_is_refused(world: World, what: str) -> None:
    """Half a merge and half a mirror in one work tree would be nobody's state."""
    tenant = world.tenant
    tenant.commit("f", "base\n")
    tenant.git("switch", "-q", "-c", "other")
    tenant.commit("f", "theirs\n")
    tenant.git("switch", "-q", "dev")
    tenant.commit("f", "ours\n")
    tenant.git(what, "other", check=False)
    world.put("a")
    refused(world.mirror(), f"a {what} is under way")
    assert not world.target.exists()


def test_top_is_that_of_the_repository_around_the_target(world: World) -> None:
    """Whoever holds the repository for the time of the run asks for it, also before the target is there."""

    async def find() -> str:
        mirrors = GitMirrors(environment=git_environment(), say=print)
        return await mirrors.find_top(MirrorRule(source=str(world.source), target=str(world.target)))

    assert anyio.run(find) == str(world.tenant.folder)


def test_file_that_git_ignores_is_not_mirrored_by_itself(world: World) -> None:
    """The rule is one for folders and files."""
    world.core.write(".gitignore", "*.env\n")
    refused(world.mirror(source=world.put("x.env")), "git ignores")


# Dry runs, commits, the manifest


def test_dry_run_reports_the_same_and_changes_nothing(world: World) -> None:
    """Neither files, nor the manifest, nor git's folder."""
    for path in ("a", "gone", "edited"):
        world.put(path, "one\n")
    dry = world.mirror(dry_run=True, commit="sync")
    assert not world.target.exists()
    assert world.manifests() == []
    assert dry == world.mirror(commit="sync")
    world.put("a", "two\n")
    (world.source / "gone").unlink()
    world.tenant.write("app/shared/edited", "mine\n")
    before = picture(world.folder)
    dry = world.mirror(dry_run=True, commit="sync")
    assert picture(world.folder) == before
    assert (dry.copied, dry.deleted, edited(dry)) == (("a",), ("gone",), ["edited"])
    assert dry == world.mirror(commit="sync")


def test_paths_for_a_commit_are_those_of_the_mirror_that_differ(world: World) -> None:
    """Also what an earlier run did and no commit took, deletions too; never an edit, nor a file of the target's own."""
    for path in ("a", "b", "gone", "edited"):
        world.put(path, "one\n")
    world.tenant.write("app/shared/own", "o\n")
    assert world.mirror(commit="sync").paths == ("app/shared/a", "app/shared/b", "app/shared/edited", "app/shared/gone")
    world.tenant.git("add", "app/shared/a", "app/shared/gone", "app/shared/edited")
    world.tenant.git("commit", "-q", "-m", "some")
    world.tenant.write("app/shared/edited", "mine\n")
    (world.source / "gone").unlink()
    assert world.mirror(commit="sync").paths == ("app/shared/b", "app/shared/gone")
    assert world.mirror(commit="sync").paths == ("app/shared/b", "app/shared/gone")  # the commit failed, say
    world.tenant.git("add", "-A", "app/shared/b", "app/shared/gone")
    world.tenant.git("commit", "-q", "-m", "rest")
    assert world.mirror(commit="sync").paths == ()
    assert json.loads(world.manifests()[0].read_text())["gone"] == []


def test_each_work_tree_has_its_own_manifest(world: World) -> None:
    """What a run put into one work tree says nothing of another, and no manifest is ever a file of the repository."""
    world.put("a")
    world.mirror()
    other = world.folder / "other"
    world.tenant.git("worktree", "add", "-q", str(other), "-b", "feature")
    world.mirror(target=other / "app" / "shared")
    assert len(list(world.tenant.folder.glob(".git/worktrees/other/devenv/mirrors/*.json"))) == 1
    assert len(world.manifests()) == 1
    assert world.tenant.git("status", "--porcelain", "--untracked-files=all") == "?? app/shared/a"


def test_manifest_survives_a_move_of_both_repositories(world: World, tmp_path: Path) -> None:
    """A home that was renamed is no reason to call every file a stranger."""
    world.put("a")
    world.put("b")
    world.mirror()
    home = tmp_path / "moved"
    home.mkdir()
    for name in ("core", "tenant"):
        (tmp_path / name).rename(home / name)
    moved = World(folder=home)
    (moved.source / "a").unlink()
    assert moved.mirror().deleted == ("a",)


@pytest.mark.parametrize(
    "damage",
    [
        lambda _text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"a":', '"../../../../core/README":'),
        lambda text: text.replace('"version":1', '"version":99'),
        lambda _text: "[]",
    ],
)
def test_damaged_manifest_deletes_nothing_and_is_said(world: World, damage: Callable[[str], str]) -> None:
    """Nobody knows then what a run put there; a path that leads out of the target is never followed."""
    world.put("a")
    world.put("b")
    world.mirror()
    (manifest,) = world.manifests()
    manifest.write_text(damage(manifest.read_text()))
    (world.source / "a").unlink()
    report = world.mirror()
    assert report.deleted == ()
    assert "damaged" in report.remarks[0].text
    assert world.read("a") == "one\n"
    assert (world.core.folder / "README").exists()
    assert world.mirror().remarks == ()


def test_edit_is_seen_whatever_its_size_and_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stamps that spare reading a file again do not hide an edit of the same length with the time put back."""
    monkeypatch.setattr(survey, "_SETTLED_NS", -(10**18))  # as if all had been written long ago
    world.put("a", "one\n")
    world.mirror()
    world.mirror()
    (manifest,) = world.manifests()
    assert json.loads(manifest.read_text())["records"]["a"][4], "the file is known by its stamp"
    at = (world.target / "a").stat()
    world.tenant.write("app/shared/a", "two\n")
    os.utime(world.target / "a", ns=(at.st_atime_ns, at.st_mtime_ns))
    assert edited(world.mirror()) == ["a"]


def test_young_files_are_read_again(world: World) -> None:
    """Within a tick of the clock an edit may leave the stamp as it was: such a stamp proves nothing yet."""
    world.put("a", "one\n")
    world.mirror()
    world.mirror()
    (manifest,) = world.manifests()
    assert json.loads(manifest.read_text())["records"]["a"][3:] == [[], []]


# Runs that are cut off


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size`, as a full disk would not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_changes_no_file_of_the_target(world: World) -> None:
    """What could not be written whole is not there at all, and neither is what could; the next run completes it."""
    world.put("a", "one\n")
    world.put("gone", "one\n")
    world.mirror()
    before = picture(world.target)
    world.put("a", "two\n")
    world.put("big", "x" * 300_000)
    (world.source / "gone").unlink()
    with file_size_limit(100_000):
        report = world.mirror()
    refused(report, "not all could be written: File too large")
    assert "df -h" in blocking(report)
    assert contents(world.target) == {"a": "one\n", "gone": "one\n"}
    assert picture(world.target) == before
    assert world.mirror().copied == ("a", "big")


CUT_OFF = """
import os, shutil, signal, sys
from pathlib import Path
import anyio
from devenv.adapters.git.mirroring import GitMirrors
from devenv.domain.git_rules import MirrorRule

folder, number = Path(sys.argv[1]), getattr(signal, sys.argv[2])
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.chmod"}

def run(world, step):
    left = step
    def watch(event, arguments):
        nonlocal left
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
        if event in CHANGES or writes:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), number)
    sys.addaudithook(watch)
    rule = MirrorRule(source=str(world / "core/shared"), target=str(world / "tenant/app/shared"))
    mirrors = GitMirrors(environment=dict(os.environ), say=print, judge=lambda *of: "")
    async def copy():
        return await mirrors.copy(rule, dry_run=False)
    try:
        anyio.run(copy)
    except KeyboardInterrupt:
        os._exit(130)
    os._exit(0 if left > 0 else 99)

def start(step):
    world = folder.with_name(f"{folder.name}-{step}")
    shutil.copytree(folder, world, symlinks=True)
    child = os.fork()
    if child == 0:
        run(world, step)
    return child

codes = []
while 0 not in codes:
    children = [start(len(codes) + number) for number in range(1, 5)]  # several at a time: they mostly wait for git
    codes += [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert len(codes) < 200
print(*codes[: codes.index(0) + 1])
"""


@pytest.fixture
def cut(tmp_path: Path) -> Callable[[str], list[World]]:
    """Return a function that gives copies of one world, in each of which a run ended at another of its steps."""
    folder = tmp_path

    def make(signal_name: str) -> list[World]:
        world = World(folder=folder / signal_name)
        make_repository(world.folder / "core").commit("README")
        make_repository(world.folder / "tenant").commit("README")
        for path in ("a", "edited", "gone", "dir/old", "swap", "paws/x", ODD_NAMES[4]):
            world.put(path, "one\n")
        (world.source / "link").symlink_to("a")
        world.mirror()
        world.tenant.write("app/shared/edited", "mine\n")
        world.tenant.write("app/shared/foreign", "mine\n")
        world.tenant.write("app/shared/own", "mine\n")
        for path in ("a", "edited", "foreign", "new/deep", ODD_NAMES[4]):
            world.put(path, "two\n")
        (world.source / "link").unlink()
        (world.source / "link").symlink_to("edited")
        for path in ("gone", "dir/old", "swap", "paws/x"):
            (world.source / path).unlink()
        (world.source / "paws").rmdir()
        world.put("swap/x", "two\n")
        world.put("paws", "two\n")
        done = subprocess.run(
            [sys.executable, "-c", CUT_OFF, str(world.folder), signal_name],
            env=git_environment(), capture_output=True, text=True, timeout=110, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        codes = done.stdout.split()
        assert len(codes) > 20, "each step was met once"
        assert {int(code) for code in codes[:-1]} <= ({-9} if signal_name == "SIGKILL" else {130, 99}), codes
        return [World(folder=Path(f"{world.folder}-{number + 1}")) for number in range(len(codes))]

    return make


EXPECTED = {
    "a": "two\n",
    "edited": "mine\n",
    "foreign": "mine\n",
    "own": "mine\n",
    "new/deep": "two\n",
    "swap/x": "two\n",
    "paws": "two\n",
    "link": "-> edited",
    ODD_NAMES[4]: "two\n",
}


def half_written(world: World) -> list[Path]:
    """Return the files of the target that a run was still writing."""
    return list(world.target.rglob(".devenv-mirror-*"))


def test_run_killed_at_any_step_is_completed_by_the_next_one(cut: Callable[[str], list[World]]) -> None:
    """Whatever the step, no file was half-written, and none of our own is called edited afterwards."""
    for world in cut("SIGKILL"):
        there = {path: text for path, text in contents(world.target).items() if ".devenv-mirror-" not in path}
        assert set(there.values()) <= {"one\n", "two\n", "mine\n", "-> a", "-> edited"}
        assert [there[path] for path in ("edited", "foreign", "own")] == ["mine\n"] * 3
        assert edited(world.mirror()) == ["edited", "foreign"]
        assert contents(world.target) == EXPECTED
        assert half_written(world) == []
        assert not (world.target / "dir").exists()
        again = world.mirror()
        assert (again.copied, again.deleted, edited(again)) == ((), (), ["edited", "foreign"])


def test_source_may_move_on_after_a_kill(cut: Callable[[str], list[World]]) -> None:
    """What the killed run put there is known as ours, also where the source has something newer by now, or nothing."""
    for world in cut("SIGKILL"):
        world.put("a", "three\n")
        (world.source / "new" / "deep").unlink()
        assert edited(world.mirror()) == ["edited", "foreign"]
        assert contents(world.target) == {path: text for path, text in EXPECTED.items() if path != "new/deep"} | {
            "a": "three\n"
        }


def test_what_the_user_does_after_a_kill_is_kept(cut: Callable[[str], list[World]]) -> None:
    """Edits, files restored and files made: the next run takes none of them for its own, whatever the step."""
    for world in cut("SIGKILL"):
        world.tenant.write("app/shared/a", "mine after the kill\n")
        was_deleted = not (world.target / "gone").exists()
        if was_deleted:
            world.tenant.write("app/shared/gone", "one\n")  # as `git checkout` would
        was_missing = not (world.target / "new" / "deep").exists()
        if was_missing:
            world.tenant.write("app/shared/new/deep", "mine after the kill\n")
        report = world.mirror()
        assert world.read("a") == "mine after the kill\n"
        assert (world.target / "gone").exists() == was_deleted
        assert world.read("new/deep") == ("mine after the kill\n" if was_missing else "two\n")
        assert edited(report) == ["a", "edited", "foreign", *(["new/deep"] if was_missing else [])]
        assert half_written(world) == []


def test_run_interrupted_at_any_step_leaves_nothing_half_written(cut: Callable[[str], list[World]]) -> None:
    """Ctrl-C ends it at the next step, tidied up; a second run completes it."""
    for world in cut("SIGINT"):
        assert half_written(world) == []
        assert not json.loads(world.manifests()[0].read_text())["staged"]
        assert edited(world.mirror()) == ["edited", "foreign"]
        assert contents(world.target) == EXPECTED
