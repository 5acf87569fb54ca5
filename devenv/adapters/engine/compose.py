"""Docker Compose: reading a project's files, and making its containers.

Owns the command line of the Compose plugin, which is called directly: `docker compose` costs 30 ms more a call, and
python-on-whales 190 ms once. Must not know the Engine API. Invariant: nothing is taken from Compose's text but its
errors and what it prints in a documented format; the user's files are never changed.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import anyio

from devenv.adapters.engine.compose_faults import describe_config_failure, find_complaint, read_warnings
from devenv.adapters.engine.faults import describe_create_failure
from devenv.domain.errors import HostError
from devenv.domain.model import ComposeProject, Port

WARNINGS = "x-devenv-warnings"
"""Key of the read model under which Compose's warnings are kept (an `x-` key is nobody's)."""
PLUGIN_VARIABLE = "DEVENV_COMPOSE_PLUGIN"
"""Names the plugin's binary where it is in none of the usual folders; `none` means to do without Compose."""

CONFIG_S = 30.0
CREATE_S = 300.0
_SYSTEM_FOLDERS = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
    "/opt/homebrew/lib/docker/cli-plugins",
    "/Applications/Docker.app/Contents/Resources/cli-plugins",
)
_START_INTERVAL_API = (1, 44)


def find_plugin(environment: Mapping[str, str] | None = None) -> list[str] | None:
    """Return the command that is Compose v2: its binary, else `docker compose` if that works, else None."""
    given = os.environ if environment is None else environment
    named = given.get(PLUGIN_VARIABLE, "")
    if named:
        return None if named == "none" else [named]
    config = given.get("DOCKER_CONFIG") or f"{given.get('HOME', '~')}/.docker"
    for folder in (f"{config}/cli-plugins", *_SYSTEM_FOLDERS):
        binary = f"{folder}/docker-compose"
        if os.access(binary, os.X_OK):
            return [binary]
    docker = shutil.which("docker", path=given.get("PATH"))
    return [docker, "compose"] if docker and _answers([docker, "compose", "version"]) else None


