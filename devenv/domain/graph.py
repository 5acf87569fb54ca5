"""The dependency graph: closure, cycles, waves, longest paths.

Works on names and edges only. Invariant: orders are stable, so the same file always gives the same answer.
"""

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum

from devenv.domain.lifecycle import LOST, State
from devenv.domain.model import Condition, Dependency, Service

Edges = Mapping[str, tuple[str, ...]]


def edges_of(services: Mapping[str, Service]) -> dict[str, tuple[str, ...]]:
    """Return each service's dependencies by name; those that are not in `services` are left out."""
    return {
        name: tuple(edge.service for edge in service.depends_on if edge.service in services)
        for name, service in services.items()
    }


def find_cycles(edges: Edges) -> list[tuple[str, ...]]:
    """Return each cycle once as a path that ends where it began: `('a', 'b', 'a')`."""
    cycles: list[tuple[str, ...]] = []
    done: set[str] = set()

    for root in edges:
        if root in done:
            continue
        path: list[str] = []
        on_path: set[str] = set()
        stack: list[tuple[str, int]] = [(root, 0)]
        while stack:
            node, index = stack.pop()
            if index == 0:
                path.append(node)
                on_path.add(node)
            following = edges.get(node, ())
            if index < len(following):
                stack.append((node, index + 1))
                target = following[index]
                if target in on_path:
                    cycles.append((*path[path.index(target) :], target))
                elif target not in done and target in edges:
                    stack.append((target, 0))
                continue
            path.pop()
            on_path.discard(node)
            done.add(node)
    return cycles


def close_over(edges: Edges, names: Iterable[str]) -> tuple[str, ...]:
    """Return `names` and everything that they depend on, in the order of `edges`."""
    wanted: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in wanted:
            wanted.add(name)
            todo.extend(edges.get(name, ()))
    return tuple(name for name in edges if name in wanted)


def dependents_of(edges: Edges, names: Iterable[str]) -> tuple[str, ...]:
    """Return `names` and everything that depends on them, in the order of `edges`."""
    return close_over(reverse(edges), names)


def reverse(edges: Edges) -> dict[str, tuple[str, ...]]:
    """Return the graph with every arrow turned round."""
    turned: dict[str, list[str]] = {name: [] for name in edges}
    for name, targets in edges.items():
        for target in targets:
            if target in turned:
                turned[target].append(name)
    return {name: tuple(sources) for name, sources in turned.items()}


def waves(edges: Edges) -> list[tuple[str, ...]]:
    """Return the services that may start together, wave by wave; the graph has no cycle."""
    depth: dict[str, int] = {}
    for name in order(edges):
        depth[name] = 1 + max((depth[target] for target in edges[name] if target in depth), default=-1)
    return [
        tuple(name for name in edges if depth[name] == level) for level in range(max(depth.values(), default=-1) + 1)
    ]


def longest_paths(edges: Edges, weights: Mapping[str, float]) -> dict[str, float]:
    """Return for each service the weight of the heaviest chain that starts with it and goes up its dependents.

    The service with the largest value should start first. An unknown weight counts 1.
    """
    above = reverse(edges)
    remaining: dict[str, float] = {}
    for name in reversed(order(edges)):
        remaining[name] = weights.get(name, 1.0) + max((remaining[user] for user in above[name]), default=0.0)
    return remaining


class Passage(StrEnum):
    """Whether a dependency lets its dependent start."""

    OPEN = "open"
    WAIT = "wait"
    BLOCKED = "blocked"


def passage(dependency: Dependency, state: State) -> Passage:
    """Tell whether `dependency`, now in `state`, is met, can still be met, or cannot be met as things are."""
    if state in _MEETS[dependency.condition]:
        return Passage.OPEN
    if state in {State.FAILED, State.STOPPED, State.STOPPING}:
        return Passage.BLOCKED if dependency.required else Passage.OPEN
    if state is State.UNHEALTHY and not dependency.required:
        return Passage.OPEN
    return Passage.WAIT


def find_blocked(edges: Mapping[str, tuple[Dependency, ...]], states: Mapping[str, State]) -> frozenset[str]:
    """Return what cannot get ready as things are: what is lost, and what waits for one that it requires of these.

    `edges` and `states` are those of the services that take part.
    """
    blocked = {name for name, state in states.items() if state in LOST}
    for name in order({name: tuple(edge.service for edge in needed) for name, needed in edges.items()}):
        if states[name] is State.WAITING and any(_is_barred(edge, states, blocked) for edge in edges[name]):
            blocked.add(name)
    return frozenset(blocked)


def _is_barred(edge: Dependency, states: Mapping[str, State], blocked: Collection[str]) -> bool:
    return edge.required and edge.service in blocked and passage(edge, states[edge.service]) is not Passage.OPEN


_MEETS = {
    Condition.STARTED: frozenset({State.PROBING, State.READY, State.UNHEALTHY, State.COMPLETED}),
    Condition.READY: frozenset({State.READY, State.COMPLETED}),
    Condition.COMPLETED: frozenset({State.COMPLETED}),
}


def order(edges: Edges) -> list[str]:
    """Return the names with every dependency before its dependents; a cycle is cut where it is entered."""
    ordered: list[str] = []
    seen: set[str] = set()
    for root in edges:
        stack = [(root, False)]
        while stack:
            node, expanded = stack.pop()
            if expanded:
                ordered.append(node)
            elif node not in seen and node in edges:
                seen.add(node)
                stack.append((node, True))
                stack.extend((target, False) for target in reversed(edges[node]))
    return ordered
