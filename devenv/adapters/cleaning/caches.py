"""The caches of package managers, pruned by their own commands.

Owns which command that is: the one that drops what nothing needs, where a tool has one (npm, pnpm, uv); otherwise the
one that empties the cache (pip, yarn). Must not touch a cache's files itself. Invariants: bytes are the difference of
the folder's size on the disk, before and after; no command outlives its deadline, and none fetches anything.
"""

import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import anyio.to_thread

from devenv.adapters.cleaning.trees import measure
from devenv.app.ports import Launch
from devenv.domain.cleaning import PruneReport, Reclaimed, Refused
from devenv.domain.probe import Executed

FOLDER_S = 30.0
"""How long a tool may take to say where its cache is."""

PRUNE_S = 600.0
"""How long it may take to prune it: npm reads every file that it keeps."""

Run = Callable[[Launch, float], Awaitable[Executed]]

_QUIET = {
    "COREPACK_ENABLE_NETWORK": "0",  # a `pnpm` that is corepack's stand-in would download the real one, or ask
    "NO_COLOR": "1",
    "NO_UPDATE_NOTIFIER": "1",
    "NPM_CONFIG_UPDATE_NOTIFIER": "false",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tool:
    """A package manager. `folders` are commands that may tell its cache's folder, the first answer counts.

    `empties` tells that the cache is empty afterwards, so that what would go is known before.
    """

    folders: tuple[tuple[str, ...], ...]
    prune: tuple[str, ...]
    empties: bool = False


_TOOLS: Mapping[str, _Tool] = {
    "npm": _Tool(folders=(("config", "get", "cache"),), prune=("cache", "verify")),
    "pnpm": _Tool(folders=(("store", "path"),), prune=("store", "prune")),
    "yarn": _Tool(folders=(("config", "get", "cacheFolder"), ("cache", "dir")), prune=("cache", "clean"), empties=True),
    "pip": _Tool(folders=(("cache", "dir"),), prune=("cache", "purge"), empties=True),
    "uv": _Tool(folders=(("cache", "dir"),), prune=("cache", "prune")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheCleaning:
    """Prunes caches with commands that `run` runs in `folder`, with the environment of the command that asks."""

    run: Run
    folder: str
    environment: Mapping[str, str]
    dry_run: bool = False

    async def clean(self, name: str) -> PruneReport:
        """Prune the cache of one package manager; say what went, or why nothing was done."""
        kind, tool = f"{name} cache", _TOOLS.get(name)
        program = shutil.which(name, path=self.environment.get("PATH", os.defpath))
        if tool is None:
            return _refuse(kind, f"{name} is none of {', '.join(_TOOLS)}")
        if program is None:
            return _refuse(kind, f"there is no program {name} on PATH")
        folder = await self._find_folder(program, tool)
        if not folder:
            return _refuse(kind, f"`{name} {' '.join(tool.folders[0])}` names no folder")
        before = await anyio.to_thread.run_sync(measure, folder)
        if self.dry_run:
            return _tell_ahead(kind, name, tool, folder, before)
        done = await self._call((program, *tool.prune), PRUNE_S)
        after = await anyio.to_thread.run_sync(measure, folder)
        went = Reclaimed(
            kind=kind,
            names=(folder,) if before > after else (),
            bytes=max(0, before - after),
            note=f"`{name} {' '.join(tool.prune)}`",
        )
        if done.status == 0:
            return PruneReport(reclaimed=(went,))
        why = f"`{name} {' '.join(tool.prune)}` ended with status {done.status}: {_last_line(done.output)}"
        return PruneReport(reclaimed=(went,) if went.bytes else (), refused=(Refused(name=kind, why=why),))

    async def _find_folder(self, program: str, tool: _Tool) -> str:
        for words in tool.folders:
            done = await self._call((program, *words), FOLDER_S)
            folder = _last_line(done.output)
            if done.status == 0 and folder.startswith("/"):
                return folder
        return ""

    async def _call(self, argv: tuple[str, ...], timeout_s: float) -> Executed:
        environment = {**self.environment, **_QUIET}
        launch = Launch(service="", argv=argv, working_dir=self.folder, environment=environment, log=os.devnull)
        return await self.run(launch, timeout_s)


def _tell_ahead(kind: str, name: str, tool: _Tool, folder: str, size: int) -> PruneReport:
    """Say what would go; where only the tool can tell, that nothing is known, not a guess."""
    note = f"`{name} {' '.join(tool.prune)}`" + ("" if tool.empties else " decides when it runs what is not needed")
    row = Reclaimed(kind=kind, names=(folder,), bytes=size if tool.empties else 0, note=note)
    return PruneReport(reclaimed=(row,), is_dry_run=True)


def _refuse(kind: str, why: str) -> PruneReport:
    return PruneReport(refused=(Refused(name=kind, why=why),))


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else ""
