"""A check that hangs in the user's code: Ctrl-C, `down` and the daemon's death take it along."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time

import pytest

from tests.support import processes
from tests.support.daemon import Devenv
from tests.support.processes import Identity
from tests.support.wait import until

HANGS = "import time, subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(500)'])\n"
SOON_S = 6.0
"""Far below the minute that models may take."""


@pytest.fixture
def hanging(project: Devenv, server: str) -> Devenv:
    """Give a stack whose models never end to be imported, and start a child of their own."""
    project.write(f"""
        services:
          api:
            command: {server} 0
            schema: {{database: "sqlite:///a.db", models: "app.models:Base"}}
    """)
    project.write("", "app/__init__.py")
    project.write(f"{HANGS}open('reached', 'w').close()\ntime.sleep(500)\n", "app/models.py")
    sqlite3.connect(project.folder / "a.db").execute("CREATE TABLE t (a int)")
    return project


def wait_for_import(project: Devenv) -> None:
    """Wait until the models are being imported."""
    until((project.folder / "reached").exists, deadline_s=15, what="the import of the models", poll_s=0.05)


def probes(project: Devenv) -> set[Identity]:
    """Return what belongs to the check: its process, the interpreter that reads the models, and their child."""
    words = ("devenv.daemon.inspector", " -B - ", "time.sleep(500)")
    return {one for one in project.processes() if any(word in processes.command_line_of(one) for word in words)}


def test_interrupt_of_up_ends_a_check_that_hangs(hanging: Devenv) -> None:
    """Nothing of the check is left when `up` says that it was interrupted."""
    up = hanging.start("up")
    wait_for_import(hanging)
    assert len(probes(hanging)) == 3
    os.kill(up.pid, signal.SIGINT)
    up.communicate(timeout=SOON_S)
    until(lambda: not probes(hanging), deadline_s=SOON_S, what="the end of the check", poll_s=0.05)


def test_down_ends_a_check_that_hangs(hanging: Devenv) -> None:
    """`down` from elsewhere does the same."""
    up = hanging.start("up")
    wait_for_import(hanging)
    began = time.monotonic()
    hanging.down()
    up.communicate(timeout=SOON_S)
    assert time.monotonic() - began < SOON_S
    until(lambda: not probes(hanging), deadline_s=SOON_S, what="the end of the check", poll_s=0.05)


@pytest.mark.parametrize("victim", ["devenv.daemon ", "devenv.daemon.inspector"])
def test_kill_of_who_asked_ends_a_check_that_hangs(hanging: Devenv, victim: str) -> None:
    """The daemon or the check's own process dies by kill -9: the interpreter notices, and its child goes too."""
    up = hanging.start("up")
    wait_for_import(hanging)
    (killed,) = {one for one in hanging.processes() if victim in f"{processes.command_line_of(one)} "}
    os.kill(killed.pid, signal.SIGKILL)
    until(lambda: not probes(hanging), deadline_s=SOON_S, what="the end of the check", poll_s=0.05)
    up.kill()
    up.communicate()


def test_interrupt_of_check_ends_at_once(hanging: Devenv) -> None:
    """Ctrl-C is 130, and does not wait for the import."""
    check = hanging.start("check")
    wait_for_import(hanging)
    os.kill(check.pid, signal.SIGINT)
    try:
        check.communicate(timeout=SOON_S)
    except subprocess.TimeoutExpired:
        check.kill()
        raise
    assert check.returncode == 130
    until(lambda: not probes(hanging), deadline_s=SOON_S, what="the end of the check", poll_s=0.05)
