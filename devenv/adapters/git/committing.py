"""Commits what may be committed, on the branch that is checked out.

Must not decide whether to. Invariants: a commit takes exactly the paths of its plan, as the work tree has them, and
what else is staged stays staged; nothing goes into it that was not judged just before; where no commit comes to be, the
index is as it was; a staged version that the commit passes over is kept.
"""

import os
import shlex
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

import anyio
import anyio.to_thread

from devenv.adapters.git.command import Git, Ran
from devenv.adapters.git.judging import judge, refuse_new
from devenv.adapters.git.keeping import keep_work
from devenv.adapters.git.status import Status, join, read_status
from devenv.domain.errors import HostError
from devenv.domain.syncing import Committed, LeftOut, Look
from devenv.sync.ports import CommitPlan
from devenv.sync.refusals import plain

COMMIT_S = 120.0
"""How long a commit may take with all its hooks."""

_TOLD_LINES = 10
_HOOKS = ("pre-commit", "prepare-commit-msg", "commit-msg")
_NOTHING = ("nothing to commit", "no changes added to commit", "nothing added to commit")
_WHOLE_INDEX = ("index.sparse=false",)  # git 2.39 dies of adding a file to a sparse one
_FROM_STDIN = ("--pathspec-from-file=-", "--pathspec-file-nul")


async def plan_commit(git: Git, look: Look, within: Sequence[str] = ()) -> CommitPlan:
    """Return what a commit would take of all that changed, or of what changed `within` these paths of the top."""
    git = replace(git, folder=look.root)
    return await judge(git, await read_status(git), within)


async def commit(git: Git, look: Look, plan: CommitPlan, message: str, *, deadline_s: float = COMMIT_S) -> Committed:
    """Commit the paths of `plan` that may still be committed; hooks run.

    Raises HostError where that cannot be: no branch, something under way, a hook that refuses or hangs, no name, no
    signature.
    """
    git = replace(git, folder=look.root)
    status = await read_status(git)
    _require_branch(look, status)
    plan = await _judge_again(git, status, plan)
    nothing = Committed(branch=look.branch, left_out=plan.left_out)
    if not plan.paths:
        return nothing
    paths = set(plan.paths)
    passed_over = any(change.path in paths and change.is_partly_staged for change in status.changes)
    kept = await keep_work(git, look, time.strftime("%Y%m%dT%H%M%S")) if passed_over else None
    new = sorted(paths & set(status.untracked))
    ran, made, refused = None, "", None
    taken: tuple[str, ...] = ()
    try:
        ran = await _announce(git, new)
        if ran is None:
            ran = await _run_commit(git, plan.paths, message, deadline_s)
    finally:
        with anyio.CancelScope(shield=True):
            made = await _find_made(git, status.head)
            if made:
                taken = await _list_taken(git, made)
                refused = await _find_refused(git, taken, plan)
            else:
                await _forget(git, new)
            if refused:  # also where we are cancelled: the next sync would push it
                await _take_back(git, look, status.head, made)
    if not made and ran.status == 1 and any(words in ran.text for words in _NOTHING):
        return nothing
    if not made:
        raise await _explain(git, look, ran, deadline_s)
    if refused:
        why = f"a hook added {refused.path}, which {refused.why}; the commit was taken back, its files are staged"
        raise HostError(f"cannot commit in {look.root}", why=why, fix=f"git -C {shlex.quote(look.root)} status")
    return replace(nothing, commit=made, files=len(taken), kept=kept)


def _require_branch(look: Look, status: Status) -> None:
    what = f"cannot commit in {look.root}"
    fix = f"git -C {shlex.quote(look.root)} status"
    if look.under_way:
        raise HostError(what, why=f"a {look.under_way} is under way", fix=fix)
    if not look.branch:
        raise HostError(what, why="HEAD is on no branch", fix=f"git -C {shlex.quote(look.root)} switch -c NAME")
    if status.branch != look.branch:
        raise HostError(what, why=f"{look.branch} is no longer checked out", fix=fix)


async def _judge_again(git: Git, status: Status, plan: CommitPlan) -> CommitPlan:
    """Return what is left of a plan, which somebody may have thought about for long."""
    if not plan.paths:
        return plan
    fresh, planned = await judge(git, status, plan.paths), set(plan.paths)
    left_out = {one.path: one for one in (*plan.left_out, *fresh.left_out)}
    paths = tuple(path for path in fresh.paths if path in planned)
    return CommitPlan(paths=paths, left_out=tuple(left_out.values()))


