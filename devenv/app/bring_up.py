"""The `up` operation: from a request to services that are ready, or to the reasons why not.

A pipeline of small steps: read, choose the engine, plan, free ports, get images, create containers, start, wait. It
must not know how a service lives (`runner`). Invariant: before anything starts, the whole configuration, the host
and all ports have been checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

import anyio

from devenv.app.crew import Crew, view_of
from devenv.app.port_clearing import clear_ports
from devenv.app.requests import UpRequest
from devenv.domain.conflicts import Consent, Decision
from devenv.domain.errors import DevenvError, HostError, NotReady, UsageError
from devenv.domain.graph import edges_of, waves
from devenv.domain.lifecycle import SETTLED, State
from devenv.domain.model import ContainerRun, EngineChoice, Service, Stack
from devenv.domain.planner import Action, Step, plan_up, select
from devenv.domain.references import resolve


@dataclass(slots=True, kw_only=True)
class BringUp:
    """One `up`. `launched` are the services that it started, for a roll-back."""

    crew: Crew
    request: UpRequest
    launched: list[str] = field(default_factory=list)
    steps: tuple[Step, ...] = ()
    wanted: tuple[str, ...] = ()
    _created: dict[str, str] = field(default_factory=dict)
    _creation_failed: DevenvError | None = None
    _creation_done: anyio.Event = field(default_factory=anyio.Event)

    async def run(self) -> list[DevenvError]:
        """Do it; return the failures, causes first. Raises what ends it before anything was started."""
        stack = await self.crew.tools.load(self.request.reading)
        for text in stack.notes:
            self.crew.board.note(text)
        self.wanted = self._select(stack)
        stack = await self._choose_engine(stack)
        services = await self._clear(stack)
        resolved = {name: resolve(service, services) for name, service in services.items()}
        self.steps = self._plan(resolved)
        if self.request.dry_run:
            return []
        stack, resolved = await self._get_images(stack, resolved)
        self._adopt_stack(stack, resolved)
        await self._launch(resolved)
        return await self._settle()

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
        return stack

    def _containers(self, services: Mapping[str, Service]) -> tuple[str, ...]:
        return tuple(name for name in self.wanted if isinstance(services[name].run, ContainerRun))

    def _embed(self, stack: Stack, names: tuple[str, ...], reason: str, cause: HostError | None = None) -> Stack:
        """Replace containers by embedded servers and say so in one line; raises one error for all that have none."""
        embedded, failures = dict(stack.services), []
        for name in names:
            try:
                embedded[name] = self.crew.tools.embed(stack.services[name], reason)
            except HostError as error:
                failures.append(error)
        if failures:
            first = failures[0]
            details = [error.what + ": " + error.why for error in failures]
            raise HostError(
                first.what,
                why=first.why + (f"; {cause.what}: {cause.why}" if cause else ""),
                fix=(cause.fix if cause and cause.fix else first.fix),
                details=tuple(details if len(details) > 1 else ()),
            )
        self.crew.board.note(
            f"{reason}: {', '.join(names)} {'runs' if len(names) == 1 else 'run'} embedded, without Docker"
        )
        return replace(stack, services=embedded)

    async def _clear(self, stack: Stack) -> Mapping[str, Service]:
        running = self.crew.running
        starting = tuple(name for name in self.wanted if not (name in running and running[name].alive))
        decisions = {key: Decision(answer) for key, answer in self.request.decisions.items()}
        consent = Consent(free_ports=self.request.free_ports, decisions=decisions)
        cleared = await clear_ports(
            self.crew, stack.services, starting, consent, pid=self.request.reading.pid, dry_run=self.request.dry_run
        )
        return cleared.services

    def _plan(self, resolved: Mapping[str, Service]) -> tuple[Step, ...]:
        services = {name: resolved[name] for name in resolved if name in self.wanted}
        return plan_up(
            services,
            self.crew.running,
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
            stack = self._embed(stack, absent, "their images can neither be found nor pulled", error)
            services = {name: replace(stack.services[name], ports=resolved[name].ports) for name in stack.services}
            resolved = {name: resolve(service, services) for name, service in services.items()}
            self.steps = self._plan(resolved)
        return stack, resolved

    def _adopt_stack(self, stack: Stack, resolved: Mapping[str, Service]) -> None:
        """Make `stack` the one that runs: views for its services, numbers for its ports."""
        self.crew.stack = stack
        for name, service in resolved.items():
            self.crew.port_numbers[name] = tuple(port.number for port in service.ports if port.number is not None)
            if name in self.wanted and (name not in self.crew.board.views or not self.crew.is_running(name)):
                self.crew.board.put(replace(view_of(service), restarts=0))
        orphans = [name for name in self.crew.runners if name not in resolved and self.crew.is_running(name)]
        if orphans:
            names = ", ".join(orphans)
            self.crew.board.note(
                f"no longer in the configuration, still running: {names} (`devenv stop {' '.join(orphans)}`)",
                level="warning",
            )

    async def _launch(self, resolved: Mapping[str, Service]) -> None:
        by_action = {step.service: step for step in self.steps}
        fresh = [name for name, step in by_action.items() if step.action is not Action.KEEP]
        replaced = [name for name in fresh if name in self.crew.runners]
        failures = await self.crew.stop(replaced)
        if failures:
            raise failures[0]
        for name in (name for name in by_action if name not in fresh):
            self.crew.runners[name].service = resolved[name]
        containers = [name for name in fresh if isinstance(resolved[name].run, ContainerRun)]
        if containers:
            await self.crew.follow_engine()
            self.crew.tasks.start_soon(self._create, containers)
        among = self._taking_part(resolved)
        for name in fresh:
            service = resolved[name]
            instance = self.crew.make_instance(service, resolved, self._await_creation)
            runner = self.crew.hire(service, resolved, among, instance)
            self.launched.append(name)
            self.crew.tasks.start_soon(runner.run)

    def _taking_part(self, resolved: Mapping[str, Service]) -> tuple[str, ...]:
        return tuple(name for name in resolved if name in self.wanted or self.crew.is_running(name))

    async def _create(self, names: list[str]) -> None:
        """Let Compose make all containers in one go; those who wait for one are told."""
        assert self.crew.engine is not None
        try:
            made = await self.crew.engine.create(names, force=self.request.force_recreate)
            self._created = {container.service: container.id for container in made}
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

    async def _settle(self) -> list[DevenvError]:
        """Wait until everything wanted is ready, or nothing more can become ready."""
        board = self.crew.board
        with anyio.move_on_after(self.request.timeout_s):
            while True:
                bell = board.changes()
                open_ = [name for name in self.wanted if board.views[name].state not in SETTLED]
                if not open_:
                    self._learn_weights()
                    return []
                if self._is_stuck(open_):
                    return self._failures(open_)
                await bell.wait()
        late = [name for name in self.wanted if board.views[name].state not in SETTLED]
        reasons = tuple(f"{name}: {board.views[name].state}, {board.views[name].detail}".rstrip(", ") for name in late)
        return [
            NotReady(
                f"cannot call {', '.join(late)} ready",
                why=f"not ready within --timeout {self.request.timeout_s:g} s",
                fix=f"devenv logs {late[0]}",
                details=reasons,
            )
        ]

    def _is_stuck(self, names: list[str]) -> bool:
        """Tell whether each of `names` has failed or waits for one that has."""
        ended = {name for name in names if self.crew.runners[name].is_over}
        blocked = set(ended)
        for wave in waves(edges_of({name: runner.service for name, runner in self.crew.runners.items()})):
            for name in wave:
                view = self.crew.board.views[name]
                if view.state is State.WAITING and set(self.crew.runners[name].waits_for()) & blocked:
                    blocked.add(name)
        return set(names) <= blocked

    def _failures(self, names: list[str]) -> list[DevenvError]:
        """Return the causes in the order in which they happened, then one error for all that wait because of them."""
        views = sorted((self.crew.board.views[name] for name in names), key=lambda view: view.since)
        causes = [view for view in views if view.state in {State.FAILED, State.STOPPED}]
        errors = [self._failure_of(view.name) for view in causes]
        waiting = [view for view in views if view.state is State.WAITING]
        if errors and waiting:
            errors[0].details += tuple(f"{view.name} {view.detail}" for view in waiting)
        return errors

    def _failure_of(self, name: str) -> DevenvError:
        failure = self.crew.runners[name].failure
        view = self.crew.board.views[name]
        return failure or NotReady(f"cannot call {name} ready", why=f"it {view.detail}", fix=f"devenv logs {name}")

    def _learn_weights(self) -> None:
        for name in self.launched:
            after_s = self.crew.board.views[name].ready_after_s
            if after_s is not None:
                self.crew.weights[name] = round(after_s, 3)


def _builds(service: Service) -> bool:
    return isinstance(service.run, ContainerRun) and service.run.builds
