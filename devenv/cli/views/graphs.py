"""The dependency graph as text, Mermaid and JSON.

Pure. Invariant: waves are numbered from 1, and every edge is shown with its condition.
"""

import re
from collections.abc import Mapping

from devenv.domain.graph import Edges, edges_of, longest_paths, reverse, waves
from devenv.domain.model import Dependency, Service, Stack

VERSION = 1
_SHAPES = {"container": '[("{}")]', "process": '["{}"]', "task": '{{{{"{}"}}}}', "external": '(["{}"])'}
"""Mermaid's shapes: a container is a drum, a task a hexagon, an external one a stadium."""


def graph_text(stack: Stack, weights: Mapping[str, float]) -> str:
    """Return the waves with every service's run and dependencies, and the longest path below."""
    edges = edges_of(stack.services)
    levels = waves(edges)
    width = max((len(name) for name in stack.services), default=0)
    lines = [f"{stack.name}: {_count(len(stack.services), 'service')}, {_count(len(levels), 'wave')}"]
    for number, names in enumerate(levels, 1):
        for place, name in enumerate(names):
            mark = f"wave {number}" if place == 0 else ""
            branch = "└─" if place == len(names) - 1 else "├─"
            lines.append(_row(mark.ljust(9), branch, stack.services[name], width))
    path = critical_path(edges, weights)
    if len(path) > 1:
        seconds = sum(weights.get(name, 0.0) for name in path)
        measured = f" ({seconds:.1f} s last time)" if seconds else ""
        lines.append(f"longest path: {' → '.join(path)}{measured}")
    return "\n".join(lines)


def graph_mermaid(stack: Stack) -> str:
    """Return the graph as a Mermaid flowchart; arrows go from what is needed to what needs it, optional ones dotted."""
    lines = ["flowchart LR"]
    lines += [f"    {_id(name)}{_SHAPES[service.kind].format(name)}" for name, service in stack.services.items()]
    for name, service in stack.services.items():
        for edge in service.depends_on:
            if edge.service in stack.services:
                arrow = "-->" if edge.required else "-.->"
                lines.append(f"    {_id(edge.service)} {arrow}|{edge.condition}| {_id(name)}")
    return "\n".join(lines)


def graph_document(stack: Stack, weights: Mapping[str, float]) -> dict[str, object]:
    """Return what `graph --json` prints."""
    edges = edges_of(stack.services)
    levels = waves(edges)
    wave_of = {name: number for number, names in enumerate(levels, 1) for name in names}
    return {
        "version": VERSION,
        "stack": stack.name,
        "waves": [list(names) for names in levels],
        "longest_path": list(critical_path(edges, weights)),
        "services": [
            {
                "name": name,
                "run": service.kind,
                "wave": wave_of[name],
                "depends_on": [_edge_document(edge) for edge in service.depends_on],
            }
            for name, service in stack.services.items()
        ],
    }


def critical_path(edges: Edges, weights: Mapping[str, float]) -> tuple[str, ...]:
    """Return the heaviest chain of services that start one after the other; unknown weights count as in planning."""
    remaining = longest_paths(edges, weights)
    above = reverse(edges)
    path: list[str] = []
    candidates = [name for name in edges if not edges[name]]
    while candidates:
        path.append(max(candidates, key=lambda name: remaining[name]))
        candidates = list(above[path[-1]])
    return tuple(path)


def _row(mark: str, branch: str, service: Service, width: int) -> str:
    needs = ", ".join(f"{edge.service} {edge.condition}{_optional(edge)}" for edge in service.depends_on)
    line = f"{mark}{branch} {service.name.ljust(width)}  {service.kind.ljust(9)}"
    return f"{line}  ← {needs}" if needs else line.rstrip()


def _optional(edge: Dependency) -> str:
    return "" if edge.required else " (optional)"


def _edge_document(edge: Dependency) -> dict[str, object]:
    return {"service": edge.service, "condition": str(edge.condition), "required": edge.required}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _id(name: str) -> str:
    """Return an identifier that Mermaid takes: `end` and dashes are not."""
    return "s_" + re.sub(r"\W", lambda found: f"_{ord(found[0]):x}_", name)
