"""What to do about a held port, for all ports in one answer.

Must not know how a holder is found or ended, nor how the user is asked. Invariant: a resolution stops nothing that
nobody agreed to, nothing PROTECTED or UNKNOWN, and nothing at all while one conflict is refused.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from devenv.domain.conflict_words import describe_conflict, describe_holder, describe_process, remedy, to_error
from devenv.domain.holders import Holder, ProcessId
from devenv.domain.model import OnConflict, Port
from devenv.domain.ownership import STOPPABLE, Conflict, KnownStack, Ownership, Self, judge, program_names
from devenv.domain.port_numbers import assign_ports, overlaps

__all__ = [
    "Conflict",
    "Consent",
    "Decision",
    "KnownStack",
    "Ownership",
    "Resolution",
    "Self",
    "assign_ports",
    "can_ask",
    "describe_conflict",
    "describe_holder",
    "describe_process",
    "detect_respawn",
    "find_conflicts",
    "find_respawner",
    "holder_key",
    "judge",
    "overlaps",
    "remedy",
    "resolve",
    "to_error",
]


class Decision(StrEnum):
    """What the user answered about one holder."""

    STOP = "stop"
    MOVE = "move"
    GIVE_UP = "give-up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What the user agreed to: `--free-ports`, and answers by `holder_key`."""

    free_ports: bool = False
    decisions: Mapping[str, Decision] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What is to be stopped and moved, or what is refused; `stopping` and `moving` are empty while anything is."""

    stopping: tuple[Conflict, ...] = ()
    moving: tuple[Conflict, ...] = ()
    refused: tuple[Conflict, ...] = ()

    @property
    def stop_processes(self) -> tuple[ProcessId, ...]:
        """Return the processes to end, each once, with their trees."""
        held = (one.holder for one in self.stopping)
        return tuple(dict.fromkeys(one.process.id for one in held if one.container is None and one.process))

    @property
    def stop_containers(self) -> tuple[str, ...]:
        """Return the ids of the containers to stop, each once."""
        return tuple(dict.fromkeys(one.holder.container.id for one in self.stopping if one.holder.container))

    @property
    def move(self) -> tuple[tuple[str, Port], ...]:
        """Return the (service, port) pairs that need another number, each once."""
        return tuple(dict.fromkeys((one.service, one.port) for one in self.moving))


def holder_key(holder: Holder) -> str:
    """Return what a decision about `holder` is kept under: it never fits another process that got the same pid."""
    if holder.container is not None:
        return holder.container.id
    if holder.process is not None:
        return f"{holder.process.id.pid}@{holder.process.id.started:.6f}"
    return f"{holder.port}/{holder.transport}"


def find_conflicts(
    wanted: Mapping[str, Iterable[Port]], holders: Iterable[Holder], *, context: Self
) -> tuple[Conflict, ...]:
    """Return who is in the way of `wanted` (ports by service): each holder once a port; what is ours is not."""
    seen = tuple(holders)
    found: dict[tuple[str, Port, str], Conflict] = {}
    for service, ports in wanted.items():
        for port in ports:
            for holder in (one for one in seen if overlaps(port, one)):
                conflict = _make_conflict(service, port, holder, context)
                if conflict.ownership is not Ownership.OURS:
                    key = (service, port, holder_key(holder))
                    found[key] = _merge(found.get(key, conflict), conflict)
    return tuple(found.values())


def resolve(conflicts: Iterable[Conflict], *, consent: Consent) -> Resolution:
    """Decide every conflict. A port that one of its holders moves is moved, and then its others may stay."""
    by_port: dict[tuple[str, Port], dict[Conflict, _Answer]] = {}
    for conflict in conflicts:
        if conflict.ownership is not Ownership.OURS:
            by_port.setdefault((conflict.service, conflict.port), {})[conflict] = _answer(conflict, consent)
    refused = tuple(one for port in by_port.values() for one, answer in port.items() if answer is _Answer.REFUSE)
    if refused:
        return Resolution(refused=refused)
    stopping: list[Conflict] = []
    moving: list[Conflict] = []
    for answers in by_port.values():
        (moving if _Answer.MOVE in answers.values() else stopping).extend(answers)
    return Resolution(stopping=tuple(stopping), moving=tuple(moving))


def can_ask(conflict: Conflict, consent: Consent) -> bool:
    """Tell whether a prompt could settle `conflict`: it is refused as it stands, and its policy allows a choice."""
    return conflict.port.on_conflict is not OnConflict.FAIL and _answer(conflict, consent) is _Answer.REFUSE


def find_respawner(holder: Holder) -> str:
    """Return `supervisord pid 7` where `holder`'s parent is known to start again what ends, else nothing.

    An init system is not named: it also inherits every orphan, so that its being the parent says nothing yet.
    """
    process = holder.process
    if process is None or process.parent is None or process.parent.pid <= 1:
        return ""
    known = _RESPAWNERS.intersection(program_names(process.parent_command))
    if not known and not process.parent_command.startswith("PM2 "):
        return ""
    return _name_parent(holder)


def detect_respawn(before: Holder, after: Iterable[Holder]) -> str:
    """Return who started a stopped holder again: the parent of a new process that holds the same port; else nothing."""
    old = before.process
    for holder in after:
        new = holder.process
        if old is None or new is None or new.id == old.id or (holder.port, holder.transport) != _place(before):
            continue
        siblings = new.parent is not None and new.parent == old.parent and new.parent.pid > 1
        if siblings or new.command == old.command:
            return _name_parent(holder)
    return ""


_RESPAWNERS = frozenset({
    "supervisord", "circusd", "pm2", "runsv", "s6-supervise", "supervise", "monit", "god", "immortal", "nodemon",
    "watchexec", "watchmedo", "entr", "cargo-watch", "air", "reflex", "forever", "overmind", "hivemind",
    "process-compose", "gunicorn", "uvicorn", "mprocs", "foreman", "honcho",
})  # fmt: skip


class _Answer(StrEnum):
    STOP = "stop"
    MOVE = "move"
    REFUSE = "refuse"


def _answer(conflict: Conflict, consent: Consent) -> _Answer:
    policy = conflict.port.on_conflict
    decision = consent.decisions.get(holder_key(conflict.holder))
    stop = _Answer.STOP if conflict.ownership in STOPPABLE else _Answer.REFUSE
    if policy is OnConflict.FAIL or decision is Decision.GIVE_UP:
        return _Answer.REFUSE
    if conflict.ownership is Ownership.LEFTOVER and decision is not Decision.MOVE:
        return _Answer.STOP
    if decision is not None:
        return _Answer.MOVE if decision is Decision.MOVE else stop
    if policy is OnConflict.MOVE:
        return _Answer.MOVE
    return stop if consent.free_ports or policy is OnConflict.FREE else _Answer.REFUSE


def _make_conflict(service: str, port: Port, holder: Holder, context: Self) -> Conflict:
    ownership = judge(holder, context=context)
    return Conflict(service=service, port=port, holder=holder, ownership=ownership, respawner=find_respawner(holder))


def _merge(first: Conflict, second: Conflict) -> Conflict:
    """Keep one line for a process that holds a port on several addresses; hung on one is hung."""
    hung = first.holder.hung or second.holder.hung
    return replace(first, holder=replace(first.holder, hung=hung))


def _place(holder: Holder) -> tuple[int, str]:
    return holder.port, holder.transport


def _name_parent(holder: Holder) -> str:
    process = holder.process
    if process is None or process.parent is None:
        return ""
    return f"{process.parent_command or 'an unreadable process'} pid {process.parent.pid}"
