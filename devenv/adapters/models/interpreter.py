"""Finds the Python that a service runs on, from its program line, its variables and its folder.

Reads files, and asks Poetry or Pipenv only where nothing on disk tells; must not know probes. Invariant: an
interpreter that is returned is an executable file, and how it was found is said.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devenv.domain.subject import CodePlace
from devenv.schema.ports import CannotLook

_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh"})
_SEPARATORS = frozenset({"&&", "||", ";", "|", "&"})
_PREFIXES = frozenset({"exec", "env", "nohup", "time", "command", "nice"})
_RUNNERS = frozenset({"uv", "poetry", "pipenv", "pdm", "hatch", "rye"})
_ASKING = {"poetry": ("env", "info", "--executable"), "pipenv": ("--py",)}
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_PYTHON = re.compile(r"(python|pypy)[\d.]*$")
_SHEBANG = re.compile(r"^#!\s*(\S+)\s*(.*)$")
_LONG_SHEBANG = re.compile(r"^'''exec' \"?([^\"\s]+(?: [^\"]*)?)\"? \"\$0\"")
_VENVS = (".venv", "venv", "env")
_ASK_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python, and what pointed at it: `#! of /venv/bin/uvicorn`."""

    path: str
    found_by: str


def find_interpreter(place: CodePlace) -> Interpreter:
    """Return the service's interpreter; raises CannotLook where this machine has none."""
    folder = Path(place.folder)
    for found in (*_of_program_line(place.argv, place.environment, folder), _of_variable(place.environment)):
        if found is not None:
            return found
    found = _of_folder(folder) or _on_path(place.environment, folder)
    if found is None:
        raise CannotLook(
            f"no Python found for the code in {place.folder}: neither its command, VIRTUAL_ENV, a .venv folder nor "
            f"PATH leads to one",
            code="no-interpreter",
            fix=f"cd {place.folder} && python3 -m venv .venv",
        )
    return found


def find_program(argv: Sequence[str]) -> str:
    """Return the program that a command line comes down to, as it is written there; '' for an empty one."""
    found = ""
    for words, _ in _commands(tuple(argv), Path()):
        found = next(iter(_without_prefixes(words)), found)
    return found


def _of_program_line(argv: Sequence[str], environment: Mapping[str, str], folder: Path) -> Iterator[Interpreter | None]:
    for words, where in _commands(tuple(argv), folder):
        yield _of_command(words, environment, where)


def _commands(argv: tuple[str, ...], folder: Path) -> Iterator[tuple[tuple[str, ...], Path]]:
    """Return the simple commands of a program line, each with the folder that a `cd` before it leads to."""
    if len(argv) < 3 or Path(argv[0]).name not in _SHELLS or not argv[1].endswith("c"):
        yield argv, folder
        return
    lexer = shlex.shlex(argv[2], posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    command: list[str] = []
    try:
        words = [*lexer, ";"]
    except ValueError:  # an open quote: the shell will say so
        return
    for word in words:
        if word not in _SEPARATORS:
            command.append(word)
            continue
        if len(command) == 2 and command[0] == "cd":
            folder = folder / command[1]
        elif command:
            yield tuple(command), folder
        command = []


def _of_command(words: tuple[str, ...], environment: Mapping[str, str], folder: Path) -> Interpreter | None:
    words = _without_prefixes(words)
    if not words:
        return None
    if words[0] in {".", "source"} and len(words) > 1:
        return _usable(folder / Path(words[1]).parent / "python", f"`{words[0]} {words[1]}` of its command")
    if Path(words[0]).name in _RUNNERS and "run" in words[1:3]:
        return _of_runner(words, environment, folder)
    program = _locate(words[0], environment, folder)
    if program is None:
        return None
    if _PYTHON.match(program.name):
        return _usable(program, f"{words[0]} of its command")
    return _of_script(program, environment, folder)


def _without_prefixes(words: tuple[str, ...]) -> tuple[str, ...]:
    while words and (words[0] in _PREFIXES or _ASSIGNMENT.match(words[0])):
        words = words[1:]
    return words


def _of_runner(words: tuple[str, ...], environment: Mapping[str, str], folder: Path) -> Interpreter | None:
    """Return the Python of the environment that `uv run` and its like would use."""
    name = Path(words[0]).name
    named = environment.get("UV_PROJECT_ENVIRONMENT", "") if name == "uv" else ""
    if named:
        return _usable(folder / named / "bin" / "python", "UV_PROJECT_ENVIRONMENT")
    found = _of_folder(folder) or _of_variable(environment)
    if found is not None or name not in _ASKING:
        return found
    program = _locate(words[0], environment, folder)
    if program is None:
        return None
    try:
        asked = subprocess.run(
            [program, *_ASKING[name]],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ASK_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = asked.stdout.split()
    return _usable(Path(lines[-1]), f"{name} {' '.join(_ASKING[name])}") if lines else None


def _of_script(program: Path, environment: Mapping[str, str], folder: Path) -> Interpreter | None:
    """Return the Python that the first lines of a script name, as pip and uv write them."""
    try:
        with program.open("rb") as file:
            first, second = (file.readline(4096).decode(errors="replace").strip() for _ in range(2))
    except OSError:
        return None
    by = f"the first line of {program}"
    if long := _LONG_SHEBANG.match(second):
        return _usable(Path(long[1]), by)
    found = _SHEBANG.match(first)
    if not found:
        return None
    words = [found[1], *found[2].split()]
    if Path(words[0]).name == "env":
        names = [word for word in words[1:] if not word.startswith("-")]
        located = _locate(names[0], environment, folder) if names else None
        return _usable(located, by) if located and _PYTHON.match(located.name) else None
    return _usable(Path(words[0]), by) if _PYTHON.match(Path(words[0]).name) else None


def _of_variable(environment: Mapping[str, str]) -> Interpreter | None:
    venv = environment.get("VIRTUAL_ENV", "")
    return _usable(Path(venv) / "bin" / "python", "VIRTUAL_ENV") if venv else None


def _of_folder(folder: Path) -> Interpreter | None:
    """Return the virtual environment of the folder, or of one above it in the same repository."""
    for above in (folder, *folder.parents):
        for name in _VENVS:
            if (above / name / "pyvenv.cfg").is_file():
                return _usable(above / name / "bin" / "python", f"the folder {above / name}")
        if (above / ".git").exists():
            break
    return None


def _on_path(environment: Mapping[str, str], folder: Path) -> Interpreter | None:
    for name in ("python3", "python"):
        if located := _locate(name, environment, folder):
            return _usable(located, f"{name} on PATH")
    return None


def _locate(program: str, environment: Mapping[str, str], folder: Path) -> Path | None:
    if "/" in program:
        path = folder / program
        return path if os.access(path, os.X_OK) and path.is_file() else None
    found = shutil.which(program, path=environment.get("PATH", os.defpath))
    return folder / found if found else None


def _usable(path: Path, found_by: str) -> Interpreter | None:
    if not (path.is_file() and os.access(path, os.X_OK)):
        return None
    return Interpreter(path=os.path.normpath(path), found_by=found_by)
