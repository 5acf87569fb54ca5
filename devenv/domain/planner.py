"""What `up` would do: wanted services and what runs -> steps.

Pure. Invariant: with nothing changed, everything that runs is kept; only tasks run again, once per `up`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from devenv.domain.events import ServiceView
from devenv.domain.graph import close_over, edges_of
from devenv.domain.lifecycle import State
from devenv.domain.model import Service, TaskRun, fingerprint
from devenv.domain.surroundings import inherit


class Action(StrEnum):
    """What happens to a service."""

    KEEP = "keep"
    START = "start"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One service's part of an `up`, and why."""

    service: str
    action: Action
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What is known to exist of a service: its view, and the fingerprint that it was started with."""

    view: ServiceView
    fingerprint: str
    alive: bool


def select(services: Mapping[str, Service], names: Iterable[str], *, with_dependencies: bool) -> tuple[str, ...]:
    """Return the services an `up` of `names` is about; no names means all."""
    wanted = tuple(names)
    if not wanted:
        return tuple(services)
    if with_dependencies:
        return close_over(edges_of(services), wanted)
    return tuple(name for name in services if name in wanted)


def find_essential(services: Mapping[str, Service], named: Iterable[str]) -> frozenset[str]:
    """Return those of `services` that an `up` cannot do without.

    They are the `named` ones (none: those that nothing depends on) and whatever these require, directly or not.
    """
    dependencies = edges_of(services)
    used = {target for targets in dependencies.values() for target in targets}
    roots = [name for name in named if name in services] or [name for name in services if name not in used]
    required = {
        name: tuple(edge.service for edge in service.depends_on if edge.required and edge.service in services)
        for name, service in services.items()
    }
    return frozenset(close_over(required, roots))


def plan_up(
    services: Mapping[str, Service],
    running: Mapping[str, Running],
    *,
    everything: Mapping[str, Service] | None = None,
    named: Iterable[str] = (),
    force: bool = False,
) -> tuple[Step, ...]:
    """Return a step for each of `services`; with `force` the `named` ones (all if none) are made anew.

    `everything` are all services of the stack, where `services` are only some.
    """
    forced = set(named) or set(services)
    around = everything or services
    return tuple(
        _step(
            service, running.get(name), fingerprint(service, inherit(service, around)), force=force and name in forced
        )
        for name, service in services.items()
    )


def _step(service: Service, running: Running | None, wanted: str, *, force: bool) -> Step:
    if isinstance(service.run, TaskRun):
        return Step(service=service.name, action=Action.START, why="a task runs once per `up`")
    if running is None or not running.alive:
        return Step(service=service.name, action=Action.START)
    if force:
        return Step(service=service.name, action=Action.REPLACE, why="asked for")
    if running.fingerprint != wanted:
        return Step(service=service.name, action=Action.REPLACE, why="its configuration changed")
    if running.view.state is State.FAILED:
        return Step(service=service.name, action=Action.REPLACE, why="it failed before")
    return Step(service=service.name, action=Action.KEEP)
