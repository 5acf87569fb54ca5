"""The line to one engine: the SDK's low-level client, made on first use, its blocking calls in worker threads.

Must not know what is asked. Invariant: no exception of the SDK or of its HTTP library leaves this module; a refusal of
the engine is `Refused`, silence is HostError.
"""

import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar, cast

import anyio
from anyio import to_thread

from devenv.adapters.engine.endpoint import Endpoint, Greeting, describe_unreachable, greet, list_running
from devenv.domain.errors import DevenvError, HostError

if TYPE_CHECKING:
    from docker import APIClient

T = TypeVar("T")

CALL_S = 60.0
"""How long one call may take; a start with a slow volume driver needs tens of seconds."""
_CALLS_AT_ONCE = 32
_WAITS_AT_ONCE = 256


def load_sdk() -> None:
    """Import the SDK, so that the first call need not: 70 to 100 ms, while Compose runs."""
    import docker  # noqa: F401, PLC0415
    import requests  # noqa: F401, PLC0415


class Refused(HostError):
    """The engine answered a call with an error; `status` is HTTP's, `text` the engine's own words."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__("the Docker engine refused a call", why=text)
        self.status = status
        self.text = text


class EngineLine:
    """Calls to one engine. `endpoint` is where it is, `call_s` how long it may be silent in a call."""

    def __init__(self, endpoint: Endpoint, *, call_s: float = CALL_S) -> None:
        self.endpoint = endpoint
        self._call_s = call_s
        self.greeting: Greeting | None = None
        self._client: APIClient | None = None
        self._making = threading.Lock()
        self._calls = anyio.CapacityLimiter(_CALLS_AT_ONCE)
        self._waits = anyio.CapacityLimiter(_WAITS_AT_ONCE)

    async def greet(self) -> Greeting:
        """Ask for the engine's versions, every time anew; raises HostError."""
        self.greeting = await to_thread.run_sync(greet, self.endpoint, abandon_on_cancel=True, limiter=self._calls)
        if not self.greeting.api:  # encrypted: only the library can ask
            version = await self.ask(lambda client: client.version(api_version=False))
            self.greeting = Greeting(version=str(version["Version"]), api=str(version["ApiVersion"]))
        return self.greeting

    async def list_running(self) -> tuple[object, ...]:
        """Return all running containers of the engine; loads no library, which a stack of processes never needs."""
        if self._client is not None or self.endpoint.tls:
            rows = await self.ask(lambda client: client.containers())
            return tuple(cast("list[object]", rows))
        return await to_thread.run_sync(list_running, self.endpoint, abandon_on_cancel=True, limiter=self._calls)

    async def ask(self, call: Callable[["APIClient"], T], *, abandon: bool = True) -> T:
        """Carry out one quick call. With `abandon` a cancelled caller does not wait for the engine's answer."""
        return await to_thread.run_sync(self.ask_now, call, abandon_on_cancel=abandon, limiter=self._calls)

    async def wait(self, call: Callable[["APIClient"], T]) -> T:
        """Carry out a call that takes as long as something in the engine takes; a cancelled caller leaves at once."""
        return await to_thread.run_sync(self.ask_now, call, abandon_on_cancel=True, limiter=self._waits)

    def ask_now(self, call: Callable[["APIClient"], T]) -> T:
        """Carry out one call in this thread; raises Refused or HostError."""
        import requests  # noqa: PLC0415 - 60 ms, in a worker thread
        from docker.errors import APIError, DockerException  # noqa: PLC0415

        try:
            return call(self._connect())
        except APIError as error:
            raise Refused(error.status_code or 0, str(error.explanation or error).strip()) from error
        except requests.exceptions.Timeout as error:
            raise describe_unreachable(self.endpoint, TimeoutError()) from error
        except (requests.exceptions.RequestException, DockerException) as error:
            raise describe_unreachable(self.endpoint, _find_cause(error)) from error

    def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connect(self) -> "APIClient":
        with self._making:
            if self._client is None:
                self._client = self._make()
            return self._client

    def _make(self) -> "APIClient":
        from docker import APIClient, constants, tls, utils  # noqa: PLC0415 - 100 ms, in a worker thread

        endpoint = self.endpoint
        secure: tls.TLSConfig | bool = False
        if endpoint.tls:
            pair = (f"{endpoint.tls}/cert.pem", f"{endpoint.tls}/key.pem")
            secure = tls.TLSConfig(client_cert=pair, ca_cert=f"{endpoint.tls}/ca.pem", verify=endpoint.verify)
        spoken = self.greeting.api if self.greeting else ("" if endpoint.tls else greet(endpoint).api)
        newest = constants.DEFAULT_DOCKER_API_VERSION
        version = "auto" if not spoken else spoken if utils.version_lt(spoken, newest) else newest
        return APIClient(
            base_url=endpoint.url, version=version, timeout=int(self._call_s), tls=secure, max_pool_size=_CALLS_AT_ONCE
        )


def _find_cause(error: BaseException) -> Exception:
    """Return the system's own error below the layers of the libraries, where there is one."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno is not None:
            return seen
        inner = next((one for one in seen.args if isinstance(one, BaseException)), None)
        seen = inner or getattr(seen, "reason", None) or seen.__context__
    return ConnectionError(str(error))


async def run_all(calls: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Carry out all at once, to the end; then raise the first failure, unwrapped."""
    failures: list[DevenvError] = []

    async def run(call: Callable[[], Awaitable[None]]) -> None:
        try:
            await call()
        except DevenvError as error:
            failures.append(error)

    async with anyio.create_task_group() as group:
        for call in calls:
            group.start_soon(run, call)
    if failures:
        raise failures[0]
