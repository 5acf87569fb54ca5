"""How one container is ended: gently, with its own signal and grace, but without waiting for what cannot happen.

Owns the order of signals. Must not know services. Invariant: the engine always hears of the stop before anything dies,
so that no restart policy brings the container back, and a process that can react to the signal gets the whole grace.
Only the engine's own word ends a stop; that its processes have gone can be told earlier.
"""

import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import anyio

from devenv.adapters.engine.execution import execute
from devenv.adapters.engine.line import EngineLine, Refused
from devenv.adapters.engine.look import dig, read_map, read_text
from devenv.adapters.engine.stopping import (
    Inmate,
    find_children,
    find_init,
    has_changed,
    has_ended,
    read_signal,
    send,
    wait_changed,
    wait_gone,
)
from devenv.domain.errors import DevenvError, HostError, StartFailed, StopFailed
from devenv.domain.model import Stop

SHORT_S = 0.2
"""How long a process may take to end that cannot react to the signal: its children die, or it reads their end."""
MARGIN_S = 15.0
"""How long the engine may take beyond the grace."""
_GONE = 404
_NOT_RUNNING = 409
_DEFAULT_GRACE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manner:
    """How it is to end. `is_own` tells that the signal is the one the engine itself would send."""

    signal: int
    grace_s: float
    is_own: bool


async def end_container(
    line: EngineLine, container: str, stop: Stop | None, on_quiet: Callable[[], None] = lambda: None
) -> None:
    """Stop a container; `stop` goes over its own signal and grace. Raises StopFailed where it survives.

    `on_quiet` is called once its processes have gone, where that can be seen: the engine then takes another tenth of a
    second for its network and its files.
    """
    try:
        raw = await line.ask(lambda client: client.inspect_container(container))
        if read_text(raw, "State", "Status") in {"created", "exited", "dead", "removing"}:
            return
        if read_map(raw, "State").get("Paused"):
            await line.ask(lambda client: client.unpause(container))
        if stop and stop.command:
            with anyio.move_on_after(stop.grace_s):
                await execute(line, container, stop.command)
        await _end(line, container, raw, _choose_manner(raw, stop), on_quiet)
    except Refused as refused:
        if refused.status not in {_GONE, _NOT_RUNNING}:
            raise StopFailed(
                f"cannot stop container {container[:12]}", why=refused.text, fix=f"docker rm -f {container[:12]}"
            ) from refused


async def _end(line: EngineLine, container: str, raw: object, manner: _Manner, on_quiet: Callable[[], None]) -> None:
    number = dig(raw, "State", "Pid")
    init = find_init(number, read_text(raw, "Id")) if isinstance(number, int) else None
    is_deaf = init is not None and not init.reacts_to(manner.signal)
    children = find_children(init) if init is not None and is_deaf else ()
    async with anyio.create_task_group() as group:  # leaves no ExceptionGroup: the one failure is raised outside
        if init is not None and (not _comes_back(raw) or (manner.is_own and not children)):
            group.start_soon(_tell_quiet, init, on_quiet)
        if init is not None:
            group.start_soon(_repeat, line, container, init, manner)
        if init is not None and children:
            group.start_soon(_hasten, line, container, init, children, manner)
        kills = is_deaf and not children
        failure = await _try(_kill(line, container) if kills else _end_gently(line, container, manner))
        group.cancel_scope.cancel()
    if failure:
        raise failure


async def _try(ending: Awaitable[None]) -> DevenvError | None:
    try:
        await ending
    except DevenvError as error:
        return error
    return None


def _comes_back(raw: object) -> bool:
    """Tell whether the engine may start it again after a signal that it did not send."""
    return read_text(raw, "HostConfig", "RestartPolicy", "Name") not in {"", "no"}


async def _tell_quiet(init: Inmate, on_quiet: Callable[[], None]) -> None:
    """Wait for the first process: its end is that of everything in the container."""
    await wait_gone((init,))
    if has_ended(init):
        on_quiet()


async def _end_gently(line: EngineLine, container: str, manner: _Manner) -> None:
    """Let the engine do it: signal, grace, the hard signal; returns when it has ended."""
    grace_s = math.ceil(manner.grace_s)
    with anyio.move_on_after(manner.grace_s + MARGIN_S) as limit:
        if not manner.is_own:
            await line.ask(lambda client: client.kill(container, manner.signal))
            with anyio.move_on_after(manner.grace_s):
                await line.wait(lambda client: client.wait(container, timeout=grace_s + 1, condition="not-running"))
            grace_s = 0  # also ends what a restart policy brought back meanwhile
        await line.wait(lambda client: client.stop(container, timeout=grace_s))
    if limit.cancelled_caught:
        why = f"it still runs {manner.grace_s + MARGIN_S:g} s after the stop was asked for"
        raise StopFailed(f"cannot stop container {container[:12]}", why=why, fix=f"docker rm -f {container[:12]}")


async def _repeat(line: EngineLine, container: str, init: Inmate, manner: _Manner) -> None:
    """Send the signal once more where an entrypoint becomes the server meanwhile, which never saw the first one."""
    await wait_changed(init, manner.signal)
    with suppress(HostError):
        await line.ask(lambda client: client.kill(container, manner.signal))


async def _hasten(
    line: EngineLine, container: str, init: Inmate, children: tuple[Inmate, ...], manner: _Manner
) -> None:
    """Do what an init would do: pass the signal on, wait for the children, then end the deaf first process."""
    with suppress(HostError, StartFailed):  # what fails here fails in the stop itself, which says so
        refused = send(children, manner.signal)
        if refused:
            await _send_from_inside(line, container, refused, manner.signal)
    patient = any(child.reacts_to(manner.signal) for child in children)
    with anyio.move_on_after(manner.grace_s if patient else SHORT_S):
        await wait_gone(children)
        await anyio.sleep(SHORT_S)  # it reads the end of its children and ends by itself; we are cancelled then
    if has_changed(init, manner.signal):
        return  # it may react by now, and gets its grace
    with suppress(HostError):
        await _kill(line, container)


async def _send_from_inside(line: EngineLine, container: str, children: tuple[Inmate, ...], number: int) -> None:
    """Signal processes that are another user's here; an image without a shell leaves only the hard signal."""
    pids = " ".join(str(child.inner_pid) for child in children)
    with anyio.move_on_after(SHORT_S * 5):
        await execute(line, container, ("/bin/sh", "-c", f"kill -{number} {pids}"))


async def _kill(line: EngineLine, container: str) -> None:
    try:
        await line.ask(lambda client: client.kill(container))
    except Refused as refused:
        if refused.status not in {_GONE, _NOT_RUNNING}:
            raise


def _choose_manner(raw: object, stop: Stop | None) -> _Manner:
    """Return the manner that was declared; without a signal of its own it is the one that the container asks for."""
    own = read_signal(read_text(raw, "Config", "StopSignal") or "TERM")
    if stop is not None:
        number = read_signal(stop.signal) if stop.signal else own
        return _Manner(signal=number, grace_s=stop.grace_s, is_own=number == own)
    declared = dig(raw, "Config", "StopTimeout")
    grace_s = float(declared) if isinstance(declared, int) else _DEFAULT_GRACE_S
    return _Manner(signal=own, grace_s=grace_s, is_own=True)
