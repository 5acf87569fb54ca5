"""The probes against real sockets and servers: what each kind of answer, and each kind of silence, is called."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from devenv.app.gate import FailureCause, GateFailure, pass_gate
from devenv.domain.probe import NotYet, Outcome, Passed, Target
from devenv.probes import Http, Redis, Sql, Tcp
from tests.support.databases import run_mariadb, run_postgres, run_valkey

pytestmark = pytest.mark.anyio

PASSWORD = "hush-hush"
Handler = Callable[[SocketStream], Awaitable[None]]


def answer(status: str, body: str = "", *headers: str) -> Handler:
    """Return a handler that reads a request and answers so."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]

    async def handle(stream: SocketStream) -> None:
        await stream.receive()
        await stream.send(("\r\n".join(head) + "\r\n\r\n" + body).encode())

    return handle


async def hang(stream: SocketStream) -> None:
    """Accept and never answer."""
    await anyio.sleep_forever()


async def reset(stream: SocketStream) -> None:
    """Drop the connection as Docker's proxy does when nothing listens behind it."""
    raw = stream.extra(SocketAttribute.raw_socket)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@asynccontextmanager
async def serving(port: int, handler: Handler, host: str = "127.0.0.1") -> AsyncIterator[None]:
    """Serve `handler` on `port` while within."""

    async def handle(stream: SocketStream) -> None:
        async with stream:
            try:
                await handler(stream)
            except (anyio.BrokenResourceError, anyio.EndOfStream):
                return  # a probe that only connects hangs up

    listener = await anyio.create_tcp_listener(local_host=host, local_port=port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        yield
        tasks.cancel_scope.cancel()


def target_at(port: int, *, is_proxied: bool = False) -> Target:
    """Return a service on that port."""
    return Target(service="api", port=port, is_proxied=is_proxied)


def reason_of(outcome: Outcome) -> str:
    """Return why it did not pass."""
    assert isinstance(outcome, NotYet), outcome
    return outcome.reason


async def test_tcp_waits_when_nothing_listens(free_port: int) -> None:
    """A refused connection is a service that still starts."""
    assert await Tcp().check(target_at(free_port)) == NotYet(
        reason=f"nothing listens on 127.0.0.1:{free_port} (connection refused)"
    )


async def test_tcp_passes_when_somebody_listens(free_port: int) -> None:
    """A connection is enough where no proxy accepts."""
    async with serving(free_port, hang):
        assert await Tcp().check(target_at(free_port)) == Passed(detail=f"127.0.0.1:{free_port}")
        assert isinstance(await Tcp(value=free_port).check(target_at(1)), Passed)
        assert isinstance(await Tcp(value=f"127.0.0.1:{free_port}").check(target_at(1)), Passed)


async def test_tcp_names_the_other_loopback_when_only_that_is_listened_on(free_port: int) -> None:
    """A dev server on ::1 alone is not reached by what was told 127.0.0.1."""
    async with serving(free_port, hang, host="::1"):
        outcome = await Tcp().check(target_at(free_port))

    assert isinstance(outcome, NotYet)
    assert outcome.suspect == f"listens on [::1]:{free_port} only"


async def test_tcp_waits_when_a_proxy_drops_what_it_accepts(free_port: int) -> None:
    """Docker's proxy accepts for a container in which nothing listens."""
    async with serving(free_port, reset):
        outcome = await Tcp().check(target_at(free_port, is_proxied=True))

    assert reason_of(outcome) == f"127.0.0.1:{free_port} accepts connections but closes them"


async def test_tcp_passes_when_a_proxy_keeps_the_connection(free_port: int) -> None:
    """A server that waits for its client to speak is there."""
    async with serving(free_port, hang):
        assert isinstance(await Tcp().check(target_at(free_port, is_proxied=True)), Passed)


async def test_http_passes_when_the_answer_is_as_asked(free_port: int) -> None:
    """Status and body are looked at."""
    async with serving(free_port, answer("200 OK", '{"ok": true}')):
        outcome = await Http(value="/health", body="ok.: true", headers={"X-Key": "1"}).check(target_at(free_port))

    assert outcome == Passed(detail="HTTP 200")


async def test_http_does_not_follow_when_redirected(free_port: int) -> None:
    """The redirect itself is the answer; its place may not exist."""
    async with serving(free_port, answer("302 Found", "", "Location: http://127.0.0.1:1/")):
        assert await Http(value="/").check(target_at(free_port)) == Passed(detail="HTTP 302")


async def test_http_is_direct_when_the_environment_names_a_proxy(
    free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy has no business between a developer and their own machine."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with serving(free_port, answer("200 OK")):
        assert isinstance(await Http(value="/").check(target_at(free_port)), Passed)


async def test_http_suspects_when_the_page_is_not_there(free_port: int) -> None:
    """Status and words are shown."""
    async with serving(free_port, answer("404 Not Found")):
        outcome = await Http(value="/health").check(target_at(free_port))

    assert outcome == NotYet(
        reason=f"GET http://127.0.0.1:{free_port}/health answered 404 Not Found", suspect="HTTP 404"
    )


async def test_http_shows_the_body_when_the_service_fails(free_port: int) -> None:
    """The service often says itself what it lacks."""
    async with serving(free_port, answer("503 Service Unavailable", "no table users")):
        outcome = await Http(value="/").check(target_at(free_port))

    assert outcome == NotYet(
        reason=f"GET http://127.0.0.1:{free_port}/ answered 503 Service Unavailable: no table users"
    )


async def test_http_says_hung_when_the_service_never_answers(free_port: int) -> None:
    """An accepted connection without an answer is no start-up, but may become one."""
    async with serving(free_port, hang):
        outcome = await Http(value="/", attempt_s=0.2).check(target_at(free_port))

    assert reason_of(outcome) == (f"127.0.0.1:{free_port} accepted the connection but did not answer within 0.2 s")


@pytest.mark.parametrize("is_reset", [True, False])
async def test_http_says_so_when_connections_are_dropped(free_port: int, is_reset: bool) -> None:
    """By a reset, or by a polite end after the request."""

    async def leave(stream: SocketStream) -> None:
        await stream.receive()

    async with serving(free_port, reset if is_reset else leave):
        outcome = await Http(value="/").check(target_at(free_port))

    assert reason_of(outcome) == f"127.0.0.1:{free_port} accepts connections but closes them"


async def test_http_suspects_when_the_answer_is_not_http(free_port: int) -> None:
    """The port belongs to something else."""

    async def greet(stream: SocketStream) -> None:
        await stream.send(b"220 mail.example ESMTP\r\n\r\n")
        await stream.receive()

    async with serving(free_port, greet):
        outcome = await Http(value="/").check(target_at(free_port))

    assert isinstance(outcome, NotYet)
    assert outcome.suspect == "not HTTP"


async def test_https_suspects_when_the_service_speaks_no_tls(free_port: int) -> None:
    """A wrong scheme is named."""
    async with serving(free_port, answer("400 Bad Request")):
        outcome = await Http(value=f"https://127.0.0.1:{free_port}/").check(target_at(free_port))

    assert isinstance(outcome, NotYet)
    assert outcome.suspect == "no TLS"


async def test_gate_passes_when_a_service_starts_slowly(free_port: int) -> None:
    """Nothing listens, then 503, then health."""
    reasons: list[str] = []

    async def start() -> None:
        await anyio.sleep(0.15)
        async with serving(free_port, answer("503 Service Unavailable", "migrating")):
            await anyio.sleep(0.15)
        async with serving(free_port, answer("200 OK")):
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(start)
        outcome = await pass_gate(
            ((Http(value="/health"),),), target_at(free_port), timeout_s=10, on_reason=reasons.append
        )
        tasks.cancel_scope.cancel()

    assert outcome == Passed(detail="HTTP 200")
    assert reasons[0] == f"nothing listens on 127.0.0.1:{free_port} (connection refused)"
    assert any("503 Service Unavailable: migrating" in reason for reason in reasons)


async def test_gate_fails_with_the_hang_when_the_deadline_passes(free_port: int) -> None:
    """A hung dev server is told from one that has not started."""
    async with serving(free_port, hang):
        outcome = await pass_gate(((Http(value="/", attempt_s=0.2),),), target_at(free_port), timeout_s=1)

    assert isinstance(outcome, GateFailure)
    assert outcome.cause is FailureCause.TIMEOUT
    assert "accepted the connection but did not answer" in outcome.reason


@pytest.fixture(scope="module")
def postgres() -> Iterator[int]:
    """Run PostgreSQL for the tests of this module."""
    with run_postgres(password=PASSWORD) as port:
        yield port


async def ask_sql(url: str, query: str = "SELECT 1") -> Outcome:
    """Return what the sql probe says, once a server that just began to listen has come up."""
    outcome: Outcome = NotYet(reason="")
    with anyio.fail_after(10):
        while True:
            outcome = await Sql(value=url, query=query, attempt_s=2).check(Target(service="db"))
            if "57P0" not in getattr(outcome, "reason", ""):
                return outcome
            await anyio.sleep(0.02)


async def test_sql_passes_when_postgresql_lets_the_application_in(postgres: int) -> None:
    """With its own user and password, whatever driver its URL names."""
    url = f"postgresql+psycopg://app:{PASSWORD}@127.0.0.1:{postgres}/postgres"

    assert await ask_sql(url) == Passed(detail="the query ran")


@pytest.mark.parametrize(
    ("login", "suspect"),
    [
        ("app:wrong@127.0.0.1:{port}/postgres", "authentication failed for user app"),
        ("nobody:x@127.0.0.1:{port}/postgres", "authentication failed for user nobody"),
        (f"app:{PASSWORD}@127.0.0.1:{{port}}/shop", 'missing database "shop"'),
    ],
)
async def test_sql_suspects_when_postgresql_refuses_the_login(postgres: int, login: str, suspect: str) -> None:
    """Credentials and databases do not appear by waiting, and the password is not shown."""
    outcome = await ask_sql("postgresql://" + login.format(port=postgres))

    assert isinstance(outcome, NotYet)
    assert outcome.suspect == suspect
    assert PASSWORD not in outcome.reason
    assert "wrong" not in outcome.reason


async def test_sql_waits_when_a_table_is_missing(postgres: int) -> None:
    """A migration may still make it."""
    outcome = await ask_sql(f"postgresql://app:{PASSWORD}@127.0.0.1:{postgres}/postgres", "SELECT 1 FROM orders")

    assert outcome == NotYet(reason='PostgreSQL says: relation "orders" does not exist (42P01)')


async def test_sql_waits_when_the_query_gives_no_row(postgres: int) -> None:
    """A table that must have been filled."""
    outcome = await ask_sql(f"postgresql://app:{PASSWORD}@127.0.0.1:{postgres}/postgres", "SELECT 1 WHERE false")

    assert reason_of(outcome) == "'SELECT 1 WHERE false' gave no row yet"


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
async def test_sql_waits_when_nothing_listens(scheme: str, free_port: int) -> None:
    """Both drivers' words for it become ours."""
    outcome = await ask_sql(f"{scheme}://app:x@127.0.0.1:{free_port}/app")

    assert outcome == NotYet(reason=f"nothing listens on 127.0.0.1:{free_port} (connection refused)")


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
async def test_sql_says_so_when_connections_are_dropped(scheme: str, free_port: int) -> None:
    """Docker's proxy before the database listens."""
    async with serving(free_port, reset):
        outcome = await ask_sql(f"{scheme}://app:x@127.0.0.1:{free_port}/app")

    assert outcome == NotYet(reason=f"127.0.0.1:{free_port} accepts connections but closes them")


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
async def test_sql_says_hung_when_the_server_never_answers(scheme: str, free_port: int) -> None:
    """The driver's own limit ends it."""
    async with serving(free_port, hang):
        outcome = await Sql(value=f"{scheme}://app:x@127.0.0.1:{free_port}/app", attempt_s=0.3).check(
            Target(service="db")
        )

    assert reason_of(outcome).endswith("accepted the connection but did not answer within 0.3 s")


@pytest.fixture(scope="module")
def mariadb() -> Iterator[int]:
    """Run MariaDB for the tests of this module."""
    with run_mariadb(password=PASSWORD) as port:
        yield port


async def test_sql_passes_when_mariadb_lets_the_application_in(mariadb: int) -> None:
    """With its own user and password."""
    assert await ask_sql(f"mysql+pymysql://app:{PASSWORD}@127.0.0.1:{mariadb}/app") == Passed(detail="the query ran")


@pytest.mark.parametrize(
    ("login", "suspect"),
    [
        ("app:wrong@127.0.0.1:{port}/app", "authentication failed for user app"),
        (f"app:{PASSWORD}@127.0.0.1:{{port}}/shop", "permission denied for user app"),
        ("root@127.0.0.1:{port}/shop", 'missing database "shop"'),
    ],
)
async def test_sql_suspects_when_mariadb_refuses_the_login(mariadb: int, login: str, suspect: str) -> None:
    """Credentials and databases do not appear by waiting."""
    outcome = await ask_sql("mariadb://" + login.format(port=mariadb))

    assert isinstance(outcome, NotYet)
    assert outcome.suspect == suspect
    assert PASSWORD not in outcome.reason


async def test_sql_waits_when_a_table_is_missing_in_mariadb(mariadb: int) -> None:
    """A migration may still make it."""
    outcome = await ask_sql(f"mysql://app:{PASSWORD}@127.0.0.1:{mariadb}/app", "SELECT 1 FROM orders")

    assert outcome == NotYet(reason="MySQL says: Table 'app.orders' doesn't exist (1146)")


@pytest.fixture(scope="module")
def valkey() -> Iterator[tuple[int, Path]]:
    """Run Valkey for the tests of this module."""
    with run_valkey(password=PASSWORD) as place:
        yield place


async def test_redis_passes_when_the_password_is_right(valkey: tuple[int, Path]) -> None:
    """With and without a user's name, and in another database."""
    port, _ = valkey
    for login in (f":{PASSWORD}", f"default:{PASSWORD}"):
        outcome = await Redis(value=f"redis://{login}@127.0.0.1:{port}/3").check(Target(service="cache"))
        assert outcome == Passed(detail="PONG")


async def test_redis_passes_when_it_listens_on_a_unix_socket(valkey: tuple[int, Path]) -> None:
    """The password stands before an empty host."""
    _, path = valkey

    assert await Redis(value=f"unix://:{PASSWORD}@{path}?db=1").check(Target(service="cache")) == Passed(detail="PONG")


@pytest.mark.parametrize(
    ("login", "suspect"),
    [
        ("127.0.0.1:{port}", "password required"),
        (":wrong@127.0.0.1:{port}", "wrong user or password"),
        (f":{PASSWORD}@127.0.0.1:{{port}}/99", "SELECT refused"),
    ],
)
async def test_redis_suspects_when_the_server_refuses(valkey: tuple[int, Path], login: str, suspect: str) -> None:
    """None of these passes with time, and the password is not shown."""
    outcome = await Redis(value="redis://" + login.format(port=valkey[0])).check(Target(service="cache"))

    assert isinstance(outcome, NotYet)
    assert outcome.suspect == suspect
    assert PASSWORD not in outcome.reason


async def test_redis_waits_when_the_server_loads_its_data(free_port: int) -> None:
    """LOADING ends by itself."""

    async def load(stream: SocketStream) -> None:
        await stream.receive()
        await stream.send(b"-LOADING Redis is loading the dataset in memory\r\n")

    async with serving(free_port, load):
        outcome = await Redis(value=f"redis://127.0.0.1:{free_port}").check(Target(service="cache"))

    assert isinstance(outcome, NotYet)
    assert outcome.suspect == ""
    assert "LOADING" in outcome.reason


async def test_redis_says_what_silence_it_is(free_port: int) -> None:
    """Nothing there, dropped, or not Redis."""
    probe = Redis(value=f"redis://127.0.0.1:{free_port}")

    assert "connection refused" in reason_of(await probe.check(Target(service="cache")))
    async with serving(free_port, reset):
        assert "accepts connections but closes them" in reason_of(await probe.check(Target(service="cache")))
    async with serving(free_port, answer("400 Bad Request")):
        assert "does not speak Redis" in reason_of(await probe.check(Target(service="cache")))
