"""The prune operation: in the stack's turn, sparing what the stack counts on, whole without an engine."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from devenv.app.ports import Mount
from devenv.app.requests import PruneRequest
from devenv.domain.cleaning import (
    BuildCacheRules,
    CleanRules,
    LogRules,
    PruneReport,
    Reclaimed,
    Refused,
    decode_report,
    encode_report,
)
from devenv.domain.errors import ConfigError
from devenv.domain.events import OperationEnded, OperationStarted
from devenv.domain.lifecycle import State
from devenv.domain.model import Condition, EngineChoice, Stop
from tests.support.builders import NEVER_READY, ROOT, container, on, service, stack
from tests.support.fakes_app import READING, Rig

pytestmark = pytest.mark.anyio

WENT = PruneReport(
    reclaimed=(Reclaimed(kind="paths", names=("dist",), bytes=4096),), refused=(Refused(name="src", why="tracked"),)
)


async def prune(rig: Rig, **facts: object) -> OperationEnded:
    """Ask for a prune and wait for its end."""
    return await rig.follow(rig.supervisor.begin_prune(PruneRequest(reading=READING, **facts)))  # type: ignore[arg-type]


def report_of(ended: OperationEnded) -> PruneReport:
    """Return what a prune says of itself."""
    pruned = ended.summary["pruned"]
    assert isinstance(pruned, dict)
    return decode_report(pruned)


def names(ended: OperationEnded, kind: str) -> tuple[str, ...]:
    """Return what went of a kind."""
    return next((row.names for row in report_of(ended).reclaimed if row.kind == kind), ())


async def test_a_report_comes_through_as_it_is() -> None:
    """Encoded, sent, and read again."""
    rig = Rig(stack(service("api")))
    rig.cleaner.report = replace(WENT, reclaimed=(replace(WENT.reclaimed[0], note="12 files"),))
    async with rig.serve():
        ended = await prune(rig)
    assert ended.status == 0
    assert report_of(ended) == decode_report(encode_report(rig.cleaner.report))
    assert report_of(ended).bytes == 4096


async def test_what_the_configuration_says_reaches_who_cleans() -> None:
    """Rules, the files that must stay, the environment of who asks, and the folders that containers work in."""
    rules = CleanRules(root=ROOT, paths=("dist",), caches=("npm",))
    rig = Rig(stack(container("db"), clean=rules))
    rig.containers.mounted = (Mount(path=f"{ROOT}/data", who="container x"),)
    async with rig.serve():
        await prune(rig, dry_run=True)
    (asked,) = rig.cleaner.asked
    assert (asked.rules, asked.stay, asked.mounts) == (rules, (f"{ROOT}/services.yaml",), rig.containers.mounted)
    assert (asked.environment, asked.dry_run) == (READING.environment, True)


async def test_containers_of_the_running_stack_stay_and_those_of_stopped_services_go() -> None:
    """A stopped service is started again with a new container; a completed one has not been lost."""
    rig = Rig(stack(container("db"), container("once"), service("api", on("once", Condition.COMPLETED))))
    async with rig.serve():
        operation = rig.begin_up()
        await anyio.sleep(5)  # of virtual time: it runs, and `api` waits for its end
        rig.containers.end("once", 0)
        await rig.follow(operation)
        assert rig.view("once").state is State.COMPLETED
        await rig.down("db")
        ended = await prune(rig)
        assert len(names(ended, "containers")) == 1
        assert [one.service for one in await rig.containers.list()] == ["once"]
        assert (rig.view("db").container, bool(rig.view("once").container)) == ("", True)
        assert (await rig.up("db")).status == 0
        assert rig.view("db").state is State.READY


async def test_a_dry_run_leaves_the_views_alone() -> None:
    """Nothing went, so nothing is forgotten."""
    rig = Rig(stack(container("db")))
    async with rig.serve():
        await rig.up()
        await rig.down("db")
        ended = await prune(rig, dry_run=True)
        assert len(names(ended, "containers")) == 1
        assert report_of(ended).is_dry_run
        assert rig.view("db").container


async def test_an_engine_that_is_gone_is_told_and_the_rest_is_done() -> None:
    """A refused row and exit 3; files and logs are pruned all the same."""
    rig = Rig(stack(container("db")))
    rig.containers.unreachable = "nothing listens"
    rig.cleaner.report = WENT
    rig.logs.write("gone", "old")
    async with rig.serve():
        ended = await prune(rig)
    assert ended.status == 3
    assert names(ended, "paths") == ("dist",)
    assert names(ended, "logs") == ("gone",)
    assert [one.name for one in report_of(ended).refused] == ["docker", "src"]
    assert "nothing listens" in report_of(ended).refused[0].why


@pytest.mark.parametrize("facts", [{"engine": EngineChoice.EMBEDDED}, {"compose": None}])
async def test_a_stack_without_an_engine_asks_none(facts: dict[str, object]) -> None:
    """Embedded servers and processes leave nothing there."""
    rig = Rig(stack(container("db"), **facts))
    rig.containers.unreachable = "nothing listens"
    async with rig.serve():
        assert (await prune(rig)).status == 0
    assert rig.opened == []


async def test_rules_for_the_build_cache_reach_the_engine_without_a_compose_project() -> None:
    """The build cache has no project: who wrote rules for it has it pruned."""
    rig = Rig(stack(service("api"), clean=CleanRules(root=ROOT, build_cache=BuildCacheRules(keep_bytes=1))))
    async with rig.serve():
        await prune(rig)
    assert [project.name for project in rig.opened] == [""]
    assert ("prune", "") in rig.containers.calls


async def test_a_prune_waits_for_the_up_that_is_under_way() -> None:
    """It can remove nothing that an `up` is just making."""
    rig = Rig(stack(container("db", probes=NEVER_READY)))
    async with rig.serve():
        up = rig.begin_up()
        await rig.reaching("db", State.PROBING)
        pruning = rig.supervisor.begin_prune(PruneRequest(reading=READING))
        await anyio.sleep(5)
        assert [one.verb for one in await rig.happened(OperationStarted)] == ["up"]
        assert len(await rig.containers.list()) == 1
        rig.supervisor.cancel(up.id, now=False)
        await rig.follow(pruning)
        assert [one.verb for one in await rig.happened(OperationStarted)] == ["up", "prune"]


async def test_an_interrupted_prune_tells_what_it_did() -> None:
    """Ctrl-C while files are looked at: exit 130, with the containers that went before."""
    rig = Rig(stack(container("db")))
    rig.cleaner.meanwhile = anyio.sleep_forever
    async with rig.serve():
        await rig.up()
        await rig.down("db")
        pruning = rig.supervisor.begin_prune(PruneRequest(reading=READING))
        await anyio.sleep(1)  # of virtual time
        rig.supervisor.cancel(pruning.id, now=False)
        ended = await rig.follow(pruning)
    assert (ended.status, ended.failures[0]["code"]) == (130, "interrupted")
    assert len(names(ended, "containers")) == 1


async def test_logs_of_services_that_are_neither_configured_nor_running_go() -> None:
    """Not those of what another profile brings up, nor of what still runs without its configuration."""
    rig = Rig(stack(service("api"), service("old")))
    async with rig.serve():
        await rig.up()
        for name in ("api", "old", "gone"):
            rig.logs.write(name, "text")
        rig.stack = stack(service("api"))
        ended = await prune(rig)
    assert names(ended, "logs") == ("gone",)


async def test_a_configuration_with_mistakes_removes_nothing() -> None:
    """Nothing tells then what may go."""
    rig = Rig(stack(container("db")))
    async with rig.serve():
        await rig.up()
        await rig.down("db")
        rig.load_error = ConfigError("cannot read services.yaml")
        ended = await prune(rig)
        assert (ended.status, rig.cleaner.asked) == (2, [])
        assert len(await rig.containers.list()) == 1


async def test_down_prunes_last_and_is_done_also_where_the_prune_fails() -> None:
    """The stack is down, whatever comes of the disk: nothing is remembered, and the daemon may end."""
    rig = Rig(stack(service("api"), container("db")))
    async with rig.serve():
        await rig.up()

        async def look() -> None:
            assert rig.alive == set()
            rig.containers.unreachable = "nothing listens"

        rig.cleaner.meanwhile = look
        rig.cleaner.report = WENT
        ended = await rig.down(prune=True)
        assert ended.status == 0
        assert names(ended, "paths") == ("dist",)
        assert sorted(map(str, ended.summary["stopped"])) == ["api", "db"]  # type: ignore[call-overload]
        assert rig.supervisor.down.is_set()


async def test_an_interrupted_down_is_down_and_leaves_the_prune_out() -> None:
    """Ctrl-C while services end: they end all the same, the disk is left alone, and 130 says so."""
    rig = Rig(stack(service("db", stop=Stop(grace_s=5.0))))
    rig.processes.stubborn.add("db")
    async with rig.serve():
        await rig.up()
        operation = rig.begin_down(prune=True)
        await rig.reaching("db", State.STOPPING)
        rig.supervisor.cancel(operation.id, now=False)
        ended = await rig.follow(operation)
        assert (ended.status, ended.failures[0]["fix"]) == (130, "devenv prune")
        assert (rig.alive, rig.cleaner.asked, rig.supervisor.down.is_set()) == (set(), [], True)


async def test_down_without_prune_removes_no_file() -> None:
    """Nor does a stop of some services."""
    rig = Rig(stack(service("api"), service("web")))
    async with rig.serve():
        await rig.up()
        await rig.down("web", prune=True)
        await rig.down()
    assert rig.cleaner.asked == []


async def test_logs_rotate_by_the_rules_of_the_stack_that_was_brought_up() -> None:
    """Also by a daemon that takes over what runs."""
    rules = LogRules(size_bytes=1_000_000, keep=9)
    rig = Rig(stack(service("api"), clean=CleanRules(root=ROOT, logs=rules)))
    async with rig.serve():
        await rig.up()
        assert rig.logs.rules == rules
    rig.restart()
    rig.logs.limit(LogRules())
    async with rig.serve():
        assert rig.logs.rules == rules
        await rig.down()
