"""Looks at the ports of services that were ended: nothing of ours may hold one any more.

Must not end anything. Invariant: who still holds a port is named, as a failure where it is ours or works in this
project, as a warning where it is somebody else's.
"""

from collections.abc import Mapping

import anyio

from devenv.app.crew import Crew
from devenv.domain.conflict_words import describe_holder, remedy
from devenv.domain.errors import DevenvError, StopFailed
from devenv.domain.model import Port
from devenv.domain.ownership import Conflict, Ownership, judge
from devenv.domain.port_numbers import overlaps

FREE_S = 2.0
"""So long may a port still be held by what has just been ended."""
_POLL_S = 0.05
_OURS = frozenset({Ownership.OURS, Ownership.LEFTOVER})


async def prove_free(crew: Crew, had: Mapping[str, tuple[Port, ...]], *, pid: int) -> list[DevenvError]:
    """Return a failure for each holder of ours on a port that services `had`; note the others. Waits for `FREE_S`."""
    held = await _look(crew, had, pid)
    with anyio.move_on_after(FREE_S):
        while any(one.ownership in _OURS for one in held):
            await anyio.sleep(_POLL_S)
            held = await _look(crew, had, pid)
    for one in held:
        if one.ownership not in _OURS:
            text = (
                f"port {one.port.number} of {one.service} is held by {_describe(one)}, which is not part of this stack"
            )
            crew.board.note(text, level="warning", service=one.service)
    return [
        StopFailed(
            f"cannot free port {one.port.number} of {one.service}",
            why=f"{_describe(one)} still holds it",
            fix=remedy(one),
        )
        for one in held
        if one.ownership in _OURS
    ]


async def _look(crew: Crew, had: Mapping[str, tuple[Port, ...]], pid: int) -> list[Conflict]:
    """Return who holds one of the ports, but for services of ours that run on; each holder once."""
    places = {(port.number, port.transport) for ports in had.values() for port in ports if port.number is not None}
    holders = await crew.tools.ports.holders(places) if places else ()
    if not holders:
        return []
    context = crew.judge_as(pid)
    found = {
        holder: Conflict(service=service, port=port, holder=holder, ownership=judge(holder, context=context))
        for service, ports in had.items()
        for port in ports
        for holder in holders
        if overlaps(port, holder) and not (holder.process and holder.process.id in context.own_processes)
    }
    return list(found.values())


def _describe(conflict: Conflict) -> str:
    return describe_holder(conflict.holder, conflict.ownership)
