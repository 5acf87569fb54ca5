"""Starting a process, and saying in one sentence why it could not be started.

Must not know what happens to it later. Invariant: a child gets a session of its own, /dev/null as input, no
descriptor of ours but its output, and the marks by which it is found again.
"""

import errno
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from devenv.adapters.processes.identity import SERVICE_MARKER, STACK_MARKER
from devenv.app.ports import Launch
from devenv.domain.errors import DevenvError, HostError, StartFailed

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


def open_log(path: str) -> int:
    """Open a log to append to and return its descriptor; raises HostError."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError:
            Path(path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            return os.open(path, flags, 0o600)
    except OSError as error:
        fix = "df -h" if error.errno in _NO_SPACE else f"ls -ld {Path(path).parent}"
        raise HostError(f"cannot write the log {path}", why=error.strerror or str(error), fix=fix) from error


def start(launch: Launch, stack_key: str, output: int) -> subprocess.Popen[bytes]:
    """Start `launch` with its output going to `output`; raises StartFailed or HostError."""
    environment = {**launch.environment, STACK_MARKER: stack_key, SERVICE_MARKER: launch.service}
    if not launch.argv:
        raise StartFailed(
            f"cannot start {launch.service}", why="its command is empty", fix="set `command` to a program"
        )
    try:
        return subprocess.Popen(
            launch.argv,
            cwd=launch.working_dir,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            close_fds=True,
        )
    except OSError as error:
        raise _explain(launch, environment, error) from error
    except ValueError as error:  # a NUL byte
        raise StartFailed(
            f"cannot start {launch.service}",
            why=f"its command or environment is malformed: {error}",
            fix="devenv config",
        ) from error


def _explain(launch: Launch, environment: Mapping[str, str], error: OSError) -> DevenvError:
    """Find out what the bare errno is about: the folder, the program, its interpreter, or the machine."""
    what = f"cannot start {launch.service}"
    folder, program = launch.working_dir, launch.argv[0]
    if error.errno in {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}:
        return HostError(what, why=f"this machine has no room for another process: {error.strerror}", fix="ulimit -a")
    if trouble := _explain_folder(what, folder):
        return trouble
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return _explain_missing(what, folder, program, environment.get("PATH", os.defpath))
    if error.errno == errno.EACCES:
        path = _locate(folder, program, environment.get("PATH", os.defpath), os.F_OK) or program
        return StartFailed(what, why=f"{path} is not executable", fix=f"chmod +x {path}")
    if error.errno == errno.ENOEXEC:
        why = f"{program} is neither a program of this machine nor a script that begins with #!"
        return StartFailed(what, why=why, fix=f"file {program}")
    return StartFailed(what, why=f"{program}: {error.strerror}", fix="devenv config")


def _explain_folder(what: str, folder: str) -> StartFailed | None:
    if not Path(folder).exists():
        return StartFailed(what, why=f"its working directory {folder} does not exist", fix=f"mkdir -p {folder}")
    if not Path(folder).is_dir():
        return StartFailed(what, why=f"its working directory {folder} is a file", fix="set `working_dir` to a folder")
    if not os.access(folder, os.X_OK):
        return StartFailed(what, why=f"its working directory {folder} may not be entered", fix=f"ls -ld {folder}")
    return None


def _explain_missing(what: str, folder: str, program: str, search: str) -> StartFailed:
    found = _locate(folder, program, search, os.X_OK)
    if found:
        line = _first_line(found)
        return StartFailed(what, why=f"{found} needs an interpreter that is not there: {line}", fix=f"head -1 {found}")
    if "/" in program:
        return StartFailed(
            what, why=f"the program {program} does not exist (seen from {folder})", fix=f"ls -l {program}"
        )
    return StartFailed(
        what,
        why=f"the program {program} was not found in PATH: {search}",
        fix=f"install {program}, or activate the environment that has it and run `devenv up` again",
    )


def _locate(folder: str, program: str, search: str, mode: int) -> str | None:
    if "/" in program:
        path = Path(folder, program)
        return str(path) if os.access(path, mode) else None
    return shutil.which(program, mode=mode, path=search)


def _first_line(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return file.readline(120).decode(errors="backslashreplace").strip()
    except OSError as error:
        return str(error)
