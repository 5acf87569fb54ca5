"""Asks the API. Whatever goes wrong on the way is one ApiDownError with a reason to show."""

import os

import httpx

from app.owners import Owner

# A little more than the API allows its database, so that its reason arrives here. No proxy lies between local services.
client = httpx.AsyncClient(base_url=os.environ.get("API_URL", "http://127.0.0.1:8000"), timeout=1.5, trust_env=False)


class ApiDownError(Exception):
    """The API cannot be reached, or says that it cannot work."""


async def check_health() -> None:
    await get("/health")


async def ask_owner(api_key: str) -> Owner | None:
    """Return None when the key is nobody's."""
    answer = await get("/whoami", headers={"X-API-Key": api_key})
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        return None
    return Owner(email=answer.json()["email"], slot=answer.json()["slot"])


async def get(path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    try:
        answer = await client.get(path, headers=headers)
    except httpx.HTTPError as error:
        raise ApiDownError(f"the API at {client.base_url} does not answer: {error or type(error).__name__}") from None
    if answer.is_success or answer.status_code == httpx.codes.UNAUTHORIZED:
        return answer
    raise ApiDownError(f"the API at {client.base_url} is not healthy: {read_reason(answer)}")


def read_reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["reason"])
    except (ValueError, TypeError, KeyError):
        return f"{answer.status_code} {answer.text[:200]}"
