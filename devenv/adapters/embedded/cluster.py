"""Makes the data folder of an embedded PostgreSQL: initdb, the database, the init scripts, all before it listens.

Everything happens in a folder beside, which is renamed when whole: killed at any moment, the next start begins anew.
Runs inside the launcher, without event loop. Invariant: a data folder that exists is complete, and one that was there
is never written to here.
"""

import ctypes
import fcntl
import gzip
import locale
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from devenv.adapters.embedded.account import Account
from devenv.domain.errors import HostError

_STEP_S = 300.0
_READY_S = 60.0
_STOP_S = 30.0
_POLL_S = 0.01
_LONGEST_SOCKET_FOLDER = 80
_SET_PARENT_DEATH_SIGNAL = 1  # prctl(2)


class Blueprint(NamedTuple):
    """What a new cluster is made of. `auth` is pg_hba's word; `scripts` are files and folders of this machine."""

    bin: Path
    account: Account | None
    user: str
    password: str
    database: str
    auth: str
    initdb_arguments: Sequence[str] = ()
    settings: Sequence[str] = ()
    scripts: Sequence[str] = ()


def create_cluster(data: Path, blueprint: Blueprint) -> None:
    """Make `data`, unless it is there; raises HostError with the words of the program that failed."""
    if not blueprint.password and blueprint.auth != "trust":
        raise HostError(
            "cannot make a PostgreSQL database without a password",
            why="POSTGRES_PASSWORD is empty, which the image refuses too",
            fix="set POSTGRES_PASSWORD, or POSTGRES_HOST_AUTH_METHOD=trust, in the service's environment",
        )
    with _only_one(data):
        if (data / "PG_VERSION").exists():
            return
        for left in data.parent.glob(f".{data.name}.new-*"):
            shutil.rmtree(left, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{data.name}.new-", dir=data.parent))
        try:
            _build(staging, blueprint)
            (staging / "data").rename(data)
        except OSError as error:
            raise HostError(
                f"cannot make a PostgreSQL database in {data}",
                why=error.strerror or str(error),
                fix=f"ls -la {data.parent}",
            ) from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def _only_one(data: Path) -> Iterator[None]:
    """Keep two launchers off one folder; the kernel frees the lock of one that dies."""
    lock = os.open(data.with_name(f".{data.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _build(staging: Path, blueprint: Blueprint) -> None:
    secret = staging / "password"
    secret.touch(0o600)
    secret.write_text(blueprint.password + "\n")
    if blueprint.account:
        for path in (staging, secret):
            os.chown(path, blueprint.account.uid, blueprint.account.gid)
    data = staging / "data"
    run = _Runner(blueprint, staging)
    arguments = ["-U", blueprint.user, "-E", "UTF8", f"--locale={_choose_locale()}", "--no-sync", "--auth-local=trust"]
    if blueprint.password:
        arguments.append(f"--pwfile={secret}")
    run("initdb", "-D", data, *arguments, f"--auth-host={blueprint.auth}", *blueprint.initdb_arguments)
    secret.unlink()
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write(f"host all all all {blueprint.auth}\n")
    if blueprint.database != "postgres":
        name = blueprint.database.replace('"', '""')
        single = ("--single", "-D", data, "-c", "exit_on_error=on", "-c", "log_checkpoints=off", "postgres")
        run("postgres", *single, text=f'CREATE DATABASE "{name}";\n'.encode())
    if scripts := list(_list_scripts(blueprint.scripts)):
        _run_scripts(scripts, data, blueprint, run)


class _Runner:
    """Runs the cluster's programs as the account, each with our death as its own."""

    def __init__(self, blueprint: Blueprint, staging: Path) -> None:
        self.blueprint = blueprint
        self.staging = staging
        kept = {name: value for name, value in os.environ.items() if name.startswith("DEVENV_")}
        self.environment = {**kept, "PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        self.die_with_us = _parent_death_hook()

    def __call__(self, program: str, *arguments: str | Path, text: bytes = b"") -> None:
        """Run it to its end; raises HostError with what it wrote."""
        child = self.open(program, *arguments, stdout=subprocess.PIPE)
        try:
            output, _ = child.communicate(text, timeout=_STEP_S)
        except subprocess.TimeoutExpired:
            output = f"{program} was ended after {_STEP_S:g} s\n".encode()
        finally:
            child.kill()
            child.wait()
        if child.returncode:
            raise HostError(
                "cannot make the PostgreSQL database",
                why=f"{program} failed (exit status {child.returncode})",
                details=tuple(output.decode(errors="replace").splitlines()[-20:]),
            )

    def open(self, program: str, *arguments: str | Path, stdout: int | None = None) -> "subprocess.Popen[bytes]":
        """Start it with a pipe as its input; its errors go where its output goes."""
        account = self.blueprint.account
        return subprocess.Popen(
            [self.blueprint.bin / program, *arguments],
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.STDOUT if stdout else None,
            cwd=self.staging,
            env=self.environment,
            user=account and account.uid,
            group=account and account.gid,
            extra_groups=[] if account else None,
            preexec_fn=self.die_with_us,  # noqa: PLW1509 - the launcher has one thread
        )


def _parent_death_hook() -> Callable[[], None] | None:
    """Return what a child calls first, so that a launcher that is killed leaves none behind (Linux only)."""
    if sys.platform != "linux":
        return None
    libc, parent = ctypes.CDLL(None), os.getpid()

    def die_with_us() -> None:
        libc.prctl(_SET_PARENT_DEATH_SIGNAL, int(signal.SIGKILL))
        if os.getppid() != parent:
            os._exit(1)

    return die_with_us


def _choose_locale() -> str:
    try:
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return "C"
    return "C.UTF-8"


def _list_scripts(sources: Sequence[str]) -> Iterator[Path]:
    """Yield what is to run, in the order of the names; says what is not."""
    for source in map(Path, sources):
        for path in sorted(source.iterdir()) if source.is_dir() else [source]:
            if path.name.endswith((".sql", ".sql.gz")):
                yield path
            else:
                sys.stderr.write(f"devenv: {path} is not run: only .sql and .sql.gz are, by an embedded server\n")


def _run_scripts(scripts: Sequence[Path], data: Path, blueprint: Blueprint, run: _Runner) -> None:
    """Feed each to psql, on a server that only a socket in a folder of its own reaches."""
    if not (blueprint.bin / "psql").exists():
        raise HostError(
            f"cannot run {scripts[0]}",
            why=f"there is no psql in {blueprint.bin}",
            fix="apt-get install postgresql-client",
        )
    with _socket_folder(data.parent, blueprint.account) as sockets:
        own = ("-D", data, "-c", "listen_addresses=", "-c", f"unix_socket_directories={sockets}", "-p", "5432")
        quiet = ("-c", "log_min_messages=fatal")  # psql repeats errors; `ready to accept` is for the real server to say
        server = run.open("postgres", *blueprint.settings, *own, *quiet)
        try:
            _wait_ready(server, data)
            for path in scripts:
                sys.stderr.write(f"devenv: running {path}\n")
                text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
                who = ("-h", sockets, "-p", "5432", "-U", blueprint.user, "-d", blueprint.database)
                run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "--no-password", *who, text=text)
            server.send_signal(signal.SIGINT)
            server.wait(_STOP_S)
        finally:
            server.kill()
            server.wait()


@contextmanager
def _socket_folder(staging: Path, account: Account | None) -> Iterator[Path]:
    """Give a folder whose sockets' paths the kernel accepts (107 bytes)."""
    if len(os.fsencode(staging)) <= _LONGEST_SOCKET_FOLDER:
        yield staging
        return
    folder = Path(tempfile.mkdtemp(prefix="devenv-", dir="/tmp"))  # TMPDIR may be long as well
    try:
        if account:
            os.chown(folder, account.uid, account.gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_ready(server: "subprocess.Popen[bytes]", data: Path) -> None:
    """Wait until the eighth line of the server's lock file says so."""
    end = time.monotonic() + _READY_S
    lock = data / "postmaster.pid"
    while not (lock.exists() and "\nready" in lock.read_text()):
        if server.poll() is not None or time.monotonic() > end:
            raise HostError("cannot run the init scripts", why="the server for them did not start; it said why above")
        time.sleep(_POLL_S)
