"""Migrations that name what they build on: their order, and what is wrong with the graph.

Pure. Must not know files or tools. Invariant: a graph with mistakes still gives an order with every node in it.
"""

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

Parents = Mapping[str, tuple[str, ...]]
"""Of each node those that must run before it."""


def sort_nodes(parents: Parents) -> tuple[str, ...]:
    """Return the nodes with parents first; among equals the given order, and on a cycle the given order altogether."""
    sorter = TopologicalSorter({node: [one for one in above if one in parents] for node, above in parents.items()})
    try:
        return tuple(sorter.static_order())
    except CycleError:
        return tuple(parents)


def find_cycle(parents: Parents) -> tuple[str, ...]:
    """Return the nodes of one cycle, each built on by the next, () where there is none."""
    try:
        TopologicalSorter({node: [one for one in above if one in parents] for node, above in parents.items()}).prepare()
    except CycleError as error:
        return tuple(error.args[1][:-1])
    return ()


def find_missing(parents: Parents) -> tuple[tuple[str, str], ...]:
    """Return (node, parent) for every parent that is no node."""
    return tuple((node, one) for node, above in parents.items() for one in above if one not in parents)


def find_leaves(parents: Parents) -> tuple[str, ...]:
    """Return the nodes that no other builds on."""
    built_on = {one for above in parents.values() for one in above}
    return tuple(node for node in parents if node not in built_on)


def find_ancestors(parents: Parents, nodes: Iterable[str]) -> frozenset[str]:
    """Return `nodes`, as far as they are in the graph, and everything below them."""
    found: set[str] = set()
    waiting = [node for node in nodes if node in parents]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(one for one in parents[node] if one in parents)
    return frozenset(found)
