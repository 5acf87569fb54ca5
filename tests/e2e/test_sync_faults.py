"""What goes wrong with git in the evening, each through the whole of devenv: a sentence, exit 7, and nothing lost."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.e2e.desks import BARE, RULES, Desk, lingering, make_desk, under_way
from tests.e2e.terminals import run_in_terminal
from tests.support.daemon import COMMAND, Devenv
from tests.support.git_lab import PATHS
from tests.support.git_ledger import find_losses, read_ledger
from tests.support.processes import command_line_of, end
from tests.support.wait import until

SMALL_KIB = 256


@pytest.fixture
def desk(project: Devenv) -> Desk:
    """Return a desk with a commit that no remote has."""
    made = make_desk(project)
    made.configure(BARE)
    return made


# -- remotes


def test_remote_that_is_ahead_is_named_with_the_way_to_get_its_commits(desk: Desk) -> None:
    """The branch is behind by one; what is missing was fetched to count it, and nothing here moved."""
    desk.work.git("reset", "-q", "--hard", "HEAD~1")
    theirs, before = desk.advance(desk.org), read_ledger(desk.work)
    done = desk.sync(expect=7)
    assert re.search(r"dev +org +behind by 1 commit", done.out), str(done)
    assert not find_losses(before, desk.work)
    assert desk.org.tip("dev") == theirs
    _type_the_fix(desk, done.err)
    assert desk.work.tip("dev") == theirs
    desk.sync()
    assert desk.is_everywhere("dev")


def test_remote_that_diverged_keeps_its_commits(desk: Desk) -> None:
    """No force, ever: both sides stay, and the other remote has ours."""
    theirs = desk.advance(desk.org)
    done = desk.sync(expect=7)
    assert re.search(r"dev +org +diverged", done.out), str(done)
    assert re.search(r"dev +origin +pushed 1 commit", done.out)
    assert desk.org.tip("dev") == theirs


def test_remote_that_rejects_keeps_no_other_from_its_commits(desk: Desk) -> None:
    """What the server said is quoted, without its control codes."""
    desk.org.hook("pre-receive", r"printf '\033[31mnobody pushes on a Friday\033[0m\n' >&2; exit 1")
    before = desk.org.refs()
    done = desk.sync(expect=7)
    assert "nobody pushes on a Friday" in done.err
    assert "\x1b" not in done.text
    assert desk.org.refs() == before
    assert desk.origin.tip("dev") == desk.work.tip("dev")


def test_protected_branch_is_named_and_the_others_are_pushed(desk: Desk) -> None:
    """Master is protected at one server: dev gets there, and master to the other one."""
    desk.configure(RULES)
    desk.org.hook("update", 'test "$1" = refs/heads/master || exit 0; echo GH006: Protected branch update >&2; exit 1')
    done = desk.sync(expect=7)
    assert re.search(r"dev +org +pushed 1 commit", done.out), str(done)
    assert re.search(r"master +org +failed", done.out)
    assert re.search(r"master +origin +pushed 1 commit", done.out)
    assert re.search(r"cannot push master of \S+ to org", done.err)
    assert "protect" in done.err


def test_push_killed_half_way_is_completed_by_a_second_run(desk: Desk, tmp_path: Path) -> None:
    """Git is killed while the server has its commits in hand; no ref moved there, and the next run gets them there."""
    mark = tmp_path / "receiving"
    desk.origin.hook("pre-receive", lingering(mark))
    before, there = read_ledger(desk.work), desk.origin.refs()
    with under_way(desk, mark, "sync") as started:
        (desk.origin.folder / "hooks" / "pre-receive").unlink()
        for one in desk.project.processes():
            if re.search(r"git .* push |git push ", command_line_of(one)):
                end(one)
        out, err = started.communicate(timeout=30)
    assert started.returncode in {0, 7}, err
    assert "Traceback" not in err
    assert not find_losses(before, desk.work)
    assert desk.origin.refs() == there or started.returncode == 0, out
    until(lambda: not desk.gits(), deadline_s=5, what="the end of every git", poll_s=0.05)
    desk.sync()
    assert desk.is_everywhere("dev")


def test_devenv_killed_in_mid_push_is_completed_by_a_second_run(desk: Desk, tmp_path: Path) -> None:
    """Kill -9 of the command itself: its lock is free at once, nothing is lost, and the rest is made up for."""
    mark, release = tmp_path / "receiving", tmp_path / "release"
    desk.origin.hook("pre-receive", lingering(mark, release))
    desk.work.write("new", "new\n")
    before = read_ledger(desk.work)
    with under_way(desk, mark, "sync") as started:
        started.kill()
        started.communicate()
    release.touch()
    until(lambda: not desk.project.processes(), deadline_s=10, what="the end of its git", poll_s=0.05)
    assert not find_losses(before, desk.work)
    desk.sync()
    assert desk.is_everywhere("dev")
    assert not find_losses(before, desk.work)


def test_remote_that_hangs_for_ever_is_given_up_at_its_deadline(desk: Desk) -> None:
    """Its row says so; the other remote is served, and no ssh is left."""
    ssh = desk.project.folder.parent / "ssh"
    ssh.write_text("#!/bin/sh\nexec sleep 1000\n")
    ssh.chmod(0o755)
    desk.work.git("remote", "set-url", "org", "ssh://git@nowhere.invalid/org.git")
    desk.configure(f"{BARE}    timeout: 2s\n")
    done = desk.sync(expect=7, GIT_SSH_COMMAND=str(ssh))
    assert "org gave no answer within 2 s" in done.err, str(done)
    assert desk.origin.tip("dev") == desk.work.tip("dev")
    assert not desk.project.processes()


@contextmanager
def _asking_for_a_password() -> Iterator[str]:
    """Give the URL of a server that lets nobody in."""

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="a lab"')
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base's name
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        served = threading.Thread(target=server.serve_forever)
        served.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/org.git"
        finally:
            server.shutdown()
            served.join()


def test_remote_that_wants_a_password_gets_none_and_nobody_is_asked(desk: Desk) -> None:
    """On a terminal, where git would ask: no question, a reason, and the password of the URL is shown nowhere."""
    without_proxy = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"), "")
    with _asking_for_a_password() as url:
        desk.work.git("remote", "set-url", "org", url.replace("http://", "http://ada:hunter2@"))
        shown = run_in_terminal(desk.project, "sync", env=without_proxy)
        assert shown.status == 7, shown.screen
        desk.work.git("remote", "set-url", "org", url)
        again = run_in_terminal(desk.project, "sync", env=without_proxy)
    for screen in (shown.screen, again.screen):
        assert "org wants to know who you are" in screen, screen
        assert "hunter2" not in screen
        assert "Username" not in screen.replace("could not read Username", "")
    assert desk.origin.tip("dev") == desk.work.tip("dev")


def test_pre_push_hook_that_fails_stops_the_pushes_and_is_quoted(desk: Desk) -> None:
    """Hooks are the user's: they run, and they count; what is not committed is kept all the same."""
    desk.work.hook("pre-push", "echo the tests are red >&2; exit 1")
    desk.work.write("new", "new\n")
    before = desk.origin.refs(), desk.org.refs()
    done = desk.sync(expect=7)
    assert "the tests are red" in done.err
    assert (desk.origin.refs(), desk.org.refs()) == before
    assert "kept 1 file in refs/" in done.out


