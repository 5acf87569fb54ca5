"""The end of the day: `devenv down` and `devenv sync` get the work to every remote, and say where they could not."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.desks import BARE, RULES, Desk, lingering, make_desk, under_way
from tests.e2e.terminals import run_in_terminal
from tests.support.daemon import Devenv
from tests.support.git import Repository, make_repository
from tests.support.git_lab import KEY
from tests.support.git_ledger import find_losses, read_ledger
from tests.support.wait import until

ASK = f"{RULES}    commit: ask\n"
AUTO = f"{RULES}    commit: auto\n"


@pytest.fixture
def desk(project: Devenv) -> Desk:
    """Return a desk with a commit that no remote has."""
    return make_desk(project)


# -- down


def test_down_stops_the_services_and_gets_every_branch_to_every_remote(desk: Desk, server: str) -> None:
    """The issue's example: the table repository x branch x remote, dev promoted to master, exit 0."""
    desk.configure(RULES, f"services: {{web: {{command: {server} 0}}}}")
    desk.project.up()
    done = desk.project.down()
    assert not desk.project.left()
    table = [line.split() for line in done.out[done.out.index("REPOSITORY") :].splitlines()]
    assert table[0] == ["REPOSITORY", "BRANCH", "REMOTE", "RESULT"]
    assert sorted(row[1:] for row in table[1:]) == [
        [branch, remote, "pushed", "1", "commit"] for branch in ("dev", "master") for remote in ("org", "origin")
    ]
    assert desk.is_everywhere()
    assert desk.work.tip("master") == desk.work.tip("dev")
    assert desk.work.git("symbolic-ref", "--short", "HEAD") == "dev"


def _let_one_be_ahead(desk: Desk) -> None:
    desk.work.git("reset", "-q", "--hard", "HEAD~1")
    desk.advance(desk.org)


def _let_one_diverge(desk: Desk) -> None:
    desk.advance(desk.org)


def _let_one_reject(desk: Desk) -> None:
    desk.org.hook("pre-receive", "echo nobody pushes on a Friday >&2; exit 1")


@pytest.mark.parametrize(
    ("prepare", "word"),
    [(_let_one_be_ahead, "behind by 1 commit"), (_let_one_diverge, "diverged"), (_let_one_reject, "failed")],
    ids=["ahead", "diverged", "rejecting"],
)
def test_down_ends_with_7_and_no_service_where_a_remote_did_not_get_all(
    desk: Desk, server: str, prepare: Callable[[Desk], None], word: str
) -> None:
    """The services are gone all the same, the other remote has all, and the one that has not is named with a fix."""
    prepare(desk)
    desk.configure(BARE, f"services: {{web: {{command: {server} 0}}}}")
    desk.project.up()
    done = desk.project.down(expect=7)
    assert not desk.project.left()
    assert re.search(rf"dev +org +{word}", done.out), str(done)
    assert re.search(r"cannot push dev of \S+ to org", done.err), str(done)
    assert "fix: git " in done.err
    assert desk.origin.tip("dev") == desk.work.tip("dev")


def test_down_leaves_the_remotes_alone_when_told_to(desk: Desk, server: str) -> None:
    """`--no-sync`: nothing of git is even said."""
    desk.configure(RULES, f"services: {{web: {{command: {server} 0}}}}")
    before = desk.origin.refs()
    desk.project.up()
    done = desk.project.down("--no-sync")
    assert desk.origin.refs() == before
    assert "REPOSITORY" not in done.out


def test_down_with_nothing_running_syncs_all_the_same(desk: Desk) -> None:
    """Work is to be safe in the evening, whether or not something ran."""
    desk.project.down()
    assert desk.is_everywhere()


def test_json_of_down_is_one_document_with_the_report_in_it(desk: Desk) -> None:
    """A program reads status and rows from one place."""
    desk.org.hook("pre-receive", "exit 1")
    document = desk.project.down("--json", expect=7).json()
    assert (document["status"], document["verb"], document["sync"]["status"]) == (7, "down", 7)
    assert {row["outcome"] for row in document["sync"]["repositories"][0]["rows"]} == {"pushed", "failed"}


