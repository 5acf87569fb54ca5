"""The bouncer decides whether the holder of an API key may do something.

GET /health
GET /decide?action=read|write   X-API-Key: KEY -> {"decision", "reason", "user", "cached"}

The status is 200 for allow, 403 for deny, and 503 when the key cannot be checked: then nobody gets in.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from app import upstream
from app.owners import Owner, OwnerCache

ALLOWED_ACTIONS = {"primary": {"read", "write"}, "secondary": {"read"}}

cache = OwnerCache(os.environ.get("REDIS_URL"))


async def health(_: Request) -> JSONResponse:
    try:
        await upstream.check_health()
    except upstream.ApiDownError as error:
        return unavailable(str(error))
    return JSONResponse({"status": "ok", "service": "bouncer"})


async def decide(request: Request) -> JSONResponse:
    api_key, action = request.headers.get("x-api-key", ""), request.query_params.get("action", "")
    if not api_key or not api_key.isascii():
        return deny("no API key: send it as X-API-Key")
    remembered = await cache.read(api_key)
    if remembered:
        return apply_policy(remembered, action, cached=True)
    try:
        owner = await upstream.ask_owner(api_key)
    except upstream.ApiDownError as error:
        return unavailable(f"cannot check the key: {error}")
    if owner is None:
        return deny("this API key is nobody's")
    await cache.write(api_key, owner)
    return apply_policy(owner, action, cached=False)


def apply_policy(owner: Owner, action: str, *, cached: bool) -> JSONResponse:
    if action not in ALLOWED_ACTIONS.get(owner.slot, set()):
        return deny(f"a {owner.slot} key may not do {action!r}", user=owner.email, cached=cached)
    reason = f"a {owner.slot} key may {action}"
    return JSONResponse({"decision": "allow", "reason": reason, "user": owner.email, "cached": cached})


def deny(reason: str, *, user: str | None = None, cached: bool = False) -> JSONResponse:
    return JSONResponse({"decision": "deny", "reason": reason, "user": user, "cached": cached}, status_code=403)


def unavailable(reason: str) -> JSONResponse:
    return JSONResponse({"status": "unavailable", "service": "bouncer", "reason": reason}, status_code=503)


@asynccontextmanager
async def close_clients(_: Starlette) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await cache.close()
        await upstream.client.aclose()


app = Starlette(routes=[Route("/health", health), Route("/decide", decide)], lifespan=close_clients)