def test_pre_commit_hook_that_fails_stops_the_commit_and_nothing_else(desk: Desk) -> None:
    """The work is kept beside the branch, and what was committed before is pushed."""
    desk.configure(f"{BARE}    commit: auto\n")
    desk.work.hook("pre-commit", "echo not formatted >&2; exit 1")
    desk.work.write("new", "new\n")
    before = read_ledger(desk.work)
    done = desk.sync(expect=7)
    assert "not formatted" in done.err
    assert "kept 1 file in refs/" in done.out
    assert not find_losses(before, desk.work)
    assert desk.is_everywhere("dev")


# -- the work tree


@pytest.mark.parametrize("policy", ["never", "auto"])
def test_files_of_any_name_are_kept_or_committed(desk: Desk, policy: str) -> None:
    """Newline, quote, leading dash, no UTF-8: each arrives with its content under its name."""
    desk.configure(f"{BARE}    commit: {policy}\n")
    names = [name for name in PATHS if not (desk.work.folder / name).exists() and not name.startswith("dir/")]
    for name in names:
        desk.work.write(name, f"{name!a}\n")
    before = read_ledger(desk.work)
    done = desk.sync()
    assert not find_losses(before, desk.work, commits_on="dev" if policy == "auto" else "")
    if policy == "auto":
        assert set(names) <= set(desk.origin.git("ls-tree", "-r", "-z", "--name-only", "dev").split("\0"))
    else:
        kept = re.search(rf"kept {len(names)} files in (\S+);", done.out)
        assert kept, str(done)
        assert set(names) <= set(desk.work.git("ls-tree", "-r", "-z", "--name-only", f"{kept[1]}^3").split("\0"))
    assert "\\udc" not in done.text


