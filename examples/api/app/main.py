"""The control core's API: sign-in, API keys, and whose key a key is.

GET  /health
POST /login        {"email", "password"}          -> {"token"}
POST /keys/{slot}  Authorization: Bearer TOKEN    -> {"slot", "api_key"}   slot: primary | secondary
GET  /whoami       X-API-Key: KEY                 -> {"email", "slot"}
"""

from functools import partial

from anyio import fail_after, to_thread
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from app.accounts import KeySlot, check_users_table, find_owner, issue_key, log_in
from app.revocation import forget_key
from app.sessions import read_session, sign_session

HEALTH_DEADLINE_S = 1.0


async def health(_: Request) -> JSONResponse:
    try:
        with fail_after(HEALTH_DEADLINE_S):
            await to_thread.run_sync(check_users_table, abandon_on_cancel=True)
    except TimeoutError:
        return unavailable(f"the database did not answer within {HEALTH_DEADLINE_S:g} s")
    except SQLAlchemyError as error:
        return unavailable(explain(error))
    return JSONResponse({"status": "ok", "service": "api"})


async def login(request: Request) -> JSONResponse:
    match await read_json(request):
        case {"email": str(email), "password": str(password)}:
            pass
        case _:
            raise HTTPException(422, "the body must be an object with the texts email, password")
    user_id = await to_thread.run_sync(log_in, email, password)
    if user_id is None:
        raise HTTPException(401, "email and password do not belong together")
    return JSONResponse({"token": sign_session(user_id)})


async def create_key(request: Request, *, slot: KeySlot) -> JSONResponse:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    user_id = read_session(token) if scheme.lower() == "bearer" else None
    if user_id is None:
        raise HTTPException(401, "a valid session token is needed: POST /login gives one")
    issued = await to_thread.run_sync(issue_key, user_id, slot)
    if issued is None:
        raise HTTPException(401, "the session's user does not exist any more")
    if issued.replaced_digest:
        await to_thread.run_sync(forget_key, issued.replaced_digest)
    return JSONResponse({"slot": slot, "api_key": issued.api_key}, status_code=201)


async def whoami(request: Request) -> JSONResponse:
    owner = await to_thread.run_sync(find_owner, request.headers.get("x-api-key", ""))
    if owner is None:
        raise HTTPException(401, "this API key is nobody's")
    return JSONResponse({"email": owner.email, "slot": owner.slot})


async def read_json(request: Request) -> object:
    try:
        return await request.json()
    except ValueError:
        return None


async def refuse(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, status_code=error.status_code)


async def lose_database(_: Request, error: Exception) -> JSONResponse:
    return unavailable(explain(error))


def unavailable(reason: str) -> JSONResponse:
    return JSONResponse({"status": "unavailable", "service": "api", "reason": reason}, status_code=503)


def explain(error: Exception) -> str:
    """The first line of what the driver said; SQLAlchemy adds the statement and a link."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


app = Starlette(
    routes=[
        Route("/health", health),
        Route("/login", login, methods=["POST"]),
        *(Route(f"/keys/{slot}", partial(create_key, slot=slot), methods=["POST"]) for slot in KeySlot),
        Route("/whoami", whoami),
    ],
    exception_handlers={HTTPException: refuse, SQLAlchemyError: lose_database},
)
