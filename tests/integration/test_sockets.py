"""Real processes on real ports, one for each class of holder: seen, judged and named."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from devenv.adapters.ports import binding as bind_test
from devenv.adapters.ports import netlink
from devenv.adapters.ports.table import HostPortTable
from devenv.adapters.processes import identity
from devenv.domain.conflicts import Ownership, Self, describe_holder, detect_respawn, judge
from devenv.domain.holders import ContainerFacts, Holder, ProcessId
from devenv.domain.model import Port, Transport
from tests.support import holders, images, processes
from tests.support.engine import Engine
from tests.support.wait import until_async

pytestmark = pytest.mark.anyio

TCP, UDP = Transport.TCP, Transport.UDP


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project folder."""
    folder = tmp_path.resolve() / "project"
    folder.mkdir()
    return folder


def me(project: Path, **changes: object) -> Self:
    """Return this test as devenv would see itself."""
    facts: dict[str, object] = {
        "uid": os.getuid(),
        "pid": os.getpid(),
        "ancestors": frozenset(identity.list_ancestors(os.getpid())),
        "stack_key": "this-stack",
        "project_root": str(project),
        "home": "/nowhere/home",
    }
    return Self(**{**facts, **changes})  # type: ignore[arg-type]


async def see(port: int, transport: Transport = TCP) -> Holder:
    """Return the one holder of `port`."""
    (holder,) = await HostPortTable().holders([(port, transport)])
    return holder


def pid_of(holder: Holder) -> int:
    """Return who it is."""
    assert holder.process is not None
    return holder.process.id.pid


async def test_holder_has_all_facts_when_it_is_a_leftover(project: Path, free_port: int) -> None:
    """A server of the same user inside the project: pid, start, command, folder, user, age, parents."""
    with holders.hold(holders.Holder.HTTP, free_port, cwd=project) as held:
        found = await see(free_port)
        process = found.process
        assert process is not None
        assert process.id == identity.read_identity(held.pid)
        assert (process.working_dir, process.uid) == (str(project), os.getuid())
        assert process.user == pwd.getpwuid(os.getuid()).pw_name
        assert 0 <= process.age_s < 60
        assert process.parent == identity.read_identity(os.getpid())
        assert process.ancestors[0] == os.getpid()
        assert str(free_port) in process.command
        assert not found.hung
        assert judge(found, context=me(project)) is Ownership.LEFTOVER


async def test_holder_is_a_stranger_when_it_runs_elsewhere(project: Path, free_port: int) -> None:
    """The same server in another folder needs consent."""
    with holders.hold(holders.Holder.HTTP, free_port, cwd=project.parent):
        found = await see(free_port)
        assert judge(found, context=me(project)) is Ownership.STRANGER
        assert f"in {project.parent} (user" in describe_holder(found, Ownership.STRANGER)


async def test_holder_is_a_leftover_when_its_folder_was_removed(project: Path, free_port: int) -> None:
    """A folder that a branch switch removed still says where the process belongs."""
    gone = project / "gone"
    gone.mkdir()
    with holders.hold(holders.Holder.HTTP, free_port, cwd=gone):
        gone.rmdir()
        found = await see(free_port)
        assert found.process is not None
        assert found.process.working_dir == str(gone)
        assert judge(found, context=me(project)) is Ownership.LEFTOVER


async def test_holder_is_the_stacks_when_it_is_marked(project: Path, free_ports: Callable[[int], list[int]]) -> None:
    """The markers in the environment name stack and service, ours and another one's."""
    ours, other = free_ports(2)
    with (
        holders.hold(holders.Holder.HTTP, ours, env={"DEVENV_STACK": "this-stack", "DEVENV_SERVICE": "api"}),
        holders.hold(holders.Holder.HTTP, other, cwd=project, env={"DEVENV_STACK": "other-1", "DEVENV_SERVICE": "web"}),
    ):
        assert judge(await see(ours), context=me(project)) is Ownership.OURS
        found = await see(other)
        assert judge(found, context=me(project)) is Ownership.STACK
        assert "devenv stack other-1 (service web, pid" in describe_holder(found, Ownership.STACK)


