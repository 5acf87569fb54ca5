"""Reads a Procfile: `name: command` lines to dev servers, as foreman and its kin do.

Each process gets `.env` and a PORT of its own (5000, 5100, …) in its environment; as nobody knows whether it listens,
no port is declared. Invariant: every line that is no comment is a process or a mistake.
"""

import re

from devenv.config.request import Request
from devenv.config.text import paths
from devenv.config.text.problems import Problems, TextFile
from devenv.config.text.variables import load_dotenv
from devenv.config.values import check_name, normalise_project
from devenv.domain.errors import ConfigError
from devenv.domain.model import EngineChoice, Mark, ProcessRun, Service, Stack
from devenv.domain.references import escape

_FIRST_PORT = 5000
_PORT_STEP = 100
_LINE = re.compile(r"(?P<name>[^:\s][^:]*?)\s*:\s*(?P<command>.*)")


def load_procfile(path: str, request: Request) -> Stack:
    """Read a Procfile; raises ConfigError."""
    problems = Problems(request.start)
    folder = paths.folder_of(path)
    variables = load_dotenv(folder, request.environment, problems)
    text = problems.open(path)
    found = _read_lines(text, problems) if text else {}
    if text and not found and not problems:
        problems.add(text, (1, 1), "is empty")
    problems.raise_any(path)
    if not text:
        raise ConfigError(f"cannot use {problems.show(path)}", why="it cannot be read")
    shared = variables.layers[1] if len(variables.layers) > 1 else {}
    first = int(variables.get("PORT") or _FIRST_PORT) if (variables.get("PORT") or "0").isdecimal() else _FIRST_PORT
    services = {
        name: Service(
            name=name,
            run=ProcessRun(
                argv=("/bin/sh", "-c", escape(command)),
                working_dir=escape(folder),
                environment={key: escape(text) for key, text in shared.items()}
                | {"PORT": str(first + _PORT_STEP * index)},
            ),
            mark=mark,
        )
        for index, (name, (command, mark)) in enumerate(found.items())
    }
    return Stack(
        name=request.project or normalise_project(paths.name_of(folder)) or "stack",
        root=folder,
        files=(path, *variables.files),
        services=services,
        engine=request.engine or EngineChoice.AUTO,
        environment={key: escape(text) for key, text in shared.items()},
    )


def _read_lines(file: TextFile, problems: Problems) -> dict[str, tuple[str, Mark]]:
    found: dict[str, tuple[str, Mark]] = {}
    for number, line in enumerate(file.lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        column = len(line) - len(line.lstrip()) + 1
        parsed = _LINE.match(line.strip())
        if parsed is None:
            problems.add(file, (number, column), 'is not "name: command"')
            continue
        name, command = parsed["name"], parsed["command"].strip()
        if name in found:
            first = found[name][1].line
            problems.add(file, (number, column), f'the process "{name}" is given twice; the first is in line {first}')
        elif not command:
            problems.add(file, (number, column), f"{name} has no command")
        else:
            _check(file, (number, column), name, problems)
            found[name] = (command, Mark(file=file.path, line=number, column=column))
    return found


def _check(file: TextFile, place: tuple[int, int], name: str, problems: Problems) -> None:
    try:
        check_name(name)
    except ValueError as error:
        problems.add(file, place, str(error))
