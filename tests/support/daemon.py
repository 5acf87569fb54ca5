"""devenv as its users meet it: a folder, a command line, and a daemon in the background.

Must not import devenv. Invariant: when the `with` ends, `down` was run, the daemon has ended, and nothing is removed in
silence: what `down` left alive is for the leak check to find.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import processes
from tests.support.processes import Identity
from tests.support.wait import until

COMMAND = (sys.executable, "-m", "devenv")
DEADLINE_S = 30.0
END_S = 5.0
MARKER = "DVT_PROJECT"  # in the environment of everything that the commands of one project start
_HIDDEN = ("DEVENV_", "CI", "CLAUDECODE", "AI_AGENT", "CURSOR_", "CODEX_", "GEMINI_", "OPENCODE", "NO_COLOR", "TERM")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that has ended."""

    command: str
    status: int
    out: str
    err: str
    took_s: float

    @property
    def text(self) -> str:
        """Return both streams, standard error first."""
        return self.err + self.out

    def json(self) -> Any:
        """Return what was printed to standard output, decoded."""
        try:
            return json.loads(self.out)
        except ValueError as error:
            raise AssertionError(f"no JSON from {self}") from error

    def __str__(self) -> str:
        """Show everything, for the message of an assertion."""
        return f"{self.command}: exit {self.status} after {self.took_s:.2f} s\n--- err\n{self.err}--- out\n{self.out}"


@dataclass(slots=True, kw_only=True)
class Devenv:
    """One project: `folder` with its files, `state` with what devenv keeps, `name` for its containers."""

    folder: Path
    state: Path
    name: str
    runtime: Path
    env: dict[str, str] = field(default_factory=dict)

    def write(self, text: str, file: str = "services.yaml") -> Path:
        """Write a file of the project; a services.yaml without a name gets the stack's."""
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        body = textwrap.dedent(text).lstrip("\n")
        if file == "services.yaml" and not re.search(r"^name:", body, re.MULTILINE):
            body = f"name: {self.name}\n{body}"
        path.write_text(body)
        return path

    def run(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        deadline_s: float = DEADLINE_S,
        typed: str = "",
    ) -> Done:
        """Run a command to its end; raises AssertionError with what it had said if it takes longer."""
        began = time.monotonic()
        started = self.start(*arguments, env=env, cwd=cwd, stdin=subprocess.PIPE)
        try:
            out, err = started.communicate(typed, timeout=deadline_s)
        except subprocess.TimeoutExpired:
            started.kill()
            out, err = started.communicate()
            raise AssertionError(f"`devenv {' '.join(arguments)}` took over {deadline_s:g} s\n{err}\n{out}") from None
        return Done(
            command=f"devenv {' '.join(arguments)}", status=started.returncode, out=out, err=err,
            took_s=time.monotonic() - began,
        )  # fmt: skip

    def up(self, *arguments: str, expect: int = 0, deadline_s: float = DEADLINE_S, **env: str) -> Done:
        """Run `up` and hold its exit status to `expect`."""
        done = self.run("up", *arguments, deadline_s=deadline_s, env=env)
        assert done.status == expect, str(done)
        return done

    def down(self, *arguments: str, expect: int = 0) -> Done:
        """Run `down` and hold its exit status to `expect`."""
        done = self.run("down", *arguments)
        assert done.status == expect, str(done)
        return done

    def start(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[str]:
        """Start a command in a group of its own, with its output in pipes."""
        return subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=cwd or self.folder,
            env=self.environment(env),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of the commands: the tests' own, without what changes devenv's manners."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_HIDDEN)}
        own = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
            "DEVENV_STATE_DIR": str(self.state),
            "XDG_RUNTIME_DIR": str(self.runtime),
            MARKER: self.name,
        }
        return {**kept, **own, **self.env, **(more or {})}

    def status(self, *arguments: str) -> dict[str, Any]:
        """Return what `status --json` says."""
        done = self.run(*arguments, "status", "--json")
        assert done.status == 0, str(done)
        document: dict[str, Any] = done.json()
        return document

    def services(self) -> dict[str, dict[str, Any]]:
        """Return the services of `status --json` by name."""
        return {row["name"]: row for row in self.status()["services"]}

    def states(self) -> dict[str, str]:
        """Return each service's state."""
        return {name: row["state"] for name, row in self.services().items()}

    def identities(self) -> dict[str, object]:
        """Return each service's pid or container: what must not change when nothing has to."""
        return {name: row["pid"] or row["container"] for name, row in self.services().items()}

    def daemons(self) -> list[Identity]:
        """Return this project's daemons that run."""
        return [one for one in self.processes() if "devenv.daemon" in processes.command_line_of(one)]

    def left(self) -> set[Identity]:
        """Return what runs beside the daemon, which may be about to end."""
        daemons = set(self.daemons())  # first: it may have gone before the next look
        return self.processes() - daemons

    def processes(self) -> set[Identity]:
        """Return everything that carries this project's mark, a command that runs right now included."""
        return processes.list_carrying(f"{MARKER}={self.name}")

    def kill_daemon(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End the daemons with a signal and wait until they have gone; none is no error."""
        for one in self.daemons():
            try:
                os.kill(one.pid, how)
            except ProcessLookupError:
                continue
            until(lambda one=one: not processes.is_alive(one), deadline_s=END_S, what=f"the end of daemon {one}")

    def record(self) -> Path:
        """Return the run record's path."""
        found = list(self.state.glob("*/record.json"))
        assert len(found) == 1, found
        return found[0]

    def record_folder(self) -> Path:
        """Return the folder of the stack's state, the record there or not."""
        found = [path.parent for path in self.state.glob("*/lock")]
        assert len(found) == 1, found
        return found[0]

    def sockets(self) -> list[Path]:
        """Return the sockets that lie around."""
        return list(self.runtime.rglob("*.sock"))

    def end(self) -> None:
        """Run `down`, volumes included, where a test has not done it, and wait for the daemon's end."""
        if list(self.state.glob("*/record.json")) or self.processes():
            self.run("down", "-v", "--timeout", "2")
        until(lambda: not self.daemons(), deadline_s=END_S, what="the end of the daemon after `down`", poll_s=0.05)


@contextmanager
def make_project(folder: Path, state: Path, name: str) -> Iterator[Devenv]:
    """Give a project in `folder`, and end what it runs, by pid where `down` does not."""
    folder.mkdir(parents=True, exist_ok=True)
    # A socket's path is short: pytest's folders are not.
    runtime = Path(tempfile.mkdtemp(prefix="dvt"))
    project = Devenv(folder=folder, state=state, name=name, runtime=runtime)
    try:
        yield project
        project.end()
    finally:
        for one in project.daemons():  # a daemon would start again what the leak check ends
            processes.end(one)
        shutil.rmtree(runtime, ignore_errors=True)
