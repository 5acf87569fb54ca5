"""The web page: sign in, and get an API key. Everything it knows comes from the API.

GET  /health
GET  /         the page, with the API's state
POST /         sign in and make a new key
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from app.page import render_page

# A little more than the API allows its database, so that its reason arrives here. No proxy lies between local services.
api = httpx.AsyncClient(base_url=os.environ.get("API_URL", "http://127.0.0.1:8000"), timeout=1.5, trust_env=False)


async def health(_: Request) -> JSONResponse:
    reason = await find_trouble()
    if reason:
        return JSONResponse({"status": "unavailable", "service": "web", "reason": reason}, status_code=503)
    return JSONResponse({"status": "ok", "service": "web"})


async def show_page(_: Request) -> HTMLResponse:
    reason = await find_trouble()
    return HTMLResponse(render_page(message=f"Not available: {reason}." if reason else "The API is up."))


async def submit_form(request: Request) -> HTMLResponse:
    fields = parse_qs((await request.body()).decode(errors="replace"))
    email, password, slot = (fields.get(name, [""])[0] for name in ("email", "password", "slot"))
    try:
        api_key = await make_key(email, password, "secondary" if slot == "secondary" else "primary")
    except httpx.HTTPStatusError as error:
        refused = error.response.status_code == httpx.codes.UNAUTHORIZED
        message = (
            "Email and password do not belong together."
            if refused
            else f"The API failed: {read_reason(error.response)}"
        )
        return HTMLResponse(render_page(message=message, email=email), status_code=401 if refused else 502)
    except httpx.HTTPError as error:
        message = f"The API does not answer: {error or type(error).__name__}"
        return HTMLResponse(render_page(message=message, email=email), status_code=502)
    return HTMLResponse(render_page(message=f"Signed in as {email}.", api_key=api_key), status_code=201)


async def make_key(email: str, password: str, slot: str) -> str:
    login = await api.post("/login", json={"email": email, "password": password})
    login.raise_for_status()
    issued = await api.post(f"/keys/{slot}", headers={"Authorization": f"Bearer {login.json()['token']}"})
    issued.raise_for_status()
    return str(issued.json()["api_key"])


async def find_trouble() -> str | None:
    """Ask the API how it is; None when it is well."""
    try:
        answer = await api.get("/health")
    except httpx.HTTPError as error:
        return f"the API at {api.base_url} does not answer: {error or type(error).__name__}"
    if not answer.is_success:
        return f"the API at {api.base_url} is not healthy: {read_reason(answer)}"
    return None


def read_reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["reason"])
    except (ValueError, TypeError, KeyError):
        return f"{answer.status_code} {answer.text[:200]}"


@asynccontextmanager
async def close_client(_: Starlette) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await api.aclose()


app = Starlette(
    routes=[Route("/health", health), Route("/", show_page), Route("/", submit_form, methods=["POST"])],
    lifespan=close_client,
)
