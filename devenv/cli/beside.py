"""`devenv exec` and `devenv run`: a command of the user's beside a service, in its place.

Becomes that command, so that terminal, signals and exit status are the command's own. Must not mark it as the stack's:
`down` does not end what the user started by hand. Invariant: nothing is left behind when the command could not start.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from devenv.cli.output import here
from devenv.cli.session import Session
from devenv.domain.errors import DaemonUnreachable, HostError, NotReady, UsageError
from devenv.domain.references import substitute

if TYPE_CHECKING:
    from devenv.app.ports import Record
    from devenv.domain.model import Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What was typed after `exec` or `run`: a service, or none, and the command."""

    service: str | None
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How to run it: `extra` environment, a folder, and whether it gets a terminal."""

    extra: Mapping[str, str]
    folder: str | None = None
    terminal: bool = True


def split_words(words: tuple[str, ...], *, verb: str) -> Words:
    """Return what `SERVICE -- CMD`, `SERVICE CMD` or `-- CMD` mean. Raises UsageError without what `verb` needs."""
    if words[:1] == ("--",):
        service, command = None, words[1:]
    else:
        service = words[0] if words else None
        command = words[2:] if words[1:2] == ("--",) else words[1:]
    if verb == "exec" and service is None:
        fix = f"devenv run -- {' '.join(command) or 'CMD'}"
        raise UsageError("cannot tell where to run it", why="exec needs a service", fix=fix)
    if not command:
        fix = f"devenv {verb} {service} -- CMD" if service else f"devenv {verb} -- CMD"
        hint = f"; without a service: devenv run -- {service}" if service and verb == "run" else ""
        raise UsageError(f"cannot {verb} nothing", why=f"a command is missing{hint}", fix=fix)
    return Words(service=service, command=command)


def read_environment(pairs: tuple[str, ...]) -> dict[str, str]:
    """Return `NAME=value` pairs; a bare NAME takes this command's own value. Raises UsageError."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not name:
            raise UsageError(
                f"cannot read --env {pair}", why="it looks like NAME=value", fix="devenv exec -e NAME=value …"
            )
        found[name] = value if sign else here().get(name, "")
    return found


def execute_in(session: Session, words: Words, asked: Asked) -> NoReturn:
    """Become a command in a running service: inside its container, or with its environment and in its folder."""
    client = session.client()
    if client is None:
        raise DaemonUnreachable(f"cannot run in {words.service}", why="nothing is running", fix="devenv up")
    place = client.post("/v1/environment", {"service": words.service, "reading": session.reading()})
    if place["container"]:
        _become(_docker_exec(session, place["container"], words.command, asked), dict(session.environment))
    if not place["environment"]:
        why = "it does not run, so its ports are not known"
        raise NotReady(f"cannot run in {words.service}", why=why, fix=f"devenv up {words.service}")
    _become_beside(place, words.command, asked)


def run_once(session: Session, words: Words, asked: Asked) -> NoReturn:
    """Become a one-off command: a new container of a Compose service, else with the environment of service or stack."""
    client = session.client()
    body = {"service": words.service, "reading": session.reading()}
    if words.service is None:
        place = client.post("/v1/environment", body) if client else _place_of_stack(session)
        _become_beside(place, words.command, asked)
    if _is_container(session, words.service):
        _become(*_compose_run(session, words.service, words.command, asked))
    if client is None:
        why = "nothing is running, so its ports are not known"
        raise NotReady(f"cannot run beside {words.service}", why=why, fix=f"devenv up {words.service}")
    execute_in(session, words, asked)


def _docker_exec(session: Session, container: str, command: tuple[str, ...], asked: Asked) -> list[str]:
    docker = shutil.which("docker", path=session.environment.get("PATH"))
    if docker is None:
        raise HostError(
            "cannot run in a container", why="the docker command is not on the PATH", fix="install the Docker CLI"
        )
    return [docker, "exec", *_terminal_option(asked), *_place_options(asked), container, *command]


