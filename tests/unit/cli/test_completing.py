"""Completion: commands and services on the Tab key, without reading YAML."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest

from devenv.cli.main import run
from tests.unit.cli.stacks import StackFolder

Complete = Callable[..., list[str]]


@pytest.fixture
def complete(stack: StackFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Complete:
    """Return a function that completes a line as bash does."""
    assert stack.folder.is_dir()

    def complete(*words: str) -> list[str]:
        line = ["devenv", *words]
        monkeypatch.setattr(sys, "argv", ["devenv"])
        monkeypatch.setenv("_DEVENV_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", " ".join(line))
        monkeypatch.setenv("COMP_CWORD", str(len(line) - 1))
        with pytest.raises(SystemExit):
            run([])
        return capsys.readouterr().out.split()

    return complete


@pytest.mark.parametrize("command", ["up", "logs", "wait", "exec", "restart"])
def test_services_are_those_of_the_file_when_nothing_ran_yet(complete: Complete, command: str) -> None:
    """In a fresh clone the first `devenv up <Tab>` knows them."""
    assert complete(command, "") == ["api", "migrate"]
    assert complete(command, "mi") == ["migrate"]


def test_file_is_the_one_named_before_the_command(complete: Complete, stack: StackFolder) -> None:
    """`-f` counts while completing, too."""
    (stack.folder / "other.yaml").write_text("services:\n  only: {command: x}\n")
    assert complete("-f", "other.yaml", "logs", "") == ["only"]


def test_commands_are_completed(complete: Complete) -> None:
    """The commands themselves."""
    assert complete("gra") == ["graph"]


@pytest.mark.parametrize("compose", ["compose: [infra.yml]  # more", "compose:\n  - infra.yml\n  - 'missing.yml'"])
def test_services_of_compose_files_are_known_when_named(complete: Complete, stack: StackFolder, compose: str) -> None:
    """Only keys directly below `services:` count."""
    (stack.folder / "services.yaml").write_text(f"{compose}\n# a remark\nservices:\n    web:\n        image: x\n")
    (stack.folder / "infra.yml").write_text('services:\n  "db":\n    image: x\nvolumes:\n  data:\n')
    assert complete("logs", "") == ["web", "db"]


def test_services_of_a_procfile_are_known(complete: Complete, stack: StackFolder) -> None:
    """A line is a service."""
    (stack.folder / "services.yaml").unlink()
    (stack.folder / "Procfile").write_text("# x\nweb: run it\nworker: work\n")
    assert complete("logs", "w") == ["web", "worker"]


def test_services_are_recorded_ones_first_when_something_ran(complete: Complete, stack: StackFolder) -> None:
    """What runs may be more than what the file says by now."""
    stack.paths.create()
    stack.paths.record.write_text(json.dumps({"services": {"old": {}, "api": {}}}))
    assert complete("logs", "") == ["old", "api", "migrate"]


@pytest.mark.parametrize("record", ["{", "[]", '{"services": 3}'])
def test_nothing_breaks_when_the_record_is_broken(complete: Complete, stack: StackFolder, record: str) -> None:
    """Completion never complains."""
    stack.paths.create()
    stack.paths.record.write_text(record)
    assert complete("logs", "") == ["api", "migrate"]


def test_nothing_is_completed_when_there_is_no_stack(complete: Complete, stack: StackFolder) -> None:
    """Outside every stack there are no services."""
    (stack.folder / "services.yaml").unlink()
    assert complete("logs", "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_is_printed_when_asked_for(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each shell gets its own script for the command."""
    assert run(["completion", shell]) == 0
    assert "_DEVENV_COMPLETE" in capsys.readouterr().out


def test_shell_is_refused_when_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    """The possible ones are said."""
    assert run(["completion", "tcsh"]) == 2
    assert "bash, zsh, fish" in capsys.readouterr().err
