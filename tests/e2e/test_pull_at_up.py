"""`devenv up` starts from the latest work, and nothing of the user's is in danger for it."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.daemon import Devenv
from tests.support.git import ENVIRONMENT, Repository, make_clone, make_remote, make_repository
from tests.support.wait import until

GIT = "git: {pull: ff-only, branch: dev}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """A stack in a repository, its remote, and a colleague's clone."""

    project: Devenv
    mine: Repository
    remote: Repository
    theirs: Repository
    server: str

    def services(self, *names: str, git: str = GIT) -> str:
        """Return a services.yaml."""
        lines = "".join(f"  {name}: {{command: {self.server} 0}}\n" for name in names)
        return f"name: {self.project.name}\nservices:\n{lines}{git}\n"

    def push(self, path: str, text: str) -> str:
        """Let the colleague push a commit; return it."""
        commit = self.theirs.commit(path, text, f"change {path}")
        self.theirs.git("push", "-q", "origin", "HEAD:dev")
        return commit


@pytest.fixture
def team(project: Devenv, server: str, tmp_path: Path) -> Team:
    """Give a stack with one service, which is committed and pushed."""
    project.env.update(ENVIRONMENT)
    mine = make_repository(project.folder)
    remote = make_remote(tmp_path / "remote.git")
    mine.git("remote", "add", "origin", str(remote.folder))
    made = Team(project=project, mine=mine, remote=remote, theirs=Repository(folder=tmp_path / "theirs"), server=server)
    mine.commit("services.yaml", made.services("api"))
    mine.git("push", "-q", "-u", "origin", "dev")
    remote.git("symbolic-ref", "HEAD", "refs/heads/dev")
    make_clone(tmp_path / "theirs", remote)
    return made


def test_up_pulls_what_colleagues_pushed(team: Team) -> None:
    """It says how many commits; the next `up` pulls what came since then, while everything runs."""
    team.push("code", "one\n")
    last = team.push("code", "two\n")
    done = team.project.up()
    assert "pulled 2 commits of origin/dev" in done.text
    assert team.mine.tip("HEAD") == last
    before = team.project.identities()
    last = team.push("code", "three\n")
    assert "pulled 1 commit of origin/dev" in team.project.up().text
    assert team.mine.tip("HEAD") == last
    assert team.project.identities() == before
    assert "pulled" not in team.project.up().text


def test_services_of_the_pulled_configuration_start(team: Team) -> None:
    """A service that a colleague added starts at once, and the change is said before the first start."""
    team.push("services.yaml", team.services("api", "web"))
    done = team.project.up("--progress", "plain")
    assert team.project.states() == {"api": "ready", "web": "ready"}
    lines = done.text.splitlines()
    said = next(place for place, line in enumerate(lines) if "reading services.yaml anew" in line)
    first = next(place for place, line in enumerate(lines) if "api: " in line or "web: " in line)
    assert said < first, str(done)


def test_service_whose_definition_was_pulled_is_replaced(team: Team) -> None:
    """It ran already; the others go on as they were."""
    team.mine.commit("services.yaml", team.services("api", "web"))
    team.mine.git("push", "-q")
    team.theirs.git("pull", "-q")
    team.project.up()
    before = team.project.identities()
    changed = team.services("api", "web").replace("web: {command: ", "web: {environment: {BODY: new}, command: ")
    team.push("services.yaml", changed)
    team.project.up()
    after = team.project.identities()
    assert after["api"] == before["api"]
    assert after["web"] != before["web"]


def test_broken_configuration_that_was_pulled_is_reported_and_starts_nothing(team: Team) -> None:
    """Not the old one in its place: that is not what is in the folder."""
    team.push("services.yaml", "services: {api: {commando: x}}\n")
    done = team.project.up(expect=2)
    assert "pulled 1 commit of origin/dev" in done.text
    assert "commando" in done.text
    assert team.project.states() == {}


def test_lock_file_that_was_pulled_is_named_with_what_installs_it(team: Team) -> None:
    """The packages are older than the code now."""
    team.push("web/package-lock.json", '{"lockfileVersion": 3, "packages": {}}\n')
    assert "web/package-lock.json (`cd web && npm ci`)" in team.project.up().text


def test_uncommitted_work_is_not_touched(team: Team) -> None:
    """The stack starts with it, and the command is named."""
    team.push("code", "theirs\n")
    mine = team.services("api", "mine")
    team.mine.write("services.yaml", mine)
    team.mine.write("notes", "untracked\n")
    before = team.mine.tip("HEAD")
    done = team.project.up()
    said = "dev is 1 commit behind origin/dev, not pulled: 1 file changed (git pull --ff-only)"
    assert said in done.text
    assert (team.mine.folder / "services.yaml").read_text() == mine
    assert team.mine.tip("HEAD") == before
    assert team.project.states() == {"api": "ready", "mine": "ready"}


