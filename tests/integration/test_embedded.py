"""Embedded PostgreSQL and Redis for real: started by the launcher, asked by clients, stopped, killed, started again."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pg8000.dbapi
import pytest

from devenv.adapters.embedded.binaries import Server, find_servers
from devenv.adapters.embedded.data import remove_data
from devenv.adapters.embedded.stand_ins import translate
from devenv.domain.model import ContainerRun, Port, ProcessRun, Service
from devenv.domain.references import resolve
from tests.support.ports import is_bindable
from tests.support.wait import until

START_S = 30.0
LOGIN = {"POSTGRES_USER": "app", "POSTGRES_PASSWORD": "s3cret", "POSTGRES_DB": "shop"}


@dataclass(slots=True)
class Bench:
    """A data root, and everything that was started on it."""

    root: Path
    home: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, service: Service, **changes: str) -> subprocess.Popen[bytes]:
        """Start what stands in for `service`, with its output in `log`."""
        translated = translate(service, data_root=str(self.root), reason="no Docker engine answers")
        run = resolve(translated, {service.name: translated}).run
        assert isinstance(run, ProcessRun)
        environment = {**os.environ, "DEVENV_EMBEDDED_HOME": str(self.home), **run.environment, **changes}
        with self.log.open("ab") as log:
            started = subprocess.Popen(
                run.argv, cwd=run.working_dir, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self.started.append(started)
        return started

    @property
    def log(self) -> Path:
        """Where all of them write."""
        return self.home / "log"

    def stop(self, process: subprocess.Popen[bytes], number: signal.Signals) -> int:
        """Send the signal and return the exit status."""
        process.send_signal(number)
        return process.wait(20)

    def fail(self, process: subprocess.Popen[bytes]) -> str:
        """Return what a launcher wrote that does not get to its server."""
        assert process.wait(START_S) == 1
        return self.log.read_text()


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Give a place that another user can enter, as pytest's own is not for root's servers."""
    top = Path(tempfile.mkdtemp(prefix="dvt-embedded-", dir="/var/tmp"))
    top.chmod(0o755)
    made = Bench(root=top / "state", home=top / "home")
    made.home.mkdir(mode=0o755)
    try:
        yield made
    finally:
        for process in made.started:
            process.kill()
            process.wait()
        until(lambda: not _users_of(top), deadline_s=10, what=f"the end of all servers on {top}")
        shutil.rmtree(top)


def _users_of(top: Path) -> list[int]:
    """Return the processes whose working directory is below `top`; PostgreSQL's follow their parent's end."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if entry.readlink().is_relative_to(top):
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


def _postgres(
    port: int,
    *,
    environment: Mapping[str, str] | None = None,
    image: str = "postgres:18",
    volumes: tuple[str, ...] = ("pgdata:/var/lib/postgresql/data",),
    command: tuple[str, ...] = (),
) -> Service:
    run = ContainerRun(image=image, environment=environment or LOGIN, volumes=volumes, command=command)
    return Service(name="db", run=run, ports=(Port(number=port, host="127.0.0.1", target=5432),))


def _redis(port: int, *, command: tuple[str, ...] = (), volumes: tuple[str, ...] = ()) -> Service:
    run = ContainerRun(image="redis:7", command=command, volumes=volumes)
    return Service(name="cache", run=run, ports=(Port(number=port, host="127.0.0.1", target=6379),))


def _connect(port: int, *, password: str = "s3cret", database: str = "shop") -> pg8000.dbapi.Connection:
    return pg8000.dbapi.connect(
        "app", password=password, database=database, host="127.0.0.1", port=port, timeout=5, ssl_context=None
    )


def _ask(port: int, *statements: str, password: str = "s3cret") -> list[list[object]]:
    """Run the statements in one session and return the rows of the last."""
    with closing(_connect(port, password=password)) as connection:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        rows = [list(row) for row in cursor.fetchall()] if cursor.description else []
        connection.commit()
        return rows


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the server ended"
    try:
        _connect(port).close()
    except (pg8000.dbapi.Error, OSError):
        return False
    return True


def _wait_for_login(port: int, process: subprocess.Popen[bytes]) -> None:
    until(lambda: _answers(port, process), deadline_s=START_S, what=f"PostgreSQL on {port}")


def _command(port: int, *lines: str) -> list[str]:
    """Send inline commands to Redis and return a line of answer to each; empty where nobody listens."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection, connection.makefile("rw") as file:
            answers = []
            for line in lines:
                file.write(line + "\r\n")
                file.flush()
                answer = file.readline().strip()
                answers.append(file.readline().strip() if answer.startswith("$") and answer != "$-1" else answer)
            return answers
    except OSError:
        return []


