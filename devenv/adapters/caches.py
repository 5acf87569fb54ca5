"""Redis-like caches through their client library: counting keys by pattern, and deleting those of declared patterns.

Must not judge what it counts. Invariants: nothing is deleted but keys of the patterns given, an audit only reads, no
answer is waited for longer than the deadline; the password is never shown.
"""

import fnmatch
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from devenv.domain.caches import KeyCounts, NotCounted, PatternCount
from devenv.domain.errors import HostError
from devenv.probes.reach import hide_credentials, shorten
from devenv.probes.redis import PROBE_KEYS

if TYPE_CHECKING:
    from redis import Redis

MOST_KEYS = 50_000
MOST_PREFIXES = 20
OTHER = "(other prefixes)"

_BATCH = 1_000
_SCHEMES = {"valkey": "redis", "valkeys": "rediss"}
_DELIMITED = re.compile(r"[^:./|]*[:./|]")
_NO_TTL = -1


def audit(
    url: str, prefixes: Mapping[str, float | None], *, deadline_s: float, most_keys: int = MOST_KEYS
) -> KeyCounts | NotCounted:
    """Count the keys of each pattern of `prefixes` (the longest TTL in seconds, None for any), and all others.

    Blocks. Looks at `most_keys` keys, or as many as `deadline_s` allows; the answer says when there are more.
    """
    ends = time.monotonic() + deadline_s
    tally = _Tally(prefixes)
    try:
        with _connect(url, deadline_s) as client:
            is_cut = _scan(client, tally, ends, most_keys)
    except _failures() as error:
        return NotCounted(reason=_explain(url, error))
    return KeyCounts(patterns=tally.patterns(), undeclared=tally.undeclared(), seen=tally.seen, is_cut=is_cut)


def flush(url: str, patterns: Iterable[str], *, deadline_s: float) -> int:
    """Delete the keys of `patterns`; return how many. Blocks; raises HostError, after which some may be left."""
    ends = time.monotonic() + deadline_s
    deleted = 0
    try:
        with _connect(url, deadline_s) as client:
            for keys in _batches(client, patterns):
                deleted += int(client.unlink(*keys)) if keys else 0
                if time.monotonic() > ends:
                    raise TimeoutError(f"not done after {deadline_s:g} s; {deleted:,} keys are deleted")
    except _failures() as error:
        raise HostError(
            f"cannot flush the cache at {_name(url)}", why=_explain(url, error), fix="devenv check"
        ) from error
    return deleted


def _scan(client: "Redis", tally: "_Tally", ends: float, most_keys: int) -> bool:
    """Count keys in batches; tell whether some were left."""
    cursor = 0
    while True:
        cursor, keys = _list(client, cursor)
        tally.add(keys, lambda declared: _read_ttls(client, declared))
        if cursor == 0:
            return False
        if tally.seen >= most_keys or time.monotonic() > ends:
            return True


def _batches(client: "Redis", patterns: Iterable[str]) -> Iterator[list[bytes]]:
    """Yield the keys of `patterns`, some at a time; a batch may be empty."""
    for pattern in filter(None, patterns):
        cursor, keys = _list(client, 0, pattern)
        yield keys
        while cursor:
            cursor, keys = _list(client, cursor, pattern)
            yield keys


def _list(client: "Redis", cursor: int, pattern: str | None = None) -> tuple[int, list[bytes]]:
    """Return the cursor of the next batch, 0 after the last one, and the keys of this one."""
    answer: Any = client.scan(cursor=cursor, match=pattern, count=_BATCH)  # typed for the asynchronous client as well
    return int(answer[0]), list(answer[1])


def _read_ttls(client: "Redis", keys: list[bytes]) -> list[int]:
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        pipeline.pttl(key)
    return [int(answer) for answer in pipeline.execute()]


@dataclass(slots=True)
class _Count:
    keys: int = 0
    without_ttl: int = 0
    above_ttl: int = 0
    example: str = ""
    longest_s: float = 0.0


