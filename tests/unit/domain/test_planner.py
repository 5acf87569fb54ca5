"""What an `up` would do, and what it cannot do without."""

from __future__ import annotations

from dataclasses import replace

import pytest

from devenv.domain.events import ServiceView
from devenv.domain.lifecycle import State
from devenv.domain.model import Port, Restart, Service, Stop, fingerprint
from devenv.domain.planner import Action, Running, Step, find_essential, plan_up, select
from devenv.domain.surroundings import inherit
from tests.support.builders import chain, container, external, on, process, ready_after, service, task


def by_name(*services: Service) -> dict[str, Service]:
    """Return services as a stack has them."""
    return {one.name: one for one in services}


def running(one: Service, state: State = State.READY, *, alive: bool = True) -> Running:
    """Return what is known of a service that was started as it is."""
    return Running(
        view=ServiceView(name=one.name, run=one.kind, state=state), fingerprint=fingerprint(one), alive=alive
    )


def test_no_names_select_everything() -> None:
    """In the order of the file."""
    assert select(by_name(*chain("a", "b")), (), with_dependencies=True) == ("a", "b")


@pytest.mark.parametrize(("with_dependencies", "expected"), [(True, ("a", "b")), (False, ("b",))])
def test_names_select_themselves_and_what_they_need(with_dependencies: bool, expected: tuple[str, ...]) -> None:
    """`--no-deps` leaves the rest out."""
    services = by_name(*chain("a", "b", "c"))
    assert select(services, ("b",), with_dependencies=with_dependencies) == expected


def test_what_does_not_run_is_started() -> None:
    """Whether it never ran or ended."""
    one = service("a")
    assert plan_up(by_name(one), {}) == (Step(service="a", action=Action.START),)
    assert plan_up(by_name(one), {"a": running(one, State.STOPPED, alive=False)})[0].action is Action.START


@pytest.mark.parametrize("state", [State.STARTING, State.PROBING, State.READY, State.UNHEALTHY, State.BACKOFF])
def test_what_runs_unchanged_is_kept(state: State) -> None:
    """A second `up` leaves it alone."""
    one = service("a")
    assert plan_up(by_name(one), {"a": running(one, state)})[0].action is Action.KEEP


def test_what_failed_and_still_runs_is_replaced() -> None:
    """It was left up for a look."""
    one = service("a")
    assert plan_up(by_name(one), {"a": running(one, State.FAILED)}) == (
        Step(service="a", action=Action.REPLACE, why="it failed before"),
    )


def test_what_changed_is_replaced() -> None:
    """By its fingerprint."""
    one = service("a")
    changed = replace(one, run=process("sleep", "2"))
    assert plan_up(by_name(changed), {"a": running(one)})[0].why == "its configuration changed"


def test_force_replaces_the_named_or_all() -> None:
    """And starts what does not run."""
    a, b = service("a"), service("b")
    world = {"a": running(a), "b": running(b)}
    assert [one.action for one in plan_up(by_name(a, b), world, force=True)] == [Action.REPLACE, Action.REPLACE]
    named = plan_up(by_name(a, b), world, named=("b",), force=True)
    assert [one.action for one in named] == [Action.KEEP, Action.REPLACE]


def test_task_runs_once_for_each_up() -> None:
    """Also where it has completed."""
    one = task("t")
    assert plan_up(by_name(one), {"t": running(one, State.COMPLETED, alive=False)})[0].action is Action.START


@pytest.mark.parametrize(
    "change",
    [
        {"probes": ready_after(1.0)},
        {"depends_on": (on("x"),)},
        {"restart": Restart.ALWAYS},
        {"stop": Stop(grace_s=1.0)},
        {"ready_timeout_s": 5.0},
        {"profiles": ("x",)},
    ],
)
def test_fingerprint_stays_when_no_new_start_is_needed(change: dict[str, object]) -> None:
    """Probes, dependencies, restart and stop settings take effect without one."""
    assert fingerprint(replace(service("a"), **change)) == fingerprint(service("a"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (service("a"), service("a", run=process("sleep", "2"))),
        (service("a"), service("a", run=replace(process(), environment={"X": "1"}))),
        (service("a"), service("a", run=replace(process(), working_dir="/elsewhere"))),
        (service("a", ports=(1,)), service("a", ports=(2,))),
        (service("a", ports=(1,)), service("a", ports=(Port(number=1, host="127.0.0.1"),))),
        (container("a"), container("a", spec="2")),
        (container("a"), service("a")),
        (service("a"), task("a", status=None)),
    ],
)
def test_fingerprint_changes_when_a_new_start_is_needed(before: Service, after: Service) -> None:
    """Command, folder, environment, ports, Compose definition, kind."""
    assert fingerprint(before) != fingerprint(after)


def test_fingerprint_of_an_external_service_is_its_address() -> None:
    """Nothing else of it could change."""
    assert fingerprint(external("a", "http://x")) != fingerprint(external("a", "http://y"))


def test_dependent_is_replaced_when_the_port_of_what_it_depends_on_moved() -> None:
    """It was told the old one when it started."""
    api, web = service("api", ports=(8000,)), service("web", on("api"))
    told = fingerprint(web, inherit(web, by_name(api, web)))
    view = ServiceView(name="web", run=web.kind, state=State.READY)
    runs = {"web": Running(view=view, fingerprint=told, alive=True)}
    assert [step.action for step in plan_up({"web": web}, runs, everything=by_name(api, web))] == [Action.KEEP]
    moved = {"api": service("api", ports=(8001,)), "web": web}
    steps = plan_up({"web": web}, runs, everything=moved)
    assert [step.action for step in steps] == [Action.REPLACE]


def test_everything_required_from_the_top_is_essential() -> None:
    """The top is what nothing depends on."""
    services = by_name(service("cache"), service("db"), service("api", "db", on("cache", required=False)))
    assert find_essential(services, ()) == {"db", "api"}


def test_named_service_is_essential() -> None:
    """Even where only optional edges lead to it."""
    services = by_name(service("cache"), service("api", on("cache", required=False)))
    assert find_essential(services, ("cache",)) == {"cache"}


def test_what_an_optional_service_requires_is_not_essential() -> None:
    """Unless somebody else requires it too."""
    services = by_name(
        service("disk"), service("cache", "disk"), service("api", on("cache", required=False)), service("gone", "disk")
    )
    assert find_essential(services, ("api",)) == {"api"}
    assert find_essential(services, ()) == {"api", "gone", "disk"}