async def test_holder_is_ours_when_the_run_record_has_it(project: Path, free_port: int) -> None:
    """Pid and start time of the record are those that the kernel gives."""
    with holders.hold(holders.Holder.FORKS_AWAY, free_port) as held:
        recorded = identity.read_identity(held.pid)
        assert recorded is not None
        found = await see(free_port)
        assert judge(found, context=me(project, own_processes=frozenset({recorded}))) is Ownership.OURS
        recycled = frozenset({ProcessId(pid=recorded.pid, started=recorded.started + 1)})
        assert judge(found, context=me(project, own_processes=recycled)) is Ownership.STRANGER


@pytest.mark.parametrize("kind", [holders.Holder.NEVER_ACCEPTS, holders.Holder.NEVER_READS])
async def test_holder_is_hung_when_a_request_stays_unread(kind: holders.Holder, free_port: int) -> None:
    """A connection nobody accepts, and bytes nobody reads, are both seen."""
    with holders.hold(kind, free_port), socket.create_connection(("127.0.0.1", free_port), timeout=5) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")

        async def is_hung() -> bool:
            return (await see(free_port)).hung

        await until_async(is_hung, deadline_s=5, what="the request to be seen waiting")


async def test_holder_is_not_hung_when_it_answers(free_port: int) -> None:
    """An answered request leaves nothing waiting."""
    with holders.hold(holders.Holder.HTTP, free_port):
        with socket.create_connection(("127.0.0.1", free_port), timeout=5) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        assert not (await see(free_port)).hung


async def test_holder_blocks_localhost_when_it_is_ipv6_only(free_port: int) -> None:
    """A server on ::1 alone leaves 127.0.0.1 bindable, and still is in the way."""
    with holders.hold(holders.Holder.IPV6_ONLY, free_port) as held:
        found = await see(free_port)
        assert (found.address, pid_of(found)) == ("::1", held.pid)
        assert not HostPortTable().is_bindable(Port(number=free_port, host="127.0.0.1"))


async def test_holder_is_found_when_it_is_udp(free_port: int) -> None:
    """A UDP server holds its UDP port, and only that."""
    with holders.hold(holders.Holder.UDP, free_port) as held:
        assert pid_of(await see(free_port, UDP)) == held.pid
        assert await HostPortTable().holders([(free_port, TCP)]) == ()


async def test_respawn_names_the_parent_when_the_holder_comes_back(free_port: int) -> None:
    """The next holder has the same parent, which is then named."""
    with holders.hold(holders.Holder.RESPAWNED, free_port) as held:
        before = await see(free_port)
        first = processes.identify(held.pid)
        assert first is not None
        processes.end(first)

        async def come_back() -> tuple[Holder, ...]:
            found = await HostPortTable().holders([(free_port, TCP)])
            return found if found and pid_of(found[0]) != held.pid else ()

        after = await until_async(come_back, deadline_s=10, what="the respawned holder")
        said = detect_respawn(before, after)
        assert said.endswith(f"pid {held.parent_pid}")
        assert "respawned" in said
        second = processes.identify(pid_of(after[0]))
        parent = processes.identify(held.parent_pid)
        for who in (parent, second):
            if who:
                processes.end(who)


async def test_port_is_free_again_when_the_holder_was_ended(free_port: int) -> None:
    """The wait ends with the process, connections in TIME_WAIT notwithstanding."""
    with holders.hold(holders.Holder.HTTP, free_port) as held:
        with socket.create_connection(("127.0.0.1", free_port), timeout=5) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            client.recv(100)
        who = processes.identify(held.pid)
        assert who is not None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, processes.end, who)
            assert await HostPortTable().wait_free(Port(number=free_port), 5)