@pytest.mark.parametrize(
    ("enter", "word"),
    [
        (("checkout", "-q", "--detach"), "detached"),
        (("merge", "-q", "--no-commit", "--no-ff", "side"), "merge"),
        (("rebase", "-q", "-x", "false", "--no-ff", "master"), "rebase"),
        (("bisect", "start"), "bisect"),
        (("checkout", "-q", "--orphan", "fresh"), "no commit"),
    ],
    ids=["detached", "merge", "rebase", "bisect", "unborn"],
)
def test_repository_in_the_middle_of_something_is_told_and_left_so(
    desk: Desk, enter: tuple[str, ...], word: str
) -> None:
    """A sentence each; the branches that can be pushed are, and the work tree stays in the middle of it."""
    desk.configure(f"{RULES}    commit: auto\n")
    desk.work.git("branch", "side", "master")
    desk.work.git("checkout", "-q", "side")
    desk.work.commit("side", "side\n", "side")
    desk.work.git("checkout", "-q", "dev")
    desk.work.git(*enter, check=False)
    desk.work.write("new", "new\n")
    before = read_ledger(desk.work)
    done = desk.project.run("sync")
    assert done.status in {0, 7}, str(done)
    assert "Traceback" not in done.text
    assert word in done.text, str(done)
    assert not find_losses(before, desk.work, commits_on="fresh", by_head=False)
    assert desk.is_everywhere("dev")


# -- the disk


@pytest.fixture
def small_disk(desk: Desk) -> Iterator[Path]:
    """Give the folder of the repository's objects, on a file system with little room; unmounted whatever happens."""
    if sys.platform != "linux" or shutil.which("mount") is None:
        pytest.fail("this test mounts a small tmpfs: it needs Linux and root")
    objects = desk.work.folder / ".git" / "objects"
    aside = objects.rename(objects.with_name("objects.aside"))
    objects.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_KIB}k", "devenv-test", str(objects)], check=True)
    try:
        shutil.copytree(aside, objects, dirs_exist_ok=True)
        yield objects
    finally:
        subprocess.run(["umount", "--lazy", str(objects)], check=True)


def test_disk_that_is_full_while_work_is_kept_loses_nothing(desk: Desk, small_disk: Path) -> None:
    """Told as such, with exit 7; the file is where it was, no half ref, and what was committed is pushed."""
    desk.work.write("big", os.urandom(2 * SMALL_KIB << 10))
    before = read_ledger(desk.work)
    done = desk.sync(expect=7)
    assert "No space left on device" in done.err, str(done)
    assert not find_losses(before, desk.work)
    assert not [ref for ref in desk.work.refs() if "devenv" in ref]
    assert desk.is_everywhere("dev")
    assert not list(small_disk.glob("tmp*")), "the room that was taken is free again"
    (desk.work.folder / "big").write_bytes(b"small by now\n")
    assert "kept 1 file" in desk.sync().out


def test_file_system_that_takes_no_more_bytes_loses_nothing(desk: Desk) -> None:
    """The same where every file is cut off: whatever git or devenv writes fails, and nothing that was there goes."""
    desk.work.write("big", os.urandom(1 << 20))
    before = read_ledger(desk.work)
    done = subprocess.run(
        ["bash", "-c", "ulimit -f 64; trap '' XFSZ; exec \"$@\"", "bash", *COMMAND, "sync"],
        cwd=desk.work.folder, env=desk.project.environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 7, done
    assert "Traceback" not in done.stderr
    assert not find_losses(before, desk.work)
    assert "kept 1 file" in desk.sync().out


def test_signal_to_the_whole_group_ends_it_as_ctrl_c_on_a_terminal_does(desk: Desk, tmp_path: Path) -> None:
    """A terminal tells everybody at once: still 130, and no word of git's own between."""
    mark = tmp_path / "receiving"
    desk.origin.hook("pre-receive", lingering(mark))
    with under_way(desk, mark, "sync") as started:
        os.killpg(started.pid, signal.SIGINT)
        _, err = started.communicate(timeout=20)
    assert started.returncode == 130, err
    assert not desk.gits()


def _type_the_fix(desk: Desk, err: str) -> None:
    """Run the command that the report names."""
    fix = re.search(r"fix: (git .*)", err)
    assert fix, err
    env = desk.project.environment()
    subprocess.run(["sh", "-c", fix[1]], cwd=desk.work.folder, env=env, check=True, capture_output=True)