def test_failure_of_down_itself_decides_the_status(desk: Desk) -> None:
    """The first cause counts: a stack that cannot even be read (2), with a remote that rejects (7)."""
    desk.org.hook("pre-receive", "exit 1")
    desk.configure(RULES, "services: {web: {comand: x}}")
    done = desk.project.run("down")
    assert desk.origin.tip("dev") == desk.work.tip("dev"), str(done)
    assert done.status in {2, 7}


# -- sync alone


def test_sync_works_from_a_subfolder_and_in_a_pipe(desk: Desk) -> None:
    """No daemon is started, no escape code is written, and the table is the data."""
    inside = desk.project.folder / "deep" / "inside"
    inside.mkdir(parents=True)
    done = desk.project.run("sync", cwd=inside)
    assert done.status == 0, str(done)
    assert "\x1b" not in done.text
    assert "REPOSITORY" in done.out
    assert "REPOSITORY" not in done.err
    assert desk.is_everywhere()
    assert not desk.project.processes()


def test_second_sync_finds_everything_there(desk: Desk) -> None:
    """Nothing is done twice, and that is said."""
    desk.sync()
    before = desk.work.refs(), desk.origin.refs(), desk.org.refs()
    rows = desk.sync().out.splitlines()[1:]
    assert len(rows) == 4
    assert all(row.endswith("already there") for row in rows), rows
    assert (desk.work.refs(), desk.origin.refs(), desk.org.refs()) == before


def test_json_names_every_row_and_every_failure(desk: Desk) -> None:
    """One valid document, whose status is the exit status, and whose failures say what, why and fix."""
    desk.advance(desk.org)
    document = desk.sync("--json", expect=7).json()
    assert (document["version"], document["status"], document["is_complete"]) == (1, 7, False)
    rows = {(row["branch"], row["remote"]): row["outcome"] for row in document["repositories"][0]["rows"]}
    assert rows["dev", "org"] == "diverged"
    assert rows["dev", "origin"] == "pushed"
    assert [one["code"] for one in document["failures"]]
    for failure in document["failures"]:
        assert failure["code"] == "sync-incomplete"
        assert failure["what"]
        assert failure["fix"], failure


def test_dry_run_changes_nothing_anywhere(desk: Desk) -> None:
    """It says what would be pushed, promoted and committed; every ref, file and index stays."""
    desk.configure(AUTO)
    desk.work.write("new", "new\n")
    before = read_ledger(desk.work), desk.origin.refs(), desk.org.refs()
    done = desk.sync("--dry-run")
    assert (read_ledger(desk.work), desk.origin.refs(), desk.org.refs()) == before
    assert re.search(r"dev +origin +would push 1 commit", done.out), str(done)
    assert re.search(r"master +org +would push 1 commit", done.out), str(done)
    assert "would promote 1 commit of dev to master" in done.out
    assert "would commit 1 file on dev" in done.out


def test_sync_without_rules_says_what_to_write(desk: Desk) -> None:
    """Exit 2, and the line to add."""
    desk.project.write("services: {}\n")
    done = desk.sync(expect=2)
    assert "git: {sync: {remotes: [origin]}}" in done.err


def test_mistake_elsewhere_in_the_file_keeps_no_sync_from_running(desk: Desk) -> None:
    """In the evening a typing error in a service is not the time to lose the day's work."""
    desk.configure(RULES, "services: {web: {comand: x, port: [99999999]}}")
    desk.sync()
    assert desk.is_everywhere()


# -- what is not committed


