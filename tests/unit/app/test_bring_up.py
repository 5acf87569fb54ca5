"""`up` on fakes, in virtual time: order, conditions, failures, second times."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from devenv.domain.events import OperationEnded, ServiceChanged
from devenv.domain.lifecycle import State, Trigger
from devenv.domain.model import Condition, EngineChoice, Restart
from tests.support.builders import (
    NEVER_READY,
    ReadyAfter,
    chain,
    container,
    ends_with,
    external,
    on,
    ready_after,
    service,
    stack,
    task,
)
from tests.support.fakes_app import Rig

pytestmark = pytest.mark.anyio


def causes(ended: OperationEnded) -> list[str]:
    """Return what could not be done, first cause first."""
    return [str(failure["what"]) for failure in ended.failures]


async def test_up_starts_nothing_before_its_dependency_is_ready() -> None:
    """A chain starts link by link, each when the one before has passed its gate."""
    rig = Rig(stack(*chain("a", "b", "c", probes=ready_after(3.0))))
    async with rig.serve():
        began = anyio.current_time()
        ended = await rig.up()
        assert ended.status == 0
        assert rig.spawned == ["a", "b", "c"]
        assert anyio.current_time() - began == pytest.approx(9.0, abs=0.1)


async def test_dependent_starts_as_soon_as_its_own_dependencies_are_met() -> None:
    """A slow neighbour in the same wave holds nobody back."""
    rig = Rig(
        stack(
            service("slow", probes=ready_after(50.0)),
            service("quick", probes=ready_after(1.0)),
            service("user", "quick"),
        )
    )
    async with rig.serve():
        began = anyio.current_time()
        rig.begin_up()
        await rig.reaching("user", State.READY)
        assert anyio.current_time() - began < 2.0
        assert rig.view("slow").state is State.PROBING


async def test_up_starts_longest_remaining_path_first_when_the_queue_is_narrow() -> None:
    """With one start at a time, the head of the longest chain goes first, whatever the order of the file."""
    names = ["alone", "short", "head"]
    services = [container(name) for name in names]
    rig = Rig(
        stack(*services, container("middle", "head"), container("end", "middle"), container("user", "short")), cpus=1
    )
    async with rig.serve():
        assert (await rig.up()).status == 0
    starts = [name for verb, name in rig.containers.calls if verb == "start"]
    assert [name for name in starts if name in names] == ["head", "short", "alone"]


async def test_started_condition_is_met_before_the_gate_is_passed() -> None:
    """A dependent on `started` does not wait for the probes."""
    rig = Rig(stack(service("db", probes=ready_after(30.0)), service("api", on("db", Condition.STARTED))))
    async with rig.serve():
        began = anyio.current_time()
        rig.begin_up()
        await rig.reaching("api", State.READY)
        assert anyio.current_time() - began < 1.0


async def test_completed_condition_is_met_when_the_task_has_succeeded() -> None:
    """A dependent on `completed` starts after the task's end, not before."""
    rig = Rig(stack(task("migrate", status=None), service("api", on("migrate", Condition.COMPLETED))))
    async with rig.serve():
        operation = rig.begin_up()
        await rig.reaching("migrate", State.PROBING)
        await anyio.sleep(5)
        assert rig.spawned == ["migrate"]
        rig.end("migrate", 0)
        assert (await rig.follow(operation)).status == 0
        assert rig.spawned == ["migrate", "api"]


async def test_failed_dependency_blocks_its_dependents() -> None:
    """What requires a failed service never starts, and `up` says first what failed and then who waits."""
    rig = Rig(stack(service("db", run=ends_with(3)), service("api", "db"), service("web", "api")))
    async with rig.serve():
        ended = await rig.up()
        assert ended.status == 5
        assert causes(ended) == ["cannot start db"]
        assert ended.failures[0]["details"] == [
            "api waits for db, which did not get ready",
            "web waits for api",
        ]
        assert rig.spawned == ["db"]


