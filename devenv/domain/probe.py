"""What a probe is: one check of one service from the outside.

The kinds live in `devenv.probes`; the loop that asks them again and again lives in `devenv.app.gate`. A probe must
not know of clocks, retries or states. Invariant: an expected outcome is a value (`Passed`, `NotYet`), never an
exception.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """The check succeeded; `detail` is what was seen, such as `HTTP 200`."""

    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """The check did not succeed; `reason` is one sentence with the values seen.

    `suspect` names an answer that, repeated for 5 s, means that waiting will not help (`HTTP 404`); it is empty
    while the service merely does not answer yet. `final` means that waiting cannot help at all.
    """

    reason: str
    suspect: str = ""
    final: bool = False


Outcome = Passed | NotYet


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """How a command ended: its exit status and the end of its output (stdout and stderr, at most 4 KiB)."""

    status: int
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a probe may know of the service that it checks, filled anew for each start of the service.

    `address` and `port` are where the service itself listens: for a container its own address, because Docker's
    proxy accepts every connection to a published port. `base_url` is what a user would open.
    """

    service: str
    address: str = "127.0.0.1"
    port: int | None = None
    base_url: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = "."
    execute: Callable[[tuple[str, ...]], Awaitable[Executed]] | None = None
    """Runs a command inside the service's container, or beside its process with its environment."""
    read_log: Callable[[], Awaitable[str]] | None = None
    """Returns the text that the service has written since its last start (the last 1 MiB of it)."""
    health_test: tuple[str, ...] = ()
    """The health check that the container declares, as the engine lists it (`CMD-SHELL`, ...); empty without one."""
    is_proxied: bool = False
    """Whether `port` is reached through a proxy that accepts every connection, so that only bytes prove a listener."""


@runtime_checkable
class Probe(Protocol):
    """One check. Implementations are frozen dataclasses whose string fields may hold `${service.port}`."""

    kind: ClassVar[str]

    def describe(self) -> str:
        """Return what is checked, in a few words, without secrets: `http /health`."""
        ...

    async def check(self, target: Target) -> Outcome:
        """Ask once. The caller sets the deadline by cancelling; raises nothing that a service can cause."""
        ...


Stages = tuple[tuple[Probe, ...], ...]
"""Probes in the order of their cost: a stage is asked once the one before it has passed."""
