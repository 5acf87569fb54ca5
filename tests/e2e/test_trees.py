"""Process trees that do not want to end: after `down` nothing of them is left."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.daemon import Devenv
from tests.support.processes import identify
from tests.support.wait import until

TREES = {
    "children": "--depth 3",
    "deaf-children": "--depth 3 --ignore-term",
    "forked-away": "--fork-away",
    "all-of-it": "--fork-away --depth 2 --ignore-term",
}


@pytest.mark.parametrize("options", TREES.values(), ids=TREES)
@pytest.mark.parametrize("daemon", ["alive", "killed"])
def test_down_ends_the_whole_tree(project: Devenv, server: str, options: str, daemon: str) -> None:
    """Children, grandchildren, those in a session of their own, and those that ignore TERM; also for a new daemon."""
    pids = project.folder / "pids"
    count = _count(options)
    project.write(f"""
        services:
          tree:
            command: {server} 0 {options} --pid-file {pids}
            environment: {{PID_FILE: {pids}}}
            ready: {{exec: "test $(wc -l < {pids}) -eq {count}"}}
            stop: {{grace: 500ms}}
    """)
    project.up()
    tree = [int(line) for line in pids.read_text().split()]
    assert len([pid for pid in tree if identify(pid)]) == count
    if daemon == "killed":
        project.kill_daemon()
    project.down()
    assert [pid for pid in tree if identify(pid)] == []


def test_stop_leaves_a_slow_service_its_grace(project: Devenv, server: str) -> None:
    """A service that needs a second to end gets it, and ends by itself."""
    project.write(f"services: {{web: {{command: {server} 0 --slow-end 1, stop: {{grace: 10s}}}}}}\n")
    project.up()
    began = time.monotonic()
    project.down()
    assert 1.0 <= time.monotonic() - began < 5


def test_down_timeout_is_stronger_than_the_file(project: Devenv, server: str) -> None:
    """`down -t 0` uses the hard signal at once."""
    project.write(f"services: {{web: {{command: {server} 0 --ignore-term, stop: {{grace: 30s}}}}}}\n")
    project.up()
    project.down("-t", "0")
    assert not project.left()


def test_service_gets_the_signal_that_the_file_names(project: Devenv) -> None:
    """stop.signal reaches the process."""
    project.write("""
        services:
          web:
            command: "trap 'echo got-usr1 > seen; exit 0' USR1; echo up > up; while :; do sleep 0.05; done"
            ready: {exec: test -e up}
            stop: {signal: USR1, grace: 5s}
    """)
    project.up()
    project.down()
    assert (project.folder / "seen").read_text() == "got-usr1\n"


def test_service_that_ends_leaves_no_child_behind(project: Devenv, server: str) -> None:
    """The root of a tree that is killed by hand takes its children along, at the latest when it starts again."""
    pids = project.folder / "pids"
    project.write(f"""
        services:
          tree:
            command: {server} 0 --depth 2 --pid-file {pids}
            ready: {{exec: "test -s {pids}"}}
            restart: on-failure
    """)
    project.up()
    first = [int(line) for line in until(lambda: _lines(pids, 3), deadline_s=5, what="three pids")]
    who = identify(first[0])
    assert who
    os.kill(who.pid, signal.SIGKILL)
    until(lambda: project.services()["tree"]["restarts"] == 1, deadline_s=10, what="a restart", poll_s=0.05)
    until(lambda: project.states() == {"tree": "ready"}, deadline_s=10, what="ready again", poll_s=0.05)
    assert [pid for pid in first if identify(pid)] == []


def _count(options: str) -> int:
    words = options.split()
    depth = int(words[words.index("--depth") + 1]) if "--depth" in words else 0
    return 1 + depth + ("--fork-away" in words)


def _lines(path: Path, count: int) -> list[str] | None:
    lines = path.read_text().split()
    return lines if len(lines) >= count else None
