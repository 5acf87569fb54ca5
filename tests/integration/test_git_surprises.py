"""What a repository's own settings, marks and leftovers could make of a sync or a pull: nothing is lost by them, no
remote ref moves backwards, and nothing untrue is told.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from devenv.adapters.git import committing, looking
from devenv.adapters.git.command import Git, Ran, silence
from devenv.adapters.git.pulling import GitCheckouts
from devenv.daemon.syncing import run_sync
from devenv.domain.git_rules import CommitPolicy, GitRules, MirrorRule, Promotion, SyncRules
from devenv.domain.pulling import News
from devenv.domain.syncing import Kept, Outcome, Promoting, RepositoryReport
from devenv.sync.refusals import plain
from tests.support.git import Repository, git_environment, make_clone, make_remote, make_repository
from tests.support.wait import until_async


@pytest.fixture
def origin(tmp_path: Path) -> Repository:
    """Return a remote."""
    return make_remote(tmp_path / "origin.git")


@pytest.fixture
def here(tmp_path: Path, origin: Repository) -> Repository:
    """Return a repository on `dev`, with `master` beside it, as the remote has both."""
    made = make_repository(tmp_path / "here")
    made.git("remote", "add", "origin", str(origin.folder))
    made.commit("file", "one\n", "one")
    made.git("branch", "master")
    made.git("push", "-q", "origin", "dev", "master")
    return made


def sync(
    repository: Repository,
    *,
    branches: tuple[str, ...] = (),
    promote: Promotion | None = None,
    commit: CommitPolicy = CommitPolicy.NEVER,
    **environment: str,
) -> RepositoryReport:
    """Sync a repository with `origin`."""
    folder = str(repository.folder)
    wanted = SyncRules(repos=(folder,), branches=branches, promote=promote, commit=commit, timeout_s=30.0)
    around = git_environment() | environment
    rules = GitRules(root=folder, sync=wanted)
    return run_sync(rules, environment=around, say=lambda _: None, ask=None, dry_run=False).repositories[0]


def kept_in(report: RepositoryReport) -> Kept:
    """Return what was kept."""
    assert report.kept is not None, report
    return report.kept


def outcomes(report: RepositoryReport) -> list[Outcome]:
    """Return what became of the branches."""
    return [row.outcome for row in report.rows]


def pull(repository: Repository) -> tuple[News | None, str]:
    """Fetch, and fast-forward where that is one; return what came, and why it was not pulled."""

    async def run() -> tuple[News | None, str]:
        git = GitCheckouts(environment=git_environment())
        checkout = await git.find(str(repository.folder), ["origin"], [])
        news = await git.fetch(checkout)
        if news is None or news.ahead:
            return news, "it is none"
        return news, await git.fast_forward(checkout, news)

    return anyio.run(run)


def push_as_colleague(tmp_path: Path, remote: Repository, path: str = "theirs") -> str:
    """Push a commit of somebody else's to `dev`; return it."""
    colleague = make_clone(tmp_path / "colleague", remote)
    colleague.git("checkout", "-q", "dev")
    commit = colleague.commit(path, "theirs\n", "theirs")
    colleague.git("push", "-q", "origin", "dev")
    return commit


# -- history that is another one here


def _replace(repository: Repository, child: str, parent: str) -> None:
    repository.git("replace", "--graft", child, parent)


def _graft(repository: Repository, child: str, parent: str) -> None:
    (repository.folder / ".git" / "info" / "grafts").write_text(f"{child} {parent}\n")


@pytest.mark.parametrize("pretend", [_replace, _graft])
def test_grafted_history_moves_no_remote_ref_backwards(
    here: Repository, origin: Repository, pretend: Callable[[Repository, str, str], None]
) -> None:
    """Git believes that ours comes after theirs, and would push over it without any force."""
    first = here.tip("dev")
    theirs = here.commit("theirs", message="theirs")
    here.git("push", "-q", "origin", "dev")
    here.git("reset", "-q", "--hard", first)
    pretend(here, here.commit("ours", message="ours"), theirs)
    assert outcomes(sync(here)) == [Outcome.DIVERGED]
    assert origin.tip("dev") == theirs


