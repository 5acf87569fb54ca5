"""The engine adapter on a real engine: what the contract with the fake cannot show."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from devenv.adapters.engine.endpoint import find_endpoint, greet
from devenv.adapters.engine.look import find_address
from devenv.app.ports import ContainerExit, Removal
from devenv.domain.errors import DevenvError, HostError, StartFailed
from devenv.domain.model import Port, Stop, Transport
from tests.support.compose_stack import END_ON_DEMAND, TRAP, ComposeStack, compose_stack
from tests.support.cuttable_socket import cuttable_socket
from tests.support.engine import Engine
from tests.support.processes import identify
from tests.support.wait import until_async

pytestmark = pytest.mark.anyio

BUSYBOX = "fixture/busybox"
DEADLINE_S = 10.0
PROMPT_S = 2.0
"""Far below the grace of 10 s that a container would otherwise be given."""

HOST = {"image": BUSYBOX, "network_mode": "host"}
"""Without a network of its own a container starts twice as fast."""


def shell(program: str, **more: object) -> dict[str, object]:
    """Return a service that runs a shell program as its first process."""
    return {**HOST, "command": ["/bin/sh", "-c", program], **more}


@asynccontextmanager
async def exits_of(stack: ComposeStack) -> AsyncIterator[list[tuple[float, ContainerExit]]]:
    """Collect exits with the time at which they were heard of."""
    heard: list[tuple[float, ContainerExit]] = []
    stream = stack.containers.exits()

    def note(one: ContainerExit) -> None:
        heard.append((time.time(), one))

    async def follow() -> None:
        async for one in stream:
            note(one)

    async with anyio.create_task_group() as group:
        group.start_soon(follow)
        yield heard
        group.cancel_scope.cancel()


async def until_listed(stack: ComposeStack, container: str, text: str) -> None:
    """Wait until the container has written `text`."""

    async def has_written() -> bool:
        return text in "\n".join(await stack.containers.tail(container, 50))

    await until_async(has_written, deadline_s=DEADLINE_S, what=f"{text!r} in the log")


async def stop_timed(stack: ComposeStack, container: str, stop: Stop | None = None) -> float:
    """Stop it; return the seconds that took."""
    began = time.monotonic()
    await stack.containers.stop(container, stop or Stop(), declared=stop is not None)
    return time.monotonic() - began


# What docker compose sees


async def test_compose_keeps_the_containers_when_devenv_started_them(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """A chain of five, started by us in order: ps, logs, exec and `up -d` find the same ids; `down` removes all."""
    names = [f"s{number}" for number in range(1, 6)]
    services = {
        name: {"image": BUSYBOX, **({"depends_on": [names[index - 1]]} if index else {})}
        for index, name in enumerate(names)
    }
    with compose_stack(engine, tmp_path, unique_name, services, read=True) as stack:
        ids = await stack.up(*names)
        assert engine.run_compose(unique_name, stack.file, "ps", "-q").split() != []
        assert set(engine.run_compose(unique_name, stack.file, "ps", "-q").split()) == set(ids.values())
        assert engine.run_compose(unique_name, stack.file, "exec", "-T", "s3", "echo", "inside") == "inside"
        engine.run_compose(unique_name, stack.file, "logs")
        engine.run_compose(unique_name, stack.file, "up", "-d")
        assert {one.service: one.id for one in await stack.containers.list()} == ids
        assert {one.state for one in await stack.containers.list()} == {"running"}
        for name in reversed(names):
            await stack.containers.stop(ids[name], Stop(), declared=False)
        engine.run_compose(unique_name, stack.file, "down")
        assert await stack.containers.list() == ()


async def test_create_replaces_a_running_container_at_once_when_its_definition_changed(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """Its init is deaf to SIGTERM, and yet nobody waits: Compose finds it stopped already."""
    with compose_stack(engine, tmp_path, unique_name, {"web": shell("while :; do sleep 1; done")}) as stack:
        first = (await stack.up("web"))["web"]
        changed = {"services": {"web": shell("while :; do sleep 1; done", environment={"NEW": "1"})}}
        stack.file.write_text(json.dumps(changed))
        began = time.monotonic()
        (second,) = await stack.containers.create(["web"])
        assert second.id != first
        assert time.monotonic() - began < PROMPT_S


async def test_create_leaves_out_the_start_interval_when_the_engine_is_too_old(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """Compose refuses it before Docker 25; the health check stays, and it is said."""
    check = {"test": ["CMD", "true"], "interval": "5s", "start_period": "5s", "start_interval": "1s"}
    with compose_stack(engine, tmp_path, unique_name, {"web": {**HOST, "healthcheck": check}}, read=True) as stack:
        (made,) = await stack.containers.create(["web"])
        assert (await stack.containers.inspect(made.id)).health_test == ("true",)
        notes = stack.containers.take_notes()
        is_old = engine.api.version()["ApiVersion"] < "1.44"
        assert ["start_interval of web" in note for note in notes] == ([True] if is_old else [])


async def test_publish_moves_a_port_when_it_is_told_to(
    engine: Engine, tmp_path: Path, unique_name: str, free_ports: Callable[[int], list[int]]
) -> None:
    """The container publishes the new port only, and the port table of the engine names it."""
    old, new = free_ports(2)
    services = {"web": {"image": BUSYBOX, "ports": [f"127.0.0.1:{old}:80"]}}
    with compose_stack(engine, tmp_path, unique_name, services) as stack:
        stack.containers.publish({"web": (Port(number=new, host="127.0.0.1", target=80),)})
        ids = await stack.up("web")
        assert (await stack.containers.inspect(ids["web"])).targets == {new: 80}
        table = await stack.containers.published()
        assert (old, Transport.TCP) not in table
        holder = table[new, Transport.TCP]
        assert (holder.id, holder.project, holder.service) == (ids["web"], unique_name, "web")
        assert holder.working_dir == str(tmp_path)


# Stopping


async def test_stop_kills_at_once_when_the_init_can_only_ignore_the_signal(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """A server without a handler, as first process, never ends by SIGTERM."""
    with compose_stack(engine, tmp_path, unique_name, {"web": shell("exec sleep 600")}) as stack:
        id_ = (await stack.up("web"))["web"]
        assert await stop_timed(stack, id_) < PROMPT_S
        assert (await stack.containers.inspect(id_)).exit_code == 137


async def test_stop_lets_the_child_of_a_deaf_shell_finish_when_it_handles_the_signal(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """`sh -c server`: the server gets the signal and the time that it needs, then its shell ends by itself."""
    server = "trap 'sleep 0.7; echo closed; exit 0' TERM; echo open; while :; do sleep 0.05; done"
    with compose_stack(engine, tmp_path, unique_name, {"web": shell(f'sh -c "{server}"; echo shell over')}) as stack:
        id_ = (await stack.up("web"))["web"]
        await until_listed(stack, id_, "open")
        assert 0.7 < await stop_timed(stack, id_) < PROMPT_S + 0.7
        assert await stack.containers.tail(id_, 5) == ("open", "closed", "shell over")


async def test_stop_reaches_the_server_when_its_entrypoint_took_the_signal_along(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """A stop right after a start: the script that prepares the server ignores it, and the server never saw it."""
    server = "trap 'echo closed; exit 0' TERM; while :; do sleep 0.05; done"
    with compose_stack(engine, tmp_path, unique_name, {"web": shell(f"echo open; sleep 600; {server}")}) as stack:
        id_ = (await stack.up("web"))["web"]
        await until_listed(stack, id_, "open")
        await stack.containers.stop(id_, Stop(), declared=False)
        assert (await stack.containers.inspect(id_)).exit_code == 0
        assert (await stack.containers.tail(id_, 5))[-1] == "closed"


async def test_stop_signals_from_inside_when_the_processes_are_another_users(
    engine: Engine, tmp_path: Path, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is not root may not signal root's processes from here; a shell in the container may."""
    monkeypatch.setattr("devenv.adapters.engine.ending.send", lambda children, _number: children)
    server = "trap 'echo closed; exit 0' TERM; echo open; while :; do sleep 0.05; done"
    with compose_stack(engine, tmp_path, unique_name, {"web": shell(f'sh -c "{server}"; :')}) as stack:
        id_ = (await stack.up("web"))["web"]
        await until_listed(stack, id_, "open")
        assert await stop_timed(stack, id_) < PROMPT_S
        assert await stack.containers.tail(id_, 5) == ("open", "closed")