async def test_up_ends_at_once_when_nothing_more_can_become_ready() -> None:
    """An exit before ready fails there and then: no timeout is waited for."""
    rig = Rig(stack(service("db", probes=NEVER_READY, ready_timeout_s=60.0), service("api", "db")))
    async with rig.serve():
        began = anyio.current_time()
        operation = rig.begin_up()
        await rig.reaching("db", State.PROBING)
        await anyio.sleep(2.0)
        rig.end("db", 1)
        ended = await rig.follow(operation)
        assert anyio.current_time() - began == pytest.approx(2.0, abs=0.1)
        assert "exited with status 1 after 2.0 s" in str(ended.failures[0]["why"])


async def test_up_fails_when_a_gate_is_not_passed_in_time() -> None:
    """The process is left running for a look, and its service is failed."""
    rig = Rig(stack(service("db", probes=NEVER_READY, ready_timeout_s=7.0)))
    async with rig.serve():
        began = anyio.current_time()
        ended = await rig.up()
        assert anyio.current_time() - began == pytest.approx(7.0, abs=0.1)
        assert [failure["code"] for failure in ended.failures] == ["not-ready"]
        assert rig.view("db").state is State.FAILED
        assert rig.alive == {"db"}


async def test_next_up_replaces_what_failed_its_gate() -> None:
    """The process that was left for a look is ended, and a new one started."""
    rig = Rig(stack(service("db", probes=NEVER_READY, ready_timeout_s=7.0)))
    async with rig.serve():
        await rig.up()
        first = rig.pid_of("db")
        rig.change(service("db", probes=ready_after(1.0)))
        ended = await rig.up()
        assert ended.status == 0
        assert ended.summary["steps"] == [{"service": "db", "action": "replace", "why": "it failed before"}]
        assert not rig.processes.is_alive(first)
        assert rig.view("db").state is State.READY


async def test_final_answer_of_a_probe_fails_at_once() -> None:
    """Nothing waits for a timeout that cannot succeed."""
    rig = Rig(stack(service("db", probes=(ReadyAfter(seconds=None, reason="wrong password", final=True),))))
    async with rig.serve():
        began = anyio.current_time()
        ended = await rig.up()
        assert anyio.current_time() - began < 1.0
        assert "wrong password" in str(ended.failures[0]["why"])


async def test_dependent_starts_without_an_optional_dependency_that_failed() -> None:
    """A `required: false` edge lets its dependent start, and `up` succeeds with a warning."""
    rig = Rig(stack(service("cache", run=ends_with(1)), service("api", on("cache", required=False))))
    async with rig.serve():
        ended = await rig.up()
        assert (ended.status, ended.summary["degraded"]) == (0, ["cache"])
        assert rig.view("api").state is State.READY
        assert [text for text in await rig.notes("warning") if text.startswith("degraded: cache is failed")]


async def test_up_fails_when_a_failed_service_was_named() -> None:
    """What the user asked for by name is never optional."""
    rig = Rig(stack(service("cache", run=ends_with(1)), service("api", on("cache", required=False))))
    async with rig.serve():
        ended = await rig.up("api", "cache")
        assert (ended.status, causes(ended), ended.summary["degraded"]) == (5, ["cannot start cache"], [])


async def test_up_fails_when_somebody_else_requires_the_failed_service() -> None:
    """One required edge is enough."""
    rig = Rig(
        stack(service("cache", run=ends_with(1)), service("api", on("cache", required=False)), service("jobs", "cache"))
    )
    async with rig.serve():
        assert (await rig.up()).status == 5


async def test_dependent_starts_when_its_optional_dependency_can_never_start() -> None:
    """What only an optional service requires is optional too: neither of them holds the dependent back."""
    rig = Rig(
        stack(service("disk", run=ends_with(1)), service("cache", "disk"), service("api", on("cache", required=False)))
    )
    async with rig.serve():
        ended = await rig.up()
        assert (ended.status, ended.summary["degraded"]) == (0, ["disk", "cache"])
        assert rig.spawned == ["disk", "api"]


