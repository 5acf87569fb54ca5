"""The `down` and `stop` operations: end what runs, in reverse order, and prove that it is gone.

Must not know how a process or a container is ended. Invariant: success is never claimed while a process that carries
the stack's marker, a container or network of its Compose project, or a port of a service that was ended is left.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

import anyio

from devenv.app.container_instance import ContainerInstance
from devenv.app.crew import Crew
from devenv.app.engine_clearing import EngineClearing
from devenv.app.port_proof import prove_free
from devenv.app.ports import Containers
from devenv.app.requests import DownRequest, Reading
from devenv.app.runner import Runner
from devenv.app.together import attempt_all
from devenv.domain.errors import DevenvError, HostError, StopFailed, UsageError
from devenv.domain.events import Snapshot
from devenv.domain.holders import ProcessId
from devenv.domain.lifecycle import LIVE, State
from devenv.domain.model import EngineChoice, ExternalRun, Port, Stop

KINDS = (
    "stopped",
    "containers",
    "networks",
    "removed_volumes",
    "kept_volumes",
    "external_volumes",
    "anonymous_volumes",
)
"""What the summary of a `down` lists, by name: what went, then the volumes that were kept."""


@dataclass(slots=True, kw_only=True)
class TakeDown:
    """One `down`, or one `stop` of some services. `summary` says what went and what was kept."""

    crew: Crew
    request: DownRequest
    reading: Reading
    before: Snapshot = field(default_factory=Snapshot)
    """The state when it was asked for: an `up` that it ended has stopped its services by now."""
    summary: dict[str, object] = field(default_factory=dict)
    _failures: list[DevenvError] = field(default_factory=list)
    _unasked: DevenvError | None = None
    """Why nobody could look for containers that nothing is known of."""

    async def run(self) -> list[DevenvError]:
        """Do it; return what could not be done. One failure never stops the rest."""
        names = self._select()
        active = [name for name in names if self._was_active(name)]
        had = self._list_ports(active)
        if self.request.services:
            self._failures += await self.crew.stop(names, grace_s=self.request.grace_s)
        else:
            await self._end_everything(names)
        self.summary["stopped"] = [name for name in active if self.crew.board.views[name].state is State.STOPPED]
        self._failures += await prove_free(self.crew, had, pid=self.reading.pid)
        return self._failures

    def _select(self) -> tuple[str, ...]:
        unknown = [name for name in self.request.services if name not in self.crew.board.views]
        if unknown:
            raise UsageError(
                f"cannot stop {', '.join(unknown)}",
                why=f"the services that were started are {', '.join(self.crew.board.views) or '(none)'}",
                fix="devenv status",
            )
        return self.request.services or tuple(self.crew.runners)

    def _was_active(self, name: str) -> bool:
        before = self.before.services.get(name)
        is_active = self.crew.board.views[name].state is not State.STOPPED
        return is_active or (before is not None and before.state in LIVE)

    def _list_ports(self, names: list[str]) -> Mapping[str, tuple[Port, ...]]:
        """Return the ports of those services that run here."""
        services = {name: self.crew.runners[name].service for name in names if name in self.crew.runners}
        return {name: one.ports for name, one in services.items() if not isinstance(one.run, ExternalRun)}

    async def _end_everything(self, names: tuple[str, ...]) -> None:
        self.summary |= {kind: [] for kind in KINDS}
        clearing = self._clearing(self.crew.engine) if self.crew.engine is not None else None
        async with anyio.create_task_group() as beside:
            if clearing is not None:
                beside.start_soon(_try_to_look, clearing)
            self._failures += await self.crew.stop(
                names, grace_s=self.request.grace_s, on_end=lambda runner: beside.start_soon(self._discard, runner)
            )
            await self._end_strays()
            await self._clear_engine(clearing)
        if not self._failures:
            await self._clear_embedded()
        if self._unasked is not None and not self.summary["removed_volumes"]:
            self.summary["not_asked"] = f"{self._unasked.what}: {self._unasked.why}"
            if self.request.volumes:
                self._failures.append(self._unasked)

    async def _discard(self, runner: Runner) -> None:
        """Remove a container while the next ones are still stopping; what is left then is told of by the clearing."""
        with suppress(DevenvError):
            await self.crew.discard(runner, volumes=self.request.volumes)

    async def _end_strays(self) -> None:
        """End what carries our marker and has no runner: children that a crashed daemon never wrote down."""
        told = {name for name, runner in self.crew.runners.items() if runner.failure is not None}
        found = self.crew.tools.processes.find_marked()
        strays = {
            service: roots
            for service, roots in found.items()
            # the stop of a service that has failed has been told already
            if service not in told or self.crew.board.views[service].state is not State.FAILED
        }
        results = await attempt_all([partial(self._end_stray, service, roots) for service, roots in strays.items()])
        self._failures += [one for one in results if one is not None]

    async def _end_stray(self, service: str, roots: tuple[ProcessId, ...]) -> DevenvError | None:
        stop = Stop() if self.request.grace_s is None else replace(Stop(), grace_s=self.request.grace_s)
        left = await self.crew.tools.processes.stop_tree(roots, service, stop)
        if not left:
            return None
        pids = ", ".join(str(one.pid) for one in left)
        why = f"still running after the hard signal: pid {pids}"
        return StopFailed(f"cannot end every process of {service}", why=why, fix="devenv ports")

    async def _clear_engine(self, clearing: EngineClearing | None) -> None:
        """Remove what the project has on the engine; name what is kept, what is left, and what was out of reach."""
        try:
            if clearing is None:
                engine = await self._find_engine()
                if engine is None:
                    return
                clearing = self._clearing(engine)
            await clearing.clear()
            self.summary |= await clearing.summarize()
        except DevenvError as error:
            self._tell_outage(error)
        if clearing is not None:
            self._failures += clearing.failures
            self.crew.pass_notes()

    def _clearing(self, engine: Containers) -> EngineClearing:
        return EngineClearing(engine=engine, volumes=self.request.volumes)

    async def _find_engine(self) -> Containers | None:
        """Return the engine of the configuration where none is remembered: its containers may still be there."""
        try:
            stack = self.crew.stack or await self.crew.tools.load(self.reading)
            if stack.compose is None or stack.engine is EngineChoice.EMBEDDED:
                return None
            engine = self.crew.open_engine(stack.compose)
            await engine.ping()
        except DevenvError as error:
            self.crew.leave_engine()
            if self.crew.stack is None:
                self._unasked = error
            return None
        return engine

    def _tell_outage(self, error: DevenvError) -> None:
        """Say once, in place of once for each container, that the engine was out of reach, and which are left there."""
        stops = [
            runner.failure for runner in self.crew.runners.values() if isinstance(runner.instance, ContainerInstance)
        ]
        outages = [one for one in stops if isinstance(one, HostError)]
        self._failures = [one for one in self._failures if one not in outages]
        left = [view for view in self.crew.board.views.values() if view.container]
        names = ", ".join(view.name for view in left)
        self._failures.append(
            HostError(
                f"cannot end the containers of {names}" if names else error.what,
                why=f"{error.what}: {error.why}" if names else error.why,
                fix=error.fix,
                details=tuple(f"container {one.container[:12]} of {one.name} may still run" for one in left),
            )
        )

    async def _clear_embedded(self) -> None:
        """Remove the data of embedded servers that a container would have lost too."""
        folders = await self.crew.tools.remove_embedded_data(self.request.volumes)
        if self.request.volumes and folders:
            self.summary["removed_volumes"] = [*_list(self.summary["removed_volumes"]), *folders]


async def _try_to_look(clearing: EngineClearing) -> None:
    """Note which containers there are before they go; an engine that does not answer is told of afterwards."""
    with suppress(DevenvError):
        await clearing.look()


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
