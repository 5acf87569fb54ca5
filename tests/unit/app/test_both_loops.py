"""The whole shell on the event loop of production, in real time: what must not depend on the test's own clock."""

from __future__ import annotations

import pytest

from devenv.domain.lifecycle import State
from tests.support.builders import chain, container, ends_with, service, stack, task
from tests.support.fakes_app import Rig

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio."""
    return "asyncio"


async def test_up_second_up_and_down_work_on_asyncio() -> None:
    """The main job, on what production runs on."""
    rig = Rig(stack(container("db"), task("migrate", "db"), service("api", "migrate")))
    async with rig.serve():
        assert (await rig.up()).status == 0
        assert (await rig.up()).status == 0
        assert (await rig.down()).status == 0
        assert rig.alive == set()


async def test_failure_and_interrupt_work_on_asyncio() -> None:
    """Nothing raised inside a task group ends the daemon."""
    rig = Rig(stack(*chain("a", "b"), service("bad", run=ends_with(1)), container("c")))
    rig.containers.services["c"] = rig.containers.services["c"].__class__(start_error="no such mount")
    async with rig.serve():
        assert (await rig.up()).status == 5
        operation = rig.begin_up()
        rig.supervisor.cancel(operation.id, now=True)
        assert (await rig.follow(operation)).status == 130
        assert (await rig.down()).status == 0


async def test_adoption_works_on_asyncio() -> None:
    """A new daemon in an old world."""
    rig = Rig(stack(service("a"), container("c")))
    async with rig.serve():
        await rig.up()
    rig.restart()
    async with rig.serve():
        await rig.reaching("a", State.READY)
        await rig.reaching("c", State.READY)
        assert (await rig.down()).status == 0