def test_diverged_branch_is_left_as_it_is(team: Team) -> None:
    """No merge is made; the stack starts."""
    team.push("code", "theirs\n")
    own = team.mine.commit("mine")
    done = team.project.up()
    assert "dev and origin/dev have diverged (1 here, 1 there), not pulled" in done.text
    assert team.mine.tip("HEAD") == own


def test_remote_that_is_gone_is_one_warning(team: Team, tmp_path: Path) -> None:
    """Offline is no reason not to work."""
    team.remote.folder.rename(tmp_path / "moved.git")
    done = team.project.up()
    warnings = [line for line in done.text.splitlines() if "origin" in line]
    assert len(warnings) == 1, str(done)
    assert "cannot fetch from origin" in warnings[0]
    assert "starting with what is checked out" in warnings[0]


@pytest.fixture
def deaf_remote(team: Team, tmp_path: Path) -> Path:
    """Let the remote be one that takes calls and never answers; return the file with the pids of its ssh."""
    script = tmp_path / "deaf-ssh"
    pids = tmp_path / "pids"
    script.write_text(f"#!/bin/sh\necho $$ >> {pids}\nexec {sys.executable} -S -E -c 'import time; time.sleep(1000)'\n")
    script.chmod(0o755)
    team.mine.git("remote", "set-url", "origin", "ssh://nowhere.invalid/x")
    team.project.env["GIT_SSH_COMMAND"] = str(script)
    return pids


def _alive(pids: Path) -> list[int]:
    numbers = [int(word) for word in pids.read_text().split()] if pids.exists() else []
    return [number for number in numbers if processes.identify(number)]


def _expect_no_call(pids: Path) -> None:
    """Hold that nobody speaks with the remote any more, but for the moment that a killed process takes to go."""
    assert pids.read_text()
    until(lambda: not _alive(pids), deadline_s=2, what="the end of the ssh")


def test_remote_that_hangs_keeps_nothing_from_starting(team: Team, deaf_remote: Path) -> None:
    """It is said; the `up` ends when all is ready, and no git outlives it."""
    done = team.project.up()
    assert "origin has not answered after 3 s: starting with what is checked out" in done.text
    assert team.project.states() == {"api": "ready"}
    _expect_no_call(deaf_remote)


def test_interrupt_while_a_remote_hangs_leaves_no_git(team: Team, deaf_remote: Path) -> None:
    """Nothing was started, and nothing is left."""
    up = team.project.start("up")
    try:
        until(lambda: _alive(deaf_remote), deadline_s=15, what="the call of the remote", poll_s=0.02)
        up.send_signal(signal.SIGINT)
        _, err = up.communicate(timeout=15)
    finally:
        up.kill()
        up.communicate()
    assert up.returncode == 130, err
    assert "Traceback" not in err
    _expect_no_call(deaf_remote)
    assert not team.project.left()


def test_down_ends_an_up_that_waits_for_a_remote(team: Team, deaf_remote: Path) -> None:
    """With its git."""
    up = team.project.start("up")
    try:
        until(lambda: _alive(deaf_remote), deadline_s=15, what="the call of the remote", poll_s=0.02)
        team.project.down("--no-sync")
        _, err = up.communicate(timeout=15)
    finally:
        up.kill()
        up.communicate()
    assert up.returncode != 0, err
    _expect_no_call(deaf_remote)


def test_other_branch_is_a_warning_and_never_switched(team: Team) -> None:
    """What the branch follows is asked for all the same; the branch of the rules stays where it was."""
    team.push("code", "theirs\n")
    team.mine.git("switch", "-q", "-c", "topic")
    before = team.mine.refs()
    done = team.project.up()
    assert "topic is checked out, not dev" in done.text
    assert "git switch dev" in done.text
    assert "nothing is pulled: origin has no branch topic" in done.text
    assert team.mine.git("symbolic-ref", "--short", "HEAD") == "topic"
    assert team.mine.refs() == before


def test_detached_head_is_a_warning(team: Team) -> None:
    """There is nothing to move; the stack starts."""
    team.push("code", "theirs\n")
    team.mine.git("switch", "-q", "--detach")
    before = team.mine.refs()
    done = team.project.up()
    assert "no branch (" in done.text
    assert "nothing is pulled: HEAD is detached" in done.text
    assert team.mine.refs() == before


