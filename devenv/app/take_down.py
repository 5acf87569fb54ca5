"""The `down` and `stop` operations: end what runs, in reverse order, and prove that it is gone.

Must not know kinds of services beyond what has to be removed. Invariant: success is never claimed while a process
that carries the stack's marker, or a container of its Compose project, is left.
"""

from dataclasses import dataclass, field

from devenv.app.crew import Crew
from devenv.app.ports import Containers
from devenv.app.requests import DownRequest, Reading
from devenv.domain.errors import DevenvError, StopFailed, UsageError
from devenv.domain.lifecycle import State
from devenv.domain.model import EngineChoice, Stop


@dataclass(slots=True, kw_only=True)
class TakeDown:
    """One `down`, or one `stop` of some services. `summary` says what went and what was kept."""

    crew: Crew
    request: DownRequest
    reading: Reading
    summary: dict[str, object] = field(default_factory=dict)
    _failures: list[DevenvError] = field(default_factory=list)

    async def run(self) -> list[DevenvError]:
        """Do it; return what could not be done. One failure never stops the rest."""
        names = self._select()
        whole = not self.request.services
        self._failures += await self.crew.stop(names, grace_s=self.request.grace_s, discard=whole)
        self.summary["stopped"] = list(names)
        if whole:
            await self._end_strays()
            for clear in (self._clear_engine, self._clear_embedded):
                try:
                    await clear()
                except DevenvError as error:
                    self._failures.append(error)
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

    async def _end_strays(self) -> None:
        """End what carries our marker and has no runner: children that a crashed daemon never wrote down."""
        told = {name for name, runner in self.crew.runners.items() if runner.failure is not None}
        for service, roots in self.crew.tools.processes.find_marked().items():
            if service in told and self.crew.board.views[service].state is State.FAILED:
                continue  # its stop has just failed
            left = await self.crew.tools.processes.stop_tree(roots, service, Stop())
            if left:
                self._failures.append(
                    StopFailed(
                        f"cannot end every process of {service}",
                        why=f"still running after the hard signal: pid {', '.join(str(one.pid) for one in left)}",
                        fix="devenv ports",
                    )
                )

    async def _clear_embedded(self) -> None:
        """Remove the data of embedded servers that a container would have lost too."""
        if self._failures:
            return
        folders = await self.crew.tools.remove_embedded_data(self.request.volumes)
        if self.request.volumes and folders:
            self.summary["removed_volumes"] = [*_list(self.summary.get("removed_volumes")), *folders]

    async def _find_engine(self) -> Containers | None:
        """Return the engine of the configuration where none is remembered: its containers may still be there."""
        try:
            stack = self.crew.stack or await self.crew.tools.load(self.reading)
            if stack.compose is None or stack.engine is EngineChoice.EMBEDDED:
                return None
            engine = self.crew.open_engine(stack.compose)
            await engine.ping()
        except DevenvError:
            self.crew.leave_engine()
            return None
        return engine

    async def _clear_engine(self) -> None:
        """Remove the project's containers and networks, and its volumes when asked; name what is kept."""
        engine = self.crew.engine or await self._find_engine()
        if engine is None:
            return
        for container in await engine.list():
            if container.state in {"running", "restarting", "paused"}:
                await engine.stop(container.id, Stop(), declared=False)
        rest = [container.id for container in await engine.list()]
        if rest:
            await engine.remove(rest, volumes=self.request.volumes)
        self.summary["networks"] = list(await engine.remove_networks())
        self.crew.pass_notes()
        volumes = await (engine.remove_volumes() if self.request.volumes else engine.volumes())
        self.summary["removed_volumes" if self.request.volumes else "kept_volumes"] = list(volumes)
        left = await engine.list()
        if left:
            names = ", ".join(container.name for container in left)
            self._failures.append(
                StopFailed(f"cannot remove {names}", why="the engine still lists them", fix=f"docker rm -f {names}")
            )


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
