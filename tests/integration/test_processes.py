"""Real process trees that do not want to end, and programs that cannot start."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from devenv.adapters.processes.host import HostProcesses, identity
from devenv.app.ports import Launch
from devenv.domain.errors import HostError, StartFailed
from devenv.domain.holders import ProcessId
from devenv.domain.model import Stop
from tests.support.wait import until

pytestmark = pytest.mark.anyio

IGNORES_TERM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(300)"
)
COUNTS_TERM = """
import signal, time
seen = []
signal.signal(signal.SIGTERM, lambda *_: seen.append(1))
print("up", flush=True)
end = time.monotonic() + 0.3
while time.monotonic() < end:
    time.sleep(0.02)
print("signals", len(seen), flush=True)
"""
SOON = Stop(grace_s=0.3)
Start = Callable[..., ProcessId]


@pytest.fixture
async def host(unique_name: str) -> AsyncIterator[HostProcesses]:
    """Give the machine's processes under a key of its own, and end what a test left."""
    made = HostProcesses(unique_name)
    yield made
    for service, roots in made.find_marked().items():
        await made.stop_tree(roots, service, Stop(signal="KILL"))


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    """Return the launch that tests vary."""
    return Launch(
        service="web",
        argv=("true",),
        working_dir=str(tmp_path),
        environment=dict(os.environ),
        log=str(tmp_path / "web.log"),
    )


@pytest.fixture
def start(host: HostProcesses, launch: Launch) -> Start:
    """Return a function that starts a command and, where `says` is given, waits for that word in its log."""

    def start_it(*argv: str, says: str = "") -> ProcessId:
        process = host.spawn(replace(launch, argv=argv))
        until(lambda: says in Path(launch.log).read_text(), deadline_s=5, what=f"{says!r} in the log")
        return process

    return start_it


def read_log(launch: Launch) -> str:
    """Return what the service has printed."""
    return Path(launch.log).read_text()


def write_program(path: Path, content: str, mode: int) -> None:
    """Make a file with that mode."""
    path.write_text(content)
    path.chmod(mode)


def count_descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(list(Path("/dev/fd").iterdir()))


def pid_said(launch: Launch, word: str) -> ProcessId:
    """Return who has the pid that the log's line `word PID` names."""
    found = next(line.split()[1] for line in Path(launch.log).read_text().splitlines() if line.startswith(word))
    process = identity.read_identity(int(found))
    assert process is not None
    return process


async def test_stop_tree_kills_when_term_is_ignored(host: HostProcesses, start: Start) -> None:
    """The hard signal comes after the grace, not before."""
    process = start(sys.executable, "-c", IGNORES_TERM, says="up")
    began = time.monotonic()
    assert await host.stop_tree([process], "web", SOON) == ()
    assert 0.3 <= time.monotonic() - began < 2
    assert await host.wait_exit(process) == -signal.SIGKILL


async def test_stop_tree_waits_for_the_end_when_killing_at_once(
    host: HostProcesses, start: Start, launch: Launch
) -> None:
    """A grace of nothing is none for the signal to be heeded; the kernel still takes its time to end a tree."""
    for number in range(5):
        program = f"for i in 1 2 3 4 5 6 7 8 9; do sleep 300 & done; echo up{number}; wait"
        process = start("sh", "-c", program, says=f"up{number}")
        assert await host.stop_tree([process], "web", Stop(signal="KILL", grace_s=0.0)) == ()


async def test_stop_tree_ends_grandchildren(host: HostProcesses, start: Start, launch: Launch) -> None:
    """Children's children end with the root."""
    process = start("sh", "-c", "sh -c 'sleep 300 & echo deep $!; wait' & wait", says="deep")
    deep = pid_said(launch, "deep")
    assert deep.pid in host.tree_pids(process, "web")
    assert await host.stop_tree([process], "web", SOON) == ()
    assert not host.is_alive(deep)


async def test_stop_tree_ends_what_left_the_session_when_the_root_is_gone(
    host: HostProcesses, start: Start, launch: Launch
) -> None:
    """A daemon that forked away and called setsid is found by its marks."""
    process = start("sh", "-c", "setsid sh -c 'echo away $$; exec sleep 300' & exit 0", says="away")
    await host.wait_exit(process)
    away = pid_said(launch, "away")
    assert host.find_marked() == {"web": (away,)}
    assert await host.stop_tree([process], "web", SOON) == ()
    assert not host.is_alive(away)


