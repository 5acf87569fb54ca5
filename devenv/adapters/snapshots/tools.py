"""Runs a database's own programs: in the server's container, beside an embedded server, or from this machine's PATH.

Must not know any one program. Invariants: passwords travel in the environment, never on a command line; a program ends
before the call returns, whatever ends the call.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from devenv.domain.errors import DatabaseFailed, HostError

_ANSWER_S = 20.0
_END_S = 3.0
_TAIL_BYTES = 4096
_NOT_FOUND = frozenset({126, 127})


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program that runs at a place: a container's id, or '' for this machine. `secrets` is its extra environment."""

    path: str
    container: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return what the user calls it."""
        return Path(self.path).name

    def command(self, *arguments: str) -> list[str]:
        """Return the whole command line."""
        if not self.container:
            return [self.path, *arguments]
        names = [word for name in self.secrets for word in ("-e", name)]
        return [find_docker(), "exec", "-i", *names, self.container, self.path, *arguments]

    def environment(self) -> dict[str, str]:
        """Return its environment, without what would lead libpq or a MySQL client elsewhere."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "MYSQL_"))}
        return {**kept, **self.secrets}


@dataclass(slots=True)
class Running:
    """A program under way. `error` tells the end of what it wrote to stderr, once it has ended."""

    program: Program
    process: subprocess.Popen[bytes]
    _stderr: IO[bytes]

    def wait(self) -> int:
        """Wait until it ends, however long that takes: the caller's end is its deadline."""
        return self.process.wait()

    def error(self) -> str:
        """Return the end of its stderr."""
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - _TAIL_BYTES))
        return self._stderr.read().decode(errors="replace").strip()

    def require(self, what: str) -> None:
        """Wait for it. Raises HostError where it is not there, DatabaseFailed where it failed."""
        status = self.wait()
        if status == 0:
            return
        if self.program.container and status in _NOT_FOUND:
            raise HostError(
                what,
                why=f"container {self.program.container[:12]} has no {self.program.name}",
                fix="use an image that brings the database's own tools",
            )
        lines = self.error().splitlines()
        raise DatabaseFailed(what, why=f"{self.program.name} ended with status {status}", details=tuple(lines[-10:]))


@contextmanager
def running(
    program: Program, *arguments: str, stdin: IO[bytes] | int | None = None, stdout: IO[bytes] | int | None = None
) -> Iterator[Running]:
    """Run a program within the block, and end it at its close. Raises HostError where it cannot be started."""
    with tempfile.TemporaryFile() as stderr:
        try:
            process = subprocess.Popen(
                program.command(*arguments),
                env=program.environment(),
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=subprocess.DEVNULL if stdout is None else stdout,
                stderr=stderr,
                start_new_session=True,  # Ctrl-C is ours to pass on: a tool that dies first looks like a failure
            )
        except OSError as error:
            raise HostError(f"cannot run {program.name}", why=str(error), fix=f"command -v {program.name}") from error
        try:
            yield Running(program, process, stderr)
        finally:
            _end(process)


def ask_program(program: Program, *arguments: str) -> str:
    """Return what a program that answers at once says; '' where it is not there or fails."""
    try:
        asked = subprocess.run(
            program.command(*arguments), env=program.environment(), stdin=subprocess.DEVNULL, capture_output=True,
            text=True, errors="replace", timeout=_ANSWER_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""


def find_docker() -> str:
    """Return the docker command. Raises HostError."""
    docker = shutil.which("docker")
    if docker is None:
        raise HostError(
            "cannot run a program in a container",
            why="the docker command is not on the PATH",
            fix="install the Docker CLI",
        )
    return docker


def read_version(text: str) -> tuple[int, ...]:
    """Return the first number with dots in `text`, such as (15, 18); () without one."""
    found = re.search(r"(\d+(?:\.\d+)+)|(\d+)", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def _end(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            try:
                stream.close()
            except OSError:  # what was still to be written has no reader
                continue
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