async def _announce(git: Git, new: Sequence[str]) -> Ran | None:
    """Let the index know of new files, without their content; return what failed."""
    if not new:
        return None
    ran = await git.run(
        "add", "--sparse", "--intent-to-add", *_FROM_STDIN, feed=_name_exactly(new), config=_WHOLE_INDEX
    )
    return ran if ran.status != 0 or ran.is_late else None


async def _run_commit(git: Git, paths: Sequence[str], message: str, deadline_s: float) -> Ran:
    # Hooks are the user's programs: they get the user's own character set, and git its English all the same.
    language = {"LC_ALL": git.environment.get("LC_ALL", ""), "LANGUAGE": "en"}
    words = ("commit", "--only", "--cleanup=whitespace", f"--message={message}", *_FROM_STDIN)
    return await git.run(*words, feed=_name_exactly(paths), more=language, config=_WHOLE_INDEX, deadline_s=deadline_s)


def _name_exactly(paths: Iterable[str]) -> bytes:
    """Return pathspecs that mean these paths and no pattern; a variable for that would reach the hooks."""
    return b"".join(b":(top,literal)" + os.fsencode(path) + b"\0" for path in paths)


async def _find_made(git: Git, before: str) -> str:
    """Return the commit that was made on top of `before`, '' for none: a hook that hangs may come after it."""
    ran = await git.run("rev-list", "--parents", "--max-count=1", "HEAD", "--")
    commit, *parents = ran.text.split() if ran.status == 0 else [""]
    return commit if parents == ([before] if before else []) else ""


async def _forget(git: Git, new: Sequence[str]) -> None:
    """Take files that are only announced out of the index again."""
    if not new:
        return
    announced = {change.path for change in (await read_status(git)).changes if change.is_announced}
    if ours := announced & set(new):
        feed = b"".join(os.fsencode(path) + b"\0" for path in sorted(ours))
        await git.require("update-index", "-z", "--force-remove", "--stdin", feed=feed)


async def _list_taken(git: Git, made: str) -> tuple[str, ...]:
    words = ("diff-tree", "-r", "-z", "--root", "--no-commit-id", "--name-only", "--no-renames")
    return (await git.require(*words, made)).records


async def _find_refused(git: Git, taken: Sequence[str], plan: CommitPlan) -> LeftOut | None:
    """Return what a hook put into the commit although it was left out, or would have been."""
    added = set(taken).difference(plan.paths)
    for one in plan.left_out:
        folder = one.path if one.path.endswith("/") else f"{one.path}/"
        if any(path == one.path or path.startswith(folder) for path in added):
            return one
    for path in sorted(added):
        if why := await anyio.to_thread.run_sync(refuse_new, join(git.folder, path), path):
            return LeftOut(path=path, why=why)
    return None


async def _take_back(git: Git, look: Look, before: str, made: str) -> None:
    """Let the branch be where it was; the work tree stays, and what was committed is staged."""
    branch = f"refs/heads/{look.branch}"
    step = (branch, before, made) if before else ("-d", branch, made)
    await git.require("update-ref", "-m", "devenv: take a commit back", *step)


async def _explain(git: Git, look: Look, ran: Ran, deadline_s: float) -> HostError:
    """Return why no commit came to be, with the last that git or a hook said."""
    here = shlex.quote(look.root)
    lines = [line.rstrip() for line in plain(ran.err).splitlines() if line.strip()]
    hooks = await _list_hooks(git)
    why, fix = ran.complaint, f"git -C {here} commit"
    if ran.is_late:
        who = f"a hook ({', '.join(hooks)})" if hooks else "git"
        why = f"{who} had not ended after {deadline_s:g} s"
    elif "tell me who you are" in ran.err or "empty ident" in ran.err or "auto-detect email" in ran.err:
        why = "git does not know who you are"
        fix = "git config --global user.name NAME && git config --global user.email ADDRESS"
    elif "failed to sign" in ran.err or "signing failed" in ran.err:
        why = f"it could not be signed, and nobody can be asked for a passphrase here: {lines[0]}"
        fix = f"git -C {here} commit --gpg-sign"
    elif "index.lock" in ran.err:
        why = "another git command holds the index (index.lock)"
        fix = f"git -C {here} status"
    elif ran.status == 1 and hooks:
        why = f"a hook refused it ({', '.join(hooks)})" + (f": {lines[-1]}" if lines else "")
        fix = "devenv sync"
    return HostError(f"cannot commit in {look.root}", why=why, fix=fix, details=tuple(lines[-_TOLD_LINES:]))


async def _list_hooks(git: Git) -> list[str]:
    folder = join(git.folder, await git.ask("rev-parse", "--git-path", "hooks"))
    return [name for name in _HOOKS if os.access(join(folder, name), os.X_OK)]