@pytest.mark.parametrize("words", [("up", "--no-pull"), ("up", "--dry-run"), ("start", "api"), ("restart", "api")])
def test_only_an_up_pulls(team: Team, words: tuple[str, ...]) -> None:
    """A restart in the middle of the day moves no file, and a dry run asks no remote."""
    team.project.up()
    team.push("code", "theirs\n")
    before = team.mine.refs()
    done = team.project.run(*words)
    assert done.status == 0, str(done)
    assert team.mine.refs() == before
    assert "pulled" not in done.text


def test_dry_run_warns_of_the_branch(team: Team) -> None:
    """That needs no remote."""
    team.mine.git("switch", "-q", "-c", "topic")
    assert "topic is checked out, not dev" in team.project.run("up", "--dry-run").text


@pytest.mark.parametrize("git", ["", "git: {pull: off}", "git: {sync: {remotes: [origin]}}"])
def test_nothing_is_fetched_without_pull(team: Team, git: str) -> None:
    """That is the default."""
    team.push("code", "theirs\n")
    team.mine.commit("services.yaml", team.services("api", git=git))
    before = team.mine.refs()
    team.project.up()
    assert team.mine.refs() == before


def test_stack_outside_every_repository_starts_with_a_warning(project: Devenv, server: str) -> None:
    """As an unpacked archive does."""
    project.write(f"services: {{api: {{command: {server} 0}}}}\n{GIT}\n")
    done = project.up(GIT_CEILING_DIRECTORIES=str(project.folder.parent))
    assert "it is in no git repository" in done.text
    assert project.states() == {"api": "ready"}


def test_machine_without_git_starts_with_a_warning(team: Team, tmp_path: Path) -> None:
    """Everything else is there."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "sleep", "env"):
        (programs / name).symlink_to(f"/bin/{name}")
    done = team.project.up(PATH=f"{Path(sys.executable).parent}:{programs}")
    assert "there is no program git on PATH" in done.text
    assert team.project.states() == {"api": "ready"}


def test_every_repository_of_the_sync_is_pulled(team: Team, tmp_path: Path) -> None:
    """The documentation beside the code is as new as the code."""
    docs_remote = make_remote(tmp_path / "docs.git")
    first = make_repository(tmp_path / "first")
    first.commit("page")
    first.git("push", "-q", str(docs_remote.folder), "dev")
    docs_remote.git("symbolic-ref", "HEAD", "refs/heads/dev")
    docs = make_clone(tmp_path / "docs", docs_remote)
    last = first.commit("page", "newer\n")
    first.git("push", "-q", str(docs_remote.folder), "dev")
    git = "git: {pull: ff-only, sync: {repos: [., ../docs]}}"
    team.mine.commit("services.yaml", team.services("api", git=git))
    done = team.project.up()
    assert "../docs: pulled 1 commit of origin/dev" in done.text
    assert docs.tip("HEAD") == last


def test_commits_of_a_slow_remote_are_pulled_while_services_start(team: Team, tmp_path: Path) -> None:
    """They come after the wait, change neither stack nor packages, and something still starts."""
    script = tmp_path / "slow-ssh"
    script.write_text('#!/bin/sh\nsleep 4\neval "$2"\n')
    script.chmod(0o755)
    team.project.env.update({"GIT_SSH_COMMAND": str(script), "GIT_SSH_VARIANT": "simple"})
    slow = f"{team.services('api')}".replace(
        "\ngit:", "\n  slow: {command: sleep 1000, ready: {exec: test -f code}}\ngit:"
    )
    team.push("services.yaml", slow)
    team.mine.git("pull", "-q")
    last = team.push("code", "theirs\n")
    team.mine.git("remote", "set-url", "origin", f"ssh://nowhere.invalid{team.remote.folder}")
    done = team.project.up()
    assert done.text.index("origin has not answered after 3 s") < done.text.index("pulled 1 commit of origin/dev")
    assert team.mine.tip("HEAD") == last


@pytest.mark.usefixtures("engine")
def test_containers_of_the_pulled_compose_file_are_made(team: Team) -> None:
    """The engine works on the project as it was pulled, not as it was first read."""
    team.push("compose.yaml", "services: {box: {image: fixture/busybox, command: sleep 1000}}\n")
    team.push("services.yaml", team.services("api", git=f"compose: compose.yaml\n{GIT}"))
    assert "pulled 2 commits" in team.project.up().text
    assert team.project.states() == {"api": "ready", "box": "ready"}
    before = team.project.identities()
    made = "{image: fixture/busybox, command: sleep 1001}"
    team.push("compose.yaml", f"services: {{box: {made}, new: {made}}}\n")
    assert "reading compose.yaml anew" in team.project.up().text
    assert team.project.states() == {"api": "ready", "box": "ready", "new": "ready"}
    after = team.project.identities()
    assert after["api"] == before["api"]
    assert after["box"] != before["box"]
