"""Runs one embedded server: `python -P -m devenv.adapters.embedded.server postgres|redis ...`.

Prepares the data folder, gives up root, and becomes the server by `exec`: pid, signals, output and the DEVENV_ marks in
the environment are the server's own. Secrets come in the environment and do not stay there. Must not know stacks, and
imports little: a second start takes what the server takes. Invariant: a failure is one paragraph on stderr, status 1.
"""

import argparse
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from devenv.adapters.embedded.account import Account, become, choose_account, place_program
from devenv.adapters.embedded.data import place_data
from devenv.domain.errors import HostError

SECRET_PREFIX = "EMBEDDED_SERVER_"  # noqa: S105 - a name
PASSWORD_VARIABLE = f"{SECRET_PREFIX}PASSWORD"
CONFIG_VARIABLE = f"{SECRET_PREFIX}CONFIG"
"""Lines of redis.conf."""


def main(arguments: Sequence[str]) -> NoReturn:
    """Become the server that `arguments` ask for; returns to nobody."""
    options = _parse(arguments)
    secrets = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(SECRET_PREFIX)}
    try:
        if options.kind == "postgres":
            _start_postgres(options, secrets.get(PASSWORD_VARIABLE, ""))
        _start_redis(options, secrets.get(CONFIG_VARIABLE, ""))
    except HostError as error:
        _give_up(error)
    except OSError as error:
        _give_up(HostError(f"cannot start {options.program}", why=str(error)))
    except KeyboardInterrupt:  # the stop signal came early; what was half made goes at the next start
        sys.exit(128 + signal.SIGINT)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="embedded_server", description="Run a database without Docker.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    postgres, redis = kinds.add_parser("postgres"), kinds.add_parser("redis")
    for one in (postgres, redis):
        one.add_argument("--program", type=Path, required=True)
        one.add_argument("--data", type=Path, required=True)
        one.add_argument("--port", required=True)
    postgres.add_argument("--listen", default="127.0.0.1", help="addresses with commas between, or *")
    postgres.add_argument("--user", default="postgres")
    postgres.add_argument("--database", default="postgres")
    postgres.add_argument("--auth", default="scram-sha-256")
    postgres.add_argument("--initdb-arguments", default="")
    postgres.add_argument("--script", action="append", default=[])
    postgres.add_argument("settings", nargs="*", help="options of postgres, after --")
    redis.add_argument("--config", type=Path, help="a redis.conf that is read first")
    return parser.parse_args(arguments)


def _start_postgres(options: argparse.Namespace, password: str) -> NoReturn:
    account, data, program = _prepare(options)
    if not (data / "PG_VERSION").exists():
        _create_cluster(options, password, account, data, program)
    _check_version(data, program)
    _check_owner(data)
    _drop_stale_lock(data)
    own = ["-D", str(data), "-p", options.port, "-c", f"listen_addresses={options.listen}"]
    _become_server(account, [str(program), *options.settings, *own, "-c", "unix_socket_directories="])


def _start_redis(options: argparse.Namespace, lines: str) -> NoReturn:
    account, data, program = _prepare(options)
    data.mkdir(mode=0o700, exist_ok=True)
    if account:
        os.chown(data, account.uid, account.gid)
    quoted = str(data).replace("\\", "\\\\").replace('"', '\\"')
    first = options.config.read_text() if options.config else ""
    config = f'{first}\n{lines}\ndir "{quoted}"\ndaemonize no\nlogfile ""\n'
    _feed(config.encode())
    _become_server(account, [str(program), "-", "--port", options.port])


def _prepare(options: argparse.Namespace) -> tuple[Account | None, Path, Path]:
    account = choose_account(options.data)
    return account, place_data(options.data, account), place_program(options.program, account)


def _create_cluster(
    options: argparse.Namespace, password: str, account: Account | None, data: Path, program: Path
) -> None:
    from devenv.adapters.embedded.cluster import Blueprint, create_cluster  # noqa: PLC0415 - the first start only

    began = time.monotonic()
    blueprint = Blueprint(
        bin=program.parent,
        account=account,
        user=options.user,
        password=password,
        database=options.database,
        auth=options.auth,
        initdb_arguments=shlex.split(options.initdb_arguments),
        settings=options.settings,
        scripts=options.script,
    )
    create_cluster(data, blueprint)
    took = time.monotonic() - began
    sys.stderr.write(f"devenv: made database {options.database} in {data} ({took:.2f} s)\n")


def _check_version(data: Path, program: Path) -> None:
    import subprocess  # noqa: PLC0415 - kept beside its only use

    made_by = (data / "PG_VERSION").read_text().strip()
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    version = answer.split("(PostgreSQL)")[-1].split()[0]
    if version.split(".")[0] != made_by:
        raise HostError(
            f"cannot start PostgreSQL {version} on data that PostgreSQL {made_by} made",
            why=f"{data} holds them, and no embedded or installed server of version {made_by} was found",
            fix=f"install PostgreSQL {made_by}, or begin anew: mv {data} {data}.{made_by}",
        )


def _check_owner(data: Path) -> None:
    owner, ours = data.stat().st_uid, os.geteuid()
    if ours not in {0, owner}:
        raise HostError(
            f"cannot use the data in {data}",
            why=f"they belong to user id {owner}, and this is user id {ours}: perhaps devenv ran as root before",
            fix=f"sudo chown -R {ours} {data}",
        )


def _drop_stale_lock(data: Path) -> None:
    """Remove the lock file of a server that is gone where its pid now is another process, which PostgreSQL would heed.

    A server that lives keeps its lock: its working directory is the data folder. Its memory is guarded apart.
    """
    lock = data / "postmaster.pid"
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
        os.kill(pid, 0)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return
    except ValueError:
        lock.unlink()  # cut off while it was written
        return
    from devenv.adapters.processes.identity import read_working_dir  # noqa: PLC0415 - rarely needed

    if (seen := read_working_dir(pid)) and Path(seen) != data:
        lock.unlink()


def _feed(config: bytes) -> None:
    """Make `config` our standard input; a file without a name, as a pipe would block on a long one."""
    import tempfile  # noqa: PLC0415 - PostgreSQL does not need it

    with tempfile.TemporaryFile() as file:
        file.write(config)
        file.flush()
        file.seek(0)
        os.dup2(file.fileno(), 0)


def _become_server(account: Account | None, argv: list[str]) -> NoReturn:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec would hand that on
        signal.signal(number, signal.SIG_DFL)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    sys.stderr.flush()
    become(account)
    os.execve(argv[0], argv, environment)  # noqa: S606 - pid and signals become the server's


def _give_up(error: HostError) -> NoReturn:
    lines = [f"devenv: {error.what}: {error.why}", *error.details, *([f"fix: {error.fix}"] if error.fix else [])]
    sys.exit("\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1:])
