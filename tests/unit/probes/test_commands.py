"""The probes that need no network: exec, health and log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from devenv.domain.errors import StartFailed
from devenv.domain.probe import Executed, NotYet, Passed, Target
from devenv.probes import Exec, Health, Log

pytestmark = pytest.mark.anyio


def target_that_runs(ended: Executed, ran: list[tuple[str, ...]] | None = None) -> Target:
    """Return a target on which every command ends so; what was run goes to `ran`."""

    async def execute(argv: tuple[str, ...]) -> Executed:
        if ran is not None:
            ran.append(argv)
        return ended

    return Target(service="db", execute=execute)


def target_with_log(text: str) -> Target:
    """Return a target that has written `text`."""

    async def read() -> str:
        return text

    return Target(service="db", read_log=read)


async def test_exec_passes_when_the_command_succeeds() -> None:
    """Exit status 0, through a shell."""
    ran: list[tuple[str, ...]] = []

    assert await Exec(value="pg_isready -q").check(target_that_runs(Executed(status=0, output=""), ran)) == Passed(
        detail="exit 0"
    )
    assert ran == [("/bin/sh", "-c", "pg_isready -q")]


async def test_exec_shows_the_last_line_when_the_command_fails() -> None:
    """The last line is where programs say why."""
    outcome = await Exec(value=("check", "--all")).check(target_that_runs(Executed(status=1, output="a\nno table\n\n")))

    assert outcome == NotYet(reason="exec check ended with exit status 1: no table")


@pytest.mark.parametrize("status", [126, 127])
async def test_exec_is_final_when_the_command_cannot_run(status: int) -> None:
    """A program that is not there will not come."""
    outcome = await Exec(value="nope").check(target_that_runs(Executed(status=status, output="")))

    assert isinstance(outcome, NotYet)
    assert outcome.final


async def test_exec_waits_when_the_container_restarts() -> None:
    """An engine that cannot run a command now may run it soon."""

    async def refuse(argv: tuple[str, ...]) -> Executed:
        raise StartFailed("cannot run a command in db", why="its container is restarting")

    outcome = await Exec(value="true").check(Target(service="db", execute=refuse))

    assert outcome == NotYet(reason="exec true could not run: its container is restarting")


@pytest.mark.parametrize(
    ("test", "argv"),
    [
        (("CMD", "pg_isready", "-q"), ("pg_isready", "-q")),
        (("CMD-SHELL", "curl -f localhost || exit 1"), ("/bin/sh", "-c", "curl -f localhost || exit 1")),
        (("redis-cli", "ping"), ("redis-cli", "ping")),
    ],
)
async def test_health_runs_the_declared_command_in_any_form(test: tuple[str, ...], argv: tuple[str, ...]) -> None:
    """Docker writes health checks in three ways."""
    ran: list[tuple[str, ...]] = []
    runs = target_that_runs(Executed(status=0, output=""), ran)

    assert isinstance(await Health().check(Target(service="db", execute=runs.execute, health_test=test)), Passed)
    assert ran == [argv]


@pytest.mark.parametrize("test", [(), ("NONE",), ("CMD",), ("",)])
async def test_health_is_final_when_nothing_is_declared(test: tuple[str, ...]) -> None:
    """There is nothing to run, now or later."""
    outcome = await Health().check(Target(service="db", health_test=test))

    assert isinstance(outcome, NotYet)
    assert outcome.final


async def test_log_passes_when_a_line_matches() -> None:
    """`^` and `$` mean lines."""
    assert await Log(value="^ready$").check(target_with_log("boot\nready\nmore\n")) == Passed(detail="ready")


async def test_log_shows_the_last_line_when_none_matches() -> None:
    """What the service is busy with is the best reason."""
    outcome = await Log(value="^ready$").check(target_with_log("boot\nnot ready\n"))

    assert outcome == NotYet(reason="the log has no match for '^ready$' yet; its last line is: not ready")


Check = Callable[[Target], Awaitable[Passed | NotYet]]


@pytest.mark.parametrize("check", [Exec(value="true").check, Log(value="x").check], ids=["exec", "log"])
async def test_check_is_final_when_the_service_gives_no_means(check: Check) -> None:
    """Something that runs elsewhere has neither a shell nor a log."""
    outcome = await check(Target(service="billing"))

    assert isinstance(outcome, NotYet)
    assert outcome.final


@pytest.mark.parametrize(
    "build",
    [
        lambda: Exec(value=" "),
        lambda: Exec(value=()),
        lambda: Log(value=""),
        lambda: Log(value="("),
        lambda: Health(value=False),
    ],
)
def test_probe_is_refused_when_it_checks_nothing(build: Callable[[], object]) -> None:
    """A mistake in a file is found before anything starts."""
    with pytest.raises(ValueError, match=r"needs|expression|nothing"):
        build()