async def test_stop_gives_up_on_the_child_of_a_deaf_shell_when_it_ignores_the_signal(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """A child that ignores the signal is no reason to wait for the grace."""
    with compose_stack(
        engine, tmp_path, unique_name, {"web": shell("sh -c \"trap '' TERM; echo open; while :; do sleep 1; done\"; :")}
    ) as stack:
        id_ = (await stack.up("web"))["web"]
        await until_listed(stack, id_, "open")
        assert await stop_timed(stack, id_) < PROMPT_S


@pytest.mark.parametrize(
    ("program", "more"),
    [("exec sleep 600", {"init": True}), (f"{TRAP}; echo open; {END_ON_DEMAND}", {})],
    ids=["init", "trap"],
)
async def test_stop_uses_the_signal_when_the_init_reacts(
    engine: Engine, tmp_path: Path, unique_name: str, program: str, more: dict[str, object]
) -> None:
    """A small init passes the signal on; a trap runs. Nothing is killed."""
    with compose_stack(engine, tmp_path, unique_name, {"web": shell(f"echo open; {program}", **more)}) as stack:
        id_ = (await stack.up("web"))["web"]
        await until_listed(stack, id_, "open")
        assert await stop_timed(stack, id_) < PROMPT_S
        assert (await stack.containers.inspect(id_)).exit_code in {0, 143}


async def test_stop_waits_the_declared_grace_when_the_service_needs_it(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """A declared signal and grace go over the container's own; past the grace it is killed."""
    program = "trap 'echo asked' INT; trap : TERM; echo open; while :; do sleep 0.05; done"
    with compose_stack(engine, tmp_path, unique_name, {"web": shell(program)}) as stack:
        id_ = (await stack.up("web"))["web"]
        await until_listed(stack, id_, "open")
        assert 0.9 < await stop_timed(stack, id_, Stop(signal="INT", grace_s=1.0)) < PROMPT_S + 1.0
        assert await stack.containers.tail(id_, 5) == ("open", "asked")
        assert (await stack.containers.inspect(id_)).exit_code == 137


async def test_stop_keeps_the_images_signal_when_only_the_grace_is_declared(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """`down --timeout 5` says how long, not how: an image that asks for INT gets it."""
    program = "trap 'echo int; exit 0' INT; trap 'echo term; exit 0' TERM; echo open; while :; do sleep 0.05; done"
    web = shell(program, stop_signal="SIGINT")
    with compose_stack(engine, tmp_path, unique_name, {"web": web}) as stack:
        id_ = (await stack.up("web"))["web"]
        await until_listed(stack, id_, "open")
        await stop_timed(stack, id_, Stop(grace_s=5.0))
        assert await stack.containers.tail(id_, 5) == ("open", "int")


async def test_stop_sends_the_signal_that_was_asked_for_over_the_images(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """`stop: {signal: TERM}` is no default: a container that asks for INT gets TERM."""
    program = "trap 'echo int; exit 0' INT; trap 'echo term; exit 0' TERM; echo open; while :; do sleep 0.05; done"
    web = shell(program, stop_signal="SIGINT")
    with compose_stack(engine, tmp_path, unique_name, {"web": web}) as stack:
        id_ = (await stack.up("web"))["web"]
        await until_listed(stack, id_, "open")
        await stack.containers.stop(id_, Stop(signal="TERM", grace_s=5.0), declared=True)
        assert await stack.containers.tail(id_, 5) == ("open", "term")


async def test_stop_tells_of_the_end_of_its_processes_before_the_engine_is_done(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """At that moment none of them runs, and the engine may still call the container running."""
    with compose_stack(engine, tmp_path, unique_name, {"web": shell(f"{TRAP}; echo open; {END_ON_DEMAND}")}) as stack:
        id_ = (await stack.up("web"))["web"]
        await until_listed(stack, id_, "open")
        pid = (await stack.containers.inspect(id_)).pid
        alive: list[bool] = []
        await stack.containers.stop(id_, Stop(), declared=False, on_quiet=lambda: alive.append(bool(identify(pid))))
        assert alive == [False]


async def test_stop_tells_of_no_end_where_the_engine_may_bring_it_back(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """A signal that is not the image's own, and `restart: always`: only the engine's word counts."""
    web = shell("trap 'exit 0' INT; echo open; while :; do sleep 0.05; done", restart="always")
    with compose_stack(engine, tmp_path, unique_name, {"web": web}) as stack:
        id_ = (await stack.up("web"))["web"]
        await until_listed(stack, id_, "open")
        told: list[bool] = []
        await stack.containers.stop(
            id_, Stop(signal="INT", grace_s=2.0), declared=True, on_quiet=lambda: told.append(True)
        )
        assert told == []
        assert not (await stack.containers.inspect(id_)).running


async def test_stop_is_final_when_a_restart_policy_would_bring_it_back(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """`restart: always` with a deaf shell: its child is signalled from outside, and still it stays down."""
    with compose_stack(engine, tmp_path, unique_name, {"web": shell("sleep 600; :", restart="always")}) as stack:
        id_ = (await stack.up("web"))["web"]
        await stop_timed(stack, id_)
        await anyio.sleep(0.5)  # the engine would restart it after 0.1 s
        seen = await stack.containers.inspect(id_)
        assert (seen.running, seen.restarting) == (False, False)


async def test_stop_ends_a_crash_loop_when_the_engine_restarts_it(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """The restarts are counted and every crash is an exit; after the stop it is over."""
    with compose_stack(engine, tmp_path, unique_name, {"web": shell("echo no; exit 3", restart="always")}) as stack:
        async with exits_of(stack) as heard:
            id_ = (await stack.up("web"))["web"]

            async def restarts() -> bool:
                return (await stack.containers.inspect(id_)).restart_count >= 2

            await until_async(restarts, deadline_s=DEADLINE_S, what="two restarts")
            await stack.containers.stop(id_, Stop(), declared=False)
        assert {one.exit_code for _, one in heard} == {3}
        assert len(heard) >= 2
        seen = await stack.containers.inspect(id_)
        assert (seen.running, seen.restarting) == (False, False)
        assert await stack.containers.tail(id_, 1) == ("no",)


# Starting


async def test_start_works_when_the_holder_of_its_port_has_left(
    engine: Engine, tmp_path: Path, unique_name: str, free_port: int
) -> None:
    """A container whose start was refused is none the worse for it."""
    services = {"web": {"image": BUSYBOX, "ports": [f"127.0.0.1:{free_port}:80"]}}
    with compose_stack(engine, tmp_path, unique_name, services) as stack:
        (made,) = await stack.containers.create(["web"])
        with socket.create_server(("127.0.0.1", free_port)), pytest.raises(DevenvError, match=f"port {free_port}"):
            await stack.containers.start(made.id)
        await stack.containers.start(made.id)
        seen = await stack.containers.inspect(made.id)
        assert (seen.running, seen.targets) == (True, {free_port: 80})
        await until_async(lambda: _answers(seen.address, 80), deadline_s=DEADLINE_S, what="its own address")


async def test_start_names_the_folder_when_a_bind_mount_is_missing(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """Whether Compose or the engine finds out: the error says which path."""
    mount = {"type": "bind", "source": str(tmp_path / "nowhere"), "target": "/x", "bind": {"create_host_path": False}}
    with (
        compose_stack(engine, tmp_path, unique_name, {"web": {**HOST, "volumes": [mount]}}) as stack,
        pytest.raises(StartFailed) as failed,
    ):
        await stack.up("web")
    assert str(tmp_path / "nowhere") in failed.value.why
    assert failed.value.fix == "create the folder that it mounts"


async def test_start_names_the_program_when_the_image_has_none_of_that_name(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """The engine's layers of wrapping are gone, its cause is there."""
    with (
        compose_stack(engine, tmp_path, unique_name, {"web": {**HOST, "command": ["dvt-nonesuch"]}}) as stack,
        pytest.raises(StartFailed) as failed,
    ):
        await stack.up("web")
    assert failed.value.what == "cannot start web"
    assert failed.value.why.startswith('exec: "dvt-nonesuch": executable file not found')


async def test_inspect_gives_the_shared_address_when_a_service_joins_anothers_network(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """`network_mode: service:web` has no address of its own."""
    services: dict[str, dict[str, object]] = {
        "web": {"image": BUSYBOX},
        "beside": {"image": BUSYBOX, "network_mode": "service:web", "command": ["httpd", "-f", "-p", "81"]},
    }
    with compose_stack(engine, tmp_path, unique_name, services) as stack:
        ids = await stack.up("web", "beside")
        web, beside = [await stack.containers.inspect(ids[name]) for name in ("web", "beside")]
        assert web.address == beside.address != ""
        await until_async(lambda: _answers(beside.address, 81), deadline_s=DEADLINE_S, what="the neighbour's address")


def test_an_address_is_not_given_when_its_network_is_elsewhere() -> None:
    """Behind Docker Desktop the container's network is not on this machine: only its published side is."""
    raw = {"NetworkSettings": {"Networks": {"dvt": {"IPAddress": "127.5.5.5", "IPPrefixLen": 32}}}}
    assert find_address(raw) == ("", True)


# Events, logs, commands


async def test_exits_are_heard_at_once_when_a_container_dies(engine: Engine, tmp_path: Path, unique_name: str) -> None:
    """The event is here within 100 ms of its own timestamp, without polling."""
    with compose_stack(engine, tmp_path, unique_name, {"web": shell(END_ON_DEMAND)}) as stack:
        async with exits_of(stack) as heard:
            id_ = (await stack.up("web"))["web"]
            began = int(time.time())
            await stack.containers.execute(id_, ("/bin/sh", "-c", "echo 5 >/tmp/end"))

            async def is_heard() -> bool:
                return bool(heard)

            await until_async(is_heard, deadline_s=DEADLINE_S, what="the exit")
        told = engine.api.events(since=began, until=int(time.time()) + 1, filters={"container": id_, "event": "die"})
        (event,) = [json.loads(row) for row in told]
        assert heard[0][1] == ContainerExit(id=id_, exit_code=5)
        assert heard[0][0] - event["timeNano"] / 1e9 < 0.1


async def test_exits_stay_silent_when_the_engine_cannot_be_reached(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """An outage is reported as one; an exit that happened meanwhile comes once the engine is back, no other does."""
    services = {"web": shell(f"trap 'exit 9' USR1; echo open; {END_ON_DEMAND}"), "other": shell(END_ON_DEMAND)}
    with cuttable_socket(tmp_path / "engine.sock") as way:
        environment = {"DOCKER_HOST": f"unix://{way.path}"}
        with compose_stack(engine, tmp_path, unique_name, services, environment=environment) as stack:
            ids = await stack.up("web", "other")
            async with exits_of(stack) as heard:
                await _until_subscribed(stack)
                way.cut()

                async def is_reported() -> bool:
                    return bool(stack.outages)

                await until_async(is_reported, deadline_s=DEADLINE_S, what="the outage")
                engine.api.kill(ids["web"])
                assert heard == []
                way.join()

                async def is_heard() -> bool:
                    return bool(heard)

                await until_async(is_heard, deadline_s=DEADLINE_S, what="the exit that happened meanwhile")
                await stack.containers.start(ids["web"])
                await until_listed(stack, ids["web"], "open")
                engine.api.kill(ids["web"], signal="USR1")

                async def is_heard_again() -> bool:
                    return len(heard) > 1

                await until_async(is_heard_again, deadline_s=DEADLINE_S, what="the exit after it was started again")
            codes = [(one.id, one.exit_code) for _, one in heard]
            assert codes == [(ids["web"], 137), (ids["web"], 9)]
            assert isinstance(stack.outages[0], HostError)
            assert stack.outages[1:] == [None]


async def test_tail_is_clean_text_when_a_container_writes_anything(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """Bytes that are no text, colours, and a line of two megabytes without an end."""
    program = (
        r"printf '\377\000\033[31mred\033[0m\n'; head -c 2000000 /dev/zero | tr '\0' x; echo; echo last; sleep 600"
    )
    with compose_stack(engine, tmp_path, unique_name, {"web": shell(program)}) as stack:
        id_ = (await stack.up("web"))["web"]
        await until_listed(stack, id_, "last")
        *_, long, last = await stack.containers.tail(id_, 10)
        assert (long, last) == ("x" * 500, "last")
        lines = [text async for _, text in stack.containers.iter_logs(id_)]
        assert lines[0] == "\N{REPLACEMENT CHARACTER}red"


async def test_tail_leaves_out_what_an_earlier_run_wrote_when_it_was_started_again(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """A probe of the log must not be satisfied by yesterday's line."""
    program = "n=$$(cat /n 2>/dev/null || echo 0); echo $$((n + 1)) >/n; echo run $$n; sleep 600"
    with compose_stack(engine, tmp_path, unique_name, {"web": shell(program)}) as stack:
        id_ = (await stack.up("web"))["web"]
        await until_listed(stack, id_, "run 0")
        await stack.containers.stop(id_, Stop(), declared=False)
        await stack.containers.start(id_)
        await until_listed(stack, id_, "run 1")
        assert await stack.containers.tail(id_, 10) == ("run 1",)


async def test_logs_are_followed_until_the_container_ends_when_asked(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """Each whole line comes with its time (Docker 20.10 itself keeps back a last one without an end)."""
    with compose_stack(engine, tmp_path, unique_name, {"web": shell("echo one; sleep 0.3; echo two")}) as stack:
        id_ = (await stack.up("web"))["web"]
        with anyio.fail_after(DEADLINE_S):
            rows = [row async for row in stack.containers.iter_logs(id_, follow=True)]
        assert [text for _, text in rows] == ["one", "two"]
        assert 0.2 < rows[1][0] - rows[0][0] < 5
        assert abs(rows[0][0] - time.time()) < 30


async def test_execute_leaves_nothing_behind_when_it_is_cancelled(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """A command that hangs is ended with its probe."""
    with compose_stack(engine, tmp_path, unique_name, {"web": shell("exec sleep 600")}) as stack:
        id_ = (await stack.up("web"))["web"]
        began = time.monotonic()
        with anyio.move_on_after(0.3):
            await stack.containers.execute(id_, ("sleep", "61"))
        assert time.monotonic() - began < 0.3 + PROMPT_S
        rows = engine.api.top(id_)["Processes"]
        assert not [row for row in rows if row[-1] == "sleep 61"]


# Images and the host


async def test_prepare_says_what_is_wrong_quickly_when_the_registry_is_not_there(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """Service, image and cause, in a fraction of a registry's usual time-outs."""
    services = {"web": {"image": "127.0.0.1:1/dvt:1"}, "other": {"image": "dvt-nonesuch/dvt:1"}}
    with compose_stack(engine, tmp_path, unique_name, services) as stack:
        assert await stack.containers.missing_images(["web", "other"]) == ("web", "other")
        with anyio.fail_after(DEADLINE_S), pytest.raises(HostError) as failed:
            await stack.containers.prepare(["web"], build=False, report=_ignore)
    assert failed.value.what == "cannot pull image 127.0.0.1:1/dvt:1 of service web"
    assert failed.value.why.startswith("the registry cannot be reached: ")
    assert "connection refused" in failed.value.why


async def test_prepare_builds_when_an_image_is_not_here(engine: Engine, tmp_path: Path, unique_name: str) -> None:
    """The image gets Compose's name, progress is told, and a container can be made of it."""
    (tmp_path / "Dockerfile").write_text(f"FROM {BUSYBOX}\nRUN echo built >/built\n")
    told: list[tuple[str, str, bool]] = []

    def report(subject: str, text: str, *, done: bool = False) -> None:
        told.append((subject, text, done))

    services = {"web": {"build": ".", "network_mode": "none"}}
    with compose_stack(engine, tmp_path, unique_name, services) as stack:
        try:
            with anyio.fail_after(60):
                await stack.containers.prepare(["web"], build=False, report=report)
            assert await stack.containers.missing_images(["web"]) == ()
            (made,) = await stack.containers.create(["web"])
            assert told[0] == ("web", f"building {unique_name}-web", False)
            assert told[-1] == ("web", f"{unique_name}-web is here", True)
            await stack.containers.remove([made.id])
        finally:
            engine.run_docker("image", "rm", "-f", f"{unique_name}-web")


async def test_prepare_shows_the_end_of_the_output_when_a_build_fails(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """The reason is among the details, not lost in a log."""
    (tmp_path / "Dockerfile").write_text(f"FROM {BUSYBOX}\nRUN echo the reason; exit 9\n")
    with (
        compose_stack(engine, tmp_path, unique_name, {"web": {"build": "."}}) as stack,
        anyio.fail_after(60),
        pytest.raises(HostError) as failed,
    ):
        await stack.containers.prepare(["web"], build=True, report=_ignore)
    assert failed.value.what == f"cannot build image {unique_name}-web of service web"
    assert any("the reason" in line for line in failed.value.details)


async def test_prepare_ends_what_it_started_when_it_is_cancelled(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """A registry that accepts and never answers: Ctrl-C does not wait for it (the leak check sees the processes)."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        image = f"127.0.0.1:{silent.getsockname()[1]}/dvt:1"
        with compose_stack(engine, tmp_path, unique_name, {"web": {"image": image}}) as stack:
            began = time.monotonic()
            with anyio.move_on_after(1.5) as scope:
                await stack.containers.prepare(["web"], build=False, report=_ignore)
            assert scope.cancelled_caught
            assert time.monotonic() - began < 1.5 + PROMPT_S


async def test_remove_networks_names_who_uses_one_that_is_kept(
    engine: Engine, tmp_path: Path, unique_name: str
) -> None:
    """A container that is not the project's is not cut off."""
    with compose_stack(engine, tmp_path, unique_name, {"web": {"image": BUSYBOX}}) as stack:
        (made,) = await stack.containers.create(["web"])
        name = f"{unique_name}-guest"
        guest = engine.run_docker("run", "-d", "--name", name, "--network", f"{unique_name}_default", BUSYBOX)
        try:
            await stack.containers.remove([made.id])
            assert await stack.containers.remove_networks() == Removal(
                kept={f"{unique_name}_default": f"{name} uses it"}
            )
        finally:
            engine.run_docker("rm", "-f", guest)
        assert await stack.containers.remove_networks() == Removal(removed=(f"{unique_name}_default",))


async def test_remove_volumes_names_who_uses_one_that_is_kept(engine: Engine, tmp_path: Path, unique_name: str) -> None:
    """A container of another project has it: it stays, and so does what is in it."""
    web = {"image": BUSYBOX, "volumes": ["data:/data"]}
    with compose_stack(engine, tmp_path, unique_name, {"web": web}, top={"volumes": {"data": {}}}) as stack:
        (made,) = await stack.containers.create(["web"])
        assert made.volumes == (f"{unique_name}_data",)
        name = f"{unique_name}-guest"
        guest = engine.run_docker("create", "--name", name, "-v", f"{unique_name}_data:/data", BUSYBOX)
        try:
            await stack.containers.remove([made.id])
            kept = {f"{unique_name}_data": f"{name} uses it"}
            assert await stack.containers.remove_volumes() == Removal(kept=kept)
        finally:
            engine.run_docker("rm", "-f", guest)
        assert await stack.containers.remove_volumes() == Removal(removed=(f"{unique_name}_data",))


@pytest.mark.parametrize("way", ["absent", "closed", "silent"])
async def test_ping_says_why_when_the_engine_does_not_answer(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No socket, nobody behind it, or somebody who never answers: each is told apart, none is waited for."""
    path = tmp_path / "engine.sock"
    monkeypatch.setattr("devenv.adapters.engine.endpoint.GREETING_S", 0.3)
    words = {"absent": "does not exist", "closed": "connection refused", "silent": "does not answer"}
    with socket.socket(socket.AF_UNIX) as held:
        if way != "absent":
            held.bind(str(path))
        if way == "silent":
            held.listen()
        with pytest.raises(HostError) as failed:
            greet(find_endpoint({"DOCKER_HOST": f"unix://{path}"}))
    assert failed.value.what == "cannot reach the Docker engine"
    assert words[way] in failed.value.why
    assert str(path) in failed.value.why
    assert failed.value.fix


async def _answers(address: str, port: int) -> bool:
    try:
        stream = await anyio.connect_tcp(address, port)
    except OSError:
        return False
    await stream.aclose()
    return True


async def _until_subscribed(stack: ComposeStack) -> None:
    """Give the event stream time to be opened: what was missed would show as a missing exit."""
    await stack.containers.list()
    await anyio.sleep(0.2)


def _ignore(subject: str, text: str, *, done: bool = False) -> None:
    """Take progress and drop it."""


async def test_remove_waits_for_a_removal_that_is_under_way(engine: Engine, tmp_path: Path, unique_name: str) -> None:
    """Three at once, of two containers each time: all return when they have gone, whoever comes first."""
    services = {"web": {"image": BUSYBOX}, "api": {"image": BUSYBOX}}
    with compose_stack(engine, tmp_path, unique_name, services) as stack:
        for _ in range(10):
            ids = [one.id for one in await stack.containers.create(["web", "api"])]
            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(stack.containers.remove, ids)
            assert await stack.containers.list() == ()
