"""Sign-up: a page with a form, and the same as an API.

GET  /health
GET  /        the page
POST /        the page's form
POST /users   {"email", "password"} -> {"id", "email"}
"""

from urllib.parse import parse_qs

from anyio import fail_after, to_thread
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from app.page import render_page
from app.users import EmailTakenError, InvalidUserError, check_users_table, create_user

HEALTH_DEADLINE_S = 1.0


async def health(_: Request) -> JSONResponse:
    try:
        with fail_after(HEALTH_DEADLINE_S):
            await to_thread.run_sync(check_users_table, abandon_on_cancel=True)
    except TimeoutError:
        return unavailable(f"the database did not answer within {HEALTH_DEADLINE_S:g} s")
    except SQLAlchemyError as error:
        return unavailable(explain(error))
    return JSONResponse({"status": "ok", "service": "signup"})


async def show_page(_: Request) -> HTMLResponse:
    return HTMLResponse(render_page())


async def submit_form(request: Request) -> HTMLResponse:
    fields = parse_qs((await request.body()).decode(errors="replace"))
    email, password = fields.get("email", [""])[0], fields.get("password", [""])[0]
    try:
        user = await to_thread.run_sync(create_user, email, password)
    except InvalidUserError as error:
        return HTMLResponse(render_page(message=f"Sorry, {error}.", email=email), status_code=422)
    except EmailTakenError:
        return HTMLResponse(render_page(message="There is an account with this email.", email=email), status_code=409)
    return HTMLResponse(render_page(message=f"Welcome, {user.email}. You can sign in now."), status_code=201)


async def add_user(request: Request) -> JSONResponse:
    match await read_json(request):
        case {"email": str(email), "password": str(password)}:
            pass
        case _:
            return JSONResponse({"error": "the body must be an object with the texts email, password"}, status_code=422)
    try:
        user = await to_thread.run_sync(create_user, email, password)
    except InvalidUserError as error:
        return JSONResponse({"error": str(error)}, status_code=422)
    except EmailTakenError:
        return JSONResponse({"error": "there is an account with this email"}, status_code=409)
    return JSONResponse({"id": user.id, "email": user.email}, status_code=201)


async def read_json(request: Request) -> object:
    try:
        return await request.json()
    except ValueError:
        return None


async def lose_database(_: Request, error: Exception) -> JSONResponse:
    return unavailable(explain(error))


def unavailable(reason: str) -> JSONResponse:
    return JSONResponse({"status": "unavailable", "service": "signup", "reason": reason}, status_code=503)


def explain(error: Exception) -> str:
    """The first line of what the driver said; SQLAlchemy adds the statement and a link."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


app = Starlette(
    routes=[
        Route("/health", health),
        Route("/", show_page),
        Route("/", submit_form, methods=["POST"]),
        Route("/users", add_user, methods=["POST"]),
    ],
    exception_handlers={SQLAlchemyError: lose_database},
)