class _Tally:
    """Sorts keys into the declared patterns, the longest pattern first, and the rest by what their names begin with."""

    def __init__(self, prefixes: Mapping[str, float | None]) -> None:
        self.seen = 0
        self._limits = prefixes
        self._counts = {pattern: _Count() for pattern in prefixes}
        self._others: Counter[str] = Counter()
        self._patterns = [
            (re.compile(fnmatch.translate(pattern.replace("[^", "[!"))), pattern)
            for pattern in sorted(prefixes, key=len, reverse=True)
        ]

    def add(self, keys: Iterable[bytes], read_ttls: Callable[[list[bytes]], list[int]]) -> None:
        """Count `keys`; only those of declared patterns are asked for their TTL, in milliseconds."""
        declared: list[tuple[bytes, str, str]] = []
        for key in keys:
            name = key.decode("utf-8", "replace")
            if name.startswith(PROBE_KEYS):
                continue
            self.seen += 1
            pattern = next((pattern for expression, pattern in self._patterns if expression.match(name)), None)
            if pattern is None:
                self._others[_prefix(name)] += 1
            else:
                declared.append((key, name, pattern))
        if declared:
            for (_, name, pattern), ttl_ms in zip(declared, read_ttls([key for key, _, _ in declared]), strict=True):
                self._count(name, pattern, ttl_ms)

    def patterns(self) -> dict[str, PatternCount]:
        """Return the counts of every declared pattern."""
        return {pattern: PatternCount(**asdict(count)) for pattern, count in self._counts.items()}

    def undeclared(self) -> dict[str, int]:
        """Return the commonest prefixes with their counts, and those of all others as one."""
        common = self._others.most_common(MOST_PREFIXES)
        rest = self._others.total() - sum(number for _, number in common)
        return dict(common) | ({OTHER: rest} if rest else {})

    def _count(self, name: str, pattern: str, ttl_ms: int) -> None:
        count, limit_s = self._counts[pattern], self._limits[pattern]
        if ttl_ms < _NO_TTL:
            return  # it expired since it was listed
        count.keys += 1
        is_endless = ttl_ms == _NO_TTL
        is_above = limit_s is not None and ttl_ms > limit_s * 1_000
        count.without_ttl += is_endless
        count.above_ttl += is_above
        count.longest_s = max(count.longest_s, ttl_ms / 1_000)
        if not count.example and (is_endless or is_above):
            count.example = shorten(name)


def _prefix(name: str) -> str:
    found = _DELIMITED.match(name)
    return shorten(f"{found[0]}*") if found else "without a prefix"


def _connect(url: str, deadline_s: float) -> "Redis":
    """Return a client that tries once; certificates of development servers are self-signed."""
    from redis import Redis  # noqa: PLC0415 - 100 ms, for few commands
    from redis.backoff import NoBackoff  # noqa: PLC0415 - goes with it
    from redis.retry import Retry  # noqa: PLC0415 - goes with it

    scheme, _, rest = url.partition("://")
    scheme = _SCHEMES.get(scheme, scheme)
    options: dict[str, Any] = {"ssl_cert_reqs": "none", "ssl_check_hostname": False} if scheme == "rediss" else {}
    return Redis.from_url(
        f"{scheme}://{rest}",
        socket_timeout=deadline_s,
        socket_connect_timeout=deadline_s,
        retry=Retry(NoBackoff(), 0),
        **options,
    )


def _failures() -> tuple[type[Exception], ...]:
    from redis.exceptions import RedisError  # noqa: PLC0415 - see _connect

    return RedisError, OSError, ValueError


def _explain(url: str, error: Exception) -> str:
    return f"{_name(url)} says: {shorten(str(error)) or type(error).__name__}"


def _name(url: str) -> str:
    return hide_credentials(url).partition("://")[2].lstrip("@") or "its URL"
