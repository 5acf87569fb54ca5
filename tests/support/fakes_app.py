"""A whole supervisor on fakes, for tests of the shell: say what there is, ask for `up` and `down`, look at the result.

Must not touch the machine. Invariant: the fakes outlive the supervisor, so that `restart` is a new daemon in the same
world.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TypeVar

import anyio

from devenv.app.requests import DownRequest, Reading, UpRequest
from devenv.app.supervisor import Operation, Supervisor
from devenv.app.toolbox import Toolbox
from devenv.domain.errors import HostError
from devenv.domain.events import Note, Numbered, OperationEnded, ServiceChanged, ServiceView
from devenv.domain.holders import ProcessId
from devenv.domain.lifecycle import State
from devenv.domain.model import ComposeProject, ContainerRun, ProcessRun, Service, Stack
from devenv.domain.ownership import Self
from devenv.domain.probe import Stages
from tests.support.builders import ROOT
from tests.support.fakes_checkouts import FakeCheckouts
from tests.support.fakes_cleaner import FakeCleaner
from tests.support.fakes_containers import FakeContainers, FakeService
from tests.support.fakes_inspector import FakeInspector
from tests.support.fakes_ports import FakePortTable
from tests.support.fakes_processes import FakeLogs, FakeProcesses, FakeRunRecord

E = TypeVar("E")
READING = Reading(directory=ROOT, pid=77, environment={"HOME": "/home/ada"})
ME = Self(uid=1000, pid=500, stack_key="key", project_root=ROOT, home="/home/ada")
DEADLINE_S = 10_000.0  # of virtual time


class Bug(Exception):
    """The supervisor reported a bug in itself."""


class Rig:
    """A stack, the world it runs in, and the supervisor of it."""

    def __init__(self, stack: Stack, *, cpus: int = 4) -> None:
        self.report_bug: Callable[[BaseException], str] = _raise_bug
        self.stack = stack
        self.logs = FakeLogs()
        self.processes = FakeProcesses(self.logs)
        self.record = FakeRunRecord()
        self.ports = FakePortTable()
        self.inspector = FakeInspector()
        self.checkouts = FakeCheckouts()
        self.cleaner = FakeCleaner()
        self.containers = FakeContainers(_container_specs(stack), project="shop")
        self.opened: list[ComposeProject] = []
        self.ended_foreign: list[ProcessId | str] = []
        self.load_error: Exception | None = None
        self.boot = "boot"
        self._cpus = cpus
        self.supervisor = self._supervise()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[Rig]:
        """Run the supervisor while the body runs; nothing waits longer than a deadline of virtual time."""
        with anyio.fail_after(DEADLINE_S):
            async with self.supervisor.serve(READING):
                yield self

    def restart(self, *, boot: str = "boot") -> None:
        """Let a new daemon find the same world."""
        self.boot = self.record.boot = boot
        self.supervisor = self._supervise()

    async def up(self, *services: str, **options: object) -> OperationEnded:
        """Do an `up` and return how it ended."""
        return await self.follow(self.begin_up(*services, **options))

    def begin_up(self, *services: str, **options: object) -> Operation:
        """Ask for an `up`."""
        request = UpRequest(reading=READING, services=services, **options)  # type: ignore[arg-type]
        return self.supervisor.begin_up(request)

    async def down(self, *services: str, **options: object) -> OperationEnded:
        """Do a `down`, or a `stop` of some services."""
        return await self.follow(self.begin_down(*services, **options))

    def begin_down(self, *services: str, **options: object) -> Operation:
        """Ask for a `down`."""
        return self.supervisor.begin_down(DownRequest(services=services, **options))  # type: ignore[arg-type]

    async def follow(self, operation: Operation) -> OperationEnded:
        """Wait for the end of an operation."""
        await operation.ended.wait()
        ends = [one for one in await self.happened(OperationEnded) if one.operation == operation.id]
        return ends[0]

    async def history(self) -> list[Numbered]:
        """Return all events so far."""
        found: list[Numbered] = []
        if self.supervisor.bus.seq == 0:
            return found
        async with aclosing(self.supervisor.bus.subscribe(0)) as events:
            async for numbered in events:
                found.append(numbered)
                if numbered.seq == self.supervisor.bus.seq:
                    break
        return found

    async def happened(self, kind: type[E]) -> list[E]:
        """Return the events of one kind so far."""
        return [one.event for one in await self.history() if isinstance(one.event, kind)]

    async def states(self, name: str) -> list[str]:
        """Return the states that a service went through, without repetitions."""
        seen = [str(one.service.state) for one in await self.happened(ServiceChanged) if one.service.name == name]
        return [state for position, state in enumerate(seen) if position == 0 or seen[position - 1] != state]

    async def notes(self, level: str = "") -> list[str]:
        """Return the sentences that the user was told."""
        return [one.text for one in await self.happened(Note) if level in {"", one.level}]

    async def reaching(self, name: str, state: State) -> ServiceView:
        """Wait until a service is in `state`."""
        board = self.supervisor.crew.board
        while True:
            bell = board.changes()
            if name in board.views and board.views[name].state is state:
                return board.views[name]
            await bell.wait()

    def view(self, name: str) -> ServiceView:
        """Return a service as everyone sees it now."""
        return self.supervisor.crew.board.views[name]

    def change(self, *services: Service) -> None:
        """Edit the configuration."""
        self.stack = replace(self.stack, services={**self.stack.services, **{one.name: one for one in services}})
        self.containers.services.update(_container_specs(self.stack))

    @property
    def alive(self) -> set[str]:
        """Return the services that have a process."""
        return set(self.processes.find_marked())

    @property
    def spawned(self) -> list[str]:
        """Return the services whose processes were started, in order."""
        return [launch.service for launch in self.processes.started]

    @property
    def stopped(self) -> list[str]:
        """Return the services whose trees were ended, in order."""
        return [name for name, _ in self.processes.stops]

    def pid_of(self, name: str) -> ProcessId:
        """Return the process of a service."""
        return self.processes.find_marked()[name][0]

    def end(self, name: str, status: int) -> None:
        """Let the process of a service end by itself."""
        self.processes.end(self.pid_of(name), status)

    def _supervise(self) -> Supervisor:
        return Supervisor(key="key", tools=self._tools(), report_bug=self._report_bug)

    def _report_bug(self, error: BaseException) -> str:
        return self.report_bug(error)

    def _tools(self) -> Toolbox:
        return Toolbox(
            processes=self.processes,
            ports=self.ports,
            record=self.record,
            logs=self.logs,
            load=self._load,
            open_engine=self._open_engine,
            embed=_embed,
            remove_embedded_data=self._remove_embedded_data,
            stop_foreign=self._stop_foreign,
            stop_container=self._stop_container,
            itself=lambda pid: replace(ME, ancestors=frozenset({1, pid})),
            choose_stages=_choose_stages,
            open_checkouts=lambda environment: self.checkouts,
            inspector=self.inspector,
            cleaner=self.cleaner,
            boot=self.boot,
            cpus=self._cpus,
        )

    async def _load(self, reading: Reading) -> Stack:
        if self.load_error is not None:
            raise self.load_error
        return self.stack

    def _open_engine(
        self, project: ComposeProject, report_outage: Callable[[HostError | None], None]
    ) -> FakeContainers:
        self.report_outage = report_outage
        self.opened.append(project)
        return self.containers

    async def _remove_embedded_data(self, volumes: bool) -> tuple[str, ...]:
        return ()

    async def _stop_foreign(
        self, holder: ProcessId, grace_s: float, *, protect: frozenset[int]
    ) -> tuple[ProcessId, ...]:
        assert holder.pid not in protect
        self.ended_foreign.append(holder)
        self.ports.held = [one for one in self.ports.held if one.process is None or one.process.id != holder]
        return ()

    async def _stop_container(self, container: str) -> None:
        self.ended_foreign.append(container)
        self.ports.held = [one for one in self.ports.held if one.container is None or one.container.id != container]


def _raise_bug(error: BaseException) -> str:
    raise Bug from error


def _choose_stages(service: Service, *, has_health_test: bool) -> Stages:
    return (service.probes,) if service.probes else ()


def _embed(stack: Stack, names: tuple[str, ...], reason: str) -> Stack:
    """Give every image but `exotic` an embedded server."""
    runs = {name: stack.services[name].run for name in names}
    missing = [name for name, run in runs.items() if isinstance(run, ContainerRun) and run.image == "exotic"]
    if missing:
        raise HostError(f"cannot run {', '.join(missing)} without Docker", why="no stand-in for exotic", fix="start it")
    embedded = {
        name: replace(
            stack.services[name],
            run=ProcessRun(argv=("sleep", "1000"), working_dir=ROOT, stands_in_for=run.image),
        )
        for name, run in runs.items()
        if isinstance(run, ContainerRun)
    }
    note = f"{reason}: {', '.join(names)} run embedded"
    return replace(stack, services={**stack.services, **embedded}, notes=(*stack.notes, note))


def _container_specs(stack: Stack) -> Mapping[str, FakeService]:
    return {
        name: FakeService(
            port=service.ports[0] if service.ports else None,
            version=service.run.spec_hash,
            image=service.run.image,
            needs=tuple(
                edge.service
                for edge in service.depends_on
                if edge.service in stack.services and isinstance(stack.services[edge.service].run, ContainerRun)
            ),
        )
        for name, service in stack.services.items()
        if isinstance(service.run, ContainerRun)
    }
