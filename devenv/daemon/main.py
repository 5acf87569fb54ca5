"""The daemon: one process a stack, behind one socket.

Takes the lock, listens, says so, and only then loads what is heavy. The `up` that it was started for begins before the
API's server is loaded: that happens while Compose and the services work. Must not know services. Invariant: whoever
holds the lock owns the socket file; a stale one is replaced, never a reason to fail.
"""

import gc
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from devenv import __version__
from devenv.adapters.state.limits import bound_log, find_old_crashes, remove_files
from devenv.adapters.state.paths import Lock, StatePaths, locate
from devenv.daemon import BUSY, READY

FAREWELL_S = 0.05
"""Time for the last answer to reach its client."""

TURN_S = 0.0005
"""So long may a thread that loads modules keep the event loop waiting; Python's own 5 ms add up to a late "ready"."""

HEAD_START_S = 1.0
"""So long at most does the first `up` have the processor for itself before the API is loaded."""

LOG_LOOK_S = 60.0
"""So often is the size of the daemon's own log looked at."""

LINGER_S = 2.0
"""A daemon with nothing to do ends after this long, so that a next command finds it or starts a fresh one."""


def main() -> None:
    """Run until nothing is left to do, or until told to end; services outlive us."""
    gc.disable()  # modules and classes are no garbage: looking for some while they are loaded takes 40 ms
    sys.setswitchinterval(TURN_S)
    ready_fd = int(sys.argv[1])
    start: dict[str, Any] = json.loads(sys.stdin.buffer.read())
    paths = locate(start["root"], start["project"], environ=os.environ)
    paths.create()
    lock = Lock(paths.lock)
    if not lock.acquire():
        os.write(ready_fd, BUSY)
        return
    listener = _listen(paths)
    os.write(ready_fd, READY)
    os.close(ready_fd)
    try:
        _serve(paths, listener, start)
    finally:
        with suppress(FileNotFoundError):
            paths.socket.unlink()
        listener.close()
        lock.release()


def _listen(paths: StatePaths) -> socket.socket:
    """Listen on the stack's socket, which only this user can reach."""
    with suppress(FileNotFoundError):
        paths.socket.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(paths.socket))
    finally:
        os.umask(mask)
    listener.listen(64)
    return listener


def _serve(paths: StatePaths, listener: socket.socket, start: Mapping[str, Any]) -> None:
    import anyio  # noqa: PLC0415 - the socket listens before anything heavy is loaded

    anyio.run(_run, paths, listener, start)


async def _run(paths: StatePaths, listener: socket.socket, start: Mapping[str, Any]) -> None:
    import anyio  # noqa: PLC0415

    from devenv.api.wire import decode_reading, decode_up  # noqa: PLC0415
    from devenv.app.supervisor import Supervisor  # noqa: PLC0415
    from devenv.daemon.wiring import build  # noqa: PLC0415
    from devenv.probes.loading import load_apart  # noqa: PLC0415

    reading = decode_reading(start["reading"])
    tools = build(paths, reading)
    supervisor = Supervisor(key=paths.key, tools=tools, report_bug=lambda error: write_crash_file(paths.crash, error))
    async with supervisor.serve(reading), anyio.create_task_group() as tasks:
        first = supervisor.begin_up(decode_up(start["up"])) if "up" in start else None
        tasks.start_soon(_end_on_signal, tasks.cancel_scope)
        tasks.start_soon(_end_when_idle, supervisor, tasks.cancel_scope)
        tasks.start_soon(_end_when_down, supervisor, tasks.cancel_scope)
        tasks.start_soon(_bound_log, paths.daemon_log)
        if first is not None:
            await _let_begin(supervisor, first)
        await load_apart(_load_server)
        gc.freeze()
        gc.enable()
        await _serve_api(supervisor, listener, first)


async def _let_begin(supervisor: Any, first: Any) -> None:
    """Wait until the first `up` waits for others: loading the server takes the processor for 100 ms."""
    import anyio  # noqa: PLC0415

    from devenv.domain.events import OperationStarted  # noqa: PLC0415

    with anyio.move_on_after(HEAD_START_S):
        async for numbered in supervisor.bus.subscribe(first.before.seq):
            if not isinstance(numbered.event, OperationStarted):
                return


def _load_server() -> None:
    import uvicorn  # noqa: F401, PLC0415

    import devenv.api.server  # noqa: F401, PLC0415


async def _serve_api(supervisor: Any, listener: socket.socket, first: Any) -> None:
    from contextlib import nullcontext  # noqa: PLC0415

    import uvicorn  # noqa: PLC0415

    from devenv.api.server import make_app  # noqa: PLC0415

    class Server(uvicorn.Server):
        def capture_signals(self) -> Any:
            """Leave signals to us."""
            return nullcontext()

    app = make_app(supervisor, first=first)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", ws="none", http="h11", loop="asyncio"
    )
    await Server(config).serve(sockets=[listener])


async def _end_on_signal(scope: Any) -> None:
    import anyio  # noqa: PLC0415

    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async for _ in signals:
            scope.cancel()
            return


async def _end_when_idle(supervisor: Any, scope: Any) -> None:
    import anyio  # noqa: PLC0415

    while True:
        bell = supervisor.crew.board.changes()
        if not supervisor.is_idle:
            with anyio.move_on_after(LINGER_S):
                await bell.wait()
            continue
        seen = supervisor.bus.seq
        await anyio.sleep(LINGER_S)
        if supervisor.is_idle and supervisor.bus.seq == seen:
            scope.cancel()
            return


async def _end_when_down(supervisor: Any, scope: Any) -> None:
    """End with the stack: after a `down` nothing of it is left, not even its daemon."""
    import anyio  # noqa: PLC0415

    while True:
        await supervisor.down.wait()
        await anyio.sleep(FAREWELL_S)
        if supervisor.is_idle:
            scope.cancel()
            return
        await anyio.sleep(LINGER_S)


async def _bound_log(log: Path) -> None:
    """Keep the daemon's own log small, for ever."""
    import anyio  # noqa: PLC0415

    while True:
        bound_log(log)
        await anyio.sleep(LOG_LOOK_S)


def write_crash_file(folder: Path, error: BaseException) -> str:
    """Write what a bug report needs, and let the oldest go; return the command that shows it."""
    import platform  # noqa: PLC0415 - only for this
    import traceback  # noqa: PLC0415

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.txt"
    head = f"devenv {__version__}\npython {platform.python_version()}\nsystem {platform.platform()}\n\n"
    path.write_text(head + "".join(traceback.format_exception(error)))
    remove_files(find_old_crashes(folder))
    return f"less {path}"