def read_compose(
    *,
    files: tuple[str, ...],
    directory: str,
    project: str | None,
    profiles: tuple[str, ...],
    env_files: tuple[str, ...],
    environment: Mapping[str, str],
    meanwhile: Callable[[], None] = lambda: None,
) -> Mapping[str, object]:
    """Return the resolved model of the Compose files, interpolated with `environment`.

    Blocks for about 40 ms, in which `meanwhile` is called. Raises ConfigError whose why is Compose's complaint,
    HostError without Compose.
    """
    shape = ComposeProject(name=project or "", files=files, directory=directory, profiles=profiles, env_files=env_files)
    argv = [*_require_plugin(environment), *_name_project(shape), "config", "--format", "json"]
    try:
        with subprocess.Popen(
            argv, env=dict(environment), cwd=directory or None, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as reader:  # fmt: skip
            try:
                meanwhile()
                output, said = reader.communicate(timeout=CONFIG_S)
            except BaseException:
                reader.kill()
                raise
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError("cannot run Docker Compose", why=str(error), fix="docker compose version") from error
    complaint = said.decode(errors="replace")
    if reader.returncode != 0:
        raise describe_config_failure(complaint)
    model: dict[str, object] = json.loads(output)
    if warnings := read_warnings(complaint):
        model[WARNINGS] = list(warnings)
    return model


class Compose:
    """Compose for one project. `state_dir` takes the file that adapts the user's files to this engine and its ports."""

    def __init__(self, project: ComposeProject, *, state_dir: Path, environment: Mapping[str, str]) -> None:
        self.project = project
        self.environment = {**environment, **project.environment}
        self._overlay_file = state_dir / "compose-overlay.yml"
        self._ports: dict[str, tuple[Port, ...]] = {}
        self._without_start_interval: tuple[str, ...] = ()
        self._notes: list[str] = []
        self._one_at_a_time = anyio.Lock()

    def take_notes(self) -> tuple[str, ...]:
        """Return what was changed for this engine, one sentence each, and forget it."""
        notes, self._notes[:] = tuple(self._notes), []
        return notes

    def publish(self, ports: Mapping[str, tuple[Port, ...]]) -> None:
        """From now on publish exactly these ports of these services, whatever the user's files say."""
        self._ports = dict(ports)

    def fit_engine(self, api: str) -> None:
        """Leave out what an engine that speaks `api` refuses: a health check's start interval before Docker 25."""
        if _is_at_least(api, _START_INTERVAL_API) or self._without_start_interval:
            return
        services = read_services(self.project)
        self._without_start_interval = tuple(name for name in services if _has_start_interval(services[name]))
        if self._without_start_interval:
            names = ", ".join(self._without_start_interval)
            self._notes.append(
                f"healthcheck.start_interval of {names} is left out: this engine is older than Docker 25"
            )

    async def create(self, services: Sequence[str], *, force: bool = False) -> None:
        """Make the containers of `services` and of what they need, without starting them.

        Leaves running ones alone unless their definition changed. Raises StartFailed with the cause, HostError.
        """
        words = ["create", "--pull", "never", "--no-build", *(["--force-recreate"] if force else []), *services]
        async with self._one_at_a_time:
            self._drop_stale_overlay()
            status, _, complaint = await self.run(words, CREATE_S)
        if status != 0:
            raise describe_create_failure(find_complaint(complaint))

    async def hash_services(self) -> Mapping[str, str]:
        """Return the hash that Compose would label each service's container with."""
        status, output, complaint = await self.run(["config", "--hash", "*"], CONFIG_S)
        if status != 0:
            raise describe_config_failure(complaint)
        rows = [line.split() for line in output.splitlines()]
        return {row[0]: row[1] for row in rows if len(row) == 2}

    async def run(self, words: Sequence[str], timeout_s: float) -> tuple[int, str, str]:
        """Run Compose with `words`; return exit status, stdout, stderr. A cancelled caller ends it."""
        argv = [*_require_plugin(self.environment), *self.name_project(), *words]
        try:
            with anyio.fail_after(timeout_s):
                done = await anyio.run_process(
                    argv,
                    check=False,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    cwd=self.project.directory or None,
                )
        except TimeoutError as error:
            why = f"`docker compose {words[0]}` has not ended after {timeout_s:g} s"
            raise HostError("cannot make the containers", why=why, fix="docker info") from error
        except OSError as error:
            raise HostError("cannot run Docker Compose", why=str(error), fix="docker compose version") from error
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")

    def name_project(self) -> list[str]:
        """Return the options that name this project and its files, the overlay too; writes the overlay."""
        return _name_project(self.project, overlay=self.write_overlay())

    def write_overlay(self) -> str:
        """Write what goes over the user's files; return its path, '' where nothing does."""
        names = {*self._ports, *self._without_start_interval}
        if not names:
            return ""
        text = "".join(self._overlay_service(name) for name in sorted(names))
        try:
            self._overlay_file.parent.mkdir(parents=True, exist_ok=True)
            beside = self._overlay_file.with_suffix(".new")
            beside.write_text(f"# Written by devenv; goes over the project's own Compose files.\nservices:\n{text}")
            beside.replace(self._overlay_file)
        except OSError as error:
            raise HostError(f"cannot write {self._overlay_file}", why=str(error), fix="df -h") from error
        return str(self._overlay_file)

    def _drop_stale_overlay(self) -> None:
        """Remove an earlier life's overlay once it is not needed: other commands use it while it is there."""
        if not self.write_overlay():
            with suppress(OSError):
                self._overlay_file.unlink(missing_ok=True)

    def _overlay_service(self, name: str) -> str:
        text = f"  {json.dumps(name)}:\n"
        if name in self._ports:
            text += f"    ports: !override {json.dumps([_as_compose_port(port) for port in self._ports[name]])}\n"
        if name in self._without_start_interval:
            text += "    healthcheck:\n      start_interval: !reset null\n"
        return text


def read_services(project: ComposeProject) -> Mapping[str, Mapping[str, object]]:
    """Return the services of a project's resolved model."""
    services = project.model.get("services")
    found = services if isinstance(services, Mapping) else {}
    return {str(name): spec for name, spec in found.items() if isinstance(spec, Mapping)}


def _name_project(project: ComposeProject, overlay: str = "") -> list[str]:
    words = ["--ansi", "never"]
    for option, values in (
        ("--env-file", project.env_files),
        ("--file", (*project.files, *([overlay] if overlay else []))),
        ("--profile", project.profiles),
        ("--project-directory", (project.directory,) if project.directory else ()),
        ("--project-name", (project.name,) if project.name else ()),
    ):
        words += [word for value in values for word in (option, value)]
    return words


def _require_plugin(environment: Mapping[str, str]) -> list[str]:
    plugin = find_plugin(environment)
    if plugin is None:
        raise HostError(
            "cannot run Docker Compose",
            why="its plugin is in none of Docker's cli-plugins folders, and `docker compose` does not work",
            fix="install the Docker Compose plugin (version 2.24 or later)",
        )
    return plugin


def _answers(argv: list[str]) -> bool:
    try:
        return (
            subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=5, check=False).returncode == 0
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


def _is_at_least(api: str, wanted: tuple[int, int]) -> bool:
    major, _, minor = api.partition(".")
    return not (major.isdigit() and minor.isdigit()) or (int(major), int(minor)) >= wanted


def _has_start_interval(spec: Mapping[str, object]) -> bool:
    check = spec.get("healthcheck")
    return isinstance(check, Mapping) and bool(check.get("start_interval"))


def _as_compose_port(port: Port) -> dict[str, object]:
    known = {"target": port.target, "protocol": str(port.transport), "mode": "ingress"}
    published = {"published": str(port.number)} if port.number is not None else {}
    return {**known, **published, **({"host_ip": port.host} if port.host else {})}