def test_work_that_is_not_committed_comes_back_by_the_command_of_the_report(desk: Desk) -> None:
    """Staged, unstaged, untracked and deleted: all lost on purpose, all back, the index as it was."""
    work = desk.work
    for path in ("staged", "both", "gone"):
        work.commit(path, f"{path} before\n")
    for path in ("staged", "both"):
        work.write(path, f"{path} staged\n")
    work.git("add", "staged", "both")
    work.write("both", "both unstaged\n")
    (work.folder / "gone").unlink()
    work.write("folder/untracked", "untracked\n")
    work.write('odd "name\n', "odd\n")
    before = read_ledger(work)
    done = desk.sync()
    assert not find_losses(before, work)
    command = re.search(r"kept 5 files in (\S+); to get it back: (.*)", done.out)
    assert command, str(done)
    assert command[1] in work.refs()
    work.git("reset", "-q", "--hard")
    work.git("clean", "-fdq")
    subprocess.run(["sh", "-c", command[2]], cwd=work.folder, env=desk.project.environment(), check=True)
    after, was = read_ledger(work).trees[work.folder], before.trees[work.folder]
    assert {path: file.content for path, file in after.files.items()} == {
        path: file.content for path, file in was.files.items()
    }
    assert after.status == was.status
    assert not any("recovery" in ref for ref in {**desk.origin.refs(), **desk.org.refs()}), (
        "it never leaves this machine"
    )


def test_automatic_commit_leaves_out_secrets_by_name(desk: Desk) -> None:
    """`.env` and a key stay where they are, and no remote ever has them; the rest is pushed."""
    desk.configure(AUTO)
    desk.work.write("new", "new\n")
    desk.work.write("deploy/.env.local", "PASSWORD=hunter2hunter2\n")
    desk.work.write("settings.py", f"aws_key = '{KEY}'\n")
    done = desk.sync()
    assert "left out deploy/.env.local: " in done.out, str(done)
    assert "left out settings.py: " in done.out
    assert KEY not in done.text
    assert "hunter2" not in done.text
    assert desk.work.git("show", "--format=%s", "--name-only", "HEAD").split("\n\n")[1] == "new"
    assert desk.is_everywhere()
    assert desk.work.git("status", "--porcelain", "-uall").splitlines() == ["?? deploy/.env.local", "?? settings.py"]


def test_question_that_nobody_can_answer_keeps_the_work_beside_the_branch(desk: Desk) -> None:
    """`commit: ask` in a pipe: no commit, a recovery ref, and a sentence."""
    desk.configure(ASK)
    desk.work.write("new", "new\n")
    head = desk.work.tip("HEAD")
    done = desk.sync()
    assert desk.work.tip("HEAD") == head
    assert "nobody can be asked here" in done.out
    assert "kept 1 file in refs/" in done.out


@pytest.mark.parametrize("answer", ["y\n", "n\n", "\n"], ids=["yes", "no", "nothing"])
def test_answer_decides_about_the_commit(desk: Desk, answer: str) -> None:
    """The files are shown first; only a yes commits, anything else keeps."""
    desk.configure(ASK)
    desk.work.write("new", "new\n")
    shown = run_in_terminal(desk.project, "sync", answers=[("[y/N]", answer)])
    assert shown.status == 0, shown.screen
    assert shown.screen.index("  new") < shown.screen.index("[y/N]")
    is_committed = desk.work.git("log", "-1", "--format=%s").startswith("chore: end of day")
    assert is_committed == (answer == "y\n")
    assert ("kept 1 file" in shown.screen) == (answer != "y\n")
    assert desk.is_everywhere()


def test_interrupt_at_the_question_commits_nothing(desk: Desk) -> None:
    """Ctrl-C is no answer: 130 at once, nothing changed, and the next run asks again."""
    desk.configure(ASK)
    desk.work.write("new", "new\n")
    before = read_ledger(desk.work)
    shown = run_in_terminal(desk.project, "sync", answers=[("[y/N]", "\x03")], deadline_s=15)
    assert shown.status == 130, shown.screen
    assert "Traceback" not in shown.screen
    assert "cannot finish the sync" in shown.screen
    assert not find_losses(before, desk.work)
    assert not desk.gits()
    assert run_in_terminal(desk.project, "sync", answers=[("[y/N]", "y\n")]).status == 0
    assert desk.is_everywhere()