@pytest.mark.parametrize("pretend", [_replace, _graft])
def test_grafted_history_makes_no_fast_forward(
    here: Repository, origin: Repository, tmp_path: Path, pretend: Callable[[Repository, str, str], None]
) -> None:
    """A branch that only seems to be behind keeps its commits."""
    theirs = push_as_colleague(tmp_path, origin)
    ours = here.commit("ours", message="ours")
    here.git("fetch", "-q", "origin")
    pretend(here, theirs, ours)
    news, _ = pull(here)
    assert news is not None
    assert (news.ahead, news.behind) == (1, 1)
    assert here.tip("dev") == ours


# -- names


def test_branch_is_never_taken_for_one_below_its_name(here: Repository, origin: Repository) -> None:
    """`feature` is not `feature/x`: a promotion of the one does not publish the other."""
    here.git("checkout", "-q", "-b", "feature/x")
    here.commit("unfinished", message="unfinished")
    before = origin.tip("master"), here.tip("master")
    report = sync(here, branches=("master",), promote=Promotion(source="feature", target="master"))
    assert report.promoted is not None
    assert report.promoted.how is Promoting.REFUSED
    assert (origin.tip("master"), here.tip("master")) == before


def test_branch_before_its_first_commit_pulls_nothing_of_those_below_its_name(here: Repository) -> None:
    """HEAD may be on `topic` while there are `topic/a` and `topic/b`."""
    here.git("branch", "topic/a")
    here.git("branch", "topic/b")
    here.git("symbolic-ref", "HEAD", "refs/heads/topic")
    assert pull(here) == (None, "it is none")


# -- settings


def test_push_goes_where_the_settings_of_the_environment_send_it(
    here: Repository, origin: Repository, tmp_path: Path
) -> None:
    """CI passes settings in variables; a push that forgot them would go to another repository."""
    elsewhere = make_remote(tmp_path / "elsewhere.git")
    before = origin.refs()
    tip = here.commit("new", message="new")
    settings = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{elsewhere.folder}.pushInsteadOf",
        "GIT_CONFIG_VALUE_0": str(origin.folder),
    }
    assert outcomes(sync(here, **settings)) == [Outcome.PUSHED]
    assert elsewhere.tip("dev") == tip
    assert origin.refs() == before


def test_question_goes_where_the_push_goes(here: Repository, tmp_path: Path) -> None:
    """An `insteadOf` for the URL that another one made is none for git's push, and so none for the question."""
    here.commit("new", message="new")
    right, wrong = make_remote(tmp_path / "right" / "x.git"), make_remote(tmp_path / "wrong" / "x.git")
    here.git("push", "-q", str(wrong.folder), "dev")
    here.git("remote", "set-url", "origin", "main:x.git")
    here.git("config", f"url.{tmp_path}/right/.pushInsteadOf", "main:")
    here.git("config", f"url.{tmp_path}/origin.git/.insteadOf", "main:")
    here.git("config", f"url.{tmp_path}/wrong/.insteadOf", f"{tmp_path}/right/")
    assert outcomes(sync(here)) == [Outcome.PUSHED]
    assert right.tip("dev") == here.tip("dev")


@pytest.mark.parametrize("options", ["--squash", "--strategy=ours", "--no-ff"])
def test_options_of_a_branch_make_nothing_else_of_a_fast_forward(
    here: Repository, origin: Repository, tmp_path: Path, options: str
) -> None:
    """Neither a work tree that changed without its branch, nor a merge that throws the news away."""
    theirs = push_as_colleague(tmp_path, origin)
    here.git("config", "branch.dev.mergeOptions", options)
    _, why = pull(here)
    assert why == ""
    assert here.tip("dev") == theirs
    assert here.git("status", "--porcelain") == ""


def test_no_passphrase_is_asked_for_on_the_terminal_of_the_user() -> None:
    """The agent of gpg would draw its question there, and wait."""
    assert "GPG_TTY" not in silence({"GPG_TTY": "/dev/pts/1"})


# -- work that git does not see


