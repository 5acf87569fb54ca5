"""What containers wrote, from the engine.

Must not know services or files. Invariant: any bytes become lines of clean text, each at most `LINE_LIMIT` characters
in a tail; a log driver that cannot be read reads as empty.
"""

import re
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from devenv.adapters.engine.line import EngineLine, Refused
from devenv.adapters.engine.look import read_map, read_text
from devenv.adapters.engine.stream import EngineStream

if TYPE_CHECKING:
    from docker import APIClient

LINE_LIMIT = 500
TAIL_BYTES = 1 << 20
_LONGEST_LINE = 64 << 10
_MALFORMED = 400
_CLOCK_STEP_S = 1e-6
_EARLY_LINES_S = 0.5
"""For one that has ended again: how far its first lines may lie before StartedAt."""
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


async def read_tail(line: EngineLine, container: str, lines: int) -> tuple[str, ...]:
    """Return the last `lines` lines since the last start, of at most the last MiB; () for a container that is gone."""
    try:
        raw = await line.ask(lambda client: client.inspect_container(container))
        since = _find_start(raw)
        stream = await line.ask(lambda client: _open(client, container, since=since, tail=lines))
    except Refused as refused:
        if refused.status == _MALFORMED:
            raise
        return ()
    kept: deque[bytes] = deque()
    size = 0
    try:
        while (chunk := await stream.take()) is not None:
            kept.append(chunk)
            size += len(chunk)
            while size > TAIL_BYTES and len(kept) > 1:
                size -= len(kept.popleft())
    finally:
        stream.close()
    text = b"".join(kept)[-TAIL_BYTES:].decode(errors="replace")
    return tuple(clean(one)[:LINE_LIMIT] for one in text.splitlines()[-lines:]) if lines > 0 else ()


async def iter_lines(
    line: EngineLine, container: str, *, since: float = 0.0, tail: int | None = None, follow: bool = False
) -> AsyncIterator[tuple[float, str]]:
    """Yield (seconds since the epoch, text) in the engine's order; with `follow` until the container ends."""
    try:
        stream = await line.ask(
            lambda client: _open(client, container, since=since, tail=tail, follow=follow, timestamps=True)
        )
    except Refused:
        return
    rest = b""
    try:
        while (chunk := await stream.take()) is not None:
            *whole, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                whole, rest = [*whole, rest], b""
            for one in whole:
                yield _split_time(one)
        if rest:
            yield _split_time(rest)
    finally:
        stream.close()


def _find_start(raw: object) -> float:
    """Return from when on a line belongs to the last start: its first lines are older than the engine's StartedAt."""
    started, finished = (read_time(read_text(raw, "State", key)) for key in ("StartedAt", "FinishedAt"))
    state = read_map(raw, "State")
    if not state.get("Running") or state.get("Restarting"):  # FinishedAt is this start's own end
        return max(started - _EARLY_LINES_S, 0.0)
    return finished + _CLOCK_STEP_S if finished else 0.0


def clean(text: str) -> str:
    """Return `text` without colours, cursor moves and other control codes."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def read_time(text: str) -> float:
    """Return the seconds since the epoch of an engine's timestamp, 0.0 for none (year 1)."""
    found = re.match(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?", text)
    if not found or found[1] == "0001":
        return 0.0
    whole = datetime(*(int(part) for part in found.groups()[:6]), tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]
    return whole + float(found[7] or 0)


def _split_time(row: bytes) -> tuple[float, str]:
    stamp, _, text = row.decode(errors="replace").partition(" ")
    return read_time(stamp), clean(text)


def _open(
    client: "APIClient",
    container: str,
    *,
    since: float,
    tail: int | None,
    follow: bool = False,
    timestamps: bool = False,
) -> EngineStream[bytes]:
    source = client.logs(
        container,
        stream=True,
        follow=follow,
        timestamps=timestamps,
        since=cast("int", since) if since > 0 else None,
        tail="all" if tail is None else tail,
    )
    return EngineStream(source, lambda chunk: cast("bytes", chunk))
