"""Runs the operations of one stack, one at a time.

Owns the crew for the daemon's life. Must not know HTTP, terminals or how anything is started. Invariant: at most one
operation changes the stack; a second `up` waits for the first, a `down` ends it.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import anyio
import anyio.lowlevel

from devenv.app.adoption import adopt
from devenv.app.board import Board
from devenv.app.bring_up import BringUp
from devenv.app.bus import Bus
from devenv.app.crew import Crew
from devenv.app.port_clearing import PortsRefused
from devenv.app.pruning import Pruning
from devenv.app.remembering import keep_record, save_record
from devenv.app.requests import DownRequest, PruneRequest, Reading, UpRequest
from devenv.app.take_down import TakeDown
from devenv.app.toolbox import Toolbox
from devenv.domain.cleaning import encode_report
from devenv.domain.conflict_words import describe_conflict
from devenv.domain.conflicts import Consent, can_ask, holder_key
from devenv.domain.errors import DaemonUnreachable, DevenvError, Interrupted, UsageError, to_fields
from devenv.domain.events import OperationEnded, OperationStarted, Snapshot
from devenv.domain.model import ProcessRun, TaskRun
from devenv.domain.references import resolve_texts
from devenv.domain.surroundings import addresses, surround


@dataclass(slots=True, kw_only=True)
class Operation:
    """Something that was asked for. `scope` ends it early; `ended` is set with its result published."""

    id: str
    verb: str
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    turn: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    """Ends its wait for its turn."""
    ended: anyio.Event = field(default_factory=anyio.Event)
    before: Snapshot = field(default_factory=Snapshot)
    """The state when it was asked for; what comes of it is numbered above."""
    reason: str = "interrupted"

    def end(self) -> None:
        """End it early, also while others have their turn."""
        self.turn.cancel()
        self.scope.cancel()


@dataclass(slots=True, kw_only=True)
class Outcome:
    """How an operation went."""

    failures: list[DevenvError] = field(default_factory=list)
    summary: dict[str, object] = field(default_factory=dict)
    conflicts: list[dict[str, object]] = field(default_factory=list)


class Supervisor:
    """The stack's one owner."""

    def __init__(self, *, key: str, tools: Toolbox, report_bug: Callable[[BaseException], str]) -> None:
        self.bus = Bus()
        self.operations: dict[str, Operation] = {}
        self.down = anyio.Event()
        """Set when a `down` has ended everything."""
        self._key = key
        self._tools = tools
        self._report_bug = report_bug
        self._ids = count(1)
        self._lock = anyio.Lock()
        self._conducted: Operation | None = None
        """The one that has its turn."""
        self._crew: Crew | None = None
        self._reading = Reading(directory="")

    @asynccontextmanager
    async def serve(self, reading: Reading) -> AsyncIterator[None]:
        """Adopt what runs, then keep record and logs while the body runs; services outlive it."""
        self._reading = reading
        async with anyio.create_task_group() as tasks:
            self._crew = Crew(
                key=self._key,
                tools=self._tools,
                board=Board(self.bus),
                tasks=tasks,
                report_bug=self._report_bug,
            )
            await adopt(self._crew, reading)
            tasks.start_soon(keep_record, self._crew)
            tasks.start_soon(self._tools.logs.tend)
            yield
            save_record(self._crew)
            tasks.cancel_scope.cancel()

    @property
    def crew(self) -> Crew:
        """Return the crew; there is one while `serve` runs."""
        assert self._crew is not None
        return self._crew

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing runs and nothing is being done."""
        return not self.operations and self.crew.is_idle

    def snapshot(self) -> Snapshot:
        """Return the state of every service now."""
        stack = self.crew.stack
        return Snapshot(stack=stack.name if stack else "", seq=self.bus.seq, services=dict(self.crew.board.views))

    def begin_up(self, request: UpRequest) -> Operation:
        """Start an `up`; follow its events to learn how it goes."""
        return self._begin("up", lambda operation: self._up(operation, request))

    def begin_down(self, request: DownRequest) -> Operation:
        """Start a `down` or `stop`; an `up` that is under way is ended first."""
        if not request.services:
            for other in self.operations.values():
                if other.verb == "up":
                    other.reason = "`devenv down` was asked for meanwhile"
                    other.end()
        return self._begin("stop" if request.services else "down", lambda operation: self._down(operation, request))

    def begin_prune(self, request: PruneRequest) -> Operation:
        """Start a `prune`; it waits for its turn, so that it removes nothing that an `up` is making."""
        return self._begin("prune", lambda operation: self._prune(operation, request))

    def cancel(self, operation: str, *, now: bool) -> None:
        """End an operation: what an `up` started is stopped; with `now` by the hard signal.

        A `down` or `stop` goes on: half of it helps nobody, and with `now` it ends soon.
        """
        found = self.operations.get(operation)
        if found is None:
            return
        if now:
            self.crew.hurry()
        elif found.verb in {"down", "stop"} and self._conducted is found:
            self.crew.board.note("still stopping; Ctrl-C again uses the hard signal at once", level="warning")
        found.end()

    async def describe_place(self, service: str | None, reading: Reading) -> dict[str, object]:
        """Return where a command beside `service` runs: its environment, folder and container.

        Without a service: the stack's own environment with every service's address, in the stack's folder.
        """
        stack = self.crew.stack or await self._tools.load(reading)
        running = {name: runner.service for name, runner in self.crew.runners.items()}
        ambient = self.crew.ambient or reading.environment
        if service is None:
            declared = resolve_texts(stack.environment, running)
            environment = {**ambient, **declared, **addresses(running)}
            return {"environment": environment, "working_dir": stack.root, "container": ""}
        found = running.get(service) or stack.services.get(service)
        if found is None:
            why = f"the services are {', '.join({**stack.services, **running})}"
            raise UsageError(f"cannot find the service {service}", why=why, fix="devenv status")
        view = self.crew.board.views.get(service)
        folder = found.run.working_dir if isinstance(found.run, ProcessRun | TaskRun) else stack.root
        return {
            "environment": surround(found, {**stack.services, **running}, ambient) if service in running else {},
            "working_dir": folder,
            "container": view.container if view else "",
        }

    def _begin(self, verb: str, body: Callable[[Operation], Awaitable[Outcome]]) -> Operation:
        operation = Operation(id=f"{verb}-{next(self._ids)}", verb=verb, before=self.snapshot())
        busy = [other.verb for other in self.operations.values()]
        self.operations[operation.id] = operation
        if busy and (verb in {"up", "stop"} or verb in busy):
            self.crew.board.note(f"`devenv {busy[0]}` is under way: following it")
        self.crew.tasks.start_soon(self._conduct, operation, body)
        return operation

    async def _conduct(self, operation: Operation, body: Callable[[Operation], Awaitable[Outcome]]) -> None:
        """Run an operation under the lock and publish how it ended, whatever happens."""
        began = time.monotonic()
        # What it is when the daemon itself is being ended: nobody may read that as success.
        cut_off = DaemonUnreachable("cannot finish", why="the daemon is ending", fix="devenv status")
        outcome = Outcome(failures=[cut_off])
        try:
            await self._take_turn(operation)
            self._conducted = operation
            try:
                self.bus.publish(OperationStarted(operation=operation.id, verb=operation.verb))
                outcome = await body(operation)
            finally:
                self._conducted = None
                self.crew.calm_down()
                self._lock.release()
        except DevenvError as error:
            outcome = Outcome(failures=[error])
        except Exception as error:  # noqa: BLE001 - the boundary: a bug ends the operation, not the daemon
            outcome = Outcome(failures=[DevenvError("a bug in devenv", why=repr(error), fix=self._report_bug(error))])
        finally:
            self.operations.pop(operation.id, None)
            save_record(self.crew)
            self._publish_end(operation, outcome, time.monotonic() - began)
            operation.ended.set()

    async def _take_turn(self, operation: Operation) -> None:
        with operation.turn:
            await self._lock.acquire()
        if operation.turn.cancelled_caught:
            raise Interrupted("interrupted", why=operation.reason, fix=f"devenv {operation.verb}")

    def _publish_end(self, operation: Operation, outcome: Outcome, elapsed_s: float) -> None:
        fields = [to_fields(error) for error in outcome.failures]
        if outcome.conflicts:
            fields[0]["conflicts"] = outcome.conflicts
        status = outcome.failures[0].exit_status if outcome.failures else 0
        self.bus.publish(
            OperationEnded(
                operation=operation.id,
                verb=operation.verb,
                status=status,
                elapsed_s=elapsed_s,
                failures=tuple(fields),
                summary=outcome.summary,
            )
        )

    async def _up(self, operation: Operation, request: UpRequest) -> Outcome:
        bring_up = BringUp(crew=self.crew, request=request)
        outcome = Outcome()
        with operation.scope:
            await _run_up(bring_up, outcome)
        outcome.summary = {
            "services": list(bring_up.wanted),
            "steps": [{"service": step.service, "action": step.action, "why": step.why} for step in bring_up.steps],
            "degraded": list(bring_up.degraded),
        }
        if operation.scope.cancelled_caught:
            outcome.failures = [Interrupted("interrupted", why=operation.reason, fix="devenv up")]
        if operation.scope.cancelled_caught or (outcome.failures and request.rollback):
            outcome.failures += await self._roll_back(bring_up)
        return outcome

    async def _roll_back(self, bring_up: BringUp) -> list[DevenvError]:
        failures: list[DevenvError] = []
        with anyio.CancelScope(shield=True):
            failures += await bring_up.roll_back()
        return failures

    async def _down(self, operation: Operation, request: DownRequest) -> Outcome:
        take_down = TakeDown(crew=self.crew, request=request, reading=self._reading, before=operation.before)
        failures = await take_down.run()
        is_down = not request.services and not failures
        outcome = Outcome(failures=failures, summary=take_down.summary)
        if request.prune and not request.services:
            pruned = await self._prune(operation, PruneRequest(reading=self._reading))
            told = {error.what for error in failures}  # an engine that is gone is gone for both
            outcome.failures += [error for error in pruned.failures if error.what not in told]
            outcome.summary |= pruned.summary
        if is_down:  # else something is left that the record must still know
            self.crew.forget()
            self.down.set()
        return outcome

    async def _prune(self, operation: Operation, request: PruneRequest) -> Outcome:
        pruning = Pruning(crew=self.crew, request=request)
        outcome = Outcome()
        with operation.scope:
            try:
                await anyio.lowlevel.checkpoint()  # Ctrl-C may have come before its turn
                outcome.failures = await pruning.run()
            except DevenvError as error:
                outcome.failures = [error]
        if operation.scope.cancelled_caught:
            outcome.failures = [Interrupted("interrupted", why=operation.reason, fix="devenv prune")]
        outcome.summary = {"pruned": encode_report(pruning.report)}
        return outcome


async def _run_up(bring_up: BringUp, outcome: Outcome) -> None:
    try:
        outcome.failures = await bring_up.run()
    except PortsRefused as error:
        outcome.failures, outcome.conflicts = [error], _ask_about(error, bring_up.request)
    except DevenvError as error:
        outcome.failures = [error]


def _ask_about(error: PortsRefused, request: UpRequest) -> list[dict[str, object]]:
    """Return the conflicts in a form that a prompt can show and answer."""
    consent = Consent(free_ports=request.free_ports)
    return [
        {
            "key": holder_key(conflict.holder),
            "service": conflict.service,
            "port": conflict.port.number,
            "text": describe_conflict(conflict),
            "ownership": str(conflict.ownership),
            "can_ask": can_ask(conflict, consent),
        }
        for conflict in error.conflicts
    ]
