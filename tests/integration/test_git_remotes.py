"""Questions to remotes, on real git: only their own answer counts, and nobody is asked or waited for."""

from __future__ import annotations

import os
import pty
import socket
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from devenv.adapters.git.command import Git
from devenv.adapters.git.looking import look
from devenv.adapters.git.remotes import ask_remotes
from devenv.domain.git_rules import Promotion, SyncRules
from devenv.domain.syncing import Outcome, PushRow
from devenv.sync.ports import Heads
from tests.support.git import Repository, git_environment, make_clone, make_remote, make_repository

pytestmark = pytest.mark.anyio

TIMEOUT_S = 30.0
"""Longer than any answer takes on a busy machine; what is to be late has its own."""


@pytest.fixture
def remote(tmp_path: Path) -> Repository:
    """Return a bare repository."""
    return make_remote(tmp_path / "remote")


@pytest.fixture
def here(tmp_path: Path, remote: Repository) -> Repository:
    """Return a repository on `dev` that the remote `origin` has, with nothing to push."""
    made = make_repository(tmp_path / "here")
    made.commit("file", "one\n", "one")
    made.git("remote", "add", "origin", str(remote.folder))
    made.git("push", "-q", "origin", "dev")
    return made


async def ask(
    repository: Repository,
    *remotes: str,
    branches: tuple[str, ...] = (),
    promote: Promotion | None = None,
    timeout_s: float = TIMEOUT_S,
    environment: dict[str, str] | None = None,
) -> tuple[Heads, tuple[PushRow, ...]]:
    """Ask these remotes."""
    git = Git(folder=str(repository.folder), environment=git_environment() | (environment or {}))
    state = await look(git)
    rules = SyncRules(
        repos=(state.root,), remotes=remotes or ("origin",), branches=branches, promote=promote, timeout_s=timeout_s
    )
    return await ask_remotes(git, state, rules)


async def ask_silent(repository: Repository, url: str, timeout_s: float = TIMEOUT_S, **environment: str) -> PushRow:
    """Ask a remote that gives no answer; return the row that says so."""
    repository.git("remote", "set-url", "origin", url)
    heads, rows = await ask(repository, timeout_s=timeout_s, environment=environment)
    assert heads == {}
    (row,) = rows
    assert (row.branch, row.remote, row.outcome) == ("dev", "origin", Outcome.FAILED)
    return row


@contextmanager
def http_server(status: int, body: str = "") -> Iterator[str]:
    """Answer every request with `status`, and with a challenge where that is 401; yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="here"')
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/shop.git"
        finally:
            server.shutdown()
            thread.join()


def script(path: Path, text: str) -> Path:
    """Write a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def calls_of(program: Path) -> list[str]:
    """Return the arguments of each call of a script that notes them."""
    return Path(f"{program}.log").read_text().splitlines()


async def test_remote_tells_what_it_has_whatever_is_remembered_of_it(here: Repository, remote: Repository) -> None:
    """The ref here that follows the remote said that all was well, while the remote was behind."""
    tip = here.tip("dev")
    here.commit("file", "two\n", "two")
    here.git("update-ref", "refs/remotes/origin/dev", "dev")

    assert await ask(here) == ({"origin": {"dev": tip}}, ())

    remote.git("update-ref", "-d", "refs/heads/dev")
    assert await ask(here) == ({"origin": {}}, ())


async def test_branches_of_the_promotion_are_asked_for_too(here: Repository, remote: Repository) -> None:
    """A promotion begins with what the remote has; other branches, and such as end alike, are nobody's question."""
    tip = here.tip("dev")
    for name in ("master", "other", "x/refs/heads/master"):
        remote.git("update-ref", f"refs/heads/{name}", tip)

    heads, _ = await ask(here, promote=Promotion(source="dev", target="master"))

    assert heads == {"origin": {"dev": tip, "master": tip}}


async def test_silent_remote_has_a_row_for_every_branch(here: Repository, tmp_path: Path) -> None:
    """And the other one is heard all the same."""
    here.git("remote", "add", "gone", str(tmp_path / "nowhere"))
    here.git("branch", "master")

    heads, rows = await ask(here, "gone", "origin", "org", branches=("dev", "master"))

    assert heads == {"origin": {"dev": here.tip("dev")}}
    assert [(row.remote, row.branch, row.outcome) for row in rows] == [
        (name, branch, Outcome.FAILED) for name in ("gone", "org") for branch in ("dev", "master")
    ]
    assert rows[0].why.startswith("gone leads to no repository: ")
    assert rows[0].fix == f"git -C {here.folder} remote set-url gone URL"
    assert rows[2].why == "there is no remote org (there are: origin, gone)"
    assert rows[2].fix == f"git -C {here.folder} remote add org URL"


