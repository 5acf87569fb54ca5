"""Who belongs to a tree, decided on tables made by hand."""

from __future__ import annotations

import os

import pytest

from devenv.adapters.processes.identity import ProcessStat
from devenv.adapters.processes.stopping import _own_groups
from devenv.adapters.processes.tree import Table, find_live, find_members, find_roots
from devenv.domain.holders import ProcessId

BASE = 3_900_000  # pids that this test process and its ancestors do not have


def stat(pid: int, parent: int, *, group: int = 0, session: int = 0, ended: bool = False) -> ProcessStat:
    """Return a process; pids count from BASE, 0 as a group or session means its own."""
    return ProcessStat(
        id=ProcessId(pid=BASE + pid, started=pid),
        parent=BASE + parent if parent else 1,
        group=BASE + (group or pid),
        session=BASE + (session or pid),
        ended=ended,
    )


def table(*stats: ProcessStat, **services: str) -> Table:
    """Return a table; `p5="web"` marks pid 5."""
    return Table(
        processes={one.id.pid: one for one in stats},
        services={BASE + int(name[1:]): service for name, service in services.items()},
    )


def members(table: Table, *known: int, marked: frozenset[int] = frozenset()) -> set[int]:
    """Return the members by their small numbers."""
    ids = tuple(ProcessId(pid=BASE + pid, started=pid) for pid in known)
    return {one.pid - BASE for one in find_members(table, ids, {BASE + pid for pid in marked})}


def test_members_are_descendants_when_sessions_differ() -> None:
    """Parenthood is followed down, whatever the order of pids."""
    assert members(table(stat(9, 0), stat(5, 9), stat(7, 5), stat(3, 7), stat(4, 0)), 9) == {9, 5, 7, 3}


def test_members_are_the_session_when_parents_are_gone() -> None:
    """Who was left to pid 1 is still in the session that the root leads."""
    assert members(table(stat(1, 0), stat(2, 0, session=1, group=1), stat(3, 0)), 1) == {1, 2}


def test_members_are_the_session_when_the_root_is_gone() -> None:
    """A session keeps its number from being reused, so it is still the root's."""
    assert members(table(stat(2, 0, session=1, group=1)), 1) == {2}


def test_members_are_none_when_a_stranger_has_the_pid() -> None:
    """The children of a recycled pid are not ours."""
    recycled = ProcessStat(id=ProcessId(pid=BASE + 1, started=99), parent=1, group=BASE + 1, session=BASE + 1)
    assert members(table(recycled, stat(2, 1, session=1, group=1)), 1) == set()


def test_members_grow_from_the_marked() -> None:
    """What a marked process started belongs to it, marked or not."""
    assert members(table(stat(1, 0), stat(2, 1)), marked=frozenset({1})) == {1, 2}


def test_members_never_hold_ourselves() -> None:
    """The process that asks is no member, not even of a tree that it is in."""
    own = ProcessStat(id=ProcessId(pid=os.getpid(), started=1), parent=BASE + 1, group=BASE + 1, session=BASE + 1)
    assert members(table(stat(1, 0), own), 1) == {1}


def test_live_members_are_without_zombies() -> None:
    """A zombie has ended; what it led has not."""
    looked = table(stat(1, 0, ended=True), stat(2, 0, session=1, group=1))
    assert find_live(looked, (ProcessId(pid=BASE + 1, started=1),), "web") == {BASE + 2}


def test_roots_are_those_without_a_marked_parent() -> None:
    """A worker is no root, a service started by another service is."""
    looked = table(stat(1, 0), stat(2, 1), stat(3, 2), p1="web", p2="web", p3="api")
    assert {name: [one.pid - BASE for one in roots] for name, roots in find_roots(looked).items()} == {
        "web": [1],
        "api": [3],
    }


@pytest.mark.parametrize(("others", "expected"), [((), {BASE + 1}), ((3,), set())])
def test_groups_are_signalled_whole_when_nobody_else_is_in_them(others: tuple[int, ...], expected: set[int]) -> None:
    """A shell's job that shares its group with a stranger is signalled one by one."""
    looked = table(stat(1, 0), stat(2, 1, group=1), *(stat(pid, 0, group=1) for pid in others))
    assert _own_groups(looked, {BASE + 1, BASE + 2}) == expected
