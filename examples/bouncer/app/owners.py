"""Remembers in redis who owns a key. Redis is an extra: any trouble with it is the same as not remembering."""

import hashlib
import json
import logging
from dataclasses import asdict, dataclass

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

REMEMBER_S = 30
REDIS_TIMEOUT_S = 0.2

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    email: str
    slot: str


class OwnerCache:
    """Never keeps a key itself, only its digest. Keys that are nobody's are not kept: guesses would fill the memory."""

    def __init__(self, url: str | None) -> None:
        self._redis = connect_redis(url) if url else None

    async def read(self, api_key: str) -> Owner | None:
        if self._redis is None:
            return None
        try:
            text = await self._redis.get(cache_name(api_key))
        except RedisError as error:
            log.warning("going on without redis: %s", error)
            return None
        return Owner(**json.loads(text)) if text else None

    async def write(self, api_key: str, owner: Owner) -> None:
        if self._redis is None:
            return
        try:
            await self._redis.set(cache_name(api_key), json.dumps(asdict(owner)), ex=REMEMBER_S)
        except RedisError as error:
            log.warning("going on without redis: %s", error)

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()


def connect_redis(url: str) -> Redis:
    return Redis.from_url(
        url,
        socket_connect_timeout=REDIS_TIMEOUT_S,
        socket_timeout=REDIS_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),  # the API is there to be asked: trying redis again is slower
    )


def cache_name(api_key: str) -> str:
    """The API deletes this name when it replaces the key."""
    return f"bouncer:owner:{hashlib.sha256(api_key.encode()).hexdigest()}"
