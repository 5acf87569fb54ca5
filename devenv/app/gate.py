"""The gate: asks a service's probes again and again until all of them pass, and goes on asking slowly afterwards.

Must not know kinds of probes, states or how a service is started. Invariants: nothing here waits past the deadline,
each attempt has a limit of its own, and an answer that waiting cannot change ends the wait.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

import anyio

from devenv.domain.probe import NotYet, Outcome, Passed, Probe, Stages, Target

ATTEMPT_S = 2.0
"""How long one attempt may take, for probes that do not say."""

SUSPECT_S = 5.0
"""The same suspicious answer for this long means that waiting will not help."""

_PAUSE_S = (0.02, 1.0)
_PAUSE_SHARE = 0.01  # a pause may add this much to the time waited so far: what starts slowly is asked less often
_GRACE_S = 0.5  # probes that know their limit explain better what did not answer
_CALM_PAUSE_S = 20.0  # ends are learnt from events; 50 services asked over HTTP this often cost 0.3 % of a core
_DOUBT_PAUSE_S = 2.0
_FAILURES = 3
_STALE = "stale process"

OwnerProblem = Callable[[], Awaitable[str | None]]


class FailureCause(StrEnum):
    """Why the gate was given up."""

    TIMEOUT = "timeout"
    MISCONFIGURED = "misconfigured"
    FINAL = "final"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmet:
    """A probe that did not pass, and the last reason it gave."""

    probe: Probe
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFailure:
    """The gate was not passed. `reason` is the whole story in one line; `unmet` begins with the culprit."""

    cause: FailureCause
    reason: str
    unmet: tuple[Unmet, ...]


@dataclass(slots=True, kw_only=True)
class _Pursuit:
    """One probe on its way: what it said last, and since when it has said something suspicious."""

    probe: Probe
    last: Outcome | None = None
    suspect_since: float = 0.0

    @property
    def unmet(self) -> Unmet:
        reason = self.last.reason if isinstance(self.last, NotYet) else f"{self.probe.describe()} was not answered once"
        return Unmet(probe=self.probe, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    """What every attempt needs."""

    target: Target
    owner_problem: OwnerProblem | None = None
    on_reason: Callable[[str], None] | None = None


async def pass_gate(
    stages: Stages,
    target: Target,
    *,
    timeout_s: float,
    owner_problem: OwnerProblem | None = None,
    on_reason: Callable[[str], None] | None = None,
) -> Passed | GateFailure:
    """Ask until every probe has passed: the stages one after the other, the probes of a stage at the same time.

    `owner_problem` returns who answers on the service's port in its place; `on_reason` hears each new reason.
    """
    asking = _Asking(target=target, owner_problem=owner_problem, on_reason=on_reason)
    seen: list[str] = []
    stage: list[_Pursuit] = []
    with anyio.move_on_after(timeout_s):
        for probes in stages:
            stage = [_Pursuit(probe=probe) for probe in probes]
            failure = await _pass_stage(stage, asking)
            if failure is not None:
                return failure
            seen += [pursuit.last.detail for pursuit in stage if isinstance(pursuit.last, Passed)]
        return Passed(detail=", ".join(text for text in seen if text))
    unmet = tuple(pursuit.unmet for pursuit in stage if not isinstance(pursuit.last, Passed))
    reasons = "; ".join(one.reason for one in unmet)
    return GateFailure(cause=FailureCause.TIMEOUT, reason=f"not ready after {timeout_s:g} s: {reasons}", unmet=unmet)


async def watch_gate(
    stages: Stages,
    target: Target,
    *,
    owner_problem: OwnerProblem | None = None,
    pause_s: float = _CALM_PAUSE_S,
    doubt_pause_s: float = _DOUBT_PAUSE_S,
) -> AsyncIterator[str | None]:
    """Ask a service that was ready every `pause_s`; yield a reason when it is unhealthy, None when it is well again.

    Unhealthy are three failures in a row, `doubt_pause_s` apart. Ends at once where nothing can be watched.
    """
    probes = [probe for stage in stages for probe in stage if getattr(probe, "is_watched", True)]
    asking = _Asking(target=target, owner_problem=owner_problem)
    failures = 0
    while probes:
        await anyio.sleep(doubt_pause_s if failures else pause_s)
        refusal = await _find_refusal(probes, asking)
        if refusal is not None:
            failures += 1
            if failures == _FAILURES:
                yield refusal.reason
            continue
        if failures >= _FAILURES:
            yield None
        failures = 0


async def _pass_stage(stage: list[_Pursuit], asking: _Asking) -> GateFailure | None:
    failures: list[GateFailure] = []

    async def pursue(pursuit: _Pursuit) -> None:
        failure = await _pursue(pursuit, asking)
        if failure is not None:
            failures.append(failure)
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for pursuit in stage:
            tasks.start_soon(pursue, pursuit)
    return failures[0] if failures else None


async def _pursue(pursuit: _Pursuit, asking: _Asking) -> GateFailure | None:
    """Ask one probe until it passes; return why it never will."""
    prepare: Callable[[], Awaitable[None]] | None = getattr(pursuit.probe, "prepare", None)
    if prepare is not None:
        await prepare()  # what it loads is not the service's slowness: the pauses must not grow with it
    began_at = anyio.current_time()
    while True:
        asked_at = anyio.current_time()
        outcome = await _attempt(pursuit.probe, asking)
        now = anyio.current_time()
        failure = _note(pursuit, outcome, now, asking.on_reason)
        if failure is not None or isinstance(outcome, Passed):
            return failure
        await anyio.sleep(_pause_s(waited_s=now - began_at, took_s=now - asked_at))


def _note(
    pursuit: _Pursuit, outcome: Outcome, now: float, on_reason: Callable[[str], None] | None
) -> GateFailure | None:
    """Remember `outcome`; return the failure that it means."""
    before, pursuit.last = pursuit.last, outcome
    if isinstance(outcome, Passed):
        return None
    before = before if isinstance(before, NotYet) else None
    if on_reason is not None and (before is None or before.reason != outcome.reason):
        on_reason(outcome.reason)
    if outcome.final:
        return GateFailure(cause=FailureCause.FINAL, reason=outcome.reason, unmet=(pursuit.unmet,))
    if before is None or before.suspect != outcome.suspect:
        pursuit.suspect_since = now
    if outcome.suspect and now - pursuit.suspect_since >= SUSPECT_S:
        return GateFailure(
            cause=FailureCause.MISCONFIGURED, reason=_describe_suspicion(outcome), unmet=(pursuit.unmet,)
        )
    return None


def _describe_suspicion(outcome: NotYet) -> str:
    if outcome.suspect == _STALE:
        return f"{outcome.reason}, still so after {SUSPECT_S:g} s"
    same = f"the same answer ({outcome.suspect}) for {SUSPECT_S:g} s"
    return f"the probe or the service is misconfigured: {outcome.reason}; {same}"


def _pause_s(*, waited_s: float, took_s: float) -> float:
    """Return how long to rest: one per cent of the wait so far, and no attempt may take more than half of the time."""
    shortest, longest = _PAUSE_S
    return min(longest, max(shortest, took_s, waited_s * _PAUSE_SHARE))


async def _attempt(probe: Probe, asking: _Asking) -> Outcome:
    """Ask once. Nothing passes while somebody else answers on the service's port, neither before nor after."""
    refusal = await _find_stranger(probe, asking)
    if refusal is not None:
        return refusal
    limit_s = float(getattr(probe, "attempt_s", ATTEMPT_S))
    outcome: Outcome = NotYet(reason=f"{probe.describe()} did not end within {limit_s:g} s")
    with anyio.move_on_after(limit_s + _GRACE_S):
        outcome = await probe.check(asking.target)
    if isinstance(outcome, NotYet):
        return outcome
    return await _find_stranger(probe, asking) or outcome


async def _find_stranger(probe: Probe, asking: _Asking) -> NotYet | None:
    if asking.owner_problem is None or not getattr(probe, "asks_port", False):
        return None
    problem = await asking.owner_problem()
    return NotYet(reason=problem, suspect=_STALE) if problem else None


async def _find_refusal(probes: list[Probe], asking: _Asking) -> NotYet | None:
    for probe in probes:
        outcome = await _attempt(probe, asking)
        if isinstance(outcome, NotYet):
            return outcome
    return None
