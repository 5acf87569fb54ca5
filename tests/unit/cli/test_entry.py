"""The short way in means what the long one means, and is left for everything else."""

from __future__ import annotations

from typing import Any

import pytest

from devenv.cli import entry, lifting, main, showing
from tests.unit.cli.stacks import StackFolder

PLAIN = (
    ["status"],
    ["status", "--json"],
    ["ps"],
    ["-f", "services.yaml", "status"],
    ["up"],
    ["up", "-d"],
    ["up", "api", "web"],
    ["-p", "other", "up", "--progress", "json", "api"],
    ["up", "--json"],
    ["up", "--progress", "sparkling"],
    ["down"],
    ["down", "--json", "--progress", "quiet"],
)
OTHER = (
    [],
    ["--help"],
    ["-h"],
    ["up", "--help"],
    ["up", "--dry-run"],
    ["up", "--", "api"],
    ["up", ""],
    ["up", "--progress"],
    ["up", "--progress=plain"],
    ["down", "api"],
    ["down", "-v"],
    ["status", "api"],
    ["--profile", "x", "up"],
    ["-p"],
    ["-px", "up"],
    ["logs"],
    ["st"],
)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what the bodies of the commands are called with, in their place."""
    calls: list[Any] = []

    def note(*given: Any, **named: Any) -> int:
        calls.append((given, named))
        return 0

    for module, name in ((lifting, "bring_up"), (lifting, "take_down"), (showing, "show_status")):
        monkeypatch.setattr(module, name, note)
    return calls


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize("arguments", PLAIN, ids=" ".join)
def test_short_way_asks_for_the_same_when_a_form_is_plain(arguments: list[str], seen: list[Any]) -> None:
    """Session, options and exit status are those of the long way."""
    assert entry.read_plain(arguments, {}) is not None
    assert entry.run(arguments) == main.run(arguments) == 0
    short, long = seen
    assert short == long


@pytest.mark.parametrize("arguments", OTHER, ids=" ".join)
def test_short_way_is_left_when_a_word_is_not_plain(arguments: list[str]) -> None:
    """What the short way does not know is never guessed."""
    assert entry.read_plain(arguments, {}) is None


@pytest.mark.parametrize("name", ["DEVENV_FILE", "DEVENV_PROFILES", "DEVENV_PROGRESS", "_DEVENV_COMPLETE"])
def test_short_way_is_left_when_a_variable_stands_for_an_option(name: str) -> None:
    """The framework reads the options' twins."""
    assert entry.read_plain(["up"], {name: "x"}) is None


def test_both_ways_say_the_same_when_there_is_no_stack(
    stack: StackFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A known failure has the same words and status."""
    monkeypatch.chdir(stack.folder.parent)
    assert entry.run(["status"]) == 2
    short = capsys.readouterr()
    assert main.run(["status"]) == 2
    assert short == capsys.readouterr()
