"""Builds the toolbox: the only place that constructs adapters.

Must not decide anything. Invariant: nothing heavy is imported before something needs it (no engine, no SDK).
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from devenv.adapters.inspector import WorkerInspector
from devenv.adapters.logs.files import LogFiles
from devenv.adapters.ports.table import HostPortTable
from devenv.adapters.processes import identity
from devenv.adapters.processes.host import HostProcesses
from devenv.adapters.state.claims import claim_project, list_stacks
from devenv.adapters.state.paths import StatePaths
from devenv.adapters.state.run_record import JsonRunRecord
from devenv.app.ports import Cleaning
from devenv.app.requests import Reading
from devenv.app.toolbox import Toolbox
from devenv.domain.cleaning import PruneReport
from devenv.domain.errors import HostError
from devenv.domain.holders import ContainerFacts
from devenv.domain.model import ComposeProject, EngineChoice, Stack, Stop, Transport
from devenv.domain.ownership import KnownStack, Self
from devenv.probes.defaults import default_stages

if TYPE_CHECKING:
    from devenv.adapters.engine.containers import DockerEngine
    from devenv.adapters.git.pulling import GitCheckouts


def build(paths: StatePaths, reading: Reading) -> Toolbox:
    """Return the real toolbox for the stack at `paths`, started by the command behind `reading`."""
    processes = HostProcesses(paths.key, str(paths.logs))
    engines = _Engines(paths, reading.environment)
    return Toolbox(
        processes=processes,
        ports=HostPortTable(engines.published),
        record=JsonRunRecord(paths.record),
        logs=LogFiles(paths.logs),
        load=lambda asked: anyio.to_thread.run_sync(partial(_load_claimed, asked, paths)),
        open_engine=engines.open,
        embed=lambda stack, names, reason: _embed(stack, names, reason, paths),
        remove_embedded_data=lambda volumes: anyio.to_thread.run_sync(
            partial(_remove_embedded_data, paths, volumes=volumes)
        ),
        stop_foreign=processes.stop_foreign,
        stop_container=engines.stop_foreign,
        itself=lambda pid: _describe_self(paths, pid),
        choose_stages=default_stages,
        open_checkouts=_open_checkouts,
        inspector=WorkerInspector(module="devenv.daemon.inspector", state_dir=str(paths.folder)),
        cleaner=_LateCleaner(processes, paths),
        boot=identity.read_boot_id(),
        cpus=os.cpu_count() or 2,
    )


def load_stack(reading: Reading, *, meanwhile: Callable[[], None] = lambda: None) -> Stack:
    """Read the configuration, doing `meanwhile` while Compose does. Raises ConfigError with every mistake."""
    from devenv.adapters.engine.compose import find_plugin, read_compose  # noqa: PLC0415
    from devenv.config.load import Request, load  # noqa: PLC0415 - loads pydantic and yaml

    request = Request(
        start=reading.directory,
        file=reading.file,
        project=reading.project,
        profiles=reading.profiles,
        environment=reading.environment,
        engine=EngineChoice(reading.engine) if reading.engine else None,
    )
    read = partial(read_compose, meanwhile=meanwhile)
    return load(request, read_compose=read if find_plugin(reading.environment) else None)


def _load_claimed(reading: Reading, paths: StatePaths) -> Stack:
    """Read the configuration and claim its Compose project, so that two checkouts never share containers."""
    from devenv.adapters.engine.line import load_sdk  # noqa: PLC0415 - 100 ms, for stacks with containers

    stack = load_stack(reading, meanwhile=load_sdk)
    if stack.compose is None or reading.project or claim_project(paths.home, stack.compose.name, stack.root):
        return stack
    name = f"{stack.compose.name}-{paths.key[:6]}"
    claim_project(paths.home, name, stack.root)
    note = f"another checkout has the Compose project {stack.compose.name}: this one is {name}"
    return replace(stack, compose=replace(stack.compose, name=name), notes=(*stack.notes, note))


def _embed(stack: Stack, names: tuple[str, ...], reason: str, paths: StatePaths) -> Stack:
    from devenv.adapters.embedded.stand_ins import translate_stack  # noqa: PLC0415 - only where no engine answers

    return replace(
        translate_stack(stack, data_root=str(_embedded_data(paths)), reason=reason, needed=names), compose=stack.compose
    )


def _remove_embedded_data(paths: StatePaths, *, volumes: bool) -> tuple[str, ...]:
    if not _embedded_data(paths).exists():
        return ()
    from devenv.adapters.embedded.data import remove_data  # noqa: PLC0415

    return remove_data(str(_embedded_data(paths)), volumes=volumes)


def _embedded_data(paths: StatePaths) -> Path:
    return paths.folder / "data"


def _open_checkouts(environment: Mapping[str, str]) -> "GitCheckouts":
    from devenv.adapters.git.pulling import GitCheckouts  # noqa: PLC0415 - only where `git:` asks for it

    return GitCheckouts(environment=environment)


def _describe_self(paths: StatePaths, pid: int) -> Self:
    """Return who we are: this daemon, and the command at `pid` with everything above it."""
    ancestors = {*identity.list_ancestors(os.getpid()), pid, *identity.list_ancestors(pid)}
    others = {
        stack.key: KnownStack(name=stack.name, root=stack.root, file=stack.file)
        for stack in list_stacks(paths.home)
        if stack.key != paths.key
    }
    return Self(
        uid=os.getuid(),
        pid=os.getpid(),
        ancestors=frozenset(ancestors),
        stack_key=paths.key,
        project_root=str(Path(paths.root).parent),
        home=str(Path.home()),
        stacks=others,
    )


class _LateCleaner:
    """The cleaner, loaded by the first prune: no `up` pays for it."""

    def __init__(self, processes: HostProcesses, paths: StatePaths) -> None:
        self._processes = processes
        self._paths = paths

    async def clean(self, cleaning: Cleaning) -> PruneReport:
        """Remove what may go and say what stays, and why."""
        from devenv.adapters.cleaning.host import HostCleaner  # noqa: PLC0415 - see above

        home = self._paths.home
        cleaner = HostCleaner(run=self._processes.run, home=home, crashes=(self._paths.crash, home / "crash"))
        return await cleaner.clean(cleaning)


class _Engines:
    """The engine's connections: one for the stack's project, and one to see and stop other people's containers."""

    def __init__(self, paths: StatePaths, environment: Mapping[str, str]) -> None:
        self._paths = paths
        self._environment = environment
        self._onlooker: DockerEngine | None = None

    def open(
        self, project: ComposeProject, report_outage: Callable[[HostError | None], None] = lambda _: None
    ) -> "DockerEngine":
        """Return the engine for `project`; `report_outage` hears of its going and coming."""
        from devenv.adapters.engine.containers import DockerEngine  # noqa: PLC0415 - 100 ms, only where there are containers

        return DockerEngine(
            project, state_dir=self._paths.folder, environment=self._environment, report_outage=report_outage
        )

    async def published(self) -> Mapping[tuple[int, Transport], ContainerFacts]:
        """Return what every container of the engine publishes."""
        return await self._look().published()

    async def stop_foreign(self, container: str) -> None:
        """Stop a container that is not the stack's, as was agreed to; it is not removed."""
        await self._look().stop(container, Stop(), declared=False)

    def _look(self) -> "DockerEngine":
        if self._onlooker is None:
            self._onlooker = self.open(ComposeProject(name="", files=(), directory=self._paths.root))
        return self._onlooker