def _wait_for_redis(port: int) -> None:
    until(lambda: _command(port, "PING"), deadline_s=START_S, what=f"Redis on {port}")


def test_postgres_when_started_again(bench: Bench, free_port: int) -> None:
    """Data of a named volume survive the fast stop, which takes well below its grace."""
    first = bench.start(_postgres(free_port))
    _wait_for_login(free_port, first)
    _ask(free_port, "create table kept (n int)", "insert into kept values (42)")
    assert bench.stop(first, signal.SIGINT) == 0
    assert is_bindable(free_port)
    second = bench.start(_postgres(free_port))
    _wait_for_login(free_port, second)
    assert _ask(free_port, "select n from kept") == [[42]]


def test_postgres_when_the_password_is_wrong(bench: Bench, free_port: int) -> None:
    """It is refused, from this machine too."""
    _wait_for_login(free_port, bench.start(_postgres(free_port)))
    with pytest.raises(pg8000.dbapi.DatabaseError, match="28P01"):
        _connect(free_port, password="wrong")


def test_postgres_when_it_runs(bench: Bench, free_port: int) -> None:
    """The server is the process that was started: marks in its environment, no secret, not root."""
    process = bench.start(_postgres(free_port), DEVENV_SERVICE="db")
    _wait_for_login(free_port, process)
    seen = Path(f"/proc/{process.pid}")
    environment = (seen / "environ").read_bytes().split(b"\0")
    assert (seen / "exe").readlink().name == "postgres"
    assert b"DEVENV_SERVICE=db" in environment
    assert not [one for one in environment if one.startswith(b"EMBEDDED_SERVER_")]
    assert seen.stat().st_uid != 0
    assert b"s3cret" not in (seen / "cmdline").read_bytes()


def test_postgres_when_settings_are_given(bench: Bench, free_port: int) -> None:
    """The options of the command reach the server."""
    process = bench.start(_postgres(free_port, command=("postgres", "-c", "max_connections=17")))
    _wait_for_login(free_port, process)
    assert _ask(free_port, "show max_connections") == [["17"]]


def test_postgres_when_killed_during_initdb(bench: Bench, free_port: int) -> None:
    """Killed at ten moments, nothing is half made, nobody is left, and then it starts."""
    moments = random.Random(7)
    for _ in range(10):
        process = bench.start(_postgres(free_port))
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(moments.uniform(0.02, 0.6))
        process.kill()
        process.wait()
        until(lambda: not _users_of(bench.root), deadline_s=10, what="the end of initdb")
    last = bench.start(_postgres(free_port))
    _wait_for_login(free_port, last)
    assert not list(bench.root.rglob("*.new-*"))


def test_postgres_when_killed_while_it_runs(bench: Bench, free_port: int) -> None:
    """A stale lock file does not block the next start, which keeps what was committed."""
    first = bench.start(_postgres(free_port))
    _wait_for_login(free_port, first)
    _ask(free_port, "create table kept as select 1 as n")
    assert bench.stop(first, signal.SIGKILL) == -signal.SIGKILL
    second = bench.start(_postgres(free_port))
    _wait_for_login(free_port, second)
    assert _ask(free_port, "select n from kept") == [[1]]


def test_postgres_when_the_pid_of_its_lock_is_somebody_else(bench: Bench, free_port: int) -> None:
    """A recycled pid, even of the same user, does not pass for a running server."""
    first = bench.start(_postgres(free_port))
    _wait_for_login(free_port, first)
    bench.stop(first, signal.SIGINT)
    data = bench.root / "volumes/pgdata/postgres"
    owner = data.stat().st_uid
    stranger = subprocess.Popen(["sleep", "60"], cwd="/", user=owner if os.geteuid() == 0 else None)
    bench.started.append(stranger)
    lock = data / "postmaster.pid"
    lock.write_text(f"{stranger.pid}\n{data}\n1\n{free_port}\n\n127.0.0.1\n 1 1\nready\n")
    os.chown(lock, owner, -1)
    _wait_for_login(free_port, bench.start(_postgres(free_port)))


