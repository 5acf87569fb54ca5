"""The redis probe: PING with the application's credentials, then a key written, read and expired.

For Redis, Valkey and what speaks like them. A read-only replica, a full memory and a user who may not write all answer
PING. Must not know of retries. Invariants: the password is never shown, and the key is nobody's: its name is random,
it is gone after the check, and by itself after 5 s. So few commands do not need a client of 105 ms.
"""

import secrets
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
    "READONLY": "read-only replica",
    "OOM": "memory is full",
    "MISCONF": "snapshots fail",
    "NOREPLICAS": "too few replicas",
}
_WORDS = {
    "READONLY": "is a read-only replica",
    "OOM": "has no memory left and evicts nothing",
    "MISCONF": "refuses writes because it cannot save snapshots",
    "NOREPLICAS": "refuses writes because it has too few replicas",
}
_ELSEWHERE = ("MOVED", "ASK")  # a node of a cluster, whose slots are not all here
_SCHEMES = ("redis://", "rediss://", "unix://")
_LINE_LIMIT = 4096
_NOTHING = "$-1"
_KEY_MS = 5000

PROBE_KEYS = "devenv:probe:"
"""What the names of the probe's keys begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redis:
    """`redis: redis://user:password@host:port/db`; also `rediss://` (TLS) and `unix://path?db=0`.

    `write: false` is for an application that only reads: PING alone.
    """

    kind: ClassVar[str] = "redis"
    asks_port: ClassVar[bool] = True
    __pydantic_config__: ClassVar[Mapping[str, str]] = {"extra": "forbid"}

    value: str
    write: bool = True
    attempt_s: float = 2.0

    def __post_init__(self) -> None:
        if not self.value.startswith((*_SCHEMES, "${")):
            raise ValueError("redis needs a URL such as redis://127.0.0.1:6379/0")

    def describe(self) -> str:
        """Return the kind and the place, without credentials."""
        return f"redis {hide_credentials(self.value).partition('://')[2]}"

    async def check(self, target: Target) -> Outcome:
        """Log in where credentials are given, select the database, PING; then write, read and expire a key.

        The watch of a service that is ready asks the same: a cache that turned into a replica or ran full is as
        unusable then. Its four commands are one round trip every 20 s.
        """
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
            answers = _Answers(stream)
            outcome = await _converse(answers, _commands(place), self.describe())
            return await _write(answers, self.describe()) if self.write and isinstance(outcome, Passed) else outcome
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


class _Answers:
    """What a server sends, line by line; bytes beyond a line wait for the next one."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._read = b""

    async def send(self, *commands: tuple[str, ...]) -> None:
        await self._stream.send(b"".join(_encode(command) for command in commands))

    async def line(self) -> str:
        while b"\n" not in self._read and len(self._read) < _LINE_LIMIT:
            self._read += await self._stream.receive()
        line, _, self._read = self._read.partition(b"\r\n")
        return line.decode("utf-8", "replace")

    async def reply(self) -> str:
        """Return one reply; a bulk string without its length, or `$-1` for none."""
        line = await self.line()
        return await self.line() if line.startswith("$") and line != _NOTHING else line


async def _converse(answers: _Answers, commands: list[tuple[str, ...]], name: str) -> Outcome:
    for command in commands:
        await answers.send(command)
        answer = await answers.line()
        if not answer.startswith(("+", "-")):
            return NotYet(reason=f"{name} does not speak Redis: {shorten(answer)}", suspect="not Redis")
        if answer.startswith("-"):
            return _judge_error(answer[1:], command[0], name)
    return Passed(detail="PONG")


async def _write(answers: _Answers, name: str) -> Outcome:
    """Write, read and expire a key in one round trip."""
    value = secrets.token_hex(8)
    key = f"{PROBE_KEYS}{value}"
    commands = (("SET", key, value, "PX", str(_KEY_MS)), ("GET", key), ("PEXPIRE", key, "0"), ("GET", key))
    await answers.send(*commands)
    for command, expected in zip(commands, ("+OK", value, ":1", _NOTHING), strict=True):
        answer = await answers.reply()
        if answer.startswith(tuple(f"-{word}" for word in _ELSEWHERE)) or _is_about_keys(answer):
            return Passed(detail=f"PONG; no write was tried, because keys {PROBE_KEYS}* are not for this user or node")
        if answer.startswith("-"):
            return _judge_error(answer[1:], command[0], name)
        if answer != expected:
            return NotYet(
                reason=f"{name} answered {command[0]} of a key just written with {shorten(answer)}, not {expected}",
                suspect="what is written is not kept",
            )
    return Passed(detail="PONG")


def _is_about_keys(answer: str) -> bool:
    """Tell a user who may write other keys from one who may not write; servers word it in two ways."""
    return answer.startswith("-NOPERM") and "key" in answer and "to run the" not in answer


def _judge_error(answer: str, command: str, name: str) -> NotYet:
    word = answer.partition(" ")[0]
    # Errors of AUTH and SELECT (`-ERR invalid DB index`) do not pass with time, unlike LOADING and its kin.
    suspect = _SUSPECTS.get(word) or (f"{command} refused" if word == "ERR" else "")
    meaning = f"{name} {_WORDS[word]}: it" if word in _WORDS else name
    hint = (
        "; `write: false` asks for PING only" if word == "NOPERM" and command not in {"AUTH", "SELECT", "PING"} else ""
    )
    return NotYet(reason=f"{meaning} answered {command} with: {shorten(answer)}{hint}", suspect=suspect)


def _dropped(name: str) -> NotYet:
    return NotYet(reason=f"{name} accepts connections but closes them")


def _encode(command: tuple[str, ...]) -> bytes:
    words = [word.encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
