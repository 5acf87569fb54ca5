"""Everything of this machine that a prune removes: paths of the project, caches, crash files.

Implements `Cleaner`. Must not decide what may go: each kind's module does. Invariant: what one kind meets stops no
other.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio.to_thread

from devenv.adapters.cleaning.caches import CacheCleaning, Run
from devenv.adapters.cleaning.project_paths import PathCleaning
from devenv.adapters.state.limits import find_old_crashes, remove_files
from devenv.app.ports import Cleaning
from devenv.domain.cleaning import PruneReport, Reclaimed, join_reports

_BLOCK = 512


class HostCleaner:
    """Cleans with commands that `run` runs. `home` is devenv's own state; `crashes` are folders of crash files."""

    def __init__(self, *, run: Run, home: Path, crashes: Iterable[Path]) -> None:
        self._run = run
        self._home = home
        self._crashes = tuple(crashes)

    async def clean(self, cleaning: Cleaning) -> PruneReport:
        """Remove what may go and say what stays, and why. Raises nothing that a file system or a tool can cause."""
        own = replace(cleaning, stay=(*cleaning.stay, str(self._home)))
        caches = CacheCleaning(
            run=self._run, folder=cleaning.rules.root, environment=cleaning.environment, dry_run=cleaning.dry_run
        )
        reports = [await PathCleaning(cleaning=own).run()]
        reports += [await caches.clean(name) for name in cleaning.rules.caches]
        reports.append(await anyio.to_thread.run_sync(partial(self._clean_crashes, dry_run=cleaning.dry_run)))
        return join_reports(reports, is_dry_run=cleaning.dry_run)

    def _clean_crashes(self, *, dry_run: bool) -> PruneReport:
        old = [path for folder in self._crashes for path in find_old_crashes(folder)]
        gone, size = (old, sum(path.stat().st_blocks * _BLOCK for path in old)) if dry_run else remove_files(old)
        row = Reclaimed(kind="crash files", names=tuple(path.name for path in gone), bytes=size)
        return PruneReport(reclaimed=(row,) if gone else ())
