"""The small parts of the shell: bus, board, start queue, exits; each also on the event loop of production."""

from __future__ import annotations

from contextlib import aclosing

import anyio
import pytest
from trio.testing import MockClock

from devenv.app.board import Board
from devenv.app.bus import Bus
from devenv.app.exits import ExitBoard
from devenv.app.ports import ContainerExit
from devenv.app.queueing import StartQueue
from devenv.domain.events import Gap, Note, Numbered, Progress, ServiceChanged, ServiceView
from devenv.domain.lifecycle import IllegalTransition, State, Trigger

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Run each test on both event loops: nothing here waits for time to pass."""
    return "asyncio" if request.param == "asyncio" else ("trio", {"clock": MockClock(autojump_threshold=0)})


def note(number: int) -> Note:
    """Return an event that can be told from others."""
    return Note(text=str(number))


async def take(bus: Bus, after: int, count: int) -> list[Numbered]:
    """Return the next `count` events after a number."""
    found: list[Numbered] = []
    with anyio.fail_after(5):
        async with aclosing(bus.subscribe(after)) as events:  # type: ignore[type-var]
            async for numbered in events:
                found.append(numbered)
                if len(found) == count:
                    break
    return found


async def test_events_are_numbered_from_one_without_a_hole() -> None:
    """So that a reader knows what it missed."""
    bus = Bus()
    assert [bus.publish(note(number)).seq for number in range(3)] == [1, 2, 3]
    assert bus.seq == 3


async def test_reader_gets_everything_after_its_number() -> None:
    """What is there at once, in order."""
    bus = Bus()
    for number in range(1, 6):
        bus.publish(note(number))
    assert [one.seq for one in await take(bus, 2, 3)] == [3, 4, 5]


async def test_reader_waits_for_what_is_yet_to_come() -> None:
    """And is woken by it."""
    bus = Bus()
    seen: list[Numbered] = []

    async def read() -> None:
        seen.extend(await take(bus, 0, 1))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        bus.publish(note(1))
    assert [one.seq for one in seen] == [1]


async def test_number_from_the_future_means_now() -> None:
    """A client that knew an earlier daemon is not left waiting for its numbers."""
    bus = Bus()
    bus.publish(note(1))
    seen: list[Numbered] = []

    async def read() -> None:
        seen.extend(await take(bus, 99, 1))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        bus.publish(note(2))
    assert [one.seq for one in seen] == [2]


async def test_slow_reader_gets_a_gap_and_goes_on() -> None:
    """One gap says how many events are gone; what the ring still has comes after it."""
    bus = Bus(capacity=3)
    for number in range(1, 11):
        bus.publish(note(number))
    gap, *rest = await take(bus, 2, 4)
    assert (gap.seq, gap.event) == (7, Gap(missed=5))
    assert [one.seq for one in rest] == [8, 9, 10]


async def test_reader_that_falls_behind_while_it_reads_gets_a_gap() -> None:
    """Nobody waits for it, and it never sees an event twice."""
    bus = Bus(capacity=3)
    bus.publish(note(1))
    seen: list[Numbered] = []
    with anyio.fail_after(5):
        async with aclosing(bus.subscribe(0)) as events:  # type: ignore[type-var]
            async for numbered in events:
                seen.append(numbered)
                if numbered.seq == 1:
                    for number in range(2, 9):
                        bus.publish(note(number))
                if numbered.seq == 8:
                    break
    assert [one.seq for one in seen] == [1, 5, 6, 7, 8]
    assert seen[1].event == Gap(missed=4)


async def test_readers_do_not_share_a_place() -> None:
    """Each has its own."""
    bus = Bus()
    bus.publish(note(1))
    assert await take(bus, 0, 1) == await take(bus, 0, 1)


async def test_board_refuses_an_illegal_move_and_changes_nothing() -> None:
    """There is no event of something that did not happen."""
    board = Board(Bus())
    board.put(ServiceView(name="a", run="process"))
    with pytest.raises(IllegalTransition):
        board.move("a", Trigger.PASS)
    assert (board.views["a"].state, board.bus.seq) == (State.STOPPED, 1)


async def test_board_tells_each_change_with_the_state_before() -> None:
    """And since when it is so."""
    board = Board(Bus())
    board.put(ServiceView(name="a", run="process"))
    board.move("a", Trigger.QUEUE, detail="waits")
    _, told = await take(board.bus, 0, 2)
    assert isinstance(told.event, ServiceChanged)
    assert (told.event.previous, told.event.service.state) == (State.STOPPED, State.WAITING)
    assert told.event.service.since > 0


async def test_board_says_nothing_when_nothing_changes() -> None:
    """A fact that is known already is no event."""
    board = Board(Bus())
    board.put(ServiceView(name="a", run="process", detail="x"))
    board.amend("a", detail="x")
    assert board.bus.seq == 1
    board.amend("a", detail="y")
    assert board.bus.seq == 2


async def test_board_rings_for_changes_only() -> None:
    """Notes and progress wake nobody who waits for a state."""
    board = Board(Bus())
    bell = board.changes()
    board.note("hello")
    board.report("db", "pulling", done=True)
    assert not bell.is_set()
    board.put(ServiceView(name="a", run="process"))
    assert bell.is_set()
    assert [type(one.event) for one in await take(board.bus, 0, 2)] == [Note, Progress]


async def test_queue_lets_as_many_in_as_it_is_wide() -> None:
    """No more, and each as soon as there is a place."""
    queue, inside, most = StartQueue(2), 0, 0

    async def work() -> None:
        nonlocal inside, most
        async with queue.turn(1.0):
            inside += 1
            most = max(most, inside)
            await anyio.lowlevel.checkpoint()
            inside -= 1

    async with anyio.create_task_group() as tasks:
        for _ in range(7):
            tasks.start_soon(work)
    assert (inside, most) == (0, 2)


async def test_queue_lets_a_crowd_in_when_none_is_more_urgent() -> None:
    """Ten services that wait for nobody gain nothing from waiting for each other; what is less urgent still waits."""
    queue, inside = StartQueue(2, crowd=5), []

    async def work(priority: float) -> None:
        async with queue.turn(priority):
            inside.append(priority)
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        for priority in (3.0, 1.0, 2.9, 3.0, 1.0, 2.8):
            tasks.start_soon(work, priority)
        await anyio.wait_all_tasks_blocked()
        assert sorted(inside) == [2.8, 2.9, 3.0, 3.0]
        tasks.cancel_scope.cancel()


async def test_queue_prefers_the_higher_priority_among_those_that_wait() -> None:
    """Whoever came first; also among those that come at the same moment."""
    queue, order = StartQueue(1), []

    async def work(priority: float) -> None:
        async with queue.turn(priority):
            order.append(priority)
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        for priority in (1.0, 5.0, 3.0, 4.0):
            tasks.start_soon(work, priority)
    assert order == [5.0, 4.0, 3.0, 1.0]


async def test_queue_hands_on_the_place_of_one_that_gave_up() -> None:
    """Whether it was still waiting or had just been let in."""
    queue, done = StartQueue(1), []
    scopes = [anyio.CancelScope() for _ in range(3)]

    async def work(number: int) -> None:
        with scopes[number]:
            async with queue.turn(10.0 - number):
                await anyio.sleep_forever()
        done.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(work, number)
        await anyio.wait_all_tasks_blocked()
        scopes[1].cancel()
        await anyio.wait_all_tasks_blocked()
        scopes[0].cancel()
        scopes[2].cancel()
    with anyio.fail_after(5):
        async with queue.turn(0.0):
            assert sorted(done) == [0, 1, 2]


async def test_queue_keeps_its_place_when_the_one_inside_fails() -> None:
    """A failed start does not make the queue narrower."""
    queue = StartQueue(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            async with queue.turn(1.0):
                raise ZeroDivisionError
    with anyio.fail_after(5):
        async with queue.turn(1.0):
            pass


async def test_exit_that_came_before_anybody_asked_is_known() -> None:
    """The board remembers it until the container starts again."""
    exits = ExitBoard()
    exits.post(ContainerExit(id="c1", exit_code=3))
    assert (await exits.wait("c1")).exit_code == 3
    exits.forget("c1")
    with anyio.move_on_after(0):
        await exits.wait("c1")
        pytest.fail("a forgotten exit was told")


async def test_exit_wakes_only_who_waits_for_it() -> None:
    """Another container's end is no end."""
    exits, seen = ExitBoard(), []

    async def watch(container: str) -> None:
        seen.append((container, (await exits.wait(container)).exit_code))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch, "c1")
        tasks.start_soon(watch, "c2")
        await anyio.wait_all_tasks_blocked()
        exits.post(ContainerExit(id="c2", exit_code=2))
        await anyio.wait_all_tasks_blocked()
        assert seen == [("c2", 2)]
        exits.post(ContainerExit(id="c1", exit_code=1))
