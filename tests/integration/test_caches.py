"""The redis probe's round trip and the audit of caches against real Valkey: replicas, full memory, users, many keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
from redis import Redis as Client

from devenv.adapters.caches import OTHER, audit, flush
from devenv.domain.caches import KeyCounts, NotCounted, judge_cache
from devenv.domain.errors import HostError
from devenv.domain.model import CacheRules
from devenv.domain.probe import NotYet, Outcome, Passed, Target
from devenv.probes import Redis
from tests.support.databases import run_valkey
from tests.support.wait import until

PASSWORD = "hush-hush"
DEADLINE_S = 5.0


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[int, Path]]:
    """Run Valkey for the tests of this module."""
    with run_valkey(password=PASSWORD) as place:
        yield place


@pytest.fixture
def url(server: tuple[int, Path]) -> str:
    """Return the URL of the server's first database."""
    return f"redis://:{PASSWORD}@127.0.0.1:{server[0]}/0"


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    """Give a client, and empty the server afterwards."""
    with Client.from_url(url) as client:
        yield client
        client.flushall()


@contextmanager
def configured(client: Client, **settings: str) -> Iterator[None]:
    """Change settings of the server while within."""
    before = {name: client.config_get(name)[name] for name in settings}
    for name, value in settings.items():
        client.config_set(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            client.config_set(name, value)


@contextmanager
def user(client: Client, *rules: str) -> Iterator[str]:
    """Give the login of a user with these rules while within."""
    client.execute_command("ACL", "SETUSER", "app", "reset", "on", f">{PASSWORD}", *rules)
    try:
        yield f"app:{PASSWORD}"
    finally:
        client.execute_command("ACL", "DELUSER", "app")


def ask(url: str, *, write: bool = True) -> Outcome:
    """Return what the probe says."""
    return anyio.run(Redis(value=url, write=write).check, Target(service="cache"))


def complaint_of(url: str) -> NotYet:
    """Return what the probe says of a cache that cannot be used."""
    outcome = ask(url)
    assert isinstance(outcome, NotYet), outcome
    assert PASSWORD not in outcome.reason
    return outcome


def test_probe_passes_and_leaves_no_key_when_the_cache_works(url: str, client: Client) -> None:
    """The key is gone with the check."""
    written = client.info("commandstats").get("cmdstat_set", {"calls": 0})["calls"]

    assert ask(url) == Passed(detail="PONG")

    assert client.dbsize() == 0
    assert client.info("commandstats")["cmdstat_set"]["calls"] == written + 1


def test_probe_suspects_when_the_server_is_a_replica(url: str, client: Client) -> None:
    """A replica answers PING and refuses every write."""
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    try:
        with configured(client, **{"replica-serve-stale-data": "yes"}):
            found = complaint_of(url)
            assert isinstance(ask(url, write=False), Passed)
    finally:
        client.execute_command("REPLICAOF", "NO", "ONE")

    assert found.suspect == "read-only replica"
    assert "is a read-only replica: it answered SET with: READONLY" in found.reason


def test_probe_suspects_when_memory_is_full(url: str, client: Client) -> None:
    """Without eviction a full cache takes no more keys."""
    with configured(client, **{"maxmemory-policy": "noeviction", "maxmemory": "1"}):
        found = complaint_of(url)

    assert found.suspect == "memory is full"
    assert "OOM" in found.reason


def test_probe_suspects_when_snapshots_fail(url: str, client: Client, server: tuple[int, Path]) -> None:
    """The default configuration of Redis stops writes once a snapshot could not be saved."""
    (server[1].parent / "dump.rdb").mkdir()
    with configured(client, save="3600 1", **{"stop-writes-on-bgsave-error": "yes"}):
        client.set("a", "b")
        client.bgsave()
        until(
            lambda: client.info("persistence")["rdb_last_bgsave_status"] != "ok",
            deadline_s=DEADLINE_S,
            what="a snapshot that failed",
            poll_s=0.01,
        )
        found = complaint_of(url)
    (server[1].parent / "dump.rdb").rmdir()
    client.bgsave()

    assert found.suspect == "snapshots fail"
    assert "MISCONF" in found.reason


def test_probe_suspects_when_the_user_may_not_write(url: str, client: Client) -> None:
    """The command is named, and the option for those who only read."""
    with user(client, "~*", "+@all", "-@write") as login:
        reading = url.replace(f":{PASSWORD}", login)
        found = complaint_of(reading)
        assert ask(reading, write=False) == Passed(detail="PONG")

    assert found.suspect == "no permission"
    assert "answered SET with: NOPERM" in found.reason
    assert "`write: false`" in found.reason


def test_probe_passes_when_the_user_may_write_only_other_keys(url: str, client: Client) -> None:
    """A user for `booking:*` is no user without permission."""
    with user(client, "~booking:*", "+@all") as login:
        outcome = ask(url.replace(f":{PASSWORD}", login))

    assert isinstance(outcome, Passed)
    assert "no write was tried" in outcome.detail


def fill(client: Client) -> None:
    """Write keys of three declared patterns and of two that nobody declared."""
    pipeline = client.pipeline(transaction=False)
    for number in range(2_500):
        pipeline.set(f"booking:{number}", "x", ex=60)
    pipeline.set("booking:eternal", "x")
    pipeline.set("booking:slow", "x", ex=3_600)
    pipeline.set("booking:lock:1", "x", ex=900)
    pipeline.set("free:1", "x", ex=99_999)
    pipeline.mset({"session:1": "x", "session:2": "x", "counter": "1", "devenv:probe:1": "x"})
    pipeline.execute()


RULES = CacheRules(prefixes={"booking:*": 300.0, "booking:lock:*": 900.0, "free:*": None})


def count(url: str, **limits: int) -> KeyCounts:
    """Return what an audit counts."""
    counts = audit(url, RULES.prefixes, deadline_s=DEADLINE_S, **limits)
    assert isinstance(counts, KeyCounts), counts
    return counts


def test_audit_counts_what_breaks_the_rules(url: str, client: Client) -> None:
    """The longest pattern that fits a key is the one that counts it; the probe's own keys are nobody's."""
    fill(client)

    counts = count(url)

    booking = counts.patterns["booking:*"]
    assert (booking.keys, booking.without_ttl, booking.above_ttl) == (2_502, 1, 1)
    assert booking.example in {"booking:eternal", "booking:slow"}
    assert 3_590 < booking.longest_s <= 3_600
    assert (counts.patterns["booking:lock:*"].keys, counts.patterns["booking:lock:*"].above_ttl) == (1, 0)
    assert counts.undeclared == {"session:*": 2, "without a prefix": 1}
    assert (counts.seen, counts.is_cut) == (2_507, False)


def test_audit_says_so_when_it_is_cut(url: str, client: Client) -> None:
    """Millions of keys must not hold a check up."""
    fill(client)

    counts = count(url, most_keys=1_000)

    assert counts.is_cut
    assert 1_000 <= counts.seen < 2_507


def test_audit_sums_the_rest_when_prefixes_are_many(url: str, client: Client) -> None:
    """Keys that begin with a random id would make a finding each."""
    client.mset({f"{number}:x": "x" for number in range(30)})

    assert count(url).undeclared[OTHER] == 10


def test_audit_finds_growth_when_it_runs_again(url: str, client: Client) -> None:
    """The prefix that grew is the leak."""
    fill(client)
    before = count(url)
    client.set("session:3", "x")

    findings = judge_cache("api", RULES, count(url), before)

    assert [finding.id for finding in findings if finding.severity == "warning"] == [
        "cache-no-ttl:booking:*",
        "cache-long-ttl:booking:*",
        "cache-undeclared:session:*",
    ]


@pytest.mark.parametrize("login", [":wrong", "app:wrong"])
def test_audit_is_unknown_when_the_login_is_refused(url: str, login: str) -> None:
    """The reason is the server's, without the password."""
    counts = audit(url.replace(f":{PASSWORD}", login), {}, deadline_s=DEADLINE_S)

    assert isinstance(counts, NotCounted)
    assert "invalid username-password pair" in counts.reason
    assert "wrong@" not in counts.reason


def test_audit_is_unknown_when_nothing_listens(free_port: int) -> None:
    """At once, and with the address."""
    counts = audit(f"redis://127.0.0.1:{free_port}", {}, deadline_s=DEADLINE_S)

    assert isinstance(counts, NotCounted)
    assert f"127.0.0.1:{free_port}" in counts.reason


def test_flush_deletes_the_keys_of_its_patterns_alone(url: str, client: Client) -> None:
    """An empty pattern deletes nothing."""
    fill(client)

    assert flush(url, ["booking:*", ""], deadline_s=DEADLINE_S) == 2_503

    assert {key.decode() for key in client.scan_iter()} == {
        "free:1",
        "session:1",
        "session:2",
        "counter",
        "devenv:probe:1",
    }


def test_flush_fails_when_the_user_may_not_delete(url: str, client: Client) -> None:
    """Nothing is said to be done that was not."""
    fill(client)
    with user(client, "~*", "+@read", "+@connection") as login, pytest.raises(HostError) as caught:
        flush(url.replace(f":{PASSWORD}", login), ["booking:*"], deadline_s=DEADLINE_S)

    assert "unlink" in caught.value.why.casefold()
    assert PASSWORD not in caught.value.why
    assert client.exists("booking:1")