def _terminal_option(asked: Asked) -> list[str]:
    both = sys.stdin.isatty() and sys.stdout.isatty()
    return ["-it" if asked.terminal and both else "-i"]


def _place_options(asked: Asked) -> list[str]:
    """Return the options that `docker exec` and `docker compose run` share."""
    environment = [word for name, value in asked.extra.items() for word in ("-e", f"{name}={value}")]
    return [*environment, *(["-w", asked.folder] if asked.folder else [])]


def _is_container(session: Session, service: str) -> bool:
    """Tell whether `service` runs as a container: by what runs, else by the files."""
    record = _read_record(session)
    if record is not None and service in record.services:
        return record.services[service].view.run == "container"
    found = _load(session).services.get(service)
    if found is None:
        why = "neither the stack's files nor what runs has it"
        raise UsageError(f"cannot find the service {service}", why=why, fix=f"devenv run -- {service}")
    return found.kind == "container"


def _compose_run(
    session: Session, service: str, command: tuple[str, ...], asked: Asked
) -> tuple[list[str], dict[str, str]]:
    """Return the command line of `docker compose run`, and its environment; it sees the project as devenv made it."""
    from devenv.adapters.engine.compose import Compose, find_plugin  # noqa: PLC0415

    record = _read_record(session)
    project = record.compose if record and record.compose else _load(session).compose
    plugin = find_plugin(session.environment)
    if project is None or plugin is None:
        why = "Docker Compose is not installed" if project else f"{service} is not in a Compose file"
        raise HostError(f"cannot run a container of {service}", why=why, fix="devenv doctor")
    compose = Compose(project, state_dir=session.paths.folder, environment=session.environment)
    overlay = session.paths.folder / "compose-overlay.yml"
    words = [*plugin, *compose.name_project(), *(["--file", str(overlay)] if overlay.exists() else [])]
    terminal = [] if asked.terminal and sys.stdin.isatty() and sys.stdout.isatty() else ["-T"]
    argv = [*words, "run", "--rm", *terminal, *_place_options(asked), service, *command]
    return argv, dict(compose.environment)


def _place_of_stack(session: Session) -> dict[str, Any]:
    """Return the stack's own environment and folder where nothing runs."""
    stack = _load(session)
    declared = {name: substitute(value, _refuse) for name, value in stack.environment.items()}
    return {"environment": {**session.environment, **declared}, "working_dir": stack.root}


def _refuse(service: str, field: str) -> str:
    """Answer a reference to a service while nothing runs."""
    why = f"the stack's environment needs ${{{service}.{field}}}, and nothing is running"
    raise NotReady("cannot make the stack's environment", why=why, fix="devenv up")


def _become_beside(place: Mapping[str, Any], command: tuple[str, ...], asked: Asked) -> NoReturn:
    folder = os.path.join(place["working_dir"], asked.folder or "")  # noqa: PTH118 - an absolute one wins
    try:
        os.chdir(folder)
    except OSError as error:
        raise UsageError(f"cannot run in {folder}", why=str(error.strerror), fix=f"ls -ld {folder}") from None
    _become(list(command), {**place["environment"], **asked.extra})


def _become(argv: list[str], environment: Mapping[str, str]) -> NoReturn:
    """Replace this process. Raises UsageError where the program cannot be run."""
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvpe(argv[0], argv, environment)  # noqa: S606 - the user's own command
    except OSError as error:
        why = "no such program on the PATH" if isinstance(error, FileNotFoundError) else str(error.strerror)
        raise UsageError(f"cannot run {argv[0]}", why=why, fix=f"command -v {argv[0]}") from None


def _read_record(session: Session) -> "Record | None":
    from devenv.adapters.state.run_record import JsonRunRecord  # noqa: PLC0415

    return JsonRunRecord(session.paths.record).load()


def _load(session: Session) -> "Stack":
    from devenv.cli.loading import load_session  # noqa: PLC0415 - reads the configuration

    return load_session(session)
