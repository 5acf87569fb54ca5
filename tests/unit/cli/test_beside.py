"""`devenv exec` and `devenv run`: which command is run where."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from devenv.cli.main import run
from tests.unit.cli.stacks import StackFolder, serve


class Record:
    """The last command that was run."""

    argv: list[str]
    environment: Mapping[str, str]
    folder: str


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> Record:
    """Record instead of becoming another program."""
    record = Record()

    def become(_file: str, argv: list[str], environment: Mapping[str, str]) -> None:
        record.argv, record.environment, record.folder = argv, environment, str(Path.cwd())
        raise SystemExit(0)

    monkeypatch.setattr(os, "execvpe", become)
    return record


def _place(**facts: Any) -> dict[str, list[Any]]:
    return {"/v1/environment": [{"environment": {"PORT": "28811"}, "working_dir": "/", "container": "", **facts}]}


@pytest.mark.parametrize(
    ("typed", "argv"),
    [
        (["exec", "api", "--", "ls", "-la"], ["ls", "-la"]),
        (["exec", "api", "ls", "-la"], ["ls", "-la"]),
        (["exec", "api", "--", "sh", "-c", "x", "--", "y"], ["sh", "-c", "x", "--", "y"]),
        (["exec", "api", "sh", "--", "y"], ["sh", "--", "y"]),
        (["exec", "api", "--", "--", "y"], ["--", "y"]),
        (["exec", "-e", "A=b", "api", "env", "-e"], ["env", "-e"]),
        (["exec", "--", "api", "--", "ls"], None),
    ],
)
def test_command_is_as_typed_when_it_comes_after_the_service(
    stack: StackFolder, became: Record, typed: list[str], argv: list[str] | None
) -> None:
    """Options and dashes of the command are its own; `--` before all means that there is no service."""
    with serve(stack.paths, _place()):
        if argv is None:
            assert run(typed) == 2
            return
        with pytest.raises(SystemExit):
            run(typed)
    assert became.argv == argv


def test_process_gives_environment_and_folder_when_executed_in(stack: StackFolder, became: Record) -> None:
    """The daemon's answer is where the command runs, with what `-e` adds."""
    with serve(stack.paths, _place(working_dir=str(stack.folder.parent))) as daemon, pytest.raises(SystemExit):
        run(["exec", "-e", "A=b", "-w", "shop", "api", "--", "env"])
    assert became.environment == {"PORT": "28811", "A": "b"}
    assert became.folder == str(stack.folder)
    assert daemon.asked[0][1]["service"] == "api"


def test_container_is_entered_by_docker_when_the_service_has_one(
    stack: StackFolder, became: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal there is no `-t`."""
    docker = stack.folder / "docker"
    docker.write_text("#!/bin/sh\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(stack.folder))
    with serve(stack.paths, _place(container="c0ffee")), pytest.raises(SystemExit):
        run(["exec", "-e", "A=b", "db", "--", "psql"])
    assert became.argv == [str(docker), "exec", "-i", "-e", "A=b", "c0ffee", "psql"]


def test_docker_is_missed_when_a_container_is_entered_without_it(
    stack: StackFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing tool is the host's failure."""
    monkeypatch.setenv("PATH", "")
    with serve(stack.paths, _place(container="c0ffee")):
        assert run(["exec", "db", "psql"]) == 3


def test_service_is_not_entered_when_it_does_not_run(stack: StackFolder) -> None:
    """Its ports are not known."""
    with serve(stack.paths, _place(environment={})):
        assert run(["exec", "api", "env"]) == 5


def test_stack_gives_its_environment_when_run_has_no_service(stack: StackFolder, became: Record) -> None:
    """`run -- CMD` asks for the stack's own place."""
    with serve(stack.paths, _place()) as daemon, pytest.raises(SystemExit):
        run(["run", "--", "env", "--", "x"])
    assert became.argv == ["env", "--", "x"]
    assert daemon.asked[0][1]["service"] is None


def test_stack_is_read_here_when_nothing_runs(
    stack: StackFolder, became: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`run -- CMD` needs no daemon and starts none; texts lose their escapes."""
    text = "environment: {GREETING: 'costs $$5'}\n"
    (stack.folder / "services.yaml").write_text(text + (stack.folder / "services.yaml").read_text())
    monkeypatch.setenv("OWN", "mine")
    with pytest.raises(SystemExit):
        run(["run", "--", "env"])
    assert became.environment["GREETING"] == "costs $5"
    assert became.environment["OWN"] == "mine"
    assert not stack.paths.socket.exists()


@pytest.mark.parametrize(
    ("typed", "status", "words"),
    [
        (["exec", "api"], 2, "fix: devenv exec api -- CMD"),
        (["exec"], 2, "exec needs a service"),
        (["exec", "--", "ls"], 2, "fix: devenv run -- ls"),
        (["run"], 2, "fix: devenv run -- CMD"),
        (["run", "env"], 2, "devenv run -- env"),
        (["exec", "-e", "=x", "api", "ls"], 2, "NAME=value"),
        (["exec", "api", "ls"], 8, "fix: devenv up"),
        (["run", "api", "ls"], 5, "fix: devenv up api"),
        (["run", "nope", "ls"], 2, "cannot find the service nope"),
    ],
)
def test_reason_is_said_when_nothing_can_be_run(
    stack: StackFolder, capsys: pytest.CaptureFixture[str], typed: list[str], status: int, words: str
) -> None:
    """Each mistake has its own words and the command that was meant."""
    assert stack.folder.is_dir()
    assert run(typed) == status
    assert words in capsys.readouterr().err


def test_program_is_named_when_it_is_not_there(
    stack: StackFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback for a typing mistake."""

    def find_nothing(file: str, argv: list[str], environment: Mapping[str, str]) -> None:
        raise FileNotFoundError(file, argv, environment)

    monkeypatch.setattr(os, "execvpe", find_nothing)
    with serve(stack.paths, _place()):
        assert run(["exec", "api", "nosuchprogram"]) == 2
    assert "cannot run nosuchprogram" in capsys.readouterr().err
