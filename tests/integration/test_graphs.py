"""Sixty random graphs on real processes, without the command line: nothing starts before what it depends on allows.

The order is what the processes themselves append to one file, so that no clock and no event of ours is believed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from devenv.adapters.state.paths import locate
from devenv.app.requests import DownRequest, Reading, UpRequest
from devenv.app.supervisor import Operation, Supervisor
from devenv.daemon.wiring import build
from devenv.domain.events import OperationEnded

pytestmark = pytest.mark.anyio

BATCHES = 6
GRAPHS = 10  # a batch
SERVICES = 7
DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A graph: each service's way to be ready, its seconds till then, and its dependencies with their conditions."""

    kinds: Mapping[str, str]
    delays: Mapping[str, float]
    edges: Mapping[str, Mapping[str, str]]


@pytest.mark.parametrize("batch", range(BATCHES))
async def test_nothing_starts_before_its_dependencies_allow_it(batch: int, tmp_path: Path, unique_name: str) -> None:
    """Tasks complete, logs and commands say ready, and only then the next one starts; `down` ends all."""
    for number in range(GRAPHS):
        seed = batch * GRAPHS + number
        folder = tmp_path / str(seed)
        folder.mkdir()
        drawn = draw(random.Random(seed))
        (folder / "services.yaml").write_text(write(drawn, unique_name))
        order = await live_through(folder)
        _check(drawn, order, seed)


def draw(source: random.Random) -> Drawn:
    """Return a random acyclic graph; about a third of the services are tasks."""
    names = [f"s{number}" for number in range(SERVICES)]
    kinds = {name: source.choice(["log", "exec", "task"]) for name in names}
    edges = {}
    for index, name in enumerate(names):
        chosen = source.sample(names[:index], k=min(index, source.choice([0, 1, 1, 2, 3])))
        edges[name] = {
            other: "completed" if kinds[other] == "task" else source.choice(["ready", "ready", "started"])
            for other in chosen
        }
    shuffled = source.sample(names, k=len(names))  # the order in the file says nothing
    return Drawn(
        kinds={name: kinds[name] for name in shuffled},
        delays={name: source.choice([0, 0.01, 0.05]) for name in names},
        edges=edges,
    )


def write(drawn: Drawn, name: str) -> str:
    """Return the graph as a services.yaml; each service tells in the file `order` when it starts and when it is up."""
    lines = [f"name: {name}", "services:"]
    for service, kind in drawn.kinds.items():
        told = f"echo start {service} >> order; sleep {drawn.delays[service]}; echo up {service} >> order"
        lines.append(f"  {service}:")
        match kind:
            case "task":
                lines.append(f"    task: {told}")
            case "log":
                lines += [f"    command: {told}; echo now-up; exec sleep 1000", "    ready: {log: now-up}"]
            case _:
                lines += [f"    command: {told}; exec sleep 1000", f"    ready: {{exec: grep -q 'up {service}' order}}"]
        if drawn.edges[service]:
            edges = ", ".join(f"{other}: {condition}" for other, condition in drawn.edges[service].items())
            lines.append(f"    depends_on: {{{edges}}}")
    return "\n".join(lines) + "\n"


async def live_through(folder: Path) -> list[str]:
    """Bring the stack up and down again; return what its services told, in order."""
    environment = {**os.environ, "DEVENV_STATE_DIR": str(folder / "state")}
    paths = locate(folder / "services.yaml", environ=environment)
    paths.create()
    reading = Reading(directory=str(folder), environment=environment, pid=os.getpid())
    bugs: list[BaseException] = []

    def keep(error: BaseException) -> str:
        bugs.append(error)
        return "see the test"

    supervisor = Supervisor(key=paths.key, tools=build(paths, reading), report_bug=keep)
    with anyio.fail_after(DEADLINE_S):
        async with supervisor.serve(reading):
            up = await _finish(supervisor, supervisor.begin_up(UpRequest(reading=reading)))
            order = (folder / "order").read_text().splitlines()
            down = await _finish(supervisor, supervisor.begin_down(DownRequest()))
            left = supervisor.crew.tools.processes.find_marked()
    assert bugs == []
    assert (up.status, down.status) == (0, 0), (folder, up.failures, down.failures)
    assert not left
    return order


async def _finish(supervisor: Supervisor, operation: Operation) -> OperationEnded:
    ended: list[OperationEnded] = []
    async for numbered in supervisor.bus.subscribe(0):
        event = numbered.event
        if isinstance(event, OperationEnded) and event.operation == operation.id:
            ended.append(event)
            break
    return ended[0]


def _check(drawn: Drawn, order: list[str], seed: int) -> None:
    told = {line: place for place, line in enumerate(order)}
    assert len(order) == len(told) == 2 * len(drawn.kinds), f"graph {seed}: each starts once: {order}"
    for service, edges in drawn.edges.items():
        for other, condition in edges.items():
            if condition != "started":  # a process that was started before may still write its first line later
                early = told[f"start {service}"] < told[f"up {other}"]
                assert not early, f"graph {seed}: {service} before {other}: {order}"
