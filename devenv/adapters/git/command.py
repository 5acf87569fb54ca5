"""Runs git, with nobody to ask and never for ever.

Must not know what a command is for. Invariants: git gets no terminal, no input but what is passed, and no way to ask
for a password; it speaks English; it leaves no process behind, whether it ends, is cancelled or takes too long; the
variables of a git that we may run under (a hook, an alias) do not reach it; history is what the commits say, whatever
`git replace` or grafts make of it here: a remote knows nothing of those, and git would push over its commits.
"""

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

import anyio

from devenv.adapters.processes import exits as process_exit
from devenv.adapters.processes.identity import list_pids, read_stat
from devenv.domain.errors import HostError
from devenv.domain.holders import ProcessId
from devenv.sync.refusals import plain

LOCAL_S = 60.0
"""How long a command may take that asks no remote: big work trees need seconds."""

_READ_SIZE = 1 << 18
_GRACE_S = 2.0
_REAP_S = 5.0
_CONFIG = ("core.quotePath=false", "color.ui=false", "gc.auto=0", "maintenance.auto=false", "core.fsmonitor=false")
_OF_THE_REPOSITORY = frozenset({
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_PREFIX", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS",
    "GIT_IMPLICIT_WORK_TREE", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE", "GIT_NO_REPLACE_OBJECTS", "GIT_REPLACE_REF_BASE",
    "GIT_INTERNAL_SUPER_PREFIX", "GIT_EXTERNAL_DIFF", "GIT_EDITOR", "GIT_SEQUENCE_EDITOR", "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS", "GIT_QUARANTINE_PATH",
    "GPG_TTY",  # on which the agent would ask for a passphrase
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A git command that has ended. `is_late` tells that it was ended at its deadline."""

    words: tuple[str, ...]
    status: int
    out: bytes
    err: str
    is_late: bool = False

    @property
    def text(self) -> str:
        """Return what it printed, without the last line's end; bytes that are no UTF-8 as surrogates."""
        return os.fsdecode(self.out).removesuffix("\n")

    @property
    def records(self) -> tuple[str, ...]:
        """Return the records of a `-z` output."""
        return tuple(os.fsdecode(one) for one in self.out.split(b"\0") if one)

    @property
    def complaint(self) -> str:
        """Return the last line that says what went wrong, without git's own `fatal:` and without passwords."""
        lines = [line.strip() for line in plain(self.err).splitlines() if line.strip()]
        told = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines
        return told[-1].removeprefix("fatal:").removeprefix("error:").strip() if told else f"exit status {self.status}"


class GitFailed(HostError):
    """A git command that had to succeed did not; `ran` is what it said."""

    def __init__(self, ran: Ran, folder: str) -> None:
        late = "it was ended at its deadline" if ran.is_late else ran.complaint
        super().__init__(
            f"cannot run `git {ran.words[0]}` in {folder}", why=late, fix=f"git -C {shlex.quote(folder)} status"
        )
        self.ran = ran


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """git in one folder. `environment` is that of the command that asks; `ssh_of` the ssh commands found, by folder."""

    folder: str
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    ssh_of: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    async def run(
        self,
        *words: str,
        feed: bytes = b"",
        more: Mapping[str, str] | None = None,
        config: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
        deadline_s: float = LOCAL_S,
    ) -> Ran:
        """Run `git WORDS` and return how it ended; `more` are further variables, `config` further `-c` settings.

        `settings` are such whose names may hold a `=`, as those of branches and URLs do.
        Raises HostError where there is no git or no such folder.
        """
        switches = [word for one in (*_CONFIG, *config) for word in ("-c", one)]
        try:
            child = subprocess.Popen(  # noqa: ASYNC220 - takes a millisecond; reaped only once its group has ended
                ["git", *switches, *words],
                cwd=self.folder,
                env={**silence(self.environment), **_pass_settings(self.environment, settings or {}), **(more or {})},
                stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            raise _explain(self, error) from error
        out, err = bytearray(), bytearray()
        with child:
            try:
                with anyio.move_on_after(deadline_s) as limit:
                    await _converse(child, feed, out, err)
            finally:
                with anyio.CancelScope(shield=True):
                    await _end(child)
        text = err.decode(errors="replace")
        return Ran(words=words, status=child.returncode, out=bytes(out), err=text, is_late=limit.cancelled_caught)

    async def reach(self, *words: str, deadline_s: float, settings: Mapping[str, str] | None = None) -> Ran:
        """Run a command that speaks with a remote, through the ssh that the user has set for this repository."""
        ssh = self.environment.get("GIT_SSH_COMMAND", "")
        if not ssh and self.folder not in self.ssh_of:
            self.ssh_of[self.folder] = (await self.run("config", "--get", "core.sshCommand")).text
        ssh = ssh or self.ssh_of[self.folder]
        if not ssh and "GIT_SSH" not in self.environment:
            ssh = "ssh"
        how = {"GIT_SSH_COMMAND": _never_ask(ssh)} if ssh else {}
        config = ("credential.interactive=false",)
        return await self.run(*words, more=how, config=config, settings=settings, deadline_s=deadline_s)

    async def ask(self, *words: str, feed: bytes = b"", more: Mapping[str, str] | None = None) -> str:
        """Run a local command that has to succeed and return what it printed; raises GitFailed."""
        return (await self.require(*words, feed=feed, more=more)).text

    async def require(self, *words: str, feed: bytes = b"", more: Mapping[str, str] | None = None) -> Ran:
        """Run a local command that has to succeed; raises GitFailed."""
        ran = await self.run(*words, feed=feed, more=more)
        if ran.status != 0 or ran.is_late:
            raise GitFailed(ran, self.folder)
        return ran


def silence(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which git cannot ask a person anything, and means the folder that it is run in."""
    kept = {name: value for name, value in environment.items() if name not in _OF_THE_REPOSITORY}
    return {
        **kept,
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",  # set, so that no other setting counts, and nothing to run: git gives up at the question
        "SSH_ASKPASS": "true",  # answers every question with nothing
        "SSH_ASKPASS_REQUIRE": "never",
        "GCM_INTERACTIVE": "never",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_PAGER": "cat",
        "GIT_EDITOR": "true",
        "GIT_MERGE_AUTOEDIT": "no",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_GRAFT_FILE": f"{os.devnull}/none",  # nowhere: of an empty file, git says that it is deprecated
    }


def _pass_settings(environment: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that pass settings to git, after those that the user passes in the same way."""
    if not settings:
        return {}
    given = environment.get("GIT_CONFIG_COUNT", "")
    first = int(given) if given.isdecimal() else 0
    passed = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for number, (name, value) in enumerate(settings.items(), start=first):
        passed |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return passed


def _never_ask(ssh: str) -> str:
    """Return an ssh command that asks nothing; a program of another name may not know how, but has no terminal."""
    try:
        program = shlex.split(ssh)[0]
    except (ValueError, IndexError):
        return ssh
    return f"{ssh} -o BatchMode=yes" if os.path.basename(program) == "ssh" else ssh  # noqa: PTH119 - a plain question


async def _converse(child: "subprocess.Popen[bytes]", feed: bytes, out: bytearray, err: bytearray) -> None:
    """Pass and take bytes until the command has ended; what it left running may hold the pipes longer."""
    pipes = {_raw(child.stdout): out, _raw(child.stderr): err}
    async with anyio.create_task_group() as tasks:
        for pipe, kept in pipes.items():
            tasks.start_soon(_gather, pipe, kept)
        if child.stdin is not None:
            tasks.start_soon(_pass, child.stdin, feed)
        if stat := read_stat(child.pid):
            await process_exit.wait_ended(stat.id)
        tasks.cancel_scope.cancel()
    for pipe, kept in pipes.items():
        _drain(pipe, kept)


async def _gather(pipe: int, kept: bytearray) -> None:
    while True:
        await anyio.wait_readable(pipe)
        if not _drain(pipe, kept):
            return


def _drain(pipe: int, kept: bytearray) -> bool:
    """Take all that is there; tell whether more may come."""
    try:
        while chunk := os.read(pipe, _READ_SIZE):
            kept += chunk
    except BlockingIOError:
        return True
    return False


async def _pass(pipe: IO[bytes], feed: bytes) -> None:
    """Write `feed` and close the pipe; a command that ended without reading all of it says why itself."""
    number, rest = _raw(pipe), memoryview(feed)
    with suppress(BrokenPipeError):
        while rest:
            await anyio.wait_writable(number)
            with suppress(BlockingIOError):
                rest = rest[os.write(number, rest) :]
    pipe.close()


def _raw(pipe: IO[bytes] | None) -> int:
    assert pipe is not None
    os.set_blocking(pipe.fileno(), False)
    return pipe.fileno()


async def _end(child: "subprocess.Popen[bytes]") -> None:
    """End what is left of the command's session (helpers, ssh, hooks); not reaped yet, its number is still its own.

    Every git of it gets the chance to remove its lock files: that of a remote which is a folder runs here as well.
    """
    stat = read_stat(child.pid)
    if stat and not stat.ended:
        session = _list_session(child.pid)
        _signal_session(child.pid, signal.SIGTERM)
        await process_exit.wait_all_ended(session, _GRACE_S)
    _signal_session(child.pid, signal.SIGKILL)
    if stat:
        await process_exit.wait_all_ended((stat.id,), _REAP_S)
    child.poll()


def _list_session(leader: int) -> list[ProcessId]:
    found = (read_stat(pid) for pid in list_pids())
    return [one.id for one in found if one is not None and one.session == leader and not one.ended]


def _signal_session(leader: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def _explain(git: Git, error: OSError) -> HostError:
    if not os.path.isdir(git.folder):  # noqa: PTH112 - a plain question
        return HostError(f"cannot look at {git.folder}", why="there is no such folder", fix=f"ls -d {git.folder}")
    if shutil.which("git", path=git.environment.get("PATH")) is None:
        return HostError("cannot run git", why="there is no program git on PATH", fix="install git")
    return HostError("cannot run git", why=error.strerror or str(error), fix="git --version")