async def test_stop_tree_ends_what_lost_its_marks_when_the_parent_lives(
    host: HostProcesses, start: Start, launch: Launch
) -> None:
    """A child with an empty environment in its own session is still a child."""
    script = "env -i setsid sh -c 'echo bare $$; exec sleep 300' & wait"
    process = start("sh", "-c", script, says="bare")
    bare = pid_said(launch, "bare")
    assert await host.stop_tree([process], "web", SOON) == ()
    assert not host.is_alive(bare)


async def test_stop_tree_ends_what_is_started_while_stopping(host: HostProcesses, start: Start, launch: Launch) -> None:
    """A child that a dying root leaves behind is found by looking again."""
    script = "trap 'setsid sleep 300 & exit 0' TERM; echo up; while :; do sleep 0.05; done"
    process = start("sh", "-c", script, says="up")
    assert await host.stop_tree([process], "web", SOON) == ()
    assert host.find_marked() == {}


async def test_stop_tree_lets_cleaning_finish_when_within_the_grace(
    host: HostProcesses, start: Start, launch: Launch
) -> None:
    """A gentle end is a gentle end."""
    script = "trap 'sleep 0.2; echo cleaned; exit 7' TERM; echo up; while :; do sleep 0.05; done"
    process = start("sh", "-c", script, says="up")
    assert await host.stop_tree([process], "web", Stop(grace_s=5)) == ()
    assert await host.wait_exit(process) == 7
    assert "cleaned" in read_log(launch)


async def test_stop_tree_signals_once(host: HostProcesses, start: Start, launch: Launch) -> None:
    """A second signal means "at once" to many servers, so there is none."""
    script = COUNTS_TERM
    process = start(sys.executable, "-c", script, says="up")
    await host.stop_tree([process], "web", Stop(grace_s=5))
    assert "signals 1" in read_log(launch)


async def test_stop_tree_ends_by_term_when_stopped_by_a_signal(host: HostProcesses, start: Start) -> None:
    """A suspended process is woken to hear that it is to end."""
    process = start("sleep", "300")
    os.kill(process.pid, signal.SIGSTOP)
    until(lambda: (stat := identity.read_stat(process.pid)) and stat.stopped, deadline_s=2, what="a stopped process")
    with anyio.fail_after(2):
        assert await host.stop_tree([process], "web", Stop(grace_s=10)) == ()
    assert await host.wait_exit(process) == -signal.SIGTERM


async def test_stop_tree_runs_the_stop_command_first(host: HostProcesses, start: Start, launch: Launch) -> None:
    """The configured command runs in the service's folder with its environment."""
    process = start("sleep", "300")
    stop = Stop(grace_s=5, command=("sh", "-c", 'echo "stopped by $DEVENV_SERVICE" >> web.log'))
    assert await host.stop_tree([process], "web", stop) == ()
    assert "stopped by web" in read_log(launch)


async def test_stop_tree_spares_a_stranger_when_the_pid_was_recycled(host: HostProcesses, start: Start) -> None:
    """Whoever has the pid now is not whom we started."""
    stranger = start("sleep", "300")
    forged = ProcessId(pid=stranger.pid, started=stranger.started - 1)
    assert await host.stop_tree([forged], "another-service", SOON) == ()
    assert host.is_alive(stranger)


async def test_stop_tree_spares_ourselves_when_named(host: HostProcesses) -> None:
    """Neither this process nor its ancestors nor pid 1 are ever signalled."""
    own = identity.read_identity(os.getpid())
    first = identity.read_identity(1)
    assert own is not None
    assert first is not None
    assert await host.stop_tree([own, first], "web", SOON) == ()


async def test_stop_foreign_ends_the_tree_of_a_holder(host: HostProcesses, start: Start, launch: Launch) -> None:
    """A holder's children go with it."""
    process = start("sh", "-c", "sleep 300 & echo child $!; wait", says="child")
    child = pid_said(launch, "child")
    assert await HostProcesses("somebody-else").stop_foreign(process, 0.3) == ()
    assert not host.is_alive(child)


async def test_stop_foreign_spares_what_is_protected(host: HostProcesses, start: Start) -> None:
    """An ancestor of the command that asked stays."""
    process = start("sleep", "300")
    assert await host.stop_foreign(process, 0.3, protect=frozenset({process.pid})) == (process,)
    assert host.is_alive(process)


async def test_wait_exit_ends_by_an_event_when_adopted(unique_name: str, host: HostProcesses, start: Start) -> None:
    """A later daemon waits for processes that are not its children; it only lacks their status."""
    process = start("sh", "-c", "sleep 0.2; exit 5")
    with anyio.fail_after(3):
        assert await HostProcesses(unique_name).wait_exit(process) is None


