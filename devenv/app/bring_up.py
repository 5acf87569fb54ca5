"""The `up` operation: from a request to services that are ready, or to the reasons why not.

A pipeline of small steps: read, choose the engine, plan, free ports, get images, create containers, start, wait. Newer
commits are fetched beside the first ones, which are done again where they change the configuration. It must not know
how a service lives (`runner`). Invariant: before anything starts, the whole configuration, the host and all ports have
been checked.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from devenv.app.crew import Crew, view_of
from devenv.app.port_clearing import clear_ports, explain_port
from devenv.app.requests import UpRequest
from devenv.app.settling import Settling
from devenv.domain.conflicts import Consent, Decision
from devenv.domain.errors import DevenvError, HostError, UsageError
from devenv.domain.holders import Holder
from devenv.domain.lifecycle import State
from devenv.domain.model import ContainerRun, EngineChoice, Port, Service, Stack
from devenv.domain.planner import Action, Step, find_essential, plan_up, select
from devenv.domain.references import resolve

if TYPE_CHECKING:
    from devenv.app.pulling import Pulling

IMAGES_MISSING = "their images can neither be found nor pulled"


@dataclass(slots=True, kw_only=True)
class BringUp:
    """One `up`. `launched` are the services that it started, for a roll-back."""

    crew: Crew
    request: UpRequest
    launched: list[str] = field(default_factory=list)
    steps: tuple[Step, ...] = ()
    wanted: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    """What did not get ready, and is not needed for what was asked."""
    _is_creating: bool = False
    _told: set[str] = field(default_factory=set)
    _stopped: tuple[Holder, ...] = ()
    _created: dict[str, str] = field(default_factory=dict)
    _creation_failed: DevenvError | None = None
    _creation_done: anyio.Event = field(default_factory=anyio.Event)

    async def run(self) -> list[DevenvError]:
        """Do it; return the failures, causes first. Raises what ends it before anything was started."""
        stack = await self._read()
        async with self._begin_pull(stack) as pulling:
            prepared = await self._prepare_latest(stack, pulling)
            return [] if self.request.dry_run else await self._start(prepared)

    async def _read(self) -> Stack:
        stack = await self.crew.tools.load(self.request.reading)
        self.crew.ambient = self.request.reading.environment
        self.crew.tools.logs.limit(stack.log_rules)
        self._tell(stack.notes)
        return stack

    def _begin_pull(self, stack: Stack) -> "AbstractAsyncContextManager[Pulling | None]":
        if stack.git is None or not self.request.pull:
            return nullcontext()
        from devenv.app.pulling import Pulling  # noqa: PLC0415 - 15 ms that only a stack with `git:` pays

        return Pulling(crew=self.crew, request=self.request, rules=stack.git, files=stack.files)

    async def _prepare_latest(self, stack: Stack, pulling: "Pulling | None") -> "_Prepared":
        """Prepare `stack`, and once more where newer commits came in meanwhile that make it another one.

        What cannot be prepared may be what they mend.
        """
        try:
            prepared = await self._prepare(stack)
        except DevenvError:
            if pulling is None or not await pulling.wait():
                raise
            return await self._prepare(await self._read())
        if pulling is not None and await pulling.wait() and (latest := await self._read()) != stack:
            return await self._prepare(latest)
        return prepared

    async def _prepare(self, stack: Stack) -> "_Prepared":
        """Do all that can be done before the first service starts."""
        self.wanted = self._select(stack)
        stack = await self._choose_engine(stack)
        services = await self._clear(stack)
        resolved = {name: resolve(service, services) for name, service in services.items()}
        self.steps = self._plan(resolved)
        essential = find_essential({name: resolved[name] for name in self.wanted}, self.request.services)
        if not self.request.dry_run:
            stack, resolved = await self._get_images(stack, resolved)
        return _Prepared(stack=stack, services=resolved, essential=essential)

    async def _start(self, prepared: "_Prepared") -> list[DevenvError]:
        resolved = prepared.services
        self.crew.tasks.start_soon(_prepare_probes, [resolved[name] for name in self._fresh])
        await self._stop_replaced()
        self._adopt_stack(prepared.stack, resolved)
        await self._launch(resolved)
        await self._check_kept(resolved)
        settling = Settling(crew=self.crew, wanted=self.wanted, essential=prepared.essential)
        settled = await settling.wait(self.request.timeout_s)
        self.degraded = settled.degraded
        if not settled.failures:
            self._learn_weights()
        return settled.failures

    async def roll_back(self) -> list[DevenvError]:
        """End what this `up` started, and remove the containers that were made for it; return what could not be."""
        failures = await self.crew.stop(self.launched, discard=True)
        if self._is_creating and self.crew.engine is not None:
            await self._creation_done.wait()
            left = [self._created[name] for name in self.launched if name in self._created]
            try:
                await self.crew.engine.remove(left)
            except DevenvError as error:
                failures.append(error)
        return failures

    def _select(self, stack: Stack) -> tuple[str, ...]:
        unknown = [name for name in self.request.services if name not in stack.services]
        if unknown:
            close = get_close_matches(unknown[0], stack.services, n=1)
            raise UsageError(
                f"cannot find {'service' if len(unknown) == 1 else 'services'} {', '.join(unknown)}",
                why=f"the services of {stack.name} are {', '.join(stack.services) or '(none)'}",
                fix=f"devenv up {close[0]}" if close else "devenv config",
            )
        wanted = select(stack.services, self.request.services, with_dependencies=not self.request.no_deps)
        if not wanted:
            raise UsageError(
                f"cannot bring up {stack.name}: no services are selected",
                why="every service belongs to a profile that is not active" if stack.files else "there are none",
                fix="devenv up --profile NAME",
            )
        return wanted

    async def _choose_engine(self, stack: Stack) -> Stack:
        """Return `stack` as it can run here: on the engine, or with embedded servers in place of containers."""
        containers = self._containers(stack.services)
        if not containers or stack.compose is None:
            return stack
        if stack.engine is EngineChoice.EMBEDDED:
            return self._embed(stack, containers, "`engine: embedded`")
        self.crew.open_engine(stack.compose)
        try:
            assert self.crew.engine is not None
            await self.crew.engine.ping()
        except HostError as error:
            self.crew.leave_engine()
            if stack.engine is EngineChoice.DOCKER:
                raise
            return self._embed(stack, containers, "no Docker engine answers", error)
        return await self._keep_stand_ins(stack, containers)

    async def _keep_stand_ins(self, stack: Stack, containers: tuple[str, ...]) -> Stack:
        """Leave embedded what already runs so because its image is missing: a pull is not tried at each `up`."""
        runners = self.crew.runners
        standing_in = [name for name in containers if self.crew.is_running(name) and runners[name].stands_in]
        if not standing_in or self.crew.engine is None or stack.engine is EngineChoice.DOCKER:
            return stack
        missing = await self.crew.engine.missing_images(standing_in)
        return self._embed(stack, missing, IMAGES_MISSING) if missing else stack

    def _containers(self, services: Mapping[str, Service]) -> tuple[str, ...]:
        return tuple(name for name in self.wanted if isinstance(services[name].run, ContainerRun))

    def _embed(self, stack: Stack, names: tuple[str, ...], reason: str, cause: HostError | None = None) -> Stack:
        """Replace containers by embedded servers and say so; raises one error for all that have none."""
        try:
            embedded = self.crew.tools.embed(stack, names, reason)
        except HostError as error:
            if cause is not None:
                error.details += (f"{cause.what}: {cause.why}",)
                error.fix = cause.fix or error.fix
            raise
        self._tell(embedded.notes)
        return embedded

    async def _clear(self, stack: Stack) -> Mapping[str, Service]:
        decisions = {key: Decision(answer) for key, answer in self.request.decisions.items()}
        consent = Consent(free_ports=self.request.free_ports, decisions=decisions)
        cleared = await clear_ports(
            self.crew, stack.services, self.wanted, consent, pid=self.request.reading.pid, dry_run=self.request.dry_run
        )
        self._stopped += cleared.stopped
        return cleared.services

    def _plan(self, resolved: Mapping[str, Service]) -> tuple[Step, ...]:
        services = {name: resolved[name] for name in resolved if name in self.wanted}
        return plan_up(
            services,
            self.crew.running,
            everything=resolved,
            named=self.request.services,
            force=self.request.force_recreate or self.request.build,
        )

    async def _get_images(self, stack: Stack, resolved: dict[str, Service]) -> tuple[Stack, dict[str, Service]]:
        starting = {step.service for step in self.steps if step.action is not Action.KEEP}
        containers = [name for name in self._containers(resolved) if name in starting]
        if not containers or self.crew.engine is None:
            return stack, resolved
        missing = await self.crew.engine.missing_images(containers)
        building = [name for name in containers if _builds(resolved[name])] if self.request.build else []
        if not missing and not building:
            return stack, resolved
        try:
            await self.crew.engine.prepare(
                {*missing, *building}, build=self.request.build, report=self.crew.board.report
            )
        except HostError as error:
            if stack.engine is not EngineChoice.AUTO:
                raise
            absent = await self.crew.engine.missing_images(containers)
            if not absent:
                raise
            stack = self._embed(stack, absent, IMAGES_MISSING, error)
            services = {name: replace(stack.services[name], ports=resolved[name].ports) for name in stack.services}
            resolved = {name: resolve(service, services) for name, service in services.items()}
            self.steps = self._plan(resolved)
        return stack, resolved

    @property
    def _fresh(self) -> tuple[str, ...]:
        return tuple(step.service for step in self.steps if step.action is not Action.KEEP)

    async def _stop_replaced(self) -> None:
        """End what is to be started anew; a Ctrl-C waits for it, because what is half stopped would be nobody's."""
        crew = self.crew
        old = [name for name in self._fresh if name in crew.runners and crew.board.views[name].state not in _DONE]
        with anyio.CancelScope(shield=True):
            failures = await crew.stop(old)
        await anyio.lowlevel.checkpoint_if_cancelled()
        if failures:
            raise failures[0]

    def _adopt_stack(self, stack: Stack, resolved: Mapping[str, Service]) -> None:
        """Make `stack` the one that runs: views for its services, numbers for its ports."""
        self.crew.stack = stack
        for name, service in resolved.items():
            self.crew.remember_ports(stack.services[name], service)
            if name not in self.wanted:
                continue
            view = view_of(service)
            if name in self._fresh:
                before = self.crew.board.views.get(name)
                self.crew.board.put(replace(view, state=before.state) if before else view)
            else:
                self.crew.runners[name].service = service
                self.crew.board.amend(name, depends_on=view.depends_on, url=view.url)
        orphans = [name for name in self.crew.runners if name not in resolved and self.crew.is_running(name)]
        if orphans:
            names = ", ".join(orphans)
            self.crew.board.note(
                f"no longer in the configuration, still running: {names} (`devenv stop {' '.join(orphans)}`)",
                level="warning",
            )

    async def _launch(self, resolved: Mapping[str, Service]) -> None:
        """Give all that starts a place on the board, then let each live; nothing is awaited in between."""
        containers = [name for name in self._fresh if isinstance(resolved[name].run, ContainerRun)]
        if containers:
            await self.crew.follow_engine()
            self._is_creating = True
            self.crew.tasks.start_soon(self._create, containers, self._moved_containers(resolved))
        among = self._taking_part(resolved)
        explain = partial(explain_port, self.crew, pid=self.request.reading.pid, stopped=self._stopped)
        for name in self._fresh:
            instance = self.crew.make_instance(resolved[name], resolved, self._await_creation)
            runner = self.crew.hire(resolved[name], resolved, among, instance, strict=self.request.strict)
            runner.explain = explain
            runner.enlist()
            self.launched.append(name)
            self.crew.tasks.start_soon(runner.run)

    async def _check_kept(self, resolved: Mapping[str, Service]) -> None:
        """Hold the databases of what runs already against the code as it is now: it may have changed since."""
        kept = [step.service for step in self.steps if step.action is Action.KEEP]
        async with anyio.create_task_group() as tasks:
            for name in (name for name in kept if resolved[name].schema is not None):
                runner = self.crew.runners[name]
                runner.checks = self.crew.make_checks(resolved[name], resolved, strict=self.request.strict)
                tasks.start_soon(runner.check_again)

    def _moved_containers(self, resolved: Mapping[str, Service]) -> dict[str, tuple[Port, ...]]:
        """Return the ports of the containers that get other ones than their Compose file says."""
        assert self.crew.stack is not None
        written = self.crew.stack.services
        return {
            name: service.ports
            for name, service in resolved.items()
            if isinstance(service.run, ContainerRun) and service.ports != written[name].ports
        }

    def _taking_part(self, resolved: Mapping[str, Service]) -> tuple[str, ...]:
        return tuple(name for name in resolved if name in self.wanted or self.crew.is_running(name))

    async def _create(self, names: list[str], moved: Mapping[str, tuple[Port, ...]]) -> None:
        """Let Compose make all containers in one go; those who wait for one are told."""
        assert self.crew.engine is not None
        try:
            self.crew.engine.publish(moved)
            made = await self.crew.engine.create(names, force=self.request.force_recreate)
            self._created = {container.service: container.id for container in made}
            self.crew.pass_notes()
        except DevenvError as error:
            self._creation_failed = error
        finally:
            self._creation_done.set()

    async def _await_creation(self, name: str) -> str:
        await self._creation_done.wait()
        if self._creation_failed is not None:
            raise self._creation_failed
        if name not in self._created:
            raise HostError(
                f"cannot create a container for {name}",
                why="Compose reported success, but the engine lists none",
                fix=f"docker compose ps {name}",
            )
        return self._created[name]

    def _tell(self, notes: Iterable[str]) -> None:
        """Say what was not said before."""
        for text in notes:
            if text not in self._told:
                self._told.add(text)
                self.crew.board.note(text)

    def _learn_weights(self) -> None:
        for name in self.launched:
            after_s = self.crew.board.views[name].ready_after_s
            if after_s is not None:
                self.crew.weights[name] = round(after_s, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """What is ready to start: the stack as it can run here, and its services with all references resolved."""

    stack: Stack
    services: dict[str, Service]
    essential: frozenset[str]


_DONE = frozenset({State.STOPPED, State.COMPLETED})


async def _prepare_probes(services: Iterable[Service]) -> None:
    """Let probes load what they ask with, while what they will ask still starts."""
    for probe in (probe for service in services for probe in service.probes):
        prepare: Callable[[], Awaitable[None]] | None = getattr(probe, "prepare", None)
        if prepare is not None:
            await prepare()


def _builds(service: Service) -> bool:
    return isinstance(service.run, ContainerRun) and service.run.builds
