"""Work trees and their remotes on fakes: what a remote has, how long it takes, and what was pulled.

Must not touch the machine. Invariant: what was fast-forwarded is not news any more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import anyio

from devenv.domain.errors import HostError
from devenv.domain.pulling import Checkout, News, Source
from tests.support.builders import ROOT

ORIGIN_DEV = Source(remote="origin", branch="dev", tracking="refs/remotes/origin/dev")


def news(behind: int = 1, *changed: str, ahead: int = 0) -> News:
    """Return that origin/dev has commits which change these files."""
    return News(source=ORIGIN_DEV, commit="c0ffee", ahead=ahead, behind=behind, changed=changed)


class FakeCheckouts:
    """`found` are the work trees by folder; `news`, `errors`, `takes_s` and `hindered` count by a work tree's top."""

    def __init__(self) -> None:
        self.found: dict[str, Checkout] = {ROOT: self.checkout(ROOT)}
        self.news: dict[str, News | None] = {}
        self.errors: dict[str, Exception] = {}
        self.takes_s: dict[str, float] = {}
        self.hindered: dict[str, str] = {}
        self.merge_takes_s = 0.0
        self.end_takes_s = 0.0
        self.fetched: list[str] = []
        self.ended: list[str] = []
        self.pulled: list[str] = []
        self.when_pulled: Callable[[], None] = lambda: None

    @staticmethod
    def checkout(root: str, **facts: object) -> Checkout:
        """Return a work tree that follows origin/dev."""
        made = {"branch": "dev", "head": "abcdef0123456", "sources": (ORIGIN_DEV,), "follows": True, **facts}
        return Checkout(root=root, **made)  # type: ignore[arg-type]

    async def find(self, folder: str, remotes: Sequence[str], files: Sequence[str]) -> Checkout:
        """Return the work tree with those of the stack's files that lie below its top."""
        await anyio.lowlevel.checkpoint()
        if folder not in self.found:
            raise HostError(f"cannot pull into {folder}", why="not a git repository", fix="git status")
        found = self.found[folder]
        inside = [path.removeprefix(f"{found.root}/") for path in files if path.startswith(f"{found.root}/")]
        return replace(found, files=tuple(inside))

    async def fetch(self, checkout: Checkout) -> News | None:
        """Return what is scripted, after a while."""
        self.fetched.append(checkout.root)
        try:
            await anyio.sleep(self.takes_s.get(checkout.root, 0.0))
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(self.end_takes_s)
            self.ended.append(checkout.root)
        if checkout.root in self.errors:
            raise self.errors[checkout.root]
        return self.news.get(checkout.root, news(0))

    async def fast_forward(self, checkout: Checkout, news_: News) -> str:
        """Pull, unless something is in the way."""
        await anyio.sleep(self.merge_takes_s)
        if why := self.hindered.get(checkout.root, ""):
            return why
        self.news[checkout.root] = news(0)
        self.pulled.append(checkout.root)
        self.when_pulled()
        return ""
