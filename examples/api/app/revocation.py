"""Makes the bouncer forget a replaced key at once. Without redis it forgets by itself, within its cache time."""

import logging
import os

REDIS_TIMEOUT_S = 0.2


def forget_key(digest: str) -> None:
    url = os.environ.get("REDIS_URL")
    if not url:
        return
    from redis import Redis, RedisError  # noqa: PLC0415 - a fifth of the server's boot, needed once a month

    try:
        with Redis.from_url(url, socket_connect_timeout=REDIS_TIMEOUT_S, socket_timeout=REDIS_TIMEOUT_S) as redis:
            redis.delete(f"bouncer:owner:{digest}")
    except RedisError as error:
        logging.getLogger(__name__).warning("the bouncer may accept a replaced key for some seconds: %s", error)
