"""What the remotes of a repository have, and how far a branch is from theirs.

Must not know pushes. Invariants: only a remote's own answer counts, never a ref here that follows it; nothing here
changes a ref, neither here nor there: a commit that is not here is fetched as mere objects.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import anyio

from devenv.adapters.git.command import Git, GitFailed, Ran
from devenv.adapters.git.retrying import retry
from devenv.domain.errors import DevenvError
from devenv.domain.git_rules import SyncRules
from devenv.domain.syncing import Look, Outcome, PushRow
from devenv.sync.comparing import Gap, failed, merge_answers, name_asked, name_branches, row
from devenv.sync.ports import Heads
from devenv.sync.refusals import Place, Said, explain, refuse_unknown_remote

HEADS = "refs/heads/"

_FETCH_OBJECTS = (
    "fetch", "--quiet", "--refmap=", "--no-tags", "--no-prune", "--no-write-fetch-head", "--no-recurse-submodules",
    "--no-auto-maintenance", "--",
)  # fmt: skip
_AS_A_WHOLE = {"fetch.unpackLimit": "1", "transfer.unpackLimit": "1"}
"""One pack, which is there as a whole or not at all: a kill leaves no commit here whose parents are missing."""


class Unanswered(Exception):
    """A remote gave no answer; `said` is what git printed instead."""

    def __init__(self, said: Said) -> None:
        super().__init__(said.err)
        self.said = said


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A remote of the repository that `look` shows; `timeout_s` is the deadline of each of its answers."""

    git: Git
    look: Look
    name: str
    timeout_s: float

    def place(self, branch: str) -> Place:
        """Return a branch at this remote, as a sentence needs it."""
        folder = self.look.checked_out.get(branch, "")
        return Place(root=self.look.root, remote=self.name, branch=branch, folder=folder, timeout_s=self.timeout_s)

    async def ask(self, branches: Sequence[str]) -> dict[str, str]:
        """Ask which commits it has for these branches; raises Unanswered and GitFailed."""
        answers = [await retry(partial(self._ask, url, branches), on=_may_pass) for url in await self._find_urls()]
        return merge_answers(answers, self.look.branches)

    async def measure(self, branch: str, mine: str, theirs: str) -> Gap:
        """Return what lies between a commit here and the one that it has for `branch`; raises as `ask` does."""
        if await _is_known(self.git, theirs):
            with suppress(GitFailed):  # a fetch that was killed may have brought it without its parents
                return await measure(self.git, mine, theirs)
        await self._bring(branch)
        if not await _is_known(self.git, theirs):
            raise Unanswered(Said(err=f"{self.name} changed {branch} while it was asked"))
        return await measure(self.git, mine, theirs)

    async def _ask(self, url: str, branches: Sequence[str]) -> dict[str, str]:
        names = [HEADS + branch for branch in branches]
        ran = await self.git.reach("ls-remote", "--", url, *names, settings=self._mean(url), deadline_s=self.timeout_s)
        if ran.status != 0:
            raise Unanswered(quote(ran))
        pairs = (line.partition("\t") for line in ran.text.splitlines())
        found = {ref: commit for commit, _, ref in pairs}
        return {branch: found[name] for branch, name in zip(branches, names, strict=True) if name in found}

    async def _bring(self, branch: str) -> None:
        for url in await self._find_urls():
            settings = {**_AS_A_WHOLE, **self._mean(url)}
            words = (*_FETCH_OBJECTS, url, HEADS + branch)
            ran = await self.git.reach(*words, settings=settings, deadline_s=self.timeout_s)
            if ran.status != 0:
                raise Unanswered(quote(ran))

    async def _find_urls(self) -> list[str]:
        """Return where its pushes go: its name, where that is where its fetches come from, else URLs."""
        pushed = (await self.git.ask("remote", "get-url", "--push", "--all", "--", self.name)).splitlines()
        fetched = (await self.git.run("remote", "get-url", "--", self.name)).text.splitlines()
        return [self.name] if pushed == fetched else pushed

    def _mean(self, url: str) -> dict[str, str]:
        """Return the settings with which git takes a URL as it is: the user's `insteadOf` have made it what it is."""
        return {} if url == self.name else {f"url.{url}.insteadOf": url}


async def ask_remotes(git: Git, look: Look, rules: SyncRules) -> tuple[Heads, tuple[PushRow, ...]]:
    """Ask every remote of the rules at once; return what they have, and a failed row of each branch of the others."""
    heads: dict[str, dict[str, str]] = {}
    rows: dict[str, tuple[PushRow, ...]] = {}
    asked = name_asked(look, rules)

    async def ask(name: str) -> None:
        remote = Remote(git=git, look=look, name=name, timeout_s=rules.timeout_s)
        places = [remote.place(branch) for branch in name_branches(look, rules)]
        if name not in look.remotes:
            rows[name] = tuple(failed(place, refuse_unknown_remote(place, look.remotes)) for place in places)
            return
        try:
            heads[name] = await remote.ask(asked)
        except Unanswered as silence:
            rows[name] = tuple(failed(place, explain(silence.said, place)) for place in places)
        except DevenvError as error:
            rows[name] = tuple(fail(place, error) for place in places)

    names = tuple(dict.fromkeys(rules.remotes)) if asked else ()
    async with anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(ask, name)
    answers = {name: heads[name] for name in names if name in heads}
    return answers, tuple(row for name in names for row in rows.get(name, ()))


async def measure(git: Git, mine: str, theirs: str) -> Gap:
    """Return what lies between two commits that are here; raises GitFailed."""
    ahead, behind = (await git.ask("rev-list", "--left-right", "--count", f"{mine}...{theirs}", "--")).split()
    return Gap(ahead=int(ahead), behind=int(behind))


def quote(ran: Ran) -> Said:
    """Return what a command that failed has printed, to be explained."""
    ended = f"git was ended by signal {-ran.status}" if ran.status < 0 else ""
    return Said(out=ran.text, err=ran.err.strip() or ended, is_late=ran.is_late)


def fail(place: Place, error: DevenvError) -> PushRow:
    """Return the row of a branch for which git itself failed here."""
    why = f"{error.what}: {error.why}" if error.why else error.what
    return row(place, Outcome.FAILED, why=why, fix=error.fix)


def _may_pass(error: Exception) -> bool:
    anywhere = Place(root="", remote="", branch="")
    return isinstance(error, Unanswered) and explain(error.said, anywhere).is_transient


async def _is_known(git: Git, commit: str) -> bool:
    return (await git.run("cat-file", "-e", f"{commit}^{{commit}}")).status == 0