async def test_find_marked_gives_roots_only(host: HostProcesses, start: Start, launch: Launch) -> None:
    """Workers are not mistaken for services."""
    process = start("sh", "-c", "sleep 300 & echo child $!; wait", says="child")
    assert host.find_marked() == {"web": (process,)}


async def test_find_marked_ignores_another_stack(host: HostProcesses, start: Start) -> None:
    """Each stack finds its own."""
    start("sleep", "300")
    assert HostProcesses("another").find_marked() == {}


async def test_spawn_and_stop_are_quick_when_there_are_a_hundred(host: HostProcesses, launch: Launch) -> None:
    """A hundred services start and end within a second each, and no child of theirs stays."""
    began = time.monotonic()
    roots = {}
    for number in range(100):
        name = f"s{number}"
        roots[name] = host.spawn(replace(launch, service=name, argv=("sh", "-c", "sleep 300 & exec sleep 300")))
    started_s = time.monotonic() - began
    async with anyio.create_task_group() as group:
        for name, root in roots.items():
            group.start_soon(host.stop_tree, [root], name, Stop())
    stopped_s = time.monotonic() - began - started_s
    assert host.find_marked() == {}
    assert max(started_s, stopped_s) < 1.5, (started_s, stopped_s)


async def test_run_forgets_the_beginning_when_output_is_endless(host: HostProcesses, launch: Launch) -> None:
    """A command that prints without end costs 4 KiB."""
    result = await host.run(replace(launch, argv=("yes", "word")), 0.2)
    assert result.status == -signal.SIGKILL
    assert 4000 < len(result.output) < 4200


async def test_run_returns_when_a_child_keeps_the_pipe(host: HostProcesses, launch: Launch) -> None:
    """What a command leaves running does not hold up its answer."""
    with anyio.fail_after(3):
        result = await host.run(replace(launch, argv=("sh", "-c", "sleep 300 & echo done")), 10)
    assert (result.status, result.output) == (0, "done\n")


async def test_run_leaves_nothing_when_cancelled(host: HostProcesses, launch: Launch) -> None:
    """A probe that is given up takes its command along."""
    with anyio.move_on_after(0.1):
        await host.run(replace(launch, argv=("sleep", "300")), 10)
    assert host.find_marked() == {}


async def test_descriptors_do_not_leak(host: HostProcesses, launch: Launch) -> None:
    """Starting, running, waiting and stopping give every descriptor back."""
    await host.run(replace(launch, argv=("true",)), 5)
    before = count_descriptors()
    for _ in range(5):
        process = host.spawn(replace(launch, argv=("sleep", "300")))
        with anyio.move_on_after(0.01):
            await host.wait_exit(process)
        await host.stop_tree([process], "web", SOON)
        await host.run(replace(launch, argv=("true",)), 5)
    assert count_descriptors() == before


@pytest.mark.parametrize(
    ("content", "mode", "word"),
    [
        ("#!/bin/sh\n", 0o600, "is not executable"),
        ("#!/no/such/interpreter\n", 0o700, "needs an interpreter that is not there: #!/no/such/interpreter"),
        ("just text\n", 0o700, "neither a program of this machine nor a script"),
    ],
)
async def test_spawn_says_what_is_wrong_with_a_program(
    host: HostProcesses, launch: Launch, content: str, mode: int, word: str
) -> None:
    """Each cause has its own sentence, where the system has one number for several."""
    write_program(Path(launch.working_dir, "program"), content, mode)
    with pytest.raises(StartFailed) as caught:
        host.spawn(replace(launch, argv=("./program",)))
    assert word in caught.value.why


async def test_spawn_says_so_when_the_log_cannot_be_written(host: HostProcesses, launch: Launch) -> None:
    """A log that is a folder is the host's trouble, not the program's."""
    os.mkdir(launch.log)  # noqa: PTH102 - it does not block
    with pytest.raises(HostError, match="cannot write the log"):
        host.spawn(launch)


async def test_a_loud_service_blocks_nothing(host: HostProcesses, start: Start, launch: Launch) -> None:
    """200 MB go to the file with no help of ours."""
    process = start("sh", "-c", "yes 0123456789012345678901234567890123456789 | head -c 200000000")
    with anyio.fail_after(30):
        assert await host.wait_exit(process) == 0
    assert os.stat(launch.log).st_size == 200_000_000  # noqa: PTH116 - it does not block
