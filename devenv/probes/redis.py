"""The redis probe: a PING with the application's credentials is answered (Redis, Valkey and what speaks like them).

Must not know of retries. Invariant: the password is never shown. Four commands do not need a client of 105 ms.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import anyio
from anyio.abc import ByteStream

from devenv.domain.probe import NotYet, Outcome, Passed, Target
from devenv.probes.reach import closes_at_once, find_obstacle, hide_credentials, name_failure, shorten, unverified_tls

_SUSPECTS = {
    "NOAUTH": "password required",
    "WRONGPASS": "wrong user or password",
    "NOPERM": "no permission",
    "DENIED": "protected mode",
}
_SCHEMES = ("redis://", "rediss://", "unix://")
_LINE_LIMIT = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Redis:
    """`redis: redis://user:password@host:port/db`; also `rediss://` (TLS) and `unix://path?db=0`."""

    kind: ClassVar[str] = "redis"
    asks_port: ClassVar[bool] = True
    __pydantic_config__: ClassVar[Mapping[str, str]] = {"extra": "forbid"}

    value: str
    attempt_s: float = 2.0

    def __post_init__(self) -> None:
        if not self.value.startswith((*_SCHEMES, "${")):
            raise ValueError("redis needs a URL such as redis://127.0.0.1:6379/0")

    def describe(self) -> str:
        """Return the kind and the place, without credentials."""
        return f"redis {hide_credentials(self.value).partition('://')[2]}"

    async def check(self, target: Target) -> Outcome:
        """Log in where credentials are given, select the database, PING."""
        try:
            place = urlsplit(self.value)
            address, port = place.hostname or "127.0.0.1", place.port or 6379
        except ValueError as error:
            return NotYet(reason=f"the URL of the redis probe is not one ({error})", final=True)
        try:
            stream = await _connect(place, address, port)
        except OSError as error:
            if place.scheme == "redis" and (obstacle := await find_obstacle(address, port)):
                return obstacle
            return NotYet(reason=f"cannot connect to {self.describe()} ({name_failure(error)})")
        try:
            return await _converse(stream, _commands(place), self.describe())
        except (anyio.BrokenResourceError, anyio.EndOfStream):
            return closes_at_once(address, port) if place.scheme != "unix" else _dropped(self.describe())
        finally:
            await anyio.aclose_forcefully(stream)


async def _connect(place: SplitResult, address: str, port: int) -> ByteStream:
    if place.scheme == "unix":
        return await anyio.connect_unix(unquote(place.path))
    if place.scheme == "rediss":
        return await anyio.connect_tcp(address, port, ssl_context=unverified_tls(), tls_standard_compatible=False)
    return await anyio.connect_tcp(address, port)


def _commands(place: SplitResult) -> list[tuple[str, ...]]:
    """Return AUTH and SELECT where the URL asks for them, then PING."""
    options = parse_qs(place.query)
    database = options.get("db", [place.path.strip("/") if place.scheme != "unix" else ""])[0]
    user, password = unquote(place.username or ""), unquote(place.password or "")
    login = [tuple(word for word in ("AUTH", user, password) if word)] if password else []
    select = [("SELECT", database)] if database not in {"", "0"} else []
    return [*login, *select, ("PING",)]


async def _converse(stream: ByteStream, commands: list[tuple[str, ...]], name: str) -> Outcome:
    for command in commands:
        await stream.send(_encode(command))
        answer = await _read_line(stream)
        if not answer.startswith(("+", "-")):
            return NotYet(reason=f"{name} does not speak Redis: {shorten(answer)}", suspect="not Redis")
        if answer.startswith("-"):
            return _judge_error(answer[1:], command[0], name)
    return Passed(detail="PONG")


def _judge_error(answer: str, command: str, name: str) -> NotYet:
    word = answer.partition(" ")[0]
    # Errors of AUTH and SELECT (`-ERR invalid DB index`) do not pass with time, unlike LOADING and its kin.
    suspect = _SUSPECTS.get(word) or (f"{command} refused" if word == "ERR" else "")
    return NotYet(reason=f"{name} answered {command} with: {shorten(answer)}", suspect=suspect)


def _dropped(name: str) -> NotYet:
    return NotYet(reason=f"{name} accepts connections but closes them")


def _encode(command: tuple[str, ...]) -> bytes:
    words = [word.encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


async def _read_line(stream: ByteStream) -> str:
    read = b""
    while b"\n" not in read and len(read) < _LINE_LIMIT:
        read += await stream.receive()
    return read.partition(b"\r\n")[0].decode("utf-8", "replace")