async def test_optional_dependency_is_waited_for_while_it_may_get_ready() -> None:
    """`required: false` says that it may fail, not that nobody waits."""
    rig = Rig(stack(service("api", on("cache", required=False)), service("cache", probes=ready_after(4.0))))
    async with rig.serve():
        await rig.up()
        assert rig.spawned == ["cache", "api"]


async def test_required_causes_come_before_optional_ones() -> None:
    """The exit status is the first cause's: what was asked for comes first."""
    rig = Rig(
        stack(
            service("cache", run=ends_with(1)),
            service("api", on("cache", required=False), probes=NEVER_READY, ready_timeout_s=3.0),
        )
    )
    async with rig.serve():
        assert causes(await rig.up()) == ["cannot call api ready", "cannot start cache"]


async def test_second_up_plans_nothing_but_tasks() -> None:
    """What runs is kept as it is; a task runs once per `up`."""
    rig = Rig(
        stack(
            container("db", ports=(5432,)),
            task("migrate", "db"),
            service("api", on("migrate", Condition.COMPLETED), ports=(8000,)),
            external("billing"),
        )
    )
    async with rig.serve():
        await rig.up()
        del rig.containers.calls[:], rig.processes.started[:]
        ended = await rig.up()
        actions = {step["service"]: step["action"] for step in ended.summary["steps"]}  # type: ignore[attr-defined]
        assert actions == {"db": "keep", "migrate": "start", "api": "keep", "billing": "keep"}
        assert rig.spawned == ["migrate"]
        assert {verb for verb, _ in rig.containers.calls} <= {"ping", "list"}
        assert rig.stopped == []


async def test_only_the_changed_service_is_replaced() -> None:
    """A new fingerprint ends the old process and starts a new one; neighbours are left alone."""
    rig = Rig(stack(service("db"), service("api", "db"), service("web", "api")))
    async with rig.serve():
        await rig.up()
        rig.change(service("api", "db", run=ends_with(0).__class__(argv=("sleep", "2000"), working_dir="/x")))
        ended = await rig.up()
        assert ended.status == 0
        assert rig.spawned == ["db", "api", "web", "api"]
        assert rig.stopped == ["api"]


async def test_changed_container_is_made_anew() -> None:
    """Compose is asked for the changed container only, by an engine that knows the changed project."""
    rig = Rig(stack(container("db"), container("cache")))
    async with rig.serve():
        await rig.up()
        del rig.containers.calls[:]
        rig.change(container("db", spec="2"))
        assert (await rig.up()).status == 0
        assert [call for call in rig.containers.calls if call[0] in {"create", "start"}] == [
            ("create", "db"),
            ("start", "db"),
        ]


async def test_changed_probe_takes_effect_without_a_new_start() -> None:
    """Probes, dependencies, restart and stop settings do not count as a change of what runs."""
    rig = Rig(stack(service("db")))
    async with rig.serve():
        await rig.up()
        rig.change(service("db", restart=Restart.ALWAYS))
        await rig.up()
        assert rig.spawned == ["db"]


async def test_force_recreate_replaces_everything() -> None:
    """Without names all services are made anew, in the order of the graph."""
    rig = Rig(stack(*chain("a", "b")))
    async with rig.serve():
        await rig.up()
        await rig.up(force_recreate=True)
        assert rig.spawned == ["a", "b", "a", "b"]
        assert rig.stopped == ["b", "a"]


async def test_force_recreate_leaves_dependencies_alone_when_names_are_given() -> None:
    """Only what was named is made anew."""
    rig = Rig(stack(*chain("a", "b")))
    async with rig.serve():
        await rig.up()
        await rig.up("b", force_recreate=True)
        assert rig.spawned == ["a", "b", "b"]