async def test_one_holder_is_named_when_workers_share_the_socket(free_port: int) -> None:
    """A master and the children that inherited its listener are one holder: the master."""
    script = (
        "import os,socket,sys,threading\n"
        f"s=socket.socket(); s.bind(('127.0.0.1',{free_port})); s.listen(); os.set_inheritable(s.fileno(), True)\n"
        "for _ in range(2):\n"
        "    if os.fork()==0: sys.stdin.read(); os._exit(0)\n"
        "print('ready',flush=True); sys.stdin.read()\n"
    )
    with run_script(script) as child:
        assert pid_of(await see(free_port)) == child.pid


async def test_holder_is_named_when_its_listener_has_a_high_descriptor(free_port: int) -> None:
    """A process with hundreds of files open before its listener is found in the second pass."""
    script = (
        "import os,socket,sys\n"
        "files=[os.open('/dev/null',os.O_RDONLY) for _ in range(600)]\n"
        f"s=socket.socket(); s.bind(('127.0.0.1',{free_port})); s.listen()\n"
        "print('ready',flush=True); sys.stdin.read()\n"
    )
    with run_script(script) as child:
        assert pid_of(await see(free_port)) == child.pid
        assert HostPortTable().listener_pids(free_port, frozenset({child.pid})) == (True, (child.pid,))


async def test_holder_is_named_when_a_client_uses_the_port(free_ports: Callable[[int], list[int]]) -> None:
    """An outgoing connection from the port keeps a server from it, without listening."""
    server_port, client_port = free_ports(2)
    with socket.create_server(("127.0.0.1", server_port)) as server, socket.socket() as client:
        client.bind(("127.0.0.1", client_port))
        client.connect(("127.0.0.1", server_port))
        accepted, _ = server.accept()
        with accepted:
            assert not HostPortTable().is_bindable(Port(number=client_port))
            assert pid_of(await see(client_port)) == os.getpid()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
async def test_holder_is_protected_when_it_is_another_users(project: Path, free_port: int) -> None:
    """Another user's server in our project stays theirs, and is named with that user."""
    nobody = pwd.getpwnam("nobody")
    script = f"import os, socket, sys\nos.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid})\n" + serve(free_port)
    with run_script(script, cwd=project):
        found = await see(free_port)
        assert found.process is not None
        assert found.process.user == "nobody"
        assert judge(found, context=me(project)) is Ownership.PROTECTED


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
async def test_holder_has_only_a_uid_when_it_may_not_be_looked_at(project: Path, free_port: int) -> None:
    """Seen by another user, root's socket has no process but its owner's uid."""
    nobody = pwd.getpwnam("nobody").pw_uid
    with holders.hold(holders.Holder.HTTP, free_port):
        command = [sys.executable, "-c", _LOOK, str(free_port), str(nobody)]
        with anyio.fail_after(30):
            looked = await anyio.run_process(command, cwd=Path(__file__).parents[2])
    assert looked.stdout.split() == [b"None", b"0", b"protected"]


_LOOK = """
import anyio, os, sys
from devenv.adapters.ports.table import HostPortTable
from devenv.domain.conflicts import Self, judge
from devenv.domain.model import Transport
import devenv.adapters.ports.bound, anyio.to_thread, anyio._backends._asyncio
os.setuid(int(sys.argv[2]))
(found,) = anyio.run(HostPortTable().holders, [(int(sys.argv[1]), Transport.TCP)])
print(found.process, found.uid, judge(found, context=Self(uid=os.getuid(), pid=os.getpid())))
"""