# -- promote, mirror


def test_conflict_of_a_promotion_changes_nothing_and_lists_the_files(desk: Desk) -> None:
    """Exit 7; dev is pushed all the same, master stays where it was, here and there."""
    desk.work.git("checkout", "-q", "master")
    desk.work.commit("today", "another today\n", "on master")
    desk.work.git("push", "-q", "origin", "master")
    desk.work.git("push", "-q", "org", "master")
    desk.work.git("checkout", "-q", "dev")
    before, master = read_ledger(desk.work), desk.work.tip("master")
    done = desk.sync(expect=7)
    assert re.search(r"cannot promote dev to master in \S+", done.err), str(done)
    assert "today" in done.err
    assert desk.tips("master") == [master] * 3
    assert desk.is_everywhere("dev")
    assert not find_losses(before, desk.work)


def test_promotion_merges_beside_the_work_tree(desk: Desk) -> None:
    """Both sides have commits: a real merge on master, while the files under the servers stay as they are."""
    desk.work.git("checkout", "-q", "master")
    desk.work.commit("hotfix", "hotfix\n", "hotfix")
    desk.work.git("checkout", "-q", "dev")
    desk.work.write("today", "edited under the servers\n")
    before = read_ledger(desk.work)
    desk.sync()
    assert not find_losses(before, desk.work)
    assert len(desk.work.git("log", "-1", "--format=%P", "master").split()) == 2
    assert desk.work.git("ls-tree", "--name-only", "master").splitlines() == [".gitignore", "base", "hotfix", "today"]
    assert desk.is_everywhere()


@pytest.fixture
def tenant(desk: Desk) -> Repository:
    """Return another repository, whose `app/services` is to be like our `services`."""
    made = make_repository(desk.project.folder.parent / "tenant")
    made.commit("app/services/own.py", "own\n", "own")
    desk.work.commit("services/shared.py", "shared 1\n")
    desk.work.commit("services/old.py", "old\n")
    desk.configure(
        f"{BARE}\n  mirror:\n  - {{from: services/, to: ../tenant/app/services/, commit: 'chore: shared services'}}\n"
    )
    return made


def test_mirror_copies_commits_and_deletes_only_what_it_brought(desk: Desk, tenant: Repository) -> None:
    """What the other repository has of its own stays; what left the source leaves the copy; each is one commit."""
    desk.sync()
    assert tenant.git("ls-tree", "-r", "--name-only", "HEAD").splitlines() == [
        "app/services/old.py", "app/services/own.py", "app/services/shared.py",
    ]  # fmt: skip
    (desk.work.folder / "services/old.py").unlink()
    desk.work.write("services/shared.py", "shared 2\n")
    done = desk.sync()
    assert (tenant.folder / "app/services/shared.py").read_text() == "shared 2\n"
    assert not (tenant.folder / "app/services/old.py").exists()
    assert (tenant.folder / "app/services/own.py").read_text() == "own\n"
    assert tenant.git("status", "--porcelain") == ""
    assert tenant.git("log", "-1", "--format=%s") == "chore: shared services"
    assert "1 file copied, 1 deleted" in done.out


def test_mirror_overwrites_no_edit_and_shows_it(desk: Desk, tenant: Repository) -> None:
    """Exit 7, the difference in the report, the edit as it was."""
    desk.sync()
    tenant.commit("app/services/shared.py", "edited over there\n", "an edit")
    desk.work.write("services/shared.py", "shared 2\n")
    done = desk.sync(expect=7)
    assert (tenant.folder / "app/services/shared.py").read_text() == "edited over there\n"
    assert "edited over there" in done.err
    assert "shared.py" in done.err