async def test_all_push_urls_of_a_remote_are_asked(here: Repository, remote: Repository, tmp_path: Path) -> None:
    """A push goes to each: only what all have is there, and one that differs is what counts."""
    second = make_remote(tmp_path / "second")
    for one in (remote, second):
        here.git("remote", "set-url", "--add", "--push", "origin", str(one.folder))
    old = here.tip("dev")
    assert await ask(here) == ({"origin": {}}, ())

    here.git("push", "-q", "origin", "dev")
    here.commit("file", "two\n", "two")
    here.git("push", "-q", str(remote.folder), "dev")
    assert await ask(here) == ({"origin": {"dev": old}}, ())


async def test_nothing_is_asked_where_no_branch_is_meant(here: Repository) -> None:
    """A detached HEAD, and no branches in the rules."""
    here.git("checkout", "-q", "--detach")
    assert await ask(here, "origin", "org") == ({}, ())


async def test_question_for_a_password_is_an_answer(here: Repository) -> None:
    """Authentication: said, and left to the person, by hand."""
    with http_server(401) as url:
        row = await ask_silent(here, url)

    assert row.why.startswith("origin wants to know who you are")
    assert row.fix == f"git -C {here.folder} ls-remote origin"


def test_nobody_is_asked_with_a_terminal_and_a_helper_at_hand(here: Repository, tmp_path: Path) -> None:
    """Neither the terminal nor the user's own askpass program hears of the question."""
    called = tmp_path / "called"
    helper = script(tmp_path / "askpass", f'echo "$1" >> {called}\necho secret')
    here.git("config", "core.askPass", str(helper))
    program = textwrap.dedent(
        """
        import sys, os, anyio
        from devenv.adapters.git.command import Git
        from devenv.adapters.git.looking import look
        from devenv.adapters.git.remotes import ask_remotes
        from devenv.domain.git_rules import SyncRules
        async def main():
            git = Git(folder=sys.argv[1])
            state = await look(git)
            print((await ask_remotes(git, state, SyncRules(repos=(state.root,))))[1][0].why)
        anyio.run(main)
        """
    )
    asking = dict.fromkeys(("GIT_ASKPASS", "SSH_ASKPASS"), str(helper)) | {"DISPLAY": ":0", "GIT_TERMINAL_PROMPT": "1"}
    with http_server(401) as url:
        here.git("remote", "set-url", "origin", url)
        status, shown = run_on_a_terminal([sys.executable, "-c", program, str(here.folder)], git_environment() | asking)

    assert status == 0
    assert shown.startswith("origin wants to know who you are")
    assert len(shown.splitlines()) == 1
    assert not called.exists()


def run_on_a_terminal(words: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Run a program that has a terminal of its own; return its status and all that the terminal showed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(Path(__file__).parents[2])
        os.execvpe(words[0], words, environment)
    shown = bytearray()
    with closing(os.fdopen(terminal, "rb", buffering=0)) as reader:
        try:
            while chunk := reader.read(4096):
                shown += chunk
        except OSError:  # the other end is closed
            pass
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (403, "you may not write to origin: "),
        (404, "origin leads to no repository: "),
        (503, "the connection to origin broke off: "),
    ],
)
async def test_answer_of_a_server_is_a_sentence(here: Repository, status: int, why: str) -> None:
    """Each kind has its own."""
    with http_server(status) as url:
        assert (await ask_silent(here, url)).why.startswith(why)


async def test_no_password_is_in_what_is_said(here: Repository) -> None:
    """Git quotes the URL that failed."""
    with http_server(503) as url:
        row = await ask_silent(here, url.replace("://", "://ada:s3cret@"))
    assert "s3cret" not in f"{row.why}{row.fix}"
    assert "127.0.0.1" in row.why


async def test_words_of_a_server_cannot_steer_a_terminal(here: Repository) -> None:
    """They are text from outside."""
    ssh = script(
        here.folder / "evil",
        r"printf '\033[2J\033]0;title\007evil\000\r\nPermission denied (publickey).\n' >&2; exit 255",
    )
    row = await ask_silent(here, "ssh://host.invalid/shop", GIT_SSH_COMMAND=str(ssh))
    assert row.why.isprintable()
    assert row.why.endswith("Permission denied (publickey).")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "git://127.0.0.1:1/x", "http://nowhere.invalid/x"])
