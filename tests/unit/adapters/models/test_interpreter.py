"""Which Python a service runs on, from its program line, its variables and its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.adapters.models.interpreter import find_interpreter, find_program
from devenv.schema.ports import CannotLook, CodePlace


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder with a virtual environment that has scripts, a system folder, and a project."""
    for name in (
        "venv/bin/python",
        "sys/python3",
        "sys/node",
        "my venv/bin/python3",
        "my venv/bin/python",
        "repo/.git/HEAD",
    ):
        make(tmp_path / name)
    make(tmp_path / "venv/bin/uvicorn", f"#!{tmp_path}/venv/bin/python\nimport uvicorn\n")
    make(tmp_path / "venv/bin/long", f'#!/bin/sh\n\'\'\'exec\' "{tmp_path}/my venv/bin/python3" "$0" "$@"\n')
    make(tmp_path / "venv/bin/plain", f"#!/bin/sh\n'''exec' {tmp_path}/venv/bin/python \"$0\" \"$@\"\n")
    make(tmp_path / "sys/tool", "#!/usr/bin/env python3\n")
    make(tmp_path / "sys/vite", "#!/usr/bin/env node\n")
    make(tmp_path / "sys/uv", "\x7fELF")
    return tmp_path


def make(path: Path, text: str = "") -> None:
    """Write an executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def find(home: Path, *argv: str, venv: bool = True, **environment: str) -> str:
    """Return the interpreter's path below `home`."""
    path = f"{home}/venv/bin:{home}/sys" if venv else f"{home}/sys"
    place = CodePlace(folder=str(home / "repo"), environment={"PATH": path, **environment}, argv=argv)
    return find_interpreter(place).path.removeprefix(f"{home}/")


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("uvicorn", "app:app"), "venv/bin/python"),
        (("python", "-m", "app"), "venv/bin/python"),
        (("python3", "app.py"), "sys/python3"),
        (("../venv/bin/uvicorn",), "venv/bin/python"),
        (("long",), "my venv/bin/python3"),
        (("plain",), "venv/bin/python"),
        (("tool",), "sys/python3"),
        (("/bin/sh", "-c", "exec uvicorn app:app --port 1"), "venv/bin/python"),
        (("/bin/sh", "-c", "cd .. && PORT=1 exec ./venv/bin/uvicorn app:app"), "venv/bin/python"),
        (("/bin/sh", "-c", "tool migrate; uvicorn app:app"), "sys/python3"),
        (("bash", "-lc", ". '../my venv/bin/activate' && uvicorn app"), "my venv/bin/python"),
        (("/bin/sh", "-c", "echo 'open"), "sys/python3"),
        (("vite",), "sys/python3"),
        ((), "sys/python3"),
    ],
)
def test_interpreter_follows_the_program_line_when_that_names_one(
    home: Path, argv: tuple[str, ...], expected: str
) -> None:
    """A Python, a script whose first lines name one, and both within a shell's text; else what is on PATH."""
    assert find(home, *argv) == expected


@pytest.mark.parametrize("argv", [("uv", "run", "uvicorn", "app"), ("uvicorn", "app"), ("vite",)])
def test_interpreter_is_that_of_the_folder_when_the_program_line_names_none(home: Path, argv: tuple[str, ...]) -> None:
    """`uv run` uses the .venv folder, as does whoever activates it by hand."""
    make(home / "repo/.venv/pyvenv.cfg")
    make(home / "repo/.venv/bin/python")
    assert find(home, *argv, venv=False) == "repo/.venv/bin/python"


def test_interpreter_is_that_of_the_variable_when_an_environment_is_active(home: Path) -> None:
    """VIRTUAL_ENV comes before the folder's own."""
    make(home / "repo/.venv/pyvenv.cfg")
    make(home / "repo/.venv/bin/python")
    assert find(home, "vite", venv=False, VIRTUAL_ENV=str(home / "venv")) == "venv/bin/python"


def test_environment_above_the_repository_is_not_taken_when_the_folder_has_none(home: Path) -> None:
    """What lies outside of the repository is somebody else's."""
    make(home / "venv/pyvenv.cfg")
    assert find(home, "vite", venv=False) == "sys/python3"


def test_finding_says_where_it_looked_when_there_is_no_python(tmp_path: Path) -> None:
    """A missing interpreter is not a guess."""
    place = CodePlace(folder=str(tmp_path), environment={"PATH": str(tmp_path)}, argv=("uvicorn",))
    with pytest.raises(CannotLook, match="no Python found for the code in") as caught:
        find_interpreter(place)
    assert caught.value.code == "no-interpreter"


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("gunicorn", "app"), "gunicorn"),
        (("/bin/sh", "-c", "cd /srv && exec /opt/venv/bin/uvicorn app:app"), "/opt/venv/bin/uvicorn"),
        ((), ""),
    ],
)
def test_program_is_the_last_command_when_a_shell_runs_several(argv: tuple[str, ...], expected: str) -> None:
    """What a container is asked for, where nothing can be looked at from here."""
    assert find_program(argv) == expected