def test_dry_run_of_a_mirror_shows_the_plan_and_copies_nothing(desk: Desk, tenant: Repository) -> None:
    """Every file that would come is named."""
    before = read_ledger(tenant)
    done = desk.sync("--dry-run")
    assert read_ledger(tenant) == before
    for name in ("shared.py", "old.py"):
        assert re.search(rf"copy \S*{name}", done.out), str(done)


# -- two at once, and Ctrl-C at each step


def test_second_sync_of_a_repository_waits_and_then_has_nothing_to_do(desk: Desk, tmp_path: Path) -> None:
    """It says whom it waits for."""
    mark, release = tmp_path / "receiving", tmp_path / "release"
    desk.configure(BARE)
    desk.origin.hook("pre-receive", lingering(mark, release))
    with under_way(desk, mark, "sync") as first:
        second = desk.project.start("sync")
        assert second.stderr is not None
        assert "waiting for another sync" in second.stderr.readline()
        release.touch()
        assert first.wait(timeout=20) == 0
        out, err = second.communicate(timeout=20)
    assert second.returncode == 0, err
    assert [line.split()[-2:] for line in out.splitlines()[1:]] == [["already", "there"]] * 2


def _hang_while_asking(desk: Desk, mark: Path) -> dict[str, str]:
    ssh = desk.project.folder.parent / "ssh"
    ssh.write_text(f"#!/bin/sh\n{lingering(mark)}\n")
    ssh.chmod(0o755)
    desk.work.git("remote", "set-url", "org", "ssh://git@nowhere.invalid/org.git")
    return {"GIT_SSH_COMMAND": str(ssh)}


def _hang_while_committing(desk: Desk, mark: Path) -> dict[str, str]:
    desk.work.write("new", "new\n")
    desk.work.hook("pre-commit", lingering(mark))
    return {}


def _hang_before_pushing(desk: Desk, mark: Path) -> dict[str, str]:
    desk.work.hook("pre-push", lingering(mark))
    return {}


def _hang_while_pushing(desk: Desk, mark: Path) -> dict[str, str]:
    desk.origin.hook("pre-receive", lingering(mark))
    return {}


def _hang_after_pushing(desk: Desk, mark: Path) -> dict[str, str]:
    desk.origin.hook("post-receive", lingering(mark))
    return {}


def _hang_while_moving_refs(desk: Desk, mark: Path) -> dict[str, str]:
    desk.work.hook("reference-transaction", lingering(mark))
    return {}


_STEPS = (
    _hang_while_asking,
    _hang_while_committing,
    _hang_before_pushing,
    _hang_while_pushing,
    _hang_after_pushing,
    _hang_while_moving_refs,
)


@pytest.mark.parametrize(("command", "prepare"), [*(("sync", step) for step in _STEPS), ("down", _hang_while_pushing)])
def test_interrupt_at_any_step_leaves_what_a_second_run_completes(
    desk: Desk, tmp_path: Path, command: str, prepare: Callable[[Desk, Path], dict[str, str]]
) -> None:
    """130, no git left, nothing lost; with the obstacle gone the next run gets all of it to both remotes."""
    desk.configure(AUTO)
    mark = tmp_path / "reached"
    env = prepare(desk, mark)
    before = read_ledger(desk.work)
    with under_way(desk, mark, command, **env) as started:
        os.kill(started.pid, signal.SIGINT)
        _, err = started.communicate(timeout=20)
    assert started.returncode == 130, err
    assert "Traceback" not in err
    until(lambda: not desk.gits(), deadline_s=5, what="the end of every git", poll_s=0.05)
    assert not find_losses(before, desk.work, commits_on="dev")
    for hooks in (desk.work.folder / ".git/hooks", desk.origin.folder / "hooks"):
        for hook in hooks.iterdir():
            hook.unlink()
    desk.work.git("remote", "set-url", "org", str(desk.org.folder))
    assert desk.sync("--json").json()["is_complete"]
    assert desk.is_everywhere()