async def test_up_brings_dependencies_of_the_named_services() -> None:
    """Naming a service means it and everything below it, nothing else."""
    rig = Rig(stack(*chain("a", "b"), service("other")))
    async with rig.serve():
        assert (await rig.up("b")).status == 0
        assert rig.spawned == ["a", "b"]


async def test_no_deps_starts_the_named_service_alone() -> None:
    """An edge to a service that takes no part counts as met."""
    rig = Rig(stack(*chain("a", "b")))
    async with rig.serve():
        assert (await rig.up("b", no_deps=True)).status == 0
        assert rig.spawned == ["b"]


async def test_no_deps_still_waits_for_a_dependency_that_runs() -> None:
    """What runs takes part, whoever started it."""
    rig = Rig(stack(service("a", probes=ready_after(20.0)), service("b", "a")))
    async with rig.serve():
        operation = rig.begin_up("a", timeout_s=1.0)
        assert (await rig.follow(operation)).status == 5
        assert (await rig.up("b", no_deps=True)).status == 0
        assert rig.view("a").state is State.READY


async def test_dry_run_starts_nothing() -> None:
    """The plan is answered, and nothing is spawned, created, stopped or written down."""
    rig = Rig(stack(container("db"), service("api", "db", ports=(None,))))
    async with rig.serve():
        ended = await rig.up(dry_run=True)
        assert [step["action"] for step in ended.summary["steps"]] == ["start", "start"]  # type: ignore[attr-defined]
        assert (rig.spawned, rig.stopped) == ([], [])
        assert {verb for verb, _ in rig.containers.calls} == {"ping"}
    assert rig.record.record is None


async def test_up_refuses_an_unknown_service() -> None:
    """A typo is answered with the name that was meant."""
    rig = Rig(stack(service("postgres")))
    async with rig.serve():
        ended = await rig.up("postgers")
        assert (ended.status, ended.failures[0]["fix"]) == (2, "devenv up postgres")


async def test_up_says_so_when_no_service_is_selected() -> None:
    """An empty stack is not ready: nothing was asked for."""
    rig = Rig(stack())
    async with rig.serve():
        ended = await rig.up()
        assert ended.status == 2
        assert "no services are selected" in causes(ended)[0]


async def test_timeout_ends_the_up_and_names_who_is_late() -> None:
    """`--timeout` gives up waiting; what was started goes on."""
    rig = Rig(stack(service("db", probes=ready_after(50.0)), service("api", "db")))
    async with rig.serve():
        began = anyio.current_time()
        ended = await rig.up(timeout_s=5.0)
        assert anyio.current_time() - began == pytest.approx(5.0, abs=0.01)
        assert causes(ended) == ["cannot call db, api ready"]
        await rig.reaching("api", State.READY)


async def test_rollback_stops_what_this_up_started() -> None:
    """With `--rollback` a failed `up` leaves what ran before, and nothing else."""
    rig = Rig(stack(service("db"), service("api", "db"), service("bad", run=ends_with(1))))
    async with rig.serve():
        await rig.up("db")
        ended = await rig.up(rollback=True)
        assert ended.status == 5
        assert rig.alive == {"db"}


async def test_what_runs_stays_up_when_an_up_fails() -> None:
    """Without `--rollback` the rest is left for a look."""
    rig = Rig(stack(service("db"), service("bad", run=ends_with(1))))
    async with rig.serve():
        await rig.up()
        assert rig.alive == {"db"}


async def test_unhealthy_service_fails_the_next_up_by_name() -> None:
    """A kept service that is sick is not waited for without end."""
    rig = Rig(stack(service("db")))
    async with rig.serve():
        await rig.up()
        rig.supervisor.crew.board.move("db", Trigger.SICKEN, detail="HTTP 503")
        ended = await rig.up()
        assert (ended.status, ended.failures[0]["why"]) == (5, "it is unhealthy: HTTP 503")


