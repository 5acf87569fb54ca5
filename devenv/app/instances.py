"""The running thing of a service: a process, a container, or something elsewhere.

One class for each way to run, all with the same few methods, so that `runner` knows no kinds. They hold no state of
the service's life. Invariant: `stop` returns only when nothing of the instance is left, or raises StopFailed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import anyio

from devenv.app.ports import Launch, Logs, PortTable, Processes
from devenv.domain.conflict_words import describe_process
from devenv.domain.errors import StopFailed
from devenv.domain.events import ServiceView
from devenv.domain.holders import ProcessId
from devenv.domain.model import ProcessRun, Service, Stop, TaskRun, Transport
from devenv.domain.probe import Executed, Target
from devenv.domain.references import service_url

TAIL_LINES = 5
EXEC_TIMEOUT_S = 10.0
LOG_PROBE_BYTES = 1 << 20

OnQuiet = Callable[[], None]


def ignore() -> None:
    """Do nothing."""


class Instance(Protocol):
    """What the runner needs of a service's running thing."""

    async def prepare(self) -> None:
        """Wait for what its start needs from outside the graph; may be cancelled."""
        ...

    async def start(self) -> None:
        """Bring it into being. Raises a DevenvError that says why not."""
        ...

    async def wait_end(self) -> int | None:
        """Wait until it has ended; return its exit status where that can be known."""
        ...

    async def stop(self, stop: Stop, on_quiet: OnQuiet = ignore) -> None:
        """End it; nothing to do where nothing runs. `on_quiet` may be called earlier, once nothing of it runs."""
        ...

    async def discard(self, *, volumes: bool = False) -> None:
        """Remove what is left of it after `stop`, such as a container; with `volumes` the anonymous ones of it too."""
        ...

    async def target(self) -> Target:
        """Return what probes may know of it."""
        ...

    async def owner_problem(self) -> str | None:
        """Return who answers on its port in its place; None where all is well, or nobody answers."""
        ...

    async def tail(self) -> tuple[str, ...]:
        """Return the last lines that it wrote."""
        ...

    def describe(self, view: ServiceView) -> ServiceView:
        """Return `view` with the instance's identity."""
        ...


@dataclass(slots=True, kw_only=True)
class ProcessInstance:
    """A dev server or a task: a process tree on this machine."""

    service: Service
    environment: Mapping[str, str]
    processes: Processes
    logs: Logs
    ports: PortTable
    process: ProcessId | None = None
    log_start: int = 0

    async def prepare(self) -> None:
        """Do nothing: a process needs nothing made before."""

    async def start(self) -> None:
        """Spawn it; what an earlier life of it left behind, such as workers that have its port, is ended first."""
        run = self._run
        if self.process is not None:
            await self.stop(self.service.stop)
        self.log_start = self.logs.size(self.service.name)
        self.process = self.processes.spawn(
            Launch(
                service=self.service.name,
                argv=run.argv,
                working_dir=run.working_dir,
                environment=self.environment,
                log=self.logs.path(self.service.name),
            )
        )

    async def wait_end(self) -> int | None:
        """Wait for the root process."""
        if self.process is None:
            return None
        return await self.processes.wait_exit(self.process)

    async def stop(self, stop: Stop, on_quiet: OnQuiet = ignore) -> None:
        """End the whole tree, wherever its children went."""
        roots = () if self.process is None else (self.process,)
        left = await self.processes.stop_tree(roots, self.service.name, stop)
        if left:
            pids = ", ".join(str(process.pid) for process in left)
            raise StopFailed(
                f"cannot end every process of {self.service.name}",
                why=f"still running after the hard signal: pid {pids}",
                fix=f"ps -o pid,stat,wchan:20,args -p {pids.replace(' ', '')}",
            )
        self.process = None

    async def discard(self, *, volumes: bool = False) -> None:
        """Do nothing: its log stays."""

    async def target(self) -> Target:
        """Return the service's own address and the ways to look into it."""
        port = next((port for port in self.service.ports if port.transport is Transport.TCP), None)
        return Target(
            service=self.service.name,
            address=_loopback_of(port.host) if port else "127.0.0.1",
            port=port.number if port else None,
            base_url=service_url(self.service),
            environment=self.environment,
            working_dir=self._run.working_dir,
            execute=self._execute,
            read_log=self._read_log,
        )

    async def owner_problem(self) -> str | None:
        """Name the process that listens on one of its ports without being part of it."""
        for port in self.service.ports:
            if port.transport is Transport.TCP and port.number is not None:
                problem = await self._port_problem(port.number)
                if problem:
                    return problem
        return None

    async def tail(self) -> tuple[str, ...]:
        """Return the last lines since its last start."""
        return self.logs.tail(self.service.name, TAIL_LINES, self.log_start)

    def describe(self, view: ServiceView) -> ServiceView:
        """Add pid and log."""
        pid = self.process.pid if self.process else None
        started = self.process.started if self.process else None
        return replace(view, pid=pid, started=started, log=self.logs.path(self.service.name))

    @property
    def _run(self) -> ProcessRun | TaskRun:
        assert isinstance(self.service.run, ProcessRun | TaskRun)
        return self.service.run

    async def _port_problem(self, number: int) -> str | None:
        if self.process is None:
            return None
        listening, root = self.ports.listener_pids(number, frozenset({self.process.pid}))
        if not listening or (root and self.processes.is_alive(self.process)):
            return None  # mostly the root itself listens: no need to look for the rest of its tree
        tree = self.processes.tree_pids(self.process, self.service.name)
        _, mine = self.ports.listener_pids(number, tree)
        if mine:
            return None
        holders = await self.ports.holders([(number, Transport.TCP)])
        strangers = [holder for holder in holders if holder.process is None or holder.process.id.pid not in tree]
        if not strangers:
            return None
        return (
            f"port {number} is answered by {describe_process(strangers[0])}, which is not part of {self.service.name}"
        )

    async def _execute(self, argv: tuple[str, ...]) -> Executed:
        launch = Launch(
            service=self.service.name,
            argv=argv,
            working_dir=self._run.working_dir,
            environment=self.environment,
            log="",
        )
        return await self.processes.run(launch, EXEC_TIMEOUT_S)

    async def _read_log(self) -> str:
        return self.logs.read_since(self.service.name, self.log_start, LOG_PROBE_BYTES)


@dataclass(slots=True, kw_only=True)
class ExternalInstance:
    """Something that runs elsewhere: it is checked, never started or stopped."""

    service: Service

    async def prepare(self) -> None:
        """Do nothing."""

    async def start(self) -> None:
        """Do nothing."""

    async def wait_end(self) -> int | None:
        """Wait for ever: its end is seen by its probes only."""
        await anyio.sleep_forever()
        return None

    async def stop(self, stop: Stop, on_quiet: OnQuiet = ignore) -> None:
        """Do nothing: it is not ours."""

    async def discard(self, *, volumes: bool = False) -> None:
        """Do nothing: its log stays."""

    async def target(self) -> Target:
        """Return its address."""
        return Target(service=self.service.name, base_url=service_url(self.service))

    async def owner_problem(self) -> str | None:
        """Return None."""
        return None

    async def tail(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()

    def describe(self, view: ServiceView) -> ServiceView:
        """Return it unchanged."""
        return view


def _loopback_of(host: str) -> str:
    """Return the address at which a client on this machine reaches a server bound to `host`."""
    if host in {"", "0.0.0.0", "localhost"}:  # noqa: S104 - read, not bound
        return "127.0.0.1"
    return "::1" if host == "::" else host