def test_postgres_when_the_data_are_of_another_version(bench: Bench, free_port: int) -> None:
    """Both versions and the way out are named, and the data stay."""
    data = bench.root / "volumes/pgdata/postgres"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")
    text = bench.fail(bench.start(_postgres(free_port)))
    assert "on data that PostgreSQL 9 made" in text
    assert f"mv {data} {data}.9" in text
    assert (data / "PG_VERSION").exists()


def test_postgres_when_there_is_no_password(bench: Bench, free_port: int) -> None:
    """It is refused as the image refuses it, and nothing is left."""
    text = bench.fail(bench.start(_postgres(free_port, environment={"POSTGRES_USER": "app"})))
    assert "POSTGRES_PASSWORD is empty" in text
    assert not list(bench.root.rglob("PG_VERSION"))


def test_postgres_when_everybody_is_trusted(bench: Bench, free_port: int) -> None:
    """No password is asked for."""
    environment = {"POSTGRES_USER": "app", "POSTGRES_DB": "shop", "POSTGRES_HOST_AUTH_METHOD": "trust"}
    process = bench.start(_postgres(free_port, environment=environment))
    _wait_for_login(free_port, process)
    assert _ask(free_port, "select 1", password="whatever") == [[1]]


def test_postgres_when_init_scripts_are_mounted(bench: Bench, free_port: int) -> None:
    """SQL files run once, in order, as psql runs them; shell scripts are said to be left out."""
    folder = bench.home / "sql"
    folder.mkdir(mode=0o700)
    (folder / "1.sql").write_text("\\set word 'one'\ncreate table t (n text);\n")
    (folder / "2.sql").write_text("copy t from stdin;\ntwo\n\\.\n")
    (folder / "3.sh").write_text("exit 1\n")
    volumes = ("pgdata:/var/lib/postgresql", f"{folder}:/docker-entrypoint-initdb.d:ro")
    process = bench.start(_postgres(free_port, volumes=volumes))
    _wait_for_login(free_port, process)
    assert _ask(free_port, "select n from t") == [["two"]]
    assert f"{folder}/3.sh is not run" in bench.log.read_text()


def test_postgres_when_an_init_script_fails(bench: Bench, free_port: int) -> None:
    """Its error is shown as it is, and no half-made database stays."""
    script = bench.home / "1.sql"
    script.write_text("create extension nonsense;\n")
    volumes = (f"{script}:/docker-entrypoint-initdb.d/1.sql",)
    text = bench.fail(bench.start(_postgres(free_port, volumes=volumes)))
    assert 'extension "nonsense" is not available' in text
    assert not list(bench.root.rglob("PG_VERSION"))


