"""Frees the ports that an `up` needs, all in one look, before anything starts.

Observes, lets `domain.conflicts` decide, then ends what may be ended and waits until each port can truly be bound.
Must not decide whose a holder is. Invariant: while one conflict is refused, nothing is stopped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from devenv.app.crew import Crew
from devenv.domain.conflict_words import describe_holder, to_error
from devenv.domain.conflicts import Conflict, Consent, detect_respawn, find_conflicts, resolve
from devenv.domain.errors import DevenvError, PortHeld
from devenv.domain.holders import Holder
from devenv.domain.model import Port, Service, Stop
from devenv.domain.ownership import Ownership, Self
from devenv.domain.port_numbers import assign_ports

FREE_DEADLINE_S = 5.0
GRACE_S = 10.0


class PortsRefused(PortHeld):
    """Ports are held and nobody agreed to end their holders; carries the conflicts for the prompt."""

    def __init__(self, error: PortHeld, conflicts: tuple[Conflict, ...]) -> None:
        super().__init__(error.what, why=error.why, fix=error.fix, details=error.details)
        self.conflicts = conflicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """The services with their final ports, and the holders that were stopped for them."""

    services: Mapping[str, Service]
    moved: tuple[str, ...] = ()
    stopped: tuple[Holder, ...] = ()


async def clear_ports(
    crew: Crew,
    services: Mapping[str, Service],
    wanted: tuple[str, ...],
    consent: Consent,
    *,
    pid: int,
    dry_run: bool = False,
) -> Cleared:
    """Return `services` with numbers for all ports, after freeing those that the `wanted` ones still need.

    `pid` is the command that asks: its ancestors are never stopped. Raises PortsRefused with every conflict that
    nobody agreed to solve.
    """
    numbered = _number(crew, services)
    starting = {name: numbered[name].ports for name in wanted if _needs_ports(crew, numbered[name])}
    if not starting:
        return Cleared(services=numbered)
    context = crew.judge_as(pid)
    conflicts = await _find_conflicts(crew, starting, context)
    resolution = resolve(conflicts, consent=consent)
    if resolution.refused:
        raise PortsRefused(to_error(resolution.refused, context=context), resolution.refused)
    if dry_run:
        return Cleared(services=numbered)
    await _end_own(crew, starting)
    for conflict in resolution.stopping:
        await _end_holder(crew, conflict, context)
    moved = _move(crew, numbered, starting, resolution.move)
    stopped = tuple(conflict.holder for conflict in resolution.stopping)
    return Cleared(services=moved, moved=tuple(name for name, _ in resolution.move), stopped=stopped)


async def explain_port(
    crew: Crew, service: Service, error: DevenvError, *, pid: int, stopped: tuple[Holder, ...] = ()
) -> DevenvError:
    """Return `error`, naming the holder where a port was taken between the check and the start.

    `stopped` are the holders that had to go before: who starts one of them again is named too.
    """
    if not isinstance(error, PortHeld):
        return error
    context = crew.judge_as(pid)
    try:
        conflicts = await _find_conflicts(crew, {service.name: service.ports}, context)
    except DevenvError:
        return error  # what is known is better than that more could not be learnt
    if not conflicts:
        return error
    found = to_error(conflicts, context=context)
    numbers = ", ".join(dict.fromkeys(str(conflict.port.number) for conflict in conflicts))
    again = [parent for one in stopped if (parent := detect_respawn(one, [held.holder for held in conflicts]))]
    respawn = f"; {again[0]} started it again" if again else ""
    return PortHeld(
        error.what,
        why=f"port {numbers} was taken between the check and the start: {found.why}{respawn}",
        fix=found.fix,
        details=(*found.details, *error.details),
    )


async def _find_conflicts(crew: Crew, wanted: Mapping[str, tuple[Port, ...]], context: Self) -> tuple[Conflict, ...]:
    places = [(port.number, port.transport) for ports in wanted.values() for port in ports if port.number]
    holders = await crew.tools.ports.holders(places) if places else ()
    return find_conflicts(wanted, holders, context=context)


def _needs_ports(crew: Crew, service: Service) -> bool:
    """Tell whether `service` is about to take its ports: it does not run, or not on these."""
    numbers = tuple(port.number for port in service.ports)
    return not crew.is_running(service.name) or numbers != crew.port_numbers.get(service.name, ())


def _number(crew: Crew, services: Mapping[str, Service]) -> dict[str, Service]:
    """Give `auto` ports their numbers; a service that runs keeps the ones it has, unless others are asked for now."""
    assigned = assign_ports(
        {name: service.ports for name, service in services.items()},
        sticky=crew.port_numbers,
        is_free=lambda port: crew.has_port(port) or crew.tools.ports.is_bindable(port),
        spread=crew.key,
    )
    numbered = {}
    for name, service in services.items():
        ports = assigned[name]
        earlier = crew.port_numbers.get(name, ())
        if crew.is_running(name) and len(earlier) == len(ports) and crew.asks_same_ports(service):
            ports = tuple(replace(port, number=number) for port, number in zip(ports, earlier, strict=True))
        numbered[name] = replace(service, ports=ports)
    return numbered


def _move(
    crew: Crew,
    services: dict[str, Service],
    wanted: Mapping[str, tuple[Port, ...]],
    moving: tuple[tuple[str, Port], ...],
) -> dict[str, Service]:
    if not moving:
        return services
    everything = {name: service.ports for name, service in services.items()}
    assigned = assign_ports(
        everything,
        move=moving,
        sticky=crew.port_numbers,
        is_free=crew.tools.ports.is_bindable,
        spread=crew.key,
    )
    for name, port in moving:
        position = wanted[name].index(port)
        crew.board.note(
            f"{name} moves from port {port.number} to {assigned[name][position].number}: its own is held",
            level="warning",
            service=name,
        )
    return {name: replace(service, ports=assigned[name]) for name, service in services.items()}


async def _end_own(crew: Crew, wanted: Mapping[str, tuple[Port, ...]]) -> None:
    """End what an earlier life of this very stack left behind, by the marker that it carries."""
    marked = crew.tools.processes.find_marked()
    for name in wanted:
        if name in marked and not crew.is_running(name):
            await crew.tools.processes.stop_tree(marked[name], name, Stop())


async def _end_holder(crew: Crew, conflict: Conflict, context: Self) -> None:
    holder = conflict.holder
    line = describe_holder(holder, conflict.ownership)
    leftover = conflict.ownership is Ownership.LEFTOVER
    why = "left over from earlier work in this project" if leftover else "as agreed"
    crew.board.note(f"port {conflict.port.number}: stopping {line} ({why})", service=conflict.service)
    if holder.container is not None:
        await crew.tools.stop_container(holder.container.id)
    elif holder.process is not None:
        await crew.tools.stop_foreign(holder.process.id, GRACE_S, protect=context.ancestors)
    if not await crew.tools.ports.wait_free(conflict.port, FREE_DEADLINE_S):
        again = await crew.tools.ports.holders([(conflict.port.number or 0, conflict.port.transport)])
        parent = detect_respawn(holder, again)
        why = (
            f"{parent} started it again"
            if parent
            else "it is still held by " + ", ".join(describe_holder(one, conflict.ownership) for one in again)
        )
        raise PortHeld(
            f"cannot free port {conflict.port.number} for {conflict.service}",
            why=f"{line} was stopped, but {why}",
            fix=f"devenv ports {conflict.port.number}",
        )
