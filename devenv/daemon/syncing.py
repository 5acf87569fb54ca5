"""A sync from the command line: builds what it works with and runs it.

Must not decide anything, nor show it. Invariant: it needs no daemon and no engine, so that it works after `down`.
"""

import os
from collections.abc import Mapping
from datetime import datetime
from functools import partial

import anyio

from devenv.adapters.git.command import Git
from devenv.adapters.git.mirroring import GitMirrors
from devenv.adapters.git.repository import GitRepository
from devenv.domain.git_rules import GitRules
from devenv.domain.syncing import SyncReport
from devenv.sync.ports import Say
from devenv.sync.synchronising import Ask, Surroundings, synchronise


def run_sync(
    rules: GitRules, *, environment: Mapping[str, str], say: Say, ask: Ask | None, dry_run: bool
) -> SyncReport:
    """Carry out `rules`; whoever calls runs no event loop. Raises KeyboardInterrupt after ending every git."""
    around = Surroundings(
        open=lambda folder: _open(folder, rules.root, environment),
        mirrors=GitMirrors(environment=environment, say=say),
        now=datetime.now().astimezone(),
        say=say,
        ask=ask,
        dry_run=dry_run,
    )
    return anyio.run(partial(synchronise, rules, around))


def _open(folder: str, root: str, environment: Mapping[str, str]) -> GitRepository:
    near = os.path.relpath(folder, root)
    name = os.path.basename(os.path.realpath(folder)) if near == "." else near  # noqa: PTH119 - texts, no files
    return GitRepository(git=Git(folder=folder, environment=environment), name=name, shown=show_folder(folder))


def show_folder(folder: str) -> str:
    """Return a folder as it is typed from here: relative where that is short."""
    near = os.path.relpath(folder)
    return folder if near.startswith(os.path.join("..", "..")) else near  # noqa: PTH118