@pytest.mark.parametrize("kind", ["volume", "none"])
def test_postgres_when_the_stack_is_gone(bench: Bench, free_port: int, kind: str) -> None:
    """Removing a stack's anonymous data leaves those of a named volume."""
    volumes = ("pgdata:/var/lib/postgresql",) if kind == "volume" else ()
    process = bench.start(_postgres(free_port, volumes=volumes))
    _wait_for_login(free_port, process)
    bench.stop(process, signal.SIGINT)
    remove_data(str(bench.root))
    assert len(list(bench.root.rglob("postgresql.conf"))) == (1 if kind == "volume" else 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as somebody else")
def test_postgres_when_others_may_not_enter_the_data_root(
    bench: Bench, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in /root: the data go to a shared folder behind a link, and are removed with it."""
    bench.root.mkdir(mode=0o700)
    monkeypatch.setenv("DEVENV_EMBEDDED_HOME", str(bench.home))
    process = bench.start(_postgres(free_port, volumes=()))
    _wait_for_login(free_port, process)
    bench.stop(process, signal.SIGINT)
    assert (bench.root / "anonymous/db/postgres").resolve().is_relative_to(bench.home / "data")
    remove_data(str(bench.root))
    assert not list(bench.home.rglob("PG_VERSION"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as somebody else")
def test_postgres_when_others_may_not_enter_the_wheel(bench: Bench, free_port: int) -> None:
    """As in a virtual environment below /root: the programs are copied once."""
    package = next(Path(one.program).parents[2] for one in find_servers("postgres") if "pginstall" in one.program)
    hidden = bench.home / "root"
    hidden.mkdir(mode=0o700)
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, hidden / part.name, symlinks=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEVENV_POSTGRES_BIN", str(hidden / package.name / "pginstall/bin"))
        process = bench.start(_postgres(free_port))
    _wait_for_login(free_port, process)
    assert Path(f"/proc/{process.pid}/exe").readlink().is_relative_to(bench.home / "servers")


@pytest.mark.parametrize("server", find_servers("postgres"), ids=lambda server: server.label)
def test_postgres_when_any_server_of_this_machine_runs(bench: Bench, free_port: int, server: Server) -> None:
    """Each one that is found does the job, whether a wheel's or an installed one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEVENV_POSTGRES_BIN", server.program)
        process = bench.start(_postgres(free_port))
    _wait_for_login(free_port, process)
    assert str(_ask(free_port, "show server_version")[0][0]).startswith(server.version)


def test_postgres_when_started_twice_for_one_folder(bench: Bench, free_port: int) -> None:
    """The second waits for the first one's initdb, and PostgreSQL itself then refuses it."""
    first, second = bench.start(_postgres(free_port)), bench.start(_postgres(free_port))
    until(lambda: second.poll() is not None or first.poll() is not None, deadline_s=START_S, what="one of them to end")
    winner = first if first.poll() is None else second
    _wait_for_login(free_port, winner)
    # PostgreSQL says that the lock file exists, or that it is empty where the other one is about to write it.
    assert 'lock file "postmaster.pid"' in bench.log.read_text()


def test_postgres_second_start_when_timed(bench: Bench, free_port: int) -> None:
    """It takes well below the first, which runs initdb."""
    times = []
    for _ in range(2):
        began = time.monotonic()
        process = bench.start(_postgres(free_port))
        _wait_for_login(free_port, process)
        times.append(time.monotonic() - began)
        bench.stop(process, signal.SIGINT)
    assert times[1] < times[0] / 2


def test_redis_when_it_runs(bench: Bench, free_port: int) -> None:
    """It takes and gives values, carries its marks and is not root."""
    process = bench.start(_redis(free_port), DEVENV_SERVICE="cache")
    _wait_for_redis(free_port)
    assert _command(free_port, "SET a 1", "GET a") == ["+OK", "1"]
    assert b"DEVENV_SERVICE=cache" in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
    assert Path(f"/proc/{process.pid}").stat().st_uid != 0
    assert bench.stop(process, signal.SIGTERM) == 0


def test_redis_when_a_password_is_required(bench: Bench, free_port: int) -> None:
    """It is asked for, and stands in no command line."""
    process = bench.start(_redis(free_port, command=("redis-server", "--requirepass", "s3cret")))
    _wait_for_redis(free_port)
    answers = _command(free_port, "GET a", "AUTH wrong", "AUTH s3cret", "GET a")
    assert [answer[:7] for answer in answers] == ["-NOAUTH", "-WRONGP", "+OK", "$-1"]
    assert b"s3cret" not in Path(f"/proc/{process.pid}/cmdline").read_bytes()


@pytest.mark.parametrize(("volumes", "kept"), [(("cache:/data",), "1"), ((), "$-1")])
def test_redis_when_started_again(bench: Bench, free_port: int, volumes: tuple[str, ...], kept: str) -> None:
    """Values survive in a named volume, and only there."""
    first = bench.start(_redis(free_port, volumes=volumes))
    _wait_for_redis(free_port)
    _command(free_port, "SET a 1")
    bench.stop(first, signal.SIGTERM)
    bench.start(_redis(free_port, volumes=volumes))
    _wait_for_redis(free_port)
    assert _command(free_port, "GET a") == [kept]