async def test_remote_that_cannot_be_reached_says_so(here: Repository, url: str) -> None:
    """Offline, or a server that is down."""
    row = await ask_silent(here, url)
    assert row.why.startswith("origin cannot be reached: ")
    assert row.fix == f"git -C {here.folder} ls-remote origin"


async def test_server_that_accepts_and_says_nothing_is_not_waited_for(here: Repository) -> None:
    """The deadline is one of the rules."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        row = await ask_silent(here, f"git://127.0.0.1:{server.getsockname()[1]}/x", timeout_s=0.5)
    assert row.why == "origin gave no answer within 0.5 s"


async def test_ssh_that_hangs_is_ended(here: Repository, tmp_path: Path) -> None:
    """With all that it started: the leak check finds what is left."""
    ssh = script(tmp_path / "hanging", "sleep 1000 & wait")
    row = await ask_silent(here, "ssh://host.invalid/shop", timeout_s=0.5, GIT_SSH_COMMAND=str(ssh))
    assert row.why == "origin gave no answer within 0.5 s"


FAKE_SSH = 'echo "$@" >> "$0.log"\n[ "$1" = -G ] && exit 1\nwhile [ $# -gt 1 ]; do shift; done\nexec sh -c "$1"'
"""An ssh to this machine, that tells how it was called."""


@pytest.mark.parametrize("way", ["core.sshCommand", "GIT_SSH_COMMAND", "GIT_SSH"])
async def test_ssh_that_the_user_chose_is_used(here: Repository, remote: Repository, tmp_path: Path, way: str) -> None:
    """A key or a proxy may be in it. A program named ssh is told to ask nothing, any other is called as ever."""
    for name in ("ssh", "my ssh"):
        ssh = script(tmp_path / name / name, FAKE_SSH)
        here.git("remote", "set-url", "origin", f"ssh://host.invalid{remote.folder}")
        given = str(ssh) if way == "GIT_SSH" else f"'{ssh}'"
        if way == "core.sshCommand":
            here.git("config", way, given)
        heads, rows = await ask(here, environment={} if way == "core.sshCommand" else {way: given})

        assert (heads, rows) == ({"origin": {"dev": here.tip("dev")}}, ())
        assert any("BatchMode=yes" in call for call in calls_of(ssh)) == (name == "ssh" and way != "GIT_SSH")


async def test_connection_that_breaks_off_is_tried_again(here: Repository, remote: Repository, tmp_path: Path) -> None:
    """What passes is no reason to leave work behind."""
    ssh = script(tmp_path / "ssh", f'[ -e "$0.log" ] || {{ echo "$@" >> "$0.log"; {BREAK_OFF}; }}\n{FAKE_SSH}')
    here.git("remote", "set-url", "origin", f"ssh://host.invalid{remote.folder}")

    assert (await ask(here, environment={"GIT_SSH_COMMAND": str(ssh)}))[0] == {"origin": {"dev": here.tip("dev")}}
    assert len(calls_of(ssh)) == 2


BREAK_OFF = "echo 'kex_exchange_identification: read: Connection reset by peer' >&2; exit 255"


@pytest.mark.parametrize(
    ("says", "calls"),
    [
        ("Connection reset by peer", 3),
        ("git@host: Permission denied (publickey).", 1),
        ("Host key verification failed.", 1),
    ],
)
async def test_only_what_may_pass_is_tried_again_and_not_for_ever(
    here: Repository, tmp_path: Path, says: str, calls: int
) -> None:
    """Three attempts; a server that locks out who guesses passwords sees one."""
    ssh = script(tmp_path / "ssh", f'echo "$@" >> "$0.log"; echo "{says}" >&2; exit 255')
    row = await ask_silent(here, "ssh://host.invalid/shop", GIT_SSH_COMMAND=str(ssh))

    assert says in row.why
    assert len(calls_of(ssh)) == calls


async def test_question_changes_no_ref(here: Repository, remote: Repository, tmp_path: Path) -> None:
    """Neither here nor there."""
    colleague = make_clone(tmp_path / "colleague", remote)
    colleague.git("checkout", "-q", "dev")
    colleague.commit("theirs", "theirs\n", "theirs")
    colleague.git("push", "-q", "origin", "dev")
    before = here.refs(), remote.refs()

    await ask(here)

    assert (here.refs(), remote.refs()) == before
    assert not (here.folder / ".git" / "FETCH_HEAD").exists()
    here.git("fsck", "--strict")
