"""Connections for probes: one attempt, and what a failed one means in words.

Must not know what is said on a connection, nor of retries. Invariant: a failure to connect leaves here as a `NotYet`
that names the address; no proxy variable of the environment is ever honoured.
"""

import errno
import re
from functools import cache
from typing import TYPE_CHECKING

import anyio

from devenv.domain.probe import NotYet

if TYPE_CHECKING:
    from ssl import SSLContext

    from anyio.abc import ByteReceiveStream

SHOWN = 200
"""How much of an answer is shown, in characters."""

_PROXY_VERDICT_S = 0.1
_OTHER_LOOPBACK = {"127.0.0.1": "::1", "::1": "127.0.0.1"}
_WORDS = {
    errno.ECONNREFUSED: "connection refused",
    errno.EHOSTUNREACH: "no route to it",
    errno.ENETUNREACH: "its network is unreachable",
    errno.ETIMEDOUT: "it did not answer",
}


async def find_obstacle(address: str, port: int, *, is_proxied: bool = False) -> NotYet | None:
    """Connect and hang up; return why that failed, None where it worked.

    With `is_proxied` an accepted connection proves nothing: it must also stay open for a moment, or bring bytes.
    """
    try:
        stream = await anyio.connect_tcp(address, port)
    except OSError as error:
        return await _explain(error, address, port)
    async with stream:
        is_dropped = is_proxied and await _is_dropped(stream)
    return closes_at_once(address, port) if is_dropped else None


def closes_at_once(address: str, port: int) -> NotYet:
    """Return what a connection means that is accepted and then dropped without a byte."""
    return NotYet(reason=f"{join(address, port)} accepts connections but closes them")


def join(address: str, port: int) -> str:
    """Return `address:port`, with brackets around an IPv6 address."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def name_failure(error: OSError) -> str:
    """Return the cause of a failed connection in a few words, whatever a library wrapped around it."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    number = cause.errno if isinstance(cause, OSError) else None
    return _WORDS.get(number or 0) or str(cause) or type(cause).__name__


def shorten(text: str) -> str:
    """Return `text` on one line, without control codes, at most 200 characters of it."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"


def hide_credentials(url: str) -> str:
    """Return `url` without password and query, either of which may hold a secret; the user's name stays."""
    return re.sub(r"//([^/@:]*)(:[^/]*)?@", r"//\1@", url).partition("?")[0]


@cache
def unverified_tls() -> "SSLContext":
    """Return a TLS context that accepts every certificate: those of development servers are self-signed."""
    import ssl  # noqa: PLC0415 - few probes need it

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _is_dropped(stream: "ByteReceiveStream") -> bool:
    with anyio.move_on_after(_PROXY_VERDICT_S):
        try:
            await stream.receive()
        except (anyio.BrokenResourceError, anyio.EndOfStream):
            return True
    return False


async def _explain(error: OSError, address: str, port: int) -> NotYet:
    other = _OTHER_LOOPBACK.get(address)
    words = name_failure(error)
    if other and words == _WORDS[errno.ECONNREFUSED] and await _answers(other, port):
        elsewhere = join(other, port)
        reason = f"nothing listens on {join(address, port)}, but {elsewhere} does: have it listen on {address} as well"
        return NotYet(reason=reason, suspect=f"listens on {elsewhere} only")
    if words == _WORDS[errno.ECONNREFUSED]:
        return NotYet(reason=f"nothing listens on {join(address, port)} ({words})")
    return NotYet(reason=f"cannot connect to {join(address, port)} ({words})")


async def _answers(address: str, port: int) -> bool:
    try:
        stream = await anyio.connect_tcp(address, port)
    except OSError:
        return False
    await stream.aclose()
    return True
