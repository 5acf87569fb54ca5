"""What there is to say about a repository before a sync: a sentence each, and the way on.

Pure. Invariant: only what keeps the sync from something that was asked for `blocks` it; all else is told and goes on.
"""

import shlex
from collections.abc import Iterator, Sequence

from devenv.domain.conflict_words import describe_age
from devenv.domain.git_rules import SyncRules
from devenv.domain.sizes import count
from devenv.domain.syncing import Look, Remark
from devenv.sync.comparing import name_branches
from devenv.sync.refusals import describe_missing_remote

_NAMED = 3
_LOCK_IS_OLD_S = 600.0
_WAYS_ON = {
    "merge": "merge --continue",
    "rebase": "rebase --continue",
    "cherry-pick": "cherry-pick --continue",
    "revert": "revert --continue",
    "am": "am --continue",
    "bisect": "bisect reset",
}


def describe_look(look: Look, rules: SyncRules, shown: str = ".") -> tuple[Remark, ...]:
    """Return what there is to say of a repository; `shown` is its folder as the user would type it.

    What a row of the table says (a branch or a remote that is not there) is not said here as well.
    """
    git = "git" if shown == "." else f"git -C {shlex.quote(shown)}"
    return (
        *_describe_head(look, rules, git),
        *_describe_conflicts(look, git),
        *_describe_work(look, git),
        *_describe_lock(look, git),
        *_describe_inside(look, shown),
        *_describe_missing(look, rules, git),
    )


def _describe_head(look: Look, rules: SyncRules, git: str) -> Iterator[Remark]:
    has_nothing_to_push = not look.branch and not rules.branches
    if look.under_way:
        article = "an" if look.under_way == "am" else "a"
        way_on = _WAYS_ON.get(look.under_way, "status")
        text = f"{article} {look.under_way} is under way"
        yield Remark(text=text, fix=f"{git} {way_on}", blocks=has_nothing_to_push)
    elif not look.branch:
        text = f"HEAD is on no branch, but at {look.head[:10]}" + (", which nothing else has" if look.is_stray else "")
        yield Remark(text=text, fix=f"{git} switch -c NAME", blocks=has_nothing_to_push)
    if not look.head:
        yield Remark(text=f"{look.branch} has no commit yet: there is nothing to push", fix=f"{git} commit")
    if look.is_shallow:
        text = "it is a shallow clone: older commits are not here, and a remote may refuse a push from it"
        yield Remark(text=text, fix=f"{git} fetch --unshallow")


def _describe_conflicts(look: Look, git: str) -> Iterator[Remark]:
    if look.unmerged:
        yield Remark(text=f"conflicts are not resolved in {_list(look.unmerged)}", fix=f"{git} status")
    if look.marked:
        yield Remark(text=f"conflict markers are left in {_list(look.marked)}", fix=f"{git} diff --check")


def _describe_work(look: Look, git: str) -> Iterator[Remark]:
    counts = ((look.staged, "staged"), (look.unstaged, "not staged"), (look.untracked, "untracked"))
    told = [f"{number:,} {word}" for number, word in counts if number]
    if told:
        yield Remark(text=f"not committed so far: {', '.join(told)}", fix=f"{git} status")
    if look.hidden:
        text = f"git is told to take {_list(look.hidden)} for unchanged, which it is not"
        yield Remark(text=text, fix=f"{git} ls-files -v")


def _describe_lock(look: Look, git: str) -> Iterator[Remark]:
    """Say who holds the index; only a lock that is old may be advised to go."""
    if look.index_lock_age_s is None:
        return
    if look.index_lock_age_s < _LOCK_IS_OLD_S:
        text = f"another git command has worked here for {describe_age(look.index_lock_age_s)}: its index.lock is there"
        yield Remark(text=text, fix=f"{git} status")
    else:
        text = f"index.lock has been there for {describe_age(look.index_lock_age_s)}: a git that died left it"
        yield Remark(text=text, fix=f'rm "$({git} rev-parse --absolute-git-dir)/index.lock"')


def _describe_inside(look: Look, shown: str) -> Iterator[Remark]:
    for path in look.dirty_submodules:
        text = f"work in the submodule {path} is not committed, and no part of this repository"
        yield Remark(text=text, fix=f"git -C {_place(shown, path)} status")
    for path in look.unpublished_submodules:
        text = f"the submodule {path} is at a commit that no remote of it is known to have: nobody could check it out"
        yield Remark(text=text, fix=f"git -C {_place(shown, path)} push origin HEAD:BRANCH")
    for path in look.nested:
        text = f"{path} is a repository of its own: its files are neither committed nor kept here"
        yield Remark(text=text, fix=f"git -C {_place(shown, path)} status")


def _describe_missing(look: Look, rules: SyncRules, git: str) -> Iterator[Remark]:
    """Name the remotes that the repository lacks, where no branch is to be pushed: else the table's rows do."""
    for remote in () if name_branches(look, rules) else rules.remotes:
        if remote not in look.remotes:
            text = describe_missing_remote(remote, look.remotes)
            yield Remark(text=text, fix=f"{git} remote add {shlex.quote(remote)} URL", blocks=True)


def _place(shown: str, path: str) -> str:
    return shlex.quote(path if shown == "." else f"{shown}/{path}")


def _list(paths: Sequence[str]) -> str:
    """Return `a, b and 3 more files`."""
    named, rest = ", ".join(paths[:_NAMED]), len(paths) - _NAMED
    return f"{named} and {count(rest, 'more file')}" if rest > 0 else named
