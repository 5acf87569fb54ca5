"""A command inside a container, through the engine.

Must not know what the command is for. Invariant: a cancelled caller leaves no reader behind, and no process in the
container where this user may end it.
"""

import os
import signal
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import anyio

from devenv.adapters.engine.line import EngineLine, Refused
from devenv.adapters.engine.look import read_number, read_text
from devenv.adapters.engine.stopping import is_inside
from devenv.adapters.engine.stream import EngineStream
from devenv.domain.errors import HostError, StartFailed
from devenv.domain.probe import Executed

if TYPE_CHECKING:
    from docker import APIClient

OUTPUT_BYTES = 4096
_NOT_FOUND = 127
_LEFTOVER_S = 0.5


async def execute(line: EngineLine, container: str, argv: tuple[str, ...]) -> Executed:
    """Run `argv` and return its status and the end of its output; raises StartFailed where the container is not up."""
    try:
        id_ = await line.ask(lambda client: _create(client, container, argv))
        stream = await line.ask(lambda client: _start(client, id_))
        output = await _read_end(line, stream, id_, container)
        status = read_number(await line.ask(lambda client: client.exec_inspect(id_)), "ExitCode")
    except Refused as refused:
        if "executable file not found" in refused.text or "no such file" in refused.text:
            return Executed(status=_NOT_FOUND, output=refused.text)
        raise StartFailed(
            f"cannot run {argv[0]} in container {container[:12]}",
            why=refused.text,
            fix=f"docker start {container[:12]}",
        ) from refused
    return Executed(status=status, output=output)


def _create(client: "APIClient", container: str, argv: tuple[str, ...]) -> str:
    return read_text(client.exec_create(container, list(argv), stdin=False, tty=False), "Id")


def _start(client: "APIClient", id_: str) -> EngineStream[bytes]:
    return EngineStream(client.exec_start(id_, stream=True), lambda chunk: cast("bytes", chunk))


async def _read_end(line: EngineLine, stream: EngineStream[bytes], id_: str, container: str) -> str:
    kept: deque[bytes] = deque(maxlen=64)
    ended = False
    try:
        while (chunk := await stream.take()) is not None:
            kept.append(chunk[-OUTPUT_BYTES:])
        ended = True
    finally:
        stream.close()
        if not ended:
            await _end_leftover(line, id_, container)
    return b"".join(kept)[-OUTPUT_BYTES:].decode(errors="replace")


async def _end_leftover(line: EngineLine, id_: str, container: str) -> None:
    """End a command that nobody waits for any more."""
    with anyio.move_on_after(_LEFTOVER_S, shield=True), suppress(HostError, OSError):
        pid = read_number(await line.ask(lambda client: client.exec_inspect(id_)), "Pid")
        if is_inside(pid, container):
            os.kill(pid, signal.SIGKILL)
