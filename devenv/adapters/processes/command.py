"""Running a short command beside a service: probes and stop commands.

Must not know what it is for. Invariant: when it returns, in whatever way, the command and its group are gone and
the pipe is closed; output is read while it runs, so that a chatty command cannot block or fill a disk.
"""

import contextlib
import os
import signal
import subprocess

import anyio

from devenv.adapters.processes import exits as process_exit
from devenv.adapters.processes import launch as process_launch
from devenv.adapters.processes.identity import read_stat
from devenv.app.ports import Launch
from devenv.domain.probe import Executed

_OUTPUT_KEPT = 4096
_READ_SIZE = 1 << 16
_REAP_DEADLINE_S = 5.0


async def run_command(launch: Launch, stack_key: str, timeout_s: float) -> Executed:
    """Run it and return status and the last 4 KiB of its output; raises StartFailed, HostError."""
    reader, writer = os.pipe2(os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
    os.set_blocking(reader, False)
    try:
        try:
            child = process_launch.start(launch, stack_key, writer)
        finally:
            os.close(writer)
        output = bytearray()
        try:
            with anyio.move_on_after(timeout_s) as scope:
                await _follow(child, reader, output)
        finally:
            with anyio.CancelScope(shield=True):
                await _end(child)
        _drain(reader, output)
    finally:
        os.close(reader)
    text = output.decode(errors="backslashreplace")
    if scope.cancelled_caught:
        text += f"\n(killed after {timeout_s:g} s)"
    return Executed(status=child.returncode, output=text)


async def _follow(child: "subprocess.Popen[bytes]", reader: int, output: bytearray) -> None:
    """Read until the command has ended; what it left running may hold the pipe for as long as it likes."""
    async with anyio.create_task_group() as group:

        async def read() -> None:
            while True:
                await anyio.wait_readable(reader)
                if not _drain(reader, output):
                    return

        group.start_soon(read)
        stat = read_stat(child.pid)
        if stat:
            await process_exit.wait_ended(stat.id)
        group.cancel_scope.cancel()


def _drain(reader: int, output: bytearray) -> bool:
    """Take what is there, keeping the end of it; return False at the end of the pipe."""
    try:
        while chunk := os.read(reader, _READ_SIZE):
            output += chunk
            del output[:-_OUTPUT_KEPT]
            if len(chunk) < _READ_SIZE:
                return True
    except BlockingIOError:
        return True
    return False


async def _end(child: "subprocess.Popen[bytes]") -> None:
    """Kill the command's group (it is not reaped yet, so the number is still its own) and reap it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    stat = read_stat(child.pid)
    if stat:
        await process_exit.wait_all_ended((stat.id,), _REAP_DEADLINE_S)
    child.poll()
