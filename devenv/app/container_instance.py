"""A Compose service's container, as the runner needs it.

Must not know how Compose makes containers (`await_creation` does). Invariant: a container that never ran is not left
behind by a start that failed.
"""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

import anyio

from devenv.app.exits import ExitBoard
from devenv.app.instances import TAIL_LINES, OnQuiet, ignore
from devenv.app.ports import Containers, Inspection
from devenv.domain.errors import DevenvError, NotReady, StartFailed
from devenv.domain.events import ServiceView
from devenv.domain.model import ContainerRun, Service, Stop, Transport
from devenv.domain.probe import Executed, Target
from devenv.domain.references import first_port, service_url

RESTART_LOOK_S = 0.05


@dataclass(slots=True, kw_only=True)
class ContainerInstance:
    """A Compose service's container. `await_creation` returns its id once Compose has made it."""

    service: Service
    containers: Containers
    exits: ExitBoard
    await_creation: Callable[[], Awaitable[str]]
    published: bool = False
    container: str = ""

    async def prepare(self) -> None:
        """Wait for Compose to have made the container; one that is there is started again as it is."""
        if not self.container:
            self.container = await self.await_creation()

    async def start(self) -> None:
        """Start the container that Compose made."""
        self.exits.forget(self.container)
        try:
            await self.containers.start(self.container)
        except DevenvError:
            await self._discard_unstarted()
            raise

    async def wait_end(self) -> int | None:
        """Wait for the engine to say that it ended."""
        return (await self.exits.wait(self.container)).exit_code

    async def stop(self, stop: Stop, on_quiet: OnQuiet = ignore) -> None:
        """Stop it; the container stays until `down`, with what it wrote inside."""
        if self.container:
            await self.containers.stop(self.container, stop, declared=stop != Stop(), on_quiet=on_quiet)

    async def discard(self, *, volumes: bool = False) -> None:
        """Remove the container, with `volumes` its anonymous volumes too."""
        if self.container:
            await self.containers.remove([self.container], volumes=volumes)
            self.container = ""

    async def target(self) -> Target:
        """Return the container's own address: Docker's proxy accepts connections that nobody answers."""
        found = await self._inspect_between_restarts()
        if not found.running:
            raise StartFailed(
                f"cannot check {self.service.name}",
                why=found.error or f"its container ended with status {found.exit_code}",
                fix=f"devenv logs {self.service.name}",
            )
        port = next((port for port in self.service.ports if port.transport is Transport.TCP), None)
        inside = bool(found.address)
        number = None if port is None else (port.target if inside else first_port(self.service))
        return Target(
            service=self.service.name,
            address=found.address or "127.0.0.1",
            port=number,
            base_url=service_url(self.service),
            environment=self._environment,
            execute=self._execute,
            read_log=self._read_log,
            health_test=found.health_test,
            is_proxied=not inside,
        )

    async def owner_problem(self) -> str | None:
        """Return None: the engine itself binds the port, and only for this container."""
        return None

    async def tail(self) -> tuple[str, ...]:
        """Return the last lines since its last start."""
        return await self.containers.tail(self.container, TAIL_LINES) if self.container else ()

    def describe(self, view: ServiceView) -> ServiceView:
        """Add the container's id."""
        return replace(view, container=self.container)

    async def _inspect_between_restarts(self) -> Inspection:
        """Look at the container once the engine does not hold it back: till then it has no address of its own."""
        found = await self.containers.inspect(self.container)
        with anyio.move_on_after(self.service.ready_timeout_s):
            while found.restarting:
                await anyio.sleep(RESTART_LOOK_S)
                found = await self.containers.inspect(self.container)
        if not found.restarting:
            return found
        raise NotReady(
            f"cannot call {self.service.name} ready",
            why=f"the engine starts its container again and again, {found.restart_count} times so far",
            fix=f"devenv logs {self.service.name}",
            details=await self.tail(),
        )

    async def _discard_unstarted(self) -> None:
        """Remove the container if it never ran: it may hold on to what kept it from starting."""
        with contextlib.suppress(DevenvError):  # why it did not start is the news
            found = await self.containers.list()
            if any(one.id == self.container and one.state == "created" for one in found):
                await self.discard()

    @property
    def _environment(self) -> Mapping[str, str]:
        return self.service.run.environment if isinstance(self.service.run, ContainerRun) else {}

    async def _execute(self, argv: tuple[str, ...]) -> Executed:
        return await self.containers.execute(self.container, argv)

    async def _read_log(self) -> str:
        return "\n".join(await self.containers.tail(self.container, 5000))
