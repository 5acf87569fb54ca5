"""A long answer of the engine (events, logs, output of a command), read in a worker thread, closed from anywhere.

Must not know what flows. Invariant: after `close` a blocked reader returns at once, so that a cancelled caller leaves
no thread behind; a stream that ends and one that was closed read the same.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar, cast

from anyio import CapacityLimiter, to_thread

T = TypeVar("T")


class _Source(Protocol):
    """The SDK's CancellableStream."""

    def __next__(self) -> object: ...

    def close(self) -> None: ...


class EngineStream(Generic[T]):
    """Items of `source`, one at a time. Each stream has a thread of its own while it is read."""

    def __init__(self, source: object, read: Callable[[object], T]) -> None:
        self._source = cast("_Source", source)
        self._read = read
        self._closed = False
        self._limiter = CapacityLimiter(1)

    async def take(self) -> T | None:
        """Return the next item, None at the end."""
        return await to_thread.run_sync(self.take_now, abandon_on_cancel=True, limiter=self._limiter)

    def take_now(self) -> T | None:
        """Return the next item in this thread, None at the end."""
        import requests  # noqa: PLC0415 - loaded already by whoever made the source
        import urllib3  # noqa: PLC0415

        broken = (OSError, urllib3.exceptions.HTTPError, requests.exceptions.RequestException)
        try:
            return None if self._closed else self._read(next(self._source))
        except (StopIteration, *broken):
            return None
        except (AttributeError, ValueError):
            if self._closed:  # the libraries stumble over a connection that was closed under them
                return None
            raise

    def close(self) -> None:
        """Wake the reader and let go of the connection."""
        from docker.errors import DockerException  # noqa: PLC0415

        if self._closed:
            return
        self._closed = True
        with suppress(AttributeError, OSError, DockerException):  # it may have ended by itself
            self._source.close()
        response = vars(self._source).get("_response")
        if response is not None:
            with suppress(AttributeError, OSError, ValueError):
                response.close()  # the SDK only shuts the connection down
