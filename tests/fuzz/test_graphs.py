"""Random graphs on fakes: nothing starts before what it needs, nothing stops before what needs it; and random lives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from devenv.domain.events import ServiceChanged, Snapshot, apply
from devenv.domain.graph import Passage, edges_of, find_cycles, longest_paths, order, passage, waves
from devenv.domain.lifecycle import State
from devenv.domain.model import Condition, Dependency, Restart, Service
from tests.support.builders import ReadyAfter, container, service, stack, task
from tests.support.fakes_app import Rig

GRAPHS = settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
)
KINDS: dict[str, Callable[..., Service]] = {"process": service, "container": container, "task": task}


@st.composite
def graphs(draw: st.DrawFn, *, may_fail: bool = False) -> tuple[Service, ...]:
    """Return services in a random order of the file, without a cycle, with edges of every condition."""
    count = draw(st.integers(1, 12))
    made = []
    kinds = [draw(st.sampled_from(sorted(KINDS))) for _ in range(count)]
    for number in range(count):
        below = draw(st.lists(st.integers(0, number - 1), max_size=4, unique=True)) if number else []
        edges = tuple(draw(edges_to(f"s{target}", kinds[target], optional=may_fail)) for target in below)
        seconds = draw(st.sampled_from([0.0, 0.5, 2.0, 10.0]))
        if may_fail and draw(st.integers(0, 4)) == 0:
            made.append(failing(f"s{number}", kinds[number], edges))
        elif kinds[number] == "task":
            made.append(task(f"s{number}", *edges))
        else:
            made.append(KINDS[kinds[number]](f"s{number}", *edges, probes=(ReadyAfter(seconds=seconds),)))
    return tuple(draw(st.permutations(made)))


@st.composite
def edges_to(draw: st.DrawFn, name: str, kind: str, *, optional: bool) -> Dependency:
    """Return an edge that its target can meet."""
    can_be = [Condition.COMPLETED] if kind == "task" else [Condition.STARTED, Condition.READY]
    required = not (optional and draw(st.booleans()))
    return Dependency(service=name, condition=draw(st.sampled_from(can_be)), required=required)


def failing(name: str, kind: str, edges: tuple[Dependency, ...]) -> Service:
    """Return a service that cannot get ready."""
    if kind == "task":
        return task(name, *edges, status=1)
    return KINDS[kind](name, *edges, probes=(ReadyAfter(seconds=None),), ready_timeout_s=5.0)


def run(body: Callable[[], object]) -> None:
    """Run an async body in virtual time."""
    clock = MockClock(autojump_threshold=0)
    anyio.run(body, backend="trio", backend_options={"clock": clock})  # type: ignore[arg-type]


async def moves(rig: Rig) -> list[tuple[str, State]]:
    """Return each new state of each service, in order."""
    found: list[tuple[str, State]] = []
    last: dict[str, State] = {}
    for one in await rig.happened(ServiceChanged):
        view = one.service
        if last.get(view.name) is not view.state:
            last[view.name] = view.state
            found.append((view.name, view.state))
    return found


def check_starts(services: tuple[Service, ...], seen: list[tuple[str, State]]) -> None:
    """Every start came when every dependency let it pass, seen from the events alone."""
    states = dict.fromkeys((one.name for one in services), State.STOPPED)
    by_name = {one.name: one for one in services}
    for name, state in seen:
        if state is State.STARTING:
            for edge in by_name[name].depends_on:
                if edge.required:
                    assert passage(edge, states[edge.service]) is Passage.OPEN, (
                        f"{name} started while {edge.service} was {states[edge.service]} ({edge.condition})"
                    )
        states[name] = state


@GRAPHS
@given(services=graphs())
def test_start_order_follows_the_graph_and_stop_order_is_its_reverse(services: tuple[Service, ...]) -> None:
    """On sixty random graphs of processes, containers and tasks."""

    async def body() -> None:
        rig = Rig(stack(*services), cpus=2)
        async with rig.serve():
            assert (await rig.up()).status == 0
            check_starts(services, await moves(rig))
            before = len(await moves(rig))
            assert (await rig.down()).status == 0
            gone = [name for name, state in (await moves(rig))[before:] if state is State.STOPPED]
            assert sorted(gone) == sorted(one.name for one in services)
            position = {name: place for place, name in enumerate(gone)}
            for one in services:
                for edge in one.depends_on:
                    assert position[one.name] < position[edge.service], f"{edge.service} stopped before {one.name}"
            assert (rig.alive, await rig.containers.list()) == (set(), ())

    run(body)


@GRAPHS
@given(services=graphs())
def test_up_takes_as_long_as_the_longest_chain(services: tuple[Service, ...]) -> None:
    """No wave is a barrier: the time to ready is the critical path, not a sum of waves."""

    def finish(name: str, by_name: dict[str, Service], until_started: dict[str, float]) -> float:
        """Return when `name` is ready where everything starts as soon as it may."""
        one = by_name[name]
        at = 0.0
        for edge in one.depends_on:
            ready_at = finish(edge.service, by_name, until_started)
            at = max(at, until_started[edge.service] if edge.condition is Condition.STARTED else ready_at)
        until_started[name] = at
        return at + sum(probe.seconds or 0.0 for probe in one.probes)  # type: ignore[attr-defined]

    async def body() -> None:
        rig = Rig(stack(*services), cpus=100)
        by_name = {one.name: one for one in services}
        started: dict[str, float] = {}
        async with rig.serve():
            began = anyio.current_time()
            await rig.up()
            took_s = anyio.current_time() - began
        assert took_s == pytest.approx(max(finish(name, by_name, started) for name in by_name), abs=1e-6)

    run(body)


@dataclass(frozen=True, kw_only=True)
class Deed:
    """Something that happens to a stack: what, and to which service."""

    what: str
    service: int


DEEDS = st.lists(
    st.builds(
        Deed,
        what=st.sampled_from(["up", "down", "stop", "crash", "finish", "restart", "force", "wait", "interrupt"]),
        service=st.integers(0, 11),
    ),
    max_size=8,
)


@GRAPHS
@given(services=graphs(may_fail=True), deeds=DEEDS)
def test_any_history_ends_clean_and_its_events_fold_to_the_snapshot(
    services: tuple[Service, ...], deeds: list[Deed]
) -> None:
    """Whatever happened, a reader of events knows the state, no start came too early, and `down` leaves nothing."""

    async def body() -> None:
        rig = Rig(stack(*services), cpus=2)
        for session in sessions([Deed(what="up", service=0), *deeds, Deed(what="down", service=0)]):
            async with rig.serve():
                for deed in session:
                    await act(rig, deed, services)
                folded = Snapshot(stack=rig.supervisor.snapshot().stack)
                for numbered in await rig.history():
                    folded = apply(folded, numbered)
                assert folded == rig.supervisor.snapshot()
            rig.restart()
        assert (rig.alive, await rig.containers.list()) == (set(), ())

    run(body)


def sessions(deeds: list[Deed]) -> Iterator[list[Deed]]:
    """Split a history where the daemon dies and a new one comes."""
    session: list[Deed] = []
    for deed in deeds:
        if deed.what == "restart":
            yield session
            session = []
        else:
            session.append(deed)
    yield session


async def act(rig: Rig, deed: Deed, services: tuple[Service, ...]) -> None:
    """Let it happen."""
    name = services[deed.service % len(services)].name
    match deed.what:
        case "up" | "force":
            await rig.up(force_recreate=deed.what == "force")
        case "down":
            assert (await rig.down()).status == 0
        case "stop" if name in rig.supervisor.crew.board.views:
            await rig.down(name)
        case "crash" | "finish" if name in rig.alive:
            rig.end(name, 1 if deed.what == "crash" else 0)
            await anyio.sleep(0.2)
        case "interrupt":
            operation = rig.begin_up()
            await anyio.sleep(deed.service / 4)
            rig.supervisor.cancel(operation.id, now=deed.service % 2 == 0)
            await rig.follow(operation)
        case "wait":
            await anyio.sleep(30)


@GRAPHS
@given(services=graphs(may_fail=True), policy=st.sampled_from(Restart))
def test_up_always_ends_and_starts_nothing_too_early_when_services_fail(
    services: tuple[Service, ...], policy: Restart
) -> None:
    """Failures block who requires them, never who does not; nobody waits for what cannot come."""
    services = tuple(replace(one, restart=policy) for one in services)

    async def body() -> None:
        rig = Rig(stack(*services), cpus=2)
        async with rig.serve():
            with anyio.fail_after(200):
                ended = await rig.up()
            check_starts(services, await moves(rig))
            unsettled = {one.name for one in services if rig.view(one.name).state not in {State.READY, State.COMPLETED}}
            assert (ended.status == 0) is (unsettled == set(ended.summary["degraded"]))  # type: ignore[arg-type]
            if ended.status:
                assert ended.failures
            assert (await rig.down()).status == 0

    run(body)


@given(services=graphs())
@settings(max_examples=100, deadline=None, database=None)
def test_orders_of_a_graph_agree(services: tuple[Service, ...]) -> None:
    """Order, waves and longest paths tell the same story."""
    edges = edges_of({one.name: one for one in services})
    assert find_cycles(edges) == []
    place = {name: position for position, name in enumerate(order(edges))}
    level = {name: number for number, wave in enumerate(waves(edges)) for name in wave}
    weight = longest_paths(edges, {})
    assert set(place) == set(level) == set(weight) == set(edges)
    for name, targets in edges.items():
        for target in targets:
            assert place[target] < place[name]
            assert level[target] < level[name]
            assert weight[target] > weight[name]