async def test_holders_takes_60_ms_when_20_ports_are_held_beside_10000_sockets(
    free_ports: Callable[[int], list[int]],
) -> None:
    """The best of five looks: the machine may be busy, the code may not."""
    ports = free_ports(20)
    script = (
        "import socket,sys,resource\n"
        "hard=resource.getrlimit(resource.RLIMIT_NOFILE)[1]; resource.setrlimit(resource.RLIMIT_NOFILE,(hard,hard))\n"
        f"keep=[socket.create_server(('127.0.0.1',port)) for port in {ports}]\n"
        "for n in range(10000):\n"
        "    s=socket.socket(); s.bind(('127.9.%d.1' % (n//1000), 19000+n%1000)); s.listen(); keep.append(s)\n"
        "print('ready',flush=True); sys.stdin.read()\n"
    )
    with run_script(script) as child:
        taken_s = []
        for _ in range(5):
            start = time.perf_counter()
            found = await HostPortTable().holders([(port, TCP) for port in ports])
            taken_s.append(time.perf_counter() - start)
            assert {pid_of(one) for one in found} == {child.pid}
            assert len(found) == 20
    assert min(taken_s) <= 0.060


async def test_holders_are_the_same_when_the_kernel_gives_no_list(
    free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without netlink (a sandbox, macOS) psutil names the same process."""

    def refuse(*_arguments: object) -> list[netlink.Socket]:
        raise OSError("no netlink here")

    with holders.hold(holders.Holder.HTTP, free_port) as held:
        expected = await see(free_port)
        monkeypatch.setattr(netlink, "list_sockets", refuse)
        found = await see(free_port)
        assert (pid_of(found), found.address) == (held.pid, expected.address)
        assert HostPortTable().listener_pids(free_port, frozenset({held.pid})) == (True, (held.pid,))
        assert HostPortTable().listener_pids(free_port, frozenset()) == (True, ())


async def test_is_bindable_is_true_when_only_time_wait_is_left(free_port: int) -> None:
    """A server that closed its connections first can be started again at once, and we say so."""
    with (
        socket.create_server(("127.0.0.1", free_port)) as server,
        socket.create_connection(("127.0.0.1", free_port)) as client,
    ):
        server.accept()[0].close()
        client.recv(1)
    waiting = netlink.list_sockets(TCP, netlink.State.TIME_WAIT, [free_port])
    assert waiting
    assert bind_test.is_bindable(Port(number=free_port))


async def test_holder_is_the_container_when_dockers_proxy_has_the_port(
    engine: Engine, unique_name: str, free_port: int
) -> None:
    """The proxy is never named as a process where the engine names its container; when it goes, the port is free."""
    label = f"com.docker.compose.project={unique_name}"
    container = engine.run_docker(
        "run", "-d", "--name", unique_name, "--label", label, "-p", f"{free_port}:80", images.BUSYBOX,
        "httpd", "-f", "-p", "80",
    )  # fmt: skip
    facts = ContainerFacts(id=container, name=unique_name, image=images.BUSYBOX, project=unique_name)

    async def published() -> dict[tuple[int, Transport], ContainerFacts]:
        running = engine.run_docker("ps", "-q", "--no-trunc").split()
        return {(free_port, TCP): facts} if container in running else {}

    table = HostPortTable(published)
    try:
        found = await table.holders([(free_port, TCP)])
        assert found
        assert {one.container for one in found} == {facts}
        assert {one.process for one in found} == {None}
        assert free_port in [one.port for one in await table.all_listeners()]
        unasked = await HostPortTable().holders([(free_port, TCP)])
        assert {judge(one, context=me(Path("/nowhere"))) for one in unasked} == {Ownership.PROTECTED}
    finally:
        engine.run_docker("rm", "-f", unique_name)
    assert await table.wait_free(Port(number=free_port), 10)


def serve(port: int) -> str:
    """Return a script that listens on `port` until its stdin ends."""
    return (
        f"import socket,sys; s=socket.create_server(('127.0.0.1',{port}))\n"
        "print('ready',flush=True); sys.stdin.read()\n"
    )


@contextmanager
def run_script(script: str, *, cwd: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run Python until the end of the `with`, from when it says `ready`."""
    with subprocess.Popen(
        [sys.executable, "-S", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd
    ) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            yield child
        finally:
            assert child.stdin is not None
            child.stdin.close()
            child.kill()
            child.wait()
