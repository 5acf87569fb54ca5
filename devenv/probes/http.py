"""The http probe: a request is answered as expected.

Must not know of retries. Invariants: proxies of the environment are never used, redirects are answers like any other,
certificates are not verified (those of development servers are self-signed), and credentials are never shown.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from devenv.domain.probe import NotYet, Outcome, Passed, Target
from devenv.probes.loading import load_apart
from devenv.probes.reach import closes_at_once, find_obstacle, hide_credentials, join, shorten, unverified_tls

if TYPE_CHECKING:
    import httpx

_BODY_LIMIT = 64 * 1024
_RANGE = re.compile(r"([1-5]\d\d)(?:\s*-\s*([1-5]\d\d))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """`http: /health` asks the service itself, a full URL any other place.

    `status` is a number, a range (`200-399`) or a list of both; `body` is a regular expression.
    """

    kind: ClassVar[str] = "http"
    asks_port: ClassVar[bool] = True
    __pydantic_config__: ClassVar[Mapping[str, str]] = {"extra": "forbid"}

    value: str
    status: int | str | tuple[int | str, ...] = "200-399"
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    attempt_s: float = 2.0

    def __post_init__(self) -> None:
        if not self.value.startswith(("/", "http://", "https://", "${")):
            raise ValueError(f"{self.value!r} is neither a path such as /health nor an http:// or https:// URL")
        _parse_statuses(self.status)
        try:
            re.compile(self.body)
        except re.error as error:
            raise ValueError(f"body is no regular expression: {error}") from None

    def describe(self) -> str:
        """Return the kind and the path or URL, without credentials."""
        note = " (certificate not verified)" if self.value.startswith("https://") else ""
        return f"http {hide_credentials(self.value)}{note}"

    async def check(self, target: Target) -> Outcome:
        """Send one request."""
        url = self._url(target)
        if url is None:
            return NotYet(reason=f"{target.service} has no port to ask; give a full URL", final=True)
        try:
            place = urlsplit(url)
            address, port = place.hostname or "", place.port or (443 if place.scheme == "https" else 80)
        except ValueError as error:
            return NotYet(reason=f"{hide_credentials(url)} is no URL ({error})", final=True)
        await self.prepare()
        # A refused connection costs a tenth of a request, and most attempts of a start are refused.
        return await find_obstacle(address, port) or await self._ask(url, address, port)

    async def prepare(self) -> None:
        """Load the client, so that the first check need not."""
        if not _is_loaded():
            await load_apart(_load)

    def _url(self, target: Target) -> str | None:
        if not self.value.startswith("/"):
            return self.value
        if target.port is None:
            return None
        scheme = "https" if target.base_url.startswith("https:") else "http"
        return f"{scheme}://{join(target.address, target.port)}{self.value}"

    async def _ask(self, url: str, address: str, port: int) -> Outcome:
        import httpx  # noqa: PLC0415 - 70 ms that only services with this probe cost

        asked = f"{self.method} {hide_credentials(url)}"
        try:
            status, words, body = await self._request(url)
        except httpx.TimeoutException:
            hung = f"accepted the connection but did not answer within {self.attempt_s:g} s"
            return NotYet(reason=f"{join(address, port)} {hung}")
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            return _explain(error, asked) or closes_at_once(address, port)
        return self.judge(asked, status, words, body)

    async def _request(self, url: str) -> tuple[int, str, str]:
        """Return status, its words, and at most 64 KiB of the body."""
        import httpx  # noqa: PLC0415 - see above

        client = httpx.AsyncClient(verify=unverified_tls(), trust_env=False, timeout=self.attempt_s)
        async with client, client.stream(self.method, url, headers=dict(self.headers)) as response:
            return response.status_code, response.reason_phrase, await _read_some(response)

    def judge(self, asked: str, status: int, words: str, body: str) -> Outcome:
        """Return what an answer means."""
        answer = f"HTTP {status}"
        if not any(low <= status <= high for low, high in _parse_statuses(self.status)):
            said = f": {shorten(body)}" if status >= 500 and body.strip() else ""
            waits_in_vain = status < 500
            text = f"{asked} answered {status} {words}".rstrip() + said
            return NotYet(reason=text, suspect=answer if waits_in_vain else "")
        if self.body and not re.search(self.body, body):
            missing = f"but its body does not match {self.body!r}: {shorten(body) or 'it is empty'}"
            return NotYet(reason=f"{asked} answered {status} {words}, {missing}")
        return Passed(detail=answer)


def _explain(error: Exception, asked: str) -> NotYet | None:
    """Return what a failed request means; None where the connection was dropped."""
    import httpx  # noqa: PLC0415 - see above

    said = shorten(str(error))
    match error:
        case httpx.ReadError() | httpx.WriteError() | httpx.CloseError():
            return None
        case httpx.RemoteProtocolError() if "without sending" in said:
            return None
        case httpx.RemoteProtocolError():
            return NotYet(reason=f"{asked} was not answered in HTTP: {said}", suspect="not HTTP")
        case httpx.ConnectError():
            return NotYet(reason=f"{asked} failed: {said}", suspect="no TLS" if "SSL" in said else "")
        case _:
            return NotYet(reason=f"{asked} cannot be asked: {said}", final=True)


def _is_loaded() -> bool:
    return bool(_load.cache_info().currsize)


@cache
def _load() -> None:
    """Load the client, 130 ms, while the service still starts and without holding up the other services' probes."""
    import httpx  # noqa: PLC0415 - see above

    httpx.AsyncClient(verify=unverified_tls(), trust_env=False)


async def _read_some(response: "httpx.Response") -> str:
    read = b""
    async for part in response.aiter_bytes():
        read += part
        if len(read) >= _BODY_LIMIT:
            break
    try:
        return read.decode(response.encoding or "utf-8", "replace")
    except LookupError:
        return read.decode("utf-8", "replace")


def _parse_statuses(status: int | str | tuple[int | str, ...]) -> list[tuple[int, int]]:
    """Return inclusive ranges. Raises ValueError for what is no status."""
    parts = status if isinstance(status, tuple) else (status,)
    ranges = []
    for part in parts:
        for text in str(part).split(","):
            found = _RANGE.fullmatch(text.strip())
            if not found:
                raise ValueError(f"{part!r} is no HTTP status: give a number, a range such as 200-399, or a list")
            ranges.append((int(found[1]), int(found[2] or found[1])))
    return ranges
