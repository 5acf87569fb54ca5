"""The place where everything is measured: a folder, free ports, commands with a clock, and a clean-up.

Must not know what is compared. Invariant: whatever was started here carries this lab's prefix and is gone when the
lab closes, also after a failure or a signal.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

STACKS = Path(__file__).parent / "stacks"
PROGRAMS = Path(__file__).parent / "programs"
LIMIT_S = 300.0
_LOWEST_BASE, _HIGHEST_BASE = 1300, 3200


class Failed(Exception):
    """A command that is measured did not do what it is measured for."""


@dataclass(slots=True, kw_only=True)
class Lab:
    """Where cases run. `rounds` is how often each contestant gets its turn."""

    folder: Path
    rounds: int
    prefix: str
    chance: random.Random = field(default_factory=random.Random)
    projects: set[str] = field(default_factory=set)
    stacks: list[tuple[Path, str]] = field(default_factory=list)
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of everything that runs here."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("DEVENV_", "COMPOSE_"))}
        return {**clean, "DEVENV_STATE_DIR": str(self.folder / "state"), "CI": "true"}

    def place(self, name: str) -> Path:
        """Return a folder of that name, made where it is not there."""
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def stack(self, name: str, file: str = "", text: str = "", also: Mapping[str, str] | None = None) -> Path:
        """Return a folder with one of the stacks as its compose.yaml, or with files of other contents."""
        path = self.place(name)
        if file:
            shutil.copy(STACKS / file, path / "compose.yaml")
        if text:
            (path / "services.yaml").write_text(text)
        for extra, contents in (also or {}).items():
            (path / extra).write_text(contents)
        return path

    def devenv(self, folder: Path, project: str, *words: str) -> list[str]:
        """Return the command of devenv in a stack; the stack is taken down when the lab closes."""
        if (folder, project) not in self.stacks:
            self.stacks.append((folder, project))
            self.projects.add(project)
        return [*find_devenv(), "-p", project, *words]

    def compose(self, project: str, *words: str) -> list[str]:
        """Return the command of Docker Compose for a project, which is removed when the lab closes."""
        self.projects.add(project)
        return ["docker", "compose", "--ansi", "never", "-p", project, *words]

    def run(
        self, argv: Sequence[str], folder: Path, more: Mapping[str, str] | None = None, *, check: bool = True
    ) -> str:
        """Run to the end and return what it printed; raises Failed."""
        done = subprocess.run(
            argv, cwd=folder, env={**self.environment, **(more or {})}, stdin=subprocess.DEVNULL,
            capture_output=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
        if check and done.returncode != 0:
            words = (done.stderr + done.stdout).decode(errors="replace")[-2000:]
            raise Failed(f"{' '.join(argv)} ended with {done.returncode}:\n{words}")
        return done.stdout.decode(errors="replace")

    def time(self, argv: Sequence[str], folder: Path, more: Mapping[str, str] | None = None) -> float:
        """Return how many seconds a command takes."""
        began = time.monotonic()
        self.run(argv, folder, more)
        return time.monotonic() - began

    def spawn(
        self, argv: Sequence[str], folder: Path, more: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start something in the background, in a session of its own; it is ended when the lab closes."""
        child = subprocess.Popen(
            argv, cwd=folder, env={**self.environment, **(more or {})}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self.children.append(child)
        return child

    def shuffled(self, contestants: Iterable[str]) -> list[str]:
        """Return the contestants in the order of this round."""
        order = list(contestants)
        self.chance.shuffle(order)
        return order

    def find_base_port(self) -> str:
        """Return a port without its last digit, such that all ten are free."""
        bases = list(range(_LOWEST_BASE, _HIGHEST_BASE))
        self.chance.shuffle(bases)
        return str(next(base for base in bases if all(_is_free(base * 10 + digit) for digit in range(10))))

    def clear_project(self, project: str) -> None:
        """Remove the containers and networks of a Compose project at once."""
        label = f"label=com.docker.compose.project={project}"
        for kind, find, remove in (
            ("container", ["ps", "-aq", "--filter", label], ["rm", "-f", "-v"]),
            ("network", ["network", "ls", "-q", "--filter", label], ["network", "rm"]),
            ("volume", ["volume", "ls", "-q", "--filter", label], ["volume", "rm"]),
        ):
            del kind
            found = self.run(["docker", *find], self.folder, check=False).split()
            if found:
                self.run(["docker", *remove, *found], self.folder, check=False)

    def close(self) -> None:
        """End and remove everything that was started here; go on after a failure."""
        for folder, project in self.stacks:
            with suppress(Failed, subprocess.TimeoutExpired):
                self.run([*find_devenv(), "-p", project, "down", "-t", "0"], folder, check=False)
        for child in self.children:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        for project in self.projects:
            with suppress(Failed, subprocess.TimeoutExpired):
                self.clear_project(project)
        for lock in self.folder.glob("state/*/lock"):
            _end_daemon(lock)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def open_lab(rounds: int) -> Iterator[Lab]:
    """Give a lab that is cleaned up afterwards, also when told to end."""
    before = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    prefix = f"dvt{os.getpid()}"
    lab = Lab(folder=Path(tempfile.mkdtemp(prefix=f"{prefix}-")), rounds=rounds, prefix=prefix)
    try:
        yield lab
    finally:
        lab.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def find_devenv() -> list[str]:
    """Return the command as it is installed beside this Python."""
    script = Path(sys.executable).with_name("devenv")
    return [str(script)] if script.exists() else [sys.executable, "-m", "devenv"]


def wait_until(condition: Callable[[], bool], *, limit_s: float = 60.0, pause_s: float = 0.002) -> float:
    """Return the monotonic time at which `condition` was first true; raises Failed after `limit_s`."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"not so within {limit_s:g} s")
        time.sleep(pause_s)
    return time.monotonic()


def read_daemon_pid(lab: Lab, folder: Path, project: str) -> int:
    """Return the pid of a stack's daemon."""
    from devenv.adapters.state.paths import locate

    file = next(path for name in ("services.yaml", "compose.yaml", "Procfile") if (path := folder / name).exists())
    return int(locate(file, project, environ=lab.environment).lock.read_text())


def _leave(number: int, frame: object) -> None:
    del frame
    raise SystemExit(128 + number)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def _end_daemon(lock: Path) -> None:
    """End a daemon of this lab that outlived its stack; its command line proves that it is one."""
    with suppress(OSError, ValueError):
        pid = int(lock.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        if b"devenv.daemon" in command and str(lock.parent.parent).encode() in environment:
            os.kill(pid, signal.SIGTERM)
