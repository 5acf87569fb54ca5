"""The life of one service, as one task.

Waits for dependencies, starts, passes the gate, watches, starts again after a failure. The only caller of
`Board.move` for its service. Must not know kinds of services (that is `instances`) or what else is asked of the
stack (that is `supervisor`). Invariant: when `run` has returned, nothing of this object runs any more, though the
service's own process may (it failed its gate and stays up for a look).
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Protocol

import anyio

from devenv.app.board import Board
from devenv.app.checks import Checks
from devenv.app.gate import GateFailure, pass_gate, watch_gate
from devenv.app.instances import Instance, OnQuiet, ignore
from devenv.app.queueing import StartQueue
from devenv.domain.diagnosis import describe_end, diagnose_end
from devenv.domain.errors import DevenvError, NotReady, SchemaDrift
from devenv.domain.graph import Passage, passage
from devenv.domain.lifecycle import CALM_S, State, Trigger, after_end, backoff_s
from devenv.domain.model import ContainerRun, Dependency, ProcessRun, Service, Stop
from devenv.domain.probe import Stages, Target

SETTLE_S = 0.1
"""A process that nothing can be asked of counts as ready when it is still alive after this long."""

_SETTLE_AGAIN_S = (
    0.5,
    5.0,
)  # one that ended before must outlive its last life: this much and twice that, at most so much

END_IS_NEWS_S = 2.0
"""So long is the end of a thing awaited that could not be looked at."""


class ChooseStages(Protocol):
    """Takes a service and whether the engine knows a health check of it; returns its probes in stages."""

    def __call__(self, service: Service, *, has_health_test: bool) -> Stages:
        """Return the stages, to be passed one after the other."""
        ...


@dataclass(slots=True, kw_only=True)
class Runner:
    """Runs `service` as `instance`. `dependencies` are those edges whose other end takes part.

    `find_blocked` returns the services that cannot get ready as things are.
    """

    service: Service
    instance: Instance
    dependencies: tuple[Dependency, ...]
    board: Board
    choose_stages: "ChooseStages"
    find_blocked: Callable[[], frozenset[str]]
    report_bug: Callable[[BaseException], str]
    queue: StartQueue | None = None
    priority: float = 0.0
    completes: bool = False
    explain: Callable[[Service, DevenvError], Awaitable[DevenvError]] | None = None
    checks: Checks | None = None
    """What is checked beside the probes; None where nothing is."""
    failure: DevenvError | None = None
    fingerprint: str = ""
    _scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    _finished: anyio.Event = field(default_factory=anyio.Event)
    _hurry: anyio.Event = field(default_factory=anyio.Event)
    _adopted: bool = False
    _began: float = 0.0
    _was_ready: bool = False
    _settle_s: float = SETTLE_S
    _asked_again: anyio.Event = field(default_factory=anyio.Event)
    _answered: anyio.Event = field(default_factory=anyio.Event)

    @property
    def name(self) -> str:
        """Return the service's name."""
        return self.service.name

    @property
    def stands_in(self) -> bool:
        """Tell whether an embedded server runs in place of the service's container."""
        return isinstance(self.service.run, ProcessRun) and bool(self.service.run.stands_in_for)

    def enlist(self, *, adopted: bool = False) -> None:
        """Take the service's place on the board, before `run`: from now on nobody sees it as stopped."""
        self._adopted = adopted
        if adopted:
            self.board.put(self.instance.describe(self.board.views[self.name]))
            self.board.move(self.name, Trigger.ADOPT)
        else:
            self.board.move(self.name, Trigger.QUEUE, detail="", tail=(), exit_code=None, ready_after_s=None)

    async def run(self) -> None:
        """Live until the service has ended for good, failed, or `stop` was called; `enlist` comes first."""
        try:
            with self._scope:
                try:
                    await self._live()
                except DevenvError as error:
                    await self._fail(error)
                except Exception as error:  # noqa: BLE001 - the boundary: a bug fails its service, not the daemon
                    self._fail_by_bug(error)
        finally:
            self._finished.set()
            self._answered.set()

    async def stop(self, stop: Stop | None = None, on_quiet: OnQuiet = ignore) -> None:
        """End the service's life and what runs of it. Raises StopFailed where something survives.

        `on_quiet` may be called earlier, once nothing of it runs any more.
        """
        self._scope.cancel()
        await self._finished.wait()
        state = self.board.views[self.name].state
        if state is State.STOPPED:
            return
        if state is not State.STOPPING:  # an earlier stop may have been given up half-way
            self.board.move(self.name, Trigger.STOP)
        try:
            await self._end(stop or self.service.stop, on_quiet)
        except DevenvError as error:
            self.failure = error
            self.board.move(self.name, Trigger.FAIL, detail=error.why)
            raise
        self.board.move(self.name, Trigger.GONE, pid=None, health="", detail="")

    async def check_again(self) -> None:
        """Hold the database of a service that is ready against its code once more; it fails where they differ."""
        if self.checks is None or self.board.views[self.name].state is not State.READY:
            return
        self._answered = anyio.Event()
        self._asked_again.set()
        await self._answered.wait()

    def hurry(self) -> None:
        """Use the hard signal now, also for a stop that is under way."""
        self._hurry.set()

    def calm_down(self) -> None:
        """Take `hurry` back: what survived that operation is stopped gently by the next one."""
        self._hurry = anyio.Event()

    def describe_wait(self) -> str:
        """Return what it waits for now, in a few words; empty where nothing keeps it from starting."""
        passages = {edge.service: self._passage(edge) for edge in self.dependencies}
        blocked = [name for name, found in passages.items() if found is Passage.BLOCKED]
        if blocked:
            return f"waits for {', '.join(blocked)}, which did not get ready"
        waits = [name for name, found in passages.items() if found is Passage.WAIT]
        return f"waits for {', '.join(waits)}" if waits else ""

    async def _live(self) -> None:
        failures = 0
        self._began = anyio.current_time()
        if not self._adopted:
            await self._wait_for_dependencies()
            await self._start()
        while True:
            exit_code = await self._watch()
            if exit_code is _GATE_FAILED:
                return
            lived_s = anyio.current_time() - self._began
            failures = 1 if self._was_ready and lived_s >= CALM_S else failures + 1
            self._settle_s = min(_SETTLE_AGAIN_S[1], _SETTLE_AGAIN_S[0] + 2 * lived_s)
            if not await self._survive(exit_code, lived_s, failures):
                return
            await self._start()

    async def _start(self) -> None:
        if self.checks is not None:
            await self.checks.before_start()
        await self.instance.prepare()
        async with self._turn():
            self.board.move(self.name, Trigger.START, detail="")
            self._adopted = False
            self._began = anyio.current_time()
            with anyio.CancelScope(shield=True):
                await self.instance.start()
        view = self.instance.describe(self.board.views[self.name])
        self.board.move(
            self.name, Trigger.STARTED, pid=view.pid, started=view.started, container=view.container, log=view.log
        )

    def _turn(self) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self.queue is None else self.queue.turn(self.priority)

    async def _watch(self) -> "int | _GateFailed | None":
        """Pass the gate and watch until the instance ends; return its exit status."""
        ended: list[int | None] = []
        failures: list[DevenvError] = []

        async def watch_end() -> None:
            ended.append(await self.instance.wait_end())
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch_end)
            if self.checks is not None:
                tasks.start_soon(self.checks.tell_locks)
            try:
                failures += await self._watch_gate()
            except DevenvError as error:
                # a thing that cannot be looked at has mostly ended, and its end says more
                with anyio.move_on_after(END_IS_NEWS_S):
                    await anyio.sleep_forever()
                failures.append(error)
            tasks.cancel_scope.cancel()
        if ended:
            return ended[0]
        if not isinstance(failures[0], NotReady | SchemaDrift):
            raise failures[0]
        self.failure = failures[0]
        facts = {"schema": self.checks.word} if self.checks is not None else {}
        self.board.move(self.name, Trigger.FAIL, detail=self.failure.why, tail=self.failure.details, **facts)
        return _GATE_FAILED

    async def _watch_gate(self) -> list[DevenvError]:
        """Pass the gate, then watch for ever; return what kept it from being passed."""
        if self.completes:
            await anyio.sleep_forever()
        target = await self.instance.target()
        stages = self.choose_stages(self.service, has_health_test=bool(target.health_test))
        failure = await self._pass_gate(stages, target)
        if failure is None:
            failure = await self._watch_ready(stages, target)
        return [failure]

    async def _pass_gate(self, stages: Stages, target: Target) -> DevenvError | None:
        if not stages and not isinstance(self.service.run, ContainerRun):
            await anyio.sleep(self._settle_s)
        failure = await self._pass_probes_and_schema(stages, target)
        if failure is not None:
            return failure
        self._was_ready = True
        facts: dict[str, object] = {} if self._adopted else {"ready_after_s": anyio.current_time() - self._began}
        if self.checks is not None:
            self.checks.tell()
            facts["schema"] = self.checks.word
        self.board.move(self.name, Trigger.PASS, detail="", health="healthy", **facts)
        return None

    async def _pass_probes_and_schema(self, stages: Stages, target: Target) -> DevenvError | None:
        """Pass both at the same time. Drift is looked at again once it answers: a service may make its own tables."""
        drifts: list[DevenvError] = []

        async def pass_schema(checks: Checks) -> None:
            drift = await checks.pass_schema()
            drifts.extend([drift] if drift else [])

        async with anyio.create_task_group() as tasks:
            if self.checks is not None:
                tasks.start_soon(pass_schema, self.checks)
            outcome = await pass_gate(
                stages,
                target,
                timeout_s=self.service.ready_timeout_s,
                owner_problem=self.instance.owner_problem,
                on_reason=lambda reason: self.board.amend(self.name, detail=reason),
            )
        if isinstance(outcome, GateFailure):
            failure: DevenvError = NotReady(
                f"cannot call {self.name} ready",
                why=outcome.reason,
                fix=f"devenv logs {self.name}",
                details=await self.instance.tail(),
            )
            return _blame(drifts[0], failure) if drifts else failure
        return await self.checks.pass_schema() if drifts and self.checks is not None else None

    async def _watch_ready(self, stages: Stages, target: Target) -> DevenvError:
        """Watch the health of a service that is ready for ever; return only what `check_again` finds."""
        drifts: list[DevenvError] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch_health, stages, target)
            while not drifts:
                await self._asked_again.wait()
                self._asked_again = anyio.Event()
                drift = await self.checks.pass_schema() if self.checks is not None else None
                if drift is not None:
                    drifts.append(drift)
                elif self.checks is not None:
                    self.checks.tell()
                    self.board.amend(self.name, schema=self.checks.word)
                    self._answered.set()
            tasks.cancel_scope.cancel()
        return drifts[0]

    async def _watch_health(self, stages: Stages, target: Target) -> None:
        async for reason in watch_gate(stages, target, owner_problem=self.instance.owner_problem):
            if reason is not None:
                self.board.move(self.name, Trigger.SICKEN, detail=reason, health="unhealthy")
            else:
                self.board.move(self.name, Trigger.PASS, detail="", health="healthy")
        await anyio.sleep_forever()

    async def _survive(self, exit_code: "int | _GateFailed | None", lived_s: float, failures: int) -> bool:
        """Act on an end; return whether the service starts again."""
        assert not isinstance(exit_code, _GateFailed)
        idle = isinstance(self.service.run, ContainerRun) and not self.service.ports and not self.service.probes
        trigger = after_end(
            completes=self.completes or (idle and exit_code == 0),
            exit_code=exit_code,
            was_ready=self._was_ready,
            restart=self.service.restart,
            failures=failures,
        )
        facts: dict[str, object] = {"exit_code": exit_code, "health": "", "pid": None}
        if trigger is Trigger.FAIL:
            raise await self._diagnose(exit_code, lived_s, failures)
        if trigger is Trigger.COMPLETE and self.checks is not None:
            drift = await self.checks.pass_schema()
            if drift is not None:
                raise drift
            self.checks.tell()
            facts["schema"] = self.checks.word
        if trigger is not Trigger.RETRY:
            detail = "" if trigger is Trigger.COMPLETE else describe_end(exit_code)
            self.board.move(self.name, trigger, detail=detail, ready_after_s=lived_s, **facts)
            return False
        pause_s = backoff_s(failures)
        restarts = self.board.views[self.name].restarts + 1
        detail = f"{describe_end(exit_code)}; starts again in {pause_s:g} s"
        self.board.move(self.name, Trigger.RETRY, detail=detail, restarts=restarts, **facts)
        await anyio.sleep(pause_s)
        return True

    async def _diagnose(self, exit_code: int | None, lived_s: float, failures: int) -> DevenvError:
        tail = await self.instance.tail()
        self.board.amend(self.name, exit_code=exit_code, pid=None)
        error = diagnose_end(self.service, exit_code=exit_code, after_s=lived_s, tail=tail, was_ready=self._was_ready)
        if failures > 1:
            error.why += f", {failures} times in a row"
        return error if self.checks is None or self._was_ready else await self.checks.explain(error)

    def _fail_by_bug(self, error: Exception) -> None:
        self.failure = DevenvError(f"a bug in devenv with {self.name}", why=repr(error), fix=self.report_bug(error))
        view = self.board.views[self.name]
        self.board.put(replace(view, state=State.FAILED, detail=self.failure.why, since=time.time()))

    async def _fail(self, error: DevenvError) -> None:
        if self.explain is not None:
            error = await self.explain(self.service, error)
        self.failure = error
        self.board.move(self.name, Trigger.FAIL, detail=error.why, health="", tail=error.details)

    async def _end(self, stop: Stop, on_quiet: OnQuiet) -> None:
        """Stop the instance; `hurry` turns a gentle stop into a hard one."""
        hard = Stop(signal="KILL", grace_s=0.0)
        done = False
        failure: DevenvError | None = None

        async def watch_hurry() -> None:
            await self._hurry.wait()
            gentle.cancel()

        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as gentle:
                tasks.start_soon(watch_hurry)
                failure = await self._try_stop(hard if self._hurry.is_set() else stop, on_quiet)
                done = True
            if not done:
                failure = await self._try_stop(hard, on_quiet)
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure  # outside the group, which would wrap it

    async def _try_stop(self, stop: Stop, on_quiet: OnQuiet) -> DevenvError | None:
        try:
            await self.instance.stop(stop, on_quiet)
        except DevenvError as error:
            return error
        return None

    async def _wait_for_dependencies(self) -> None:
        while True:
            bell = self.board.changes()
            wait = self.describe_wait()
            if not wait:
                return
            self.board.amend(self.name, detail=wait)
            await bell.wait()

    def _passage(self, edge: Dependency) -> Passage:
        view = self.board.views.get(edge.service)
        if view is None:
            return Passage.OPEN
        if not edge.required and view.state is State.WAITING and edge.service in self.find_blocked():
            return Passage.OPEN
        return passage(edge, view.state)


def _blame(drift: DevenvError, failure: DevenvError) -> DevenvError:
    """Return `drift` as the cause of `failure`: a service whose tables are missing may never answer."""
    drift.details = (*drift.details, failure.why, *failure.details)
    return drift


class _GateFailed:
    """The mark of an end that was no end: the gate was not passed, and the instance stays up for a look."""


_GATE_FAILED = _GateFailed()
