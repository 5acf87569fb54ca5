"""The graph: closure, cycles, waves, weights, and who lets whom start."""

from __future__ import annotations

import pytest

from devenv.domain.graph import (
    Passage,
    close_over,
    dependents_of,
    edges_of,
    find_blocked,
    find_cycles,
    longest_paths,
    order,
    passage,
    reverse,
    waves,
)
from devenv.domain.lifecycle import State
from devenv.domain.model import Condition
from tests.support.builders import on, service

DIAMOND = {"web": ("api", "docs"), "api": ("db",), "docs": ("db",), "db": ()}


def test_edges_leave_out_services_that_are_not_there() -> None:
    """A dependency of a disabled profile is no edge."""
    assert edges_of({"a": service("a", "b", "gone"), "b": service("b")}) == {"a": ("b",), "b": ()}


def test_closure_brings_everything_below_in_the_order_of_the_file() -> None:
    """Whatever the order of the names."""
    assert close_over(DIAMOND, ["api"]) == ("api", "db")
    assert close_over(DIAMOND, ["db", "web"]) == ("web", "api", "docs", "db")


def test_closure_ignores_names_that_are_not_there() -> None:
    """It answers about the graph that it was given."""
    assert close_over(DIAMOND, ["nobody"]) == ()


def test_dependents_are_everything_above() -> None:
    """Directly or not, with the names themselves."""
    assert dependents_of(DIAMOND, ["docs"]) == ("web", "docs")


def test_reversed_graph_leaves_out_targets_that_are_no_nodes() -> None:
    """Each arrow is turned round once."""
    assert reverse({"a": ("b", "gone"), "b": ()}) == {"a": (), "b": ("a",)}


def test_graph_without_a_cycle_has_none() -> None:
    """Two ways to the same service are no cycle."""
    assert find_cycles(DIAMOND) == []


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ({"a": ("a",)}, [("a", "a")]),
        ({"a": ("b",), "b": ("a",)}, [("a", "b", "a")]),
        ({"x": ("a",), "a": ("b",), "b": ("c",), "c": ("a",)}, [("a", "b", "c", "a")]),
        ({"a": ("b",), "b": ("a",), "c": ("d",), "d": ("c",)}, [("a", "b", "a"), ("c", "d", "c")]),
        ({"a": ("gone",)}, []),
    ],
)
def test_each_cycle_is_found_once_as_a_path(edges: dict[str, tuple[str, ...]], expected: list[tuple[str, ...]]) -> None:
    """The path ends where it began."""
    assert find_cycles(edges) == expected


def test_order_puts_every_dependency_first() -> None:
    """Also where the file has them the other way round."""
    assert order(DIAMOND) == ["db", "api", "docs", "web"]


def test_order_cuts_a_cycle_where_it_is_entered() -> None:
    """It always ends, and has every name once."""
    assert order({"a": ("b",), "b": ("a",)}) == ["b", "a"]


def test_waves_are_as_deep_as_the_longest_way_down() -> None:
    """A service is in the first wave in which all that it needs has passed."""
    assert waves(DIAMOND) == [("db",), ("api", "docs"), ("web",)]
    assert waves({"a": ("b", "c"), "b": ("c",), "c": ()}) == [("c",), ("b",), ("a",)]
    assert waves({}) == []


def test_longest_path_counts_what_still_comes_after_a_service() -> None:
    """The service that most depends on starts first; an unknown weight counts 1."""
    found = longest_paths(DIAMOND, {"docs": 5.0, "web": 2.0})
    assert found == {"web": 2.0, "api": 3.0, "docs": 7.0, "db": 8.0}


@pytest.mark.parametrize("condition", Condition)
@pytest.mark.parametrize("state", State)
def test_passage_of_a_required_dependency(condition: Condition, state: State) -> None:
    """Each condition is met in its own states, and blocked only where something ended."""
    met = {
        Condition.STARTED: {State.PROBING, State.READY, State.UNHEALTHY, State.COMPLETED},
        Condition.READY: {State.READY, State.COMPLETED},
        Condition.COMPLETED: {State.COMPLETED},
    }
    expected = Passage.WAIT
    if state in met[condition]:
        expected = Passage.OPEN
    elif state in {State.FAILED, State.STOPPED, State.STOPPING}:
        expected = Passage.BLOCKED
    assert passage(on("db", condition), state) is expected


@pytest.mark.parametrize("state", [State.FAILED, State.STOPPED, State.STOPPING, State.UNHEALTHY])
def test_optional_dependency_lets_pass_when_it_is_lost(state: State) -> None:
    """One that is not required may fail, end, or be sick."""
    assert passage(on("db", required=False), state) is Passage.OPEN


@pytest.mark.parametrize("state", [State.WAITING, State.STARTING, State.PROBING, State.BACKOFF])
def test_optional_dependency_is_waited_for_when_it_is_on_its_way(state: State) -> None:
    """Optional does not mean unordered."""
    assert passage(on("db", required=False), state) is Passage.WAIT


def test_blocked_is_what_waits_for_the_lost_directly_or_not() -> None:
    """Optional edges and services that wait for something else block nobody."""
    edges = {
        "disk": (),
        "db": (on("disk"),),
        "api": (on("db"),),
        "web": (on("api", required=False),),
        "docs": (on("slow"),),
        "slow": (),
        "runs": (on("disk"),),
    }
    states = dict.fromkeys(edges, State.WAITING) | {
        "disk": State.FAILED,
        "slow": State.PROBING,
        "runs": State.READY,
        "gone": State.STOPPED,
    }
    assert find_blocked(edges, states) == {"disk", "db", "api", "gone"}


def test_sick_dependency_blocks_only_who_waits_for_ready() -> None:
    """For `started` it is there."""
    edges = {"db": (), "a": (on("db"),), "b": (on("db", Condition.STARTED),)}
    states = {"db": State.UNHEALTHY, "a": State.WAITING, "b": State.WAITING}
    assert find_blocked(edges, states) == {"db", "a"}