@pytest.mark.parametrize("mark", ["assume-unchanged", "skip-worktree"])
def test_edit_that_git_was_told_to_overlook_is_kept(here: Repository, tmp_path: Path, mark: str) -> None:
    """It is named and kept once, the marks stay, and it comes back elsewhere; what did not change is no work."""
    for path in ("local conf", 'quo"te', "same"):
        here.commit(path, "theirs\n")
        here.git("update-index", f"--{mark}", path)
    here.folder.joinpath("link").symlink_to("file")
    here.git("add", "link")
    here.git("commit", "-q", "-m", "link")
    here.git("update-index", f"--{mark}", "link")
    assert sync(here).kept is None
    here.write("local conf", "mine\n")
    here.write('quo"te', "mine\n")
    before = here.git("ls-files", "-v", "--stage")
    report = sync(here)
    kept = kept_in(report)
    assert kept.files == 2
    assert any("local conf" in one.text for one in report.remarks)
    assert here.git("ls-files", "-v", "--stage") == before
    assert here.git("diff", "--name-only", "-z", "HEAD", kept.ref) == 'local conf\0quo"te\0'
    assert not kept_in(sync(here)).is_new
    here.git("worktree", "add", "-q", "--detach", str(tmp_path / "elsewhere"))
    elsewhere = Repository(folder=tmp_path / "elsewhere")
    elsewhere.git("stash", "apply", "--index", kept.ref)
    assert (elsewhere.folder / "local conf").read_text() == "mine\n"


@pytest.mark.parametrize("mark", ["assume-unchanged", "skip-worktree"])
def test_edit_that_git_was_told_to_overlook_is_committed_by_nobody_and_named(here: Repository, mark: str) -> None:
    """It is left out, as the user said that it is no change."""
    here.commit("conf", "theirs\n")
    here.git("update-index", f"--{mark}", "conf")
    here.write("conf", "mine\n")
    before = here.tip("dev")
    report = sync(here, commit=CommitPolicy.AUTO)
    assert report.committed is not None
    assert [one.path for one in report.committed.left_out] == ["conf"]
    assert here.tip("dev") == before


@pytest.mark.parametrize("mark", ["assume-unchanged", "skip-worktree"])
def test_edit_that_git_was_told_to_overlook_is_not_overwritten_by_a_pull(
    here: Repository, origin: Repository, tmp_path: Path, mark: str
) -> None:
    """The colleague's version of the file waits."""
    here.commit("conf", "ours\n")
    here.git("push", "-q", "origin", "dev")
    before = here.tip("dev")
    push_as_colleague(tmp_path, origin, "conf")
    here.git("update-index", f"--{mark}", "conf")
    here.write("conf", "mine\n")
    assert pull(here)[1] == "it would overwrite conf"
    assert (here.tip("dev"), (here.folder / "conf").read_text()) == (before, "mine\n")


# -- hooks


def test_hook_of_the_index_does_not_meddle_with_what_is_kept(here: Repository) -> None:
    """`post-index-change` runs for the user's index; with `git add` in it, it would spoil the index beside it."""
    here.hook("post-index-change", '[ -n "$ONCE" ] || ONCE=1 git add --all')
    here.folder.joinpath("file").write_text("changed\n")
    here.write("new", "new\n")
    kept = kept_in(sync(here))
    assert here.git("ls-tree", "--name-only", f"{kept.ref}^3") == "new"


def test_ignored_secret_that_a_hook_adds_is_neither_committed_nor_pushed(here: Repository, origin: Repository) -> None:
    """What git ignores is in no plan, so that nobody left it out; a hook may add it all the same."""
    here.write(".git/info/exclude", ".env\n")
    here.write(".env", "TOKEN=1\n")
    here.hook("pre-commit", "git add --force .env")
    here.write("file", "changed\n")
    before = here.tip("dev")
    report = sync(here, commit=CommitPolicy.AUTO)
    assert not report.is_complete
    assert any("a hook added .env" in one.text for one in report.remarks)
    assert (here.tip("dev"), origin.tip("dev")) == (before, before)


def test_secret_that_a_hook_adds_does_not_outlive_an_interrupt(here: Repository, tmp_path: Path) -> None:
    """The commit is there when the interrupt comes, and a second sync would push it."""
    here.write(".env", "TOKEN=1\n")
    here.hook("pre-commit", "git add --all")
    here.hook("post-commit", f"touch {tmp_path}/made; sleep 600")
    here.write("file", "changed\n")
    before = here.tip("dev")

    async def run() -> None:
        git = Git(folder=str(here.folder), environment=git_environment())
        look = await looking.look(git)
        plan = await committing.plan_commit(git, look)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(committing.commit, git, look, plan, "message")
            await until_async(anyio.Path(tmp_path / "made").exists, deadline_s=30, what="the commit")
            tasks.cancel_scope.cancel()

    anyio.run(run)
    assert here.tip("dev") == before
    assert (here.folder / ".env").exists()


