"""A service's life: one table of states and triggers.

The only place that says which state follows which; README's diagram is generated from `TRANSITIONS`. Nothing here
knows how a service is started or checked. Invariant: an illegal trigger raises and changes nothing.
"""

from enum import StrEnum


class State(StrEnum):
    """Where a service is in its life; the same word in code, CLI, API and docs."""

    STOPPED = "stopped"
    WAITING = "waiting"
    STARTING = "starting"
    PROBING = "probing"
    READY = "ready"
    COMPLETED = "completed"
    UNHEALTHY = "unhealthy"
    BACKOFF = "backoff"
    FAILED = "failed"
    STOPPING = "stopping"


class Trigger(StrEnum):
    """What moves a service on."""

    QUEUE = "queue"
    START = "start"
    STARTED = "started"
    ADOPT = "adopt"
    PASS = "pass"  # noqa: S105 - a trigger's name
    COMPLETE = "complete"
    SICKEN = "sicken"
    RETRY = "retry"
    FAIL = "fail"
    END = "end"
    STOP = "stop"
    GONE = "gone"


_S, _T = State, Trigger

TRANSITIONS: dict[State, dict[Trigger, State]] = {
    _S.STOPPED: {_T.QUEUE: _S.WAITING, _T.ADOPT: _S.PROBING},
    _S.WAITING: {_T.START: _S.STARTING, _T.FAIL: _S.FAILED, _T.STOP: _S.STOPPING},
    _S.STARTING: {_T.STARTED: _S.PROBING, _T.FAIL: _S.FAILED, _T.STOP: _S.STOPPING},
    _S.PROBING: {
        _T.PASS: _S.READY,
        _T.COMPLETE: _S.COMPLETED,
        _T.RETRY: _S.BACKOFF,
        _T.FAIL: _S.FAILED,
        _T.END: _S.STOPPED,
        _T.STOP: _S.STOPPING,
    },
    _S.READY: {
        _T.SICKEN: _S.UNHEALTHY,
        _T.COMPLETE: _S.COMPLETED,
        _T.RETRY: _S.BACKOFF,
        _T.FAIL: _S.FAILED,
        _T.END: _S.STOPPED,
        _T.STOP: _S.STOPPING,
    },
    _S.UNHEALTHY: {
        _T.PASS: _S.READY,
        _T.COMPLETE: _S.COMPLETED,
        _T.RETRY: _S.BACKOFF,
        _T.FAIL: _S.FAILED,
        _T.END: _S.STOPPED,
        _T.STOP: _S.STOPPING,
    },
    _S.BACKOFF: {_T.START: _S.STARTING, _T.FAIL: _S.FAILED, _T.STOP: _S.STOPPING},
    _S.COMPLETED: {_T.QUEUE: _S.WAITING, _T.STOP: _S.STOPPING},
    _S.FAILED: {_T.QUEUE: _S.WAITING, _T.STOP: _S.STOPPING},
    _S.STOPPING: {_T.GONE: _S.STOPPED, _T.FAIL: _S.FAILED},
}

ON_THE_WAY = frozenset({_S.WAITING, _S.STARTING, _S.PROBING, _S.BACKOFF})
"""States in which a service may still become ready by itself."""

LIVE = frozenset({_S.STARTING, _S.PROBING, _S.READY, _S.UNHEALTHY, _S.BACKOFF, _S.STOPPING})
"""States in which something of the service may exist on this machine."""

SETTLED = frozenset({_S.READY, _S.COMPLETED})
"""States in which the gate is passed."""

LOST = frozenset({_S.FAILED, _S.STOPPED, _S.UNHEALTHY})
"""States from which waiting alone makes nothing ready."""


class IllegalTransition(Exception):
    """A bug: the trigger does not apply to the state."""


def step(state: State, trigger: Trigger) -> State:
    """Return the state that follows, or raise IllegalTransition."""
    try:
        return TRANSITIONS[state][trigger]
    except KeyError:
        raise IllegalTransition(f"{trigger} does not apply to a service that is {state}") from None


def backoff_s(failures: int) -> float:
    """Return the seconds to wait before start number `failures` + 1: 0.5 doubling to 30."""
    return float(min(30.0, 0.5 * 2 ** max(0, failures - 1)))


CALM_S = 60.0
"""A service that stayed up this long has its count of failures reset."""

CRASH_LOOP = 5
"""This many failures with no calm between them end the restarts."""

START_CRASH_LOOP = 3
"""The same before a service was ever ready: `up` should not wait for a start that keeps failing."""


def is_crash_loop(*, failures: int, was_ready: bool) -> bool:
    """Tell whether restarts should end."""
    return failures >= (CRASH_LOOP if was_ready else START_CRASH_LOOP)


def to_mermaid() -> str:
    """Return the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.STOPPED}"]
    for state, row in TRANSITIONS.items():
        lines += [f"    {state} --> {following}: {trigger}" for trigger, following in row.items()]
    return "\n".join(lines)


_NOT_RUNNABLE = frozenset({126, 127})
"""What a shell answers for a program that is not there or may not run: another start would not change it."""


def after_end(*, completes: bool, exit_code: int | None, was_ready: bool, restart: str, failures: int) -> Trigger:
    """Return what the end of a service's process or container means.

    `completes`: it is a task. `failures` counts this end. An unknown exit status counts as a failure.
    """
    succeeded = exit_code == 0
    if completes and succeeded:
        return Trigger.COMPLETE
    if exit_code in _NOT_RUNNABLE:
        return Trigger.FAIL
    if restart == "always" or (restart == "on-failure" and not succeeded):
        return Trigger.FAIL if is_crash_loop(failures=failures, was_ready=was_ready) else Trigger.RETRY
    if succeeded and was_ready:
        return Trigger.END
    return Trigger.FAIL
