"""The plumbing of all tiers: markers by folder, the guard of unit tests, the engine, names, ports, the leak check.

Must not know devenv's code. Invariant: a test of WATCHED_TIERS that leaves a container, network, volume or process
behind fails by the names of what it left, and the machine is clean for the next one.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import images, processes
from tests.support.engine import Engine, NoEngineError, Resource, connect, require_images
from tests.support.ports import take_ports
from tests.support.unit_guard import guarded
from tests.support.wait import until

HERE = Path(__file__).parent
TIERS = frozenset({"unit", "contract", "integration", "e2e", "fuzz", "bench", "slow"})
GUARDED_TIERS = frozenset({"unit"})
WATCHED_TIERS = frozenset({"integration", "e2e", "slow"})

RUN_MARKER = "DVT_RUN"  # inherited by everything that this run starts
RUN_PREFIX = f"dvt{secrets.token_hex(3)}"  # of every project name of this run: two runs at once do not blame each other
LINGER_S = 3.0  # what is on its way out gets this long


def pytest_configure() -> None:
    """Give every process of this run its marker, the example its local images, and signals their usual meaning."""
    os.environ[RUN_MARKER] = RUN_PREFIX
    for name, image in images.ENVIRONMENT.items():
        os.environ.setdefault(name, image)
    # TERM tears fixtures down as Ctrl-C does. A background shell lets its children ignore INT, which all that is
    # started here would inherit.
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its tier, and with `engine` if it asks for one."""
    for item in items:
        tier = tier_of(item.path)
        if tier in TIERS:
            item.add_marker(tier)
        if "engine" in getattr(item, "fixturenames", ()):
            item.add_marker("engine")


def tier_of(path: Path) -> str:
    """Return the first folder below tests/, or nothing."""
    inside = path.relative_to(HERE).parts if path.is_relative_to(HERE) else ()
    return inside[0] if len(inside) > 1 else ""


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on what production runs on."""
    return "asyncio"


@pytest.fixture
def real_subprocess() -> None:
    """Let a unit test run a program, for the few that look at our own start-up."""


@pytest.fixture(autouse=True)
def _unit_guard(request: pytest.FixtureRequest) -> Iterator[None]:
    if tier_of(request.path) not in GUARDED_TIERS:
        yield
        return
    with guarded(may_run_processes="real_subprocess" in request.fixturenames):
        yield


@pytest.fixture(scope="session")
def _engine_if_any() -> Iterator[Engine | NoEngineError]:
    try:
        found = connect()
    except NoEngineError as absent:
        yield absent
        return
    yield found
    found.close()


@pytest.fixture(scope="session")
def engine(_engine_if_any: Engine | NoEngineError) -> Engine:
    """Return the Docker engine with the fixture images; fails where there is none."""
    if isinstance(_engine_if_any, NoEngineError):
        pytest.fail(str(_engine_if_any), pytrace=False)
    try:
        require_images(_engine_if_any)
    except NoEngineError as incomplete:
        pytest.fail(str(incomplete), pytrace=False)
    return _engine_if_any


@pytest.fixture
def unique_name() -> str:
    """Return a name for a stack or Compose project that nobody else has; the leak check knows its beginning."""
    return f"{RUN_PREFIX}{secrets.token_hex(3)}"


@pytest.fixture
def free_ports() -> Callable[[int], list[int]]:
    """Return a function that gives that many free ports."""
    return take_ports


@pytest.fixture
def free_port() -> int:
    """Return a port that is free on IPv4 and IPv6, TCP and UDP."""
    return take_ports(1)[0]


@pytest.fixture(autouse=True)
def leak_check(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test of WATCHED_TIERS by what it leaves, and remove that."""
    if tier_of(request.path) not in WATCHED_TIERS:
        yield
        return
    found = request.getfixturevalue("_engine_if_any")
    watched = None if isinstance(found, NoEngineError) else found
    before = _look(watched)
    yield
    _fail_if_left(watched, before, "this test")


@pytest.fixture(scope="session", autouse=True)
def _clean_end(_engine_if_any: Engine | NoEngineError) -> Iterator[None]:
    """Fail the run by what is left when all is over: what the shared fixtures and the other tiers forgot."""
    yield
    watched = None if isinstance(_engine_if_any, NoEngineError) else _engine_if_any
    _fail_if_left(watched, set(), "this test run")


Leak = Resource | processes.Identity


def _fail_if_left(engine: Engine | None, before: set[Leak], who: str) -> None:
    left = _wait_for_the_last(engine, before)
    if left:
        names = "\n  ".join(sorted(str(one) for one in left))
        _remove(engine, left)
        pytest.fail(f"{who} left behind (removed now):\n  {names}", pytrace=False)


def _look(engine: Engine | None) -> set[Leak]:
    resources = engine.list_resources(RUN_PREFIX) if engine else set()
    return {*resources, *processes.list_carrying(RUN_PREFIX)}


def _wait_for_the_last(engine: Engine | None, before: set[Leak]) -> set[Leak]:
    """Return what is there in excess of `before`, at once if that is nothing."""
    left: set[Leak] = set()

    def is_clean() -> bool:
        nonlocal left
        left = _look(engine) - before
        return not left

    try:
        until(is_clean, deadline_s=LINGER_S, what="a clean machine", poll_s=0.05)
    except AssertionError:
        return left
    return set()


def _remove(engine: Engine | None, left: set[Leak]) -> None:
    for one in left:
        if isinstance(one, processes.Identity):
            processes.end(one)
    if engine:
        engine.remove({one for one in left if isinstance(one, Resource)})