async def test_service_removed_from_the_file_is_named_when_it_still_runs() -> None:
    """An orphan is not touched, and not silent."""
    rig = Rig(stack(service("old"), service("db")))
    async with rig.serve():
        await rig.up()
        rig.stack = stack(service("db"))
        await rig.up()
        assert rig.alive == {"old", "db"}
        assert any("still running: old (`devenv stop old`)" in text for text in await rig.notes("warning"))


async def test_image_is_fetched_before_anything_starts() -> None:
    """A missing image is pulled first; what is there is not."""
    rig = Rig(stack(container("db"), service("api", "db")))
    rig.containers.images.clear()
    async with rig.serve():
        assert (await rig.up()).status == 0
        verbs = [call for call in rig.containers.calls if call[0] in {"pull", "create", "start"}]
        assert verbs == [("pull", "db"), ("create", "db"), ("start", "db")]


async def test_servers_are_embedded_when_no_engine_answers() -> None:
    """Without Docker the known images run as embedded servers, and one line says so."""
    rig = Rig(stack(container("db"), service("api", "db")))
    rig.containers.unreachable = "no such file or directory: docker.sock"
    async with rig.serve():
        assert (await rig.up()).status == 0
        assert rig.spawned == ["db", "api"]
        assert "no Docker engine answers: db run embedded" in await rig.notes()
        assert (await rig.down()).status == 0


async def test_image_that_cannot_be_had_is_replaced_by_an_embedded_server() -> None:
    """With `engine: auto` a registry that is away is no reason to do without a database; it is said."""
    rig = Rig(stack(container("db"), service("api", "db")))
    rig.containers.images.clear()
    rig.containers.unpullable["fixture/busybox"] = "registry is away"
    async with rig.serve():
        assert (await rig.up()).status == 0
        assert rig.spawned == ["db", "api"]
        assert any("can neither be found nor pulled: db run embedded" in text for text in await rig.notes())
        del rig.processes.started[:]
        assert (await rig.up()).status == 0
        assert rig.spawned == []


async def test_image_that_nothing_stands_in_for_is_named_when_no_engine_answers() -> None:
    """The error has the engine's own words beside it."""
    odd = container("odd")
    rig = Rig(stack(replace(odd, run=replace(odd.run, image="exotic"))))
    rig.containers.unreachable = "connection refused"
    async with rig.serve():
        ended = await rig.up()
        assert (ended.status, causes(ended)) == (3, ["cannot run odd without Docker"])
        assert "cannot reach the Docker engine: connection refused" in str(ended.failures[0])


async def test_up_says_which_creation_failed() -> None:
    """When Compose cannot make the containers, each of them fails with its words."""
    rig = Rig(stack(container("db"), service("api", "db")))
    async with rig.serve():
        rig.containers.images.clear()
        rig.containers.unpullable["fixture/busybox"] = "registry is away"
        rig.stack = replace(rig.stack, engine=EngineChoice.DOCKER)
        ended = await rig.up()
        assert (ended.status, ended.failures[0]["why"]) == (3, "registry is away")
        assert rig.spawned == []


async def test_ready_times_are_remembered_as_weights() -> None:
    """The next `up` starts first what took longest below the longest chain."""
    rig = Rig(stack(service("db", probes=ready_after(3.0))))
    async with rig.serve():
        await rig.up()
    assert rig.record.record is not None
    assert rig.record.record.weights["db"] == pytest.approx(3.0, abs=0.1)


async def test_nobody_is_seen_as_stopped_while_it_is_about_to_start() -> None:
    """From the first moment of an `up` its services wait; a reader sees no false end."""
    rig = Rig(stack(*chain("a", "b", "c")))
    async with rig.serve():
        await rig.up()
        changes = [one.service for one in await rig.happened(ServiceChanged)]
        waiting = next(position for position, view in enumerate(changes) if view.state is State.WAITING)
        assert all(view.state is not State.STOPPED for view in changes[waiting:] if view.name == "a")
