"""What is shown, and where: a live view on a terminal, plain lines elsewhere, data on standard output."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.e2e.terminals import run_in_terminal
from tests.support.daemon import COMMAND, Devenv

ESCAPE = "\x1b["


@pytest.fixture
def stack(project: Devenv, server: str) -> Devenv:
    """Return a stack of two, not started."""
    project.write(f"""
        services:
          base: {{command: {server} 0 --say base-is-up, ready: {{log: base-is-up}}}}
          shop: {{command: "sleep 0.3; exec {server} 0", depends_on: [base], ready: {{exec: sleep 0.3}}}}
    """)
    return project


def test_terminal_shows_services_live_and_ends_with_the_table(stack: Devenv) -> None:
    """The view redraws itself, and leaves the table behind it."""
    shown = run_in_terminal(stack, "up")
    assert shown.status == 0, shown.screen
    assert ESCAPE in shown.screen
    end = shown.screen[shown.screen.rindex("SERVICE") :]
    assert "base" in shown.screen[: shown.screen.rindex("SERVICE")]
    for words in ("base", "shop", "ready in"):
        assert words in end
    assert shown.screen.count("\x1b[?25l") == shown.screen.count("\x1b[?25h"), "the cursor is shown again"


@pytest.mark.parametrize(
    "env", [{"NO_COLOR": "1"}, {"CI": "true"}, {"CLAUDECODE": "1"}], ids=["no-color", "ci", "coding-agent"]
)
def test_terminal_shows_plain_lines_when_nobody_watches(stack: Devenv, env: dict[str, str]) -> None:
    """No escape code at all, one line a change."""
    shown = run_in_terminal(stack, "up", env=env)
    assert shown.status == 0, shown.screen
    assert "\x1b" not in shown.screen
    assert "base: ready" in shown.screen


def test_interrupt_on_a_terminal_leaves_it_usable(project: Devenv, server: str, free_port: int) -> None:
    """Ctrl-C during the live view: exit 130, cursor back, nothing runs."""
    project.write(f"services: {{slow: {{command: {server} {free_port} --delay 60, ports: [{free_port}]}}}}\n")
    shown = run_in_terminal(project, "up", answers=[("probing", "\x03")])
    assert shown.status == 130, shown.screen
    assert shown.screen.count("\x1b[?25l") == shown.screen.count("\x1b[?25h")
    assert not project.left()


def test_pipe_gets_no_escape_codes_and_data_only_on_standard_output(stack: Devenv) -> None:
    """Progress goes to standard error, the table to standard output."""
    done = stack.up()
    assert "\x1b" not in done.text
    assert "base: starting" in done.err
    assert done.out.startswith("SERVICE")
    for command in ("status", "logs", "graph", "config", "ports"):
        assert "\x1b" not in stack.run(command).text, command


def test_json_is_one_document_and_progress_json_one_a_line(stack: Devenv) -> None:
    """Each can be read by a program without looking at anything else."""
    lines = [json.loads(line) for line in stack.up("--progress", "json").out.splitlines()]
    assert lines[-1]["kind"] == "outcome"
    assert {line["kind"] for line in lines} >= {"service", "outcome"}
    document = stack.up("--json").json()
    assert (document["version"], document["status"], document["state"]) == (1, 0, "ready")
    down = stack.run("down", "--json").json()
    assert (down["status"], down["verb"]) == (0, "down")


def test_quiet_shows_nothing_but_failures(stack: Devenv) -> None:
    """Silence is success."""
    assert stack.up("--progress", "quiet").text == ""


@pytest.mark.parametrize("command", ["status", "logs", "ports", "config", "up", "status --json"])
def test_reader_that_goes_away_ends_the_command_quietly(stack: Devenv, command: str) -> None:
    """`devenv COMMAND | head -1`: no traceback, no complaint of Python at its end."""
    stack.up()
    line = f'"$@" {command} | head -n 1'
    done = subprocess.run(
        ["bash", "-c", line, "bash", *COMMAND],
        cwd=stack.folder,
        env=stack.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    assert done.stdout.count("\n") <= 1


def test_command_works_where_no_utf8_is(stack: Devenv) -> None:
    """An ASCII-only locale costs characters, not the command."""
    done = stack.up(LC_ALL="C", LANG="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert "Traceback" not in done.text
