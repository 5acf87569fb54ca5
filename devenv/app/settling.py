"""Waits for the end of an `up`: everything is ready, or nothing more can become so.

Must not start or stop anything. Invariant: it ends as soon as waiting cannot help, and names causes before those who
wait because of them.
"""

from dataclasses import dataclass

import anyio

from devenv.app.crew import Crew
from devenv.domain.errors import DevenvError, NotReady
from devenv.domain.events import ServiceView
from devenv.domain.lifecycle import LOST, SETTLED, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How it ended: the failures, causes first, and what did not get ready without being needed."""

    failures: list[DevenvError]
    degraded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """The wait for `wanted`, of which the `essential` ones must get ready."""

    crew: Crew
    wanted: tuple[str, ...]
    essential: frozenset[str]

    async def wait(self, timeout_s: float | None) -> Settled:
        """Wait until everything wanted is ready, nothing more can become ready, or the time is up."""
        with anyio.move_on_after(timeout_s):
            while True:
                bell = self.crew.board.changes()
                missing = self._missing()
                if self.crew.find_blocked().issuperset(missing):
                    return self._conclude(missing)
                await bell.wait()
        return Settled(failures=[self._describe_late(timeout_s or 0.0)])

    def _missing(self) -> list[str]:
        return [name for name in self.wanted if self.crew.board.views[name].state not in SETTLED]

    def _describe_late(self, timeout_s: float) -> DevenvError:
        late = [self.crew.board.views[name] for name in self._missing()]
        return NotReady(
            f"cannot call {', '.join(view.name for view in late)} ready",
            why=f"not ready within --timeout {timeout_s:g} s",
            fix=f"devenv logs {late[0].name}",
            details=tuple(f"{view.name}: {view.state}, {view.detail}".rstrip(", ") for view in late),
        )

    def _conclude(self, missing: list[str]) -> Settled:
        """Return the failures, where anything is `missing` that was asked for or is required by it."""
        if not self.essential.isdisjoint(missing):
            return Settled(failures=self._failures(missing))
        for name in missing:
            view = self.crew.board.views[name]
            text = f"degraded: {name} is {view.state} ({view.detail}); nothing that was asked for requires it"
            self.crew.board.note(text, level="warning", service=name)
        return Settled(failures=[], degraded=tuple(missing))

    def _failures(self, names: list[str]) -> list[DevenvError]:
        """Return the causes, what is required before what is not, each in the order in which they happened.

        The first one also tells who waits because of it.
        """
        views = sorted(
            (self.crew.board.views[name] for name in names),
            key=lambda view: (view.name not in self.essential, view.since),
        )
        errors = [self._failure_of(view) for view in views if view.state in LOST]
        waiting = [view for view in views if view.state is State.WAITING]
        if errors and waiting:
            errors[0].details += tuple(
                f"{view.name} {self.crew.runners[view.name].describe_wait()}" for view in waiting
            )
        return errors

    def _failure_of(self, view: ServiceView) -> DevenvError:
        what = f"cannot call {view.name} ready"
        if view.state is State.UNHEALTHY:
            return NotReady(what, why=f"it is unhealthy: {view.detail}", fix=f"devenv restart {view.name}")
        failure = self.crew.runners[view.name].failure
        return failure or NotReady(what, why=f"it {view.detail}", fix=f"devenv logs {view.name}")
