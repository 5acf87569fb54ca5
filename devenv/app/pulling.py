"""`up` starts from the latest work: newer commits are fetched beside its preparations, and pulled before it starts.

Must not know git; the checkouts do. Invariants: no remote keeps an `up` waiting longer than PULL_WAIT_S or makes it
fail; what is not pulled is said; once services start, neither the stack's own files nor a lock file change.
"""

import os
from dataclasses import dataclass, field, replace

import anyio

from devenv.app.crew import Crew
from devenv.app.ports import Checkouts
from devenv.app.requests import UpRequest
from devenv.domain.errors import DevenvError
from devenv.domain.git_rules import GitRules, Pull
from devenv.domain.pulling import (
    Checkout,
    News,
    describe_diverged,
    describe_elsewhere,
    describe_headless,
    describe_kept_back,
    describe_locks,
    describe_pulled,
    describe_silence,
    describe_unfollowed,
    find_installs,
    find_read,
    name_some,
)
from devenv.domain.texts import printable

PULL_WAIT_S = 3.0
"""So long, from its beginning, may a fetch keep services from starting."""


@dataclass(slots=True, kw_only=True)
class Pulling:
    """The pull of one `up`, by the `rules` of the configuration that was read first from `files`.

    Runs while the `with` does.
    """

    crew: Crew
    request: UpRequest
    rules: GitRules
    files: tuple[str, ...]
    _scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    _ended: anyio.Event = field(default_factory=anyio.Event)
    _turn: anyio.Lock = field(default_factory=anyio.Lock)
    """Two work trees may be of one repository, which is held while one of them is moved."""
    _began_at: float = 0.0
    _is_late: bool = False
    """Whether services start already."""
    _has_pulled: bool = False
    _asked: dict[str, Checkout] = field(default_factory=dict)
    """Those whose remote has not answered yet, by their top."""
    _news: list[tuple[Checkout, News]] = field(default_factory=list)
    _refusals: dict[str, list[str]] = field(default_factory=dict)
    """What could not be asked and why, with the names of the checkouts."""

    async def __aenter__(self) -> "Pulling":
        """Begin to fetch."""
        self._began_at = anyio.current_time()
        if self.rules.branch or self.rules.pull is Pull.FF_ONLY:
            self.crew.tasks.start_soon(self._run)
        else:
            self._ended.set()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End what is still under way; a fast-forward that has begun is finished."""
        self._scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._ended.wait()

    async def wait(self) -> bool:
        """Wait for the remotes, but not for ever, and pull what they have; return whether anything was pulled.

        From the second time on nothing is waited for.
        """
        if self._is_late:
            return False
        with anyio.CancelScope(deadline=self._began_at + PULL_WAIT_S):
            await self._ended.wait()
        self._is_late = True
        for text, names in self._refusals.items():
            where = f" ({', '.join(sorted(name or '.' for name in names))})" if any(names) else ""
            self._tell(f"{text}{where}; starting with what is checked out", level="warning")
        if not self._ended.is_set():
            self._tell_silence()
        for checkout, news in self._news:
            await self._pull(checkout, news)
        return self._has_pulled

    async def _run(self) -> None:
        try:
            with self._scope:
                await self._fetch_all(self.crew.tools.open_checkouts(self.request.reading.environment))
        except Exception as error:  # noqa: BLE001 - a bug in here is no reason to end the daemon and all it watches
            self._tell(f"cannot pull: a bug in devenv ({self.crew.report_bug(error)})", level="warning")
        finally:
            self._ended.set()

    async def _fetch_all(self, git: Checkouts) -> None:
        rules = self.rules
        pulls = rules.pull is Pull.FF_ONLY and not self.request.dry_run
        others = rules.sync.repos if rules.sync and pulls else ()
        remotes = rules.sync.remotes if rules.sync else ("origin",)
        found: dict[str, Checkout] = {}

        async def find(folder: str) -> None:
            try:
                checkout = await git.find(folder, remotes, self.files)
                found[folder] = replace(checkout, name=_name(folder, rules.root))
            except DevenvError as error:
                self._refuse(error, "")

        folders = tuple(dict.fromkeys((rules.root, *others)))
        async with anyio.create_task_group() as tasks:
            for folder in folders:
                tasks.start_soon(find, folder)
        if rules.root in found:
            self._check_branch(found[rules.root], rules.branch)
        # The first name of a work tree counts: the stack's own repository may be listed again, by another path.
        self._asked = {found[folder].root: found[folder] for folder in reversed(folders) if folder in found}
        async with anyio.create_task_group() as tasks:
            for checkout in tuple(self._asked.values()) if pulls else ():
                tasks.start_soon(self._fetch, checkout, git)

    def _check_branch(self, checkout: Checkout, wanted: str) -> None:
        if wanted and checkout.branch != wanted:
            self._tell(describe_elsewhere(checkout, wanted), level="warning")

    async def _fetch(self, checkout: Checkout, git: Checkouts) -> None:
        """Fetch what a checkout may pull; what comes when services start already is pulled where it cannot hurt."""
        try:
            if not checkout.branch or not checkout.head:
                self._tell(describe_headless(checkout), level="warning")
                return
            news = await git.fetch(checkout)
        except DevenvError as error:
            self._refuse(error, checkout.name)
            return
        finally:
            del self._asked[checkout.root]
        if news is None:
            self._tell(describe_unfollowed(checkout))
        elif not self._is_late:
            self._news.append((checkout, news))
        else:
            await self._pull_late(checkout, news)

    async def _pull_late(self, checkout: Checkout, news: News) -> None:
        delicate = {*find_read(news.changed, checkout.files), *find_installs(news.changed)}
        if news.behind and not news.ahead and delicate:
            why = f"services start already, and it changes {name_some(sorted(delicate))}"
            self._tell(describe_kept_back(checkout, news, why), level="warning")
        else:
            await self._pull(checkout, news)

    async def _pull(self, checkout: Checkout, news: News) -> None:
        """Fast-forward a checkout, or say why not. Once begun it is finished: half a work tree is of no use."""
        if not news.behind:
            return
        if news.ahead:
            self._tell(describe_diverged(checkout, news), level="warning")
            return
        async with self._turn:
            git = self.crew.tools.open_checkouts(self.request.reading.environment)
            with anyio.CancelScope(shield=True):
                try:
                    why = await git.fast_forward(checkout, news)
                except DevenvError as error:
                    why = f"{error.what}: {error.why}"
        if why:
            self._tell(describe_kept_back(checkout, news, why), level="warning")
            return
        self._has_pulled = True
        self._tell(describe_pulled(checkout, news, [path for path in news.changed if path in checkout.files]))
        if locks := describe_locks(checkout, news):
            self._tell(locks, level="warning")

    def _refuse(self, error: DevenvError, name: str) -> None:
        text = f"{error.what}: {error.why}"
        if self._is_late:
            self._tell(text)
        else:
            self._refusals.setdefault(text, []).append(name)

    def _tell_silence(self) -> None:
        remotes = [checkout.sources[0].remote for checkout in self._asked.values() if checkout.sources]
        self._tell(describe_silence(remotes, anyio.current_time() - self._began_at), level="warning")

    def _tell(self, text: str, *, level: str = "info") -> None:
        """Say a sentence: names of files and branches hold any byte."""
        self.crew.board.note(printable(text), level=level)


def _name(folder: str, root: str) -> str:
    """Return what a folder is called where services.yaml is, '' for that place itself."""
    name = os.path.relpath(folder, root)
    return "" if name == "." else name
