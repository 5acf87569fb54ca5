"""Everything that runs for one stack, and what is remembered of it.

Owns the runners, the engine connection and the run record. Must not decide what should run (that is the planner) or
in which order an operation does things (`bring_up`, `take_down`). Invariant: whatever was started is either in
`runners` or carries the stack's marker or label, so that it can always be found again.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import anyio
from anyio.abc import TaskGroup, TaskStatus

from devenv.app.board import Board
from devenv.app.checks import Checks
from devenv.app.container_instance import ContainerInstance
from devenv.app.exits import ExitBoard
from devenv.app.instances import ExternalInstance, Instance, ProcessInstance
from devenv.app.ports import Containers
from devenv.app.queueing import StartQueue
from devenv.app.runner import Runner
from devenv.app.toolbox import Toolbox
from devenv.domain.errors import DevenvError, HostError
from devenv.domain.events import ServiceView
from devenv.domain.graph import dependents_of, edges_of, find_blocked, longest_paths, order
from devenv.domain.lifecycle import LIVE, ON_THE_WAY, State
from devenv.domain.model import (
    ComposeProject,
    Condition,
    ContainerRun,
    Dependency,
    ExternalRun,
    Port,
    ProcessRun,
    Service,
    Stack,
    Stop,
    TaskRun,
    fingerprint,
)
from devenv.domain.ownership import Self
from devenv.domain.planner import Running
from devenv.domain.references import shown_url
from devenv.domain.subject import Subject, make_subject
from devenv.domain.surroundings import inherit, surround


@dataclass(slots=True, kw_only=True)
class Crew:
    """The runners of one stack."""

    key: str
    tools: Toolbox
    board: Board
    tasks: TaskGroup
    report_bug: Callable[[BaseException], str]
    stack: Stack | None = None
    ambient: Mapping[str, str] = field(default_factory=dict)
    """The environment of the command that asked last: what its processes get below what the files declare."""
    engine: Containers | None = None
    runners: dict[str, Runner] = field(default_factory=dict)
    port_numbers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    asked_ports: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """What the configuration said when `port_numbers` were given, 0 for `auto`."""
    weights: dict[str, float] = field(default_factory=dict)
    exits: ExitBoard = field(default_factory=ExitBoard)
    _queue: StartQueue = field(init=False)
    _listening: anyio.CancelScope | None = None
    _project: ComposeProject | None = None

    def __post_init__(self) -> None:
        # one start of a container keeps two processors busy
        self._queue = StartQueue(max(1, self.tools.cpus // 2), crowd=self.tools.cpus * 5)

    @property
    def running(self) -> dict[str, Running]:
        """Return what is known to exist of each service."""
        return {
            name: Running(view=self.board.views[name], fingerprint=runner.fingerprint, alive=self._is_alive(runner))
            for name, runner in self.runners.items()
        }

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing of the stack runs."""
        return not any(self._is_alive(runner) for runner in self.runners.values())

    def open_engine(self, project: ComposeProject) -> Containers:
        """Return the engine for `project` as it is now; its exits are followed on under the same name."""
        if self.engine is None or self._project != project:
            if self._project is not None and self._project.name != project.name and self._listening is not None:
                self._listening.cancel()
                self._listening = None
            self.engine, self._project = self.tools.open_engine(project, self._tell_outage), project
        return self.engine

    def _tell_outage(self, error: HostError | None) -> None:
        if error is None:
            self.board.note("the Docker engine answers again")
        else:
            self.board.note(f"{error.what}: {error.why}; waiting for it", level="warning")

    def pass_notes(self) -> None:
        """Tell the user what the engine decided without being asked."""
        for text in self.engine.take_notes() if self.engine is not None else ():
            self.board.note(text)

    def leave_engine(self) -> None:
        """Forget an engine that does not answer, unless something of ours runs on it."""
        if not any(view.container for view in self.board.views.values()):
            self.engine = None

    async def follow_engine(self) -> None:
        """Subscribe to the engine's events, once."""
        if self._listening is not None or self.engine is None:
            return
        self._listening = anyio.CancelScope()
        await self.tasks.start(self._listen, self.engine, self._listening)

    async def _listen(self, engine: Containers, scope: anyio.CancelScope, *, task_status: TaskStatus[None]) -> None:
        with scope:
            await self.exits.listen(engine, task_status=task_status)

    def make_instance(self, service: Service, services: Mapping[str, Service], await_creation: "Creation") -> Instance:
        """Return the running thing that `service` will be."""
        match service.run:
            case ExternalRun():
                return ExternalInstance(service=service)
            case ContainerRun():
                assert self.engine is not None
                return ContainerInstance(
                    service=service,
                    containers=self.engine,
                    exits=self.exits,
                    await_creation=lambda: await_creation(service.name),
                )
            case ProcessRun() | TaskRun():
                return ProcessInstance(
                    service=service,
                    environment=surround(service, services, self.ambient),
                    processes=self.tools.processes,
                    logs=self.tools.logs,
                    ports=self.tools.ports,
                )

    def make_checks(self, service: Service, services: Mapping[str, Service], *, strict: bool = False) -> Checks | None:
        """Return what is checked of `service` beside its probes; None for what is only asked from outside."""
        has_code = isinstance(service.run, ProcessRun | TaskRun) and not getattr(service.run, "stands_in_for", "")
        if not has_code and service.schema is None:
            return None
        return Checks(
            service=service,
            inspector=self.tools.inspector,
            board=self.board,
            make_subject=lambda: self.make_subject(service, services),
            is_alone=lambda: self._is_alone(service.name),
            strict=strict,
        )

    def make_subject(self, service: Service, services: Mapping[str, Service]) -> Subject:
        """Return where the code and the database of `service` are now."""
        runner = self.runners.get(service.name)
        instance = runner.instance if runner is not None else None
        containers = {name: one.container for name, one in self.board.views.items() if one.container}
        return make_subject(
            service,
            services,
            surround(service, services, self.ambient),
            root=self.stack.root if self.stack else "",
            containers=containers,
            process=instance.process if isinstance(instance, ProcessInstance) else None,
        )

    def _is_alone(self, name: str) -> bool:
        """Tell whether nothing but `name`, and what waits for it, is on its way."""
        edges = edges_of({other: runner.service for other, runner in self.runners.items()})
        waiting_for_it = set(dependents_of(edges, [name])) | self.find_blocked()
        return not any(
            view.state in ON_THE_WAY for view in self.board.views.values() if view.name not in waiting_for_it
        )

    def hire(
        self,
        service: Service,
        services: Mapping[str, Service],
        among: Iterable[str],
        instance: Instance,
        *,
        strict: bool = False,
    ) -> Runner:
        """Return a new runner for `service`; its edges count where the other end is `among` those that take part."""
        taking_part = set(among)
        edges = tuple(edge for edge in service.depends_on if edge.service in taking_part)
        runner = Runner(
            service=service,
            instance=instance,
            dependencies=edges,
            board=self.board,
            choose_stages=self.tools.choose_stages,
            find_blocked=self.find_blocked,
            report_bug=self.report_bug,
            queue=self._queue if isinstance(service.run, ContainerRun) else None,
            priority=self._prioritise(service, services),
            completes=isinstance(service.run, TaskRun) or _is_awaited_complete(service.name, services.values()),
            fingerprint=fingerprint(service, inherit(service, services)),
            checks=self.make_checks(service, services, strict=strict),
        )
        self.runners[service.name] = runner
        return runner

    def _prioritise(self, service: Service, services: Mapping[str, Service]) -> float:
        """Return how urgent a start is; only containers queue for one."""
        if not isinstance(service.run, ContainerRun):
            return 0.0
        return longest_paths(edges_of(services), self.weights).get(service.name, 0.0)

    async def stop(
        self,
        names: Iterable[str],
        *,
        grace_s: float | None = None,
        discard: bool = False,
        on_end: Callable[[Runner], object] = lambda runner: None,
    ) -> list[DevenvError]:
        """End services, each once nothing runs of all that depend on it; return what could not be ended.

        With `discard` their containers are removed too, while the next ones are still stopping. `on_end` is called with
        each that has been ended.
        """
        wanted = {name: self.runners[name] for name in names if name in self.runners}
        edges = edges_of({name: runner.service for name, runner in self.runners.items()})
        rank = {name: position for position, name in enumerate(order(edges))}
        done = {name: anyio.Event() for name in wanted}
        failures: list[DevenvError] = []

        async def stop_one(name: str, runner: Runner) -> None:
            try:
                for user in dependents_of(edges, [name]):
                    # by rank: services of two configurations may depend on each other
                    if user in done and rank[user] > rank[name]:
                        await done[user].wait()
                await runner.stop(_with_grace(runner.service.stop, grace_s), done[name].set)
                done[name].set()
                on_end(runner)
                if discard:
                    await self.discard(runner)
            except DevenvError as error:
                failures.append(error)
            finally:
                done[name].set()

        async with anyio.create_task_group() as tasks:
            for name, runner in wanted.items():
                tasks.start_soon(stop_one, name, runner)
        return failures

    async def discard(self, runner: Runner, *, volumes: bool = False) -> None:
        """Remove what is left of a service that was ended, with `volumes` the anonymous ones of its container too."""
        await runner.instance.discard(volumes=volumes)
        self.board.amend(runner.name, container="")

    def find_blocked(self) -> frozenset[str]:
        """Return the services that cannot get ready as things are."""
        edges = {name: runner.dependencies for name, runner in self.runners.items()}
        return find_blocked(edges, {name: self.board.views[name].state for name in self.board.views})

    def is_running(self, name: str) -> bool:
        """Tell whether something of the service `name` is there."""
        runner = self.runners.get(name)
        return runner is not None and self._is_alive(runner)

    def remember_ports(self, written: Service, service: Service) -> None:
        """Keep the numbers that `service` got, and what was `written` for them."""
        self.port_numbers[service.name] = tuple(port.number for port in service.ports if port.number is not None)
        self.asked_ports[service.name] = _asked_numbers(written)

    def asks_same_ports(self, written: Service) -> bool:
        """Tell whether the configuration asks for the same ports as when the numbers were given."""
        return self.asked_ports.get(written.name, _asked_numbers(written)) == _asked_numbers(written)

    def has_port(self, port: Port) -> bool:
        """Tell whether a running service of ours has the number of `port`."""
        return any(port.number in self.port_numbers.get(name, ()) for name in self.runners if self.is_running(name))

    def judge_as(self, pid: int) -> Self:
        """Return who we are, with what we started; `pid` is the command that asks."""
        instances = [runner.instance for runner in self.runners.values()]
        processes = {one.process for one in instances if isinstance(one, ProcessInstance) and one.process}
        containers = {one.container for one in instances if isinstance(one, ContainerInstance) and one.container}
        project = self.stack.compose.name if self.stack and self.stack.compose else ""
        return replace(
            self.tools.itself(pid),
            own_processes=frozenset(processes),
            own_containers=frozenset(containers),
            compose_project=project,
        )

    async def refuse_creation(self, name: str) -> str:
        """Say that an adopted container that was removed cannot be made again without an `up`."""
        raise HostError(f"cannot make {name} again", why="it was adopted, not created", fix=f"devenv up {name}")

    def forget(self) -> None:
        """Forget everything: nothing runs any more."""
        self.runners.clear()
        self.tools.record.clear()
        self.stack = None

    def hurry(self) -> None:
        """Use the hard signal for every stop that is under way or comes."""
        for runner in self.runners.values():
            runner.hurry()

    def calm_down(self) -> None:
        """Take `hurry` back."""
        for runner in self.runners.values():
            runner.calm_down()

    def _is_alive(self, runner: Runner) -> bool:
        state = self.board.views[runner.name].state
        if state in LIVE:
            return True
        instance = runner.instance
        if state is State.FAILED and isinstance(instance, ProcessInstance) and instance.process is not None:
            return self.tools.processes.is_alive(instance.process)
        return state is State.FAILED and isinstance(instance, ContainerInstance) and bool(instance.container)


Creation = Callable[[str], Awaitable[str]]


def view_of(service: Service) -> ServiceView:
    """Return the view of a service that does not run yet."""
    return ServiceView(
        name=service.name,
        run=service.kind,
        ports=tuple(port.number for port in service.ports if port.number is not None),
        url=shown_url(service),
        depends_on=tuple(edge.service for edge in service.depends_on),
    )


def _asked_numbers(service: Service) -> tuple[int, ...]:
    return tuple(port.number or 0 for port in service.ports)


def _is_awaited_complete(name: str, services: Iterable[Service]) -> bool:
    edges: Iterable[Dependency] = (edge for service in services for edge in service.depends_on)
    return any(edge.service == name and edge.condition is Condition.COMPLETED for edge in edges)


def _with_grace(stop: Stop, grace_s: float | None) -> Stop:
    return stop if grace_s is None else replace(stop, grace_s=grace_s)