def test_hook_may_take_an_environment_file_out(here: Repository) -> None:
    """That is no secret committed, but one less."""
    here.commit(".env", "A=1\n")
    here.hook("pre-commit", "git rm --quiet .env")
    here.write("file", "changed\n")
    report = sync(here, commit=CommitPolicy.AUTO)
    assert report.is_complete, report
    assert here.git("ls-tree", "--name-only", "dev") == "file"


# -- faults


def test_commit_that_a_killed_fetch_left_without_its_parents_is_fetched_again(
    here: Repository, origin: Repository, tmp_path: Path
) -> None:
    """Git writes a commit before what it stands on; a second run has to find its way all the same."""
    push_as_colleague(tmp_path, origin, "one more")
    colleague = Repository(folder=tmp_path / "colleague")
    theirs = colleague.commit("two more")
    colleague.git("push", "-q", "origin", "dev")
    here.commit("ours")
    part = f".git/objects/{theirs[:2]}/{theirs[2:]}"
    (here.folder / part).parent.mkdir(exist_ok=True)
    shutil.copy(colleague.folder / part, here.folder / part)
    assert outcomes(sync(here)) == [Outcome.DIVERGED]


def test_file_that_gets_shorter_while_it_is_read_costs_itself_only(
    here: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers may run, and write: git dies of it by SIGBUS and leaves its lock; the rest is kept."""
    (tmp_path / "bin").mkdir()
    git = tmp_path / "bin" / "git"
    # What git does of such a file, at the moment that nobody can choose: it has locked the index, and dies.
    git.write_text(
        f"""#!/bin/sh
case "$*" in
*"update-index -z --add"*)
  paths=$(mktemp {tmp_path}/paths.XXXX); cat > "$paths"
  if grep -qz '^big$' "$paths"; then : > "$GIT_INDEX_FILE.lock"; kill -BUS $$; fi
  exec {shutil.which("git")} "$@" < "$paths";;
esac
exec {shutil.which("git")} "$@"
"""
    )
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{git.parent}:{os.environ['PATH']}")
    for path in ("a", "big", "c", "d"):
        here.write(path, f"{path}\n")
    kept = kept_in(sync(here, PATH=os.environ["PATH"]))
    assert [(one.path, one.why) for one in kept.left_out] == [("big", "cannot be kept: it changed while it was read")]
    assert here.git("ls-tree", "--name-only", f"{kept.ref}^3").splitlines() == ["a", "c", "d"]


# -- what is told


def test_two_mirrors_into_one_repository_do_not_take_each_other_for_another_sync(
    here: Repository, tmp_path: Path
) -> None:
    """They take turns."""
    target = make_repository(tmp_path / "target")
    target.commit()
    for name in ("a", "b"):
        here.write(f"{name}/file", name)
    mirrors = [
        MirrorRule(source=str(here.folder / name), target=str(target.folder / name), commit=name) for name in ("a", "b")
    ]
    said: list[str] = []
    rules = GitRules(root=str(here.folder), mirrors=tuple(mirrors))
    report = run_sync(rules, environment=git_environment(), say=said.append, ask=None, dry_run=False)
    assert report.is_complete, report
    assert not any("another sync" in one for one in said), said


def test_password_with_an_at_sign_is_not_printed() -> None:
    """Git reads a URL up to the last one."""
    said = "fatal: unable to access 'https://me:pa@ss@host/x.git/': no"
    assert plain(said) == "fatal: unable to access 'https://host/x.git/': no"


def test_complaint_of_git_holds_no_password() -> None:
    """A partial clone asks its remote in any command, and git then names who it asked as."""
    ran = Ran(words=("log",), status=128, out=b"", err="fatal: could not read Password for 'https://TOKEN@host': no")
    assert ran.complaint == "could not read Password for 'https://host': no"
