"""The `prune` operation: give disk space back, on the engine and on this machine.

Must not know how anything is found or removed. Invariant: it runs in the stack's turn, so that nothing which an `up` is
making, and nothing that the running stack counts on, goes; an engine that is gone keeps nothing else from being done.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from devenv.app.container_instance import ContainerInstance
from devenv.app.crew import Crew
from devenv.app.ports import Cleaning, Containers, Mount, PruneScope
from devenv.app.requests import PruneRequest
from devenv.domain.cleaning import CleanRules, PruneReport, Refused, join_reports
from devenv.domain.errors import DevenvError, HostError
from devenv.domain.lifecycle import LIVE, State
from devenv.domain.model import ComposeProject, EngineChoice, Stack

_COUNTED_ON = LIVE | {State.COMPLETED, State.WAITING}
"""States in which a container belongs to the running stack, whether it runs or not."""


@dataclass(slots=True, kw_only=True)
class Pruning:
    """One prune. `report` is what came of it so far, also when it was ended early."""

    crew: Crew
    request: PruneRequest
    _reports: list[PruneReport] = field(default_factory=list)
    _mounts: tuple[Mount, ...] = ()

    @property
    def report(self) -> PruneReport:
        """Return what came of it so far."""
        return join_reports(self._reports, is_dry_run=self.request.dry_run)

    async def run(self) -> list[DevenvError]:
        """Do it; return what could not be done. Raises ConfigError where nothing tells what may go."""
        stack, names = await self._read()
        rules = stack.clean or CleanRules(root=stack.root)
        failures = await self._prune_engine(stack, rules)
        await self._prune_host(stack, rules)
        await self._prune_logs(names)
        return failures

    async def _read(self) -> tuple[Stack, frozenset[str] | None]:
        """Return the configuration, and the names of all services whatever the profiles; None where not all are known.

        A service that another profile brings up is still one of the stack's.
        """
        load, reading = self.crew.tools.load, self.request.reading
        stack = await load(reading)
        try:
            whole = await load(replace(reading, profiles=("*",)))
        except DevenvError:
            return stack, None
        return stack, frozenset({*stack.services, *whole.services})

    async def _prune_engine(self, stack: Stack, rules: CleanRules) -> list[DevenvError]:
        has_project = stack.compose is not None and stack.engine is not EngineChoice.EMBEDDED
        if not has_project and not self.request.all_unused and rules.build_cache is None:
            return []
        scope = PruneScope(
            everything=self.request.all_unused,
            build_cache=rules.build_cache,
            keep=frozenset(instance.container for instance in self._find_counted_on()),
            dry_run=self.request.dry_run,
        )
        self.crew.board.report("docker", "looking for what nobody uses")
        try:
            engine = self._open(stack if has_project else None)
            await engine.ping()
            self._mounts = await engine.mounts()
            report, failure = await engine.prune(scope)
            self._reports.append(report)
            await self._forget_removed(engine)
        except HostError as error:
            failure = error
        finally:
            self.crew.board.report("docker", "done", done=True)
        if failure is None:
            return []
        self._reports.append(PruneReport(refused=(Refused(name="docker", why=f"{failure.what}: {failure.why}"),)))
        return [failure]

    def _open(self, stack: Stack | None) -> Containers:
        """Return the engine for the stack's project, or for none."""
        if stack is not None and stack.compose is not None:
            return self.crew.engine or self.crew.tools.open_engine(stack.compose, _tell_nobody)
        return self.crew.tools.open_engine(ComposeProject(name="", files=(), directory=""), _tell_nobody)

    def _find_counted_on(self) -> Iterator[ContainerInstance]:
        for name, instance in self._list_instances():
            if instance.container and self.crew.board.views[name].state in _COUNTED_ON:
                yield instance

    def _list_instances(self) -> Iterator[tuple[str, ContainerInstance]]:
        for name, runner in self.crew.runners.items():
            if isinstance(runner.instance, ContainerInstance):
                yield name, runner.instance

    async def _forget_removed(self, engine: Containers) -> None:
        """Let no service refer to a container that went: its next start makes a new one."""
        if self.request.dry_run:
            return
        here = {container.id for container in await engine.list()}
        for name, instance in self._list_instances():
            if instance.container and instance.container not in here:
                instance.container = ""
                self.crew.board.amend(name, container="")

    async def _prune_host(self, stack: Stack, rules: CleanRules) -> None:
        self.crew.board.report("files", "looking at paths and caches")
        cleaning = Cleaning(
            rules=rules,
            environment=self.request.reading.environment,
            stay=stack.files,
            mounts=self._mounts,
            dry_run=self.request.dry_run,
        )
        try:
            self._reports.append(await self.crew.tools.cleaner.clean(cleaning))
        finally:
            self.crew.board.report("files", "done", done=True)

    async def _prune_logs(self, names: frozenset[str] | None) -> None:
        """Remove the logs of services that are neither configured nor there in any way."""
        if names is None:
            return
        living: Mapping[str, object] = {**self.crew.runners, **self.crew.tools.processes.find_marked()}
        row = await self.crew.tools.logs.prune({*names, *living}, dry_run=self.request.dry_run)
        self._reports.append(PruneReport(reclaimed=(row,)))


def _tell_nobody(error: HostError | None) -> None:
    """Take the news of an engine that nothing is started on."""
