"""Stacks and services for tests, with defaults for all that a test is not about.

Must not know the shell nor any fake. Invariant: what is built here is consistent, as if the configuration had read it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import ClassVar

import anyio
import anyio.lowlevel

from devenv.domain.model import (
    ComposeProject,
    Condition,
    ContainerRun,
    Dependency,
    ExternalRun,
    Port,
    ProcessRun,
    Run,
    Service,
    Stack,
    TaskRun,
)
from devenv.domain.probe import NotYet, Outcome, Passed, Target

ROOT = "/home/ada/src/shop"
PROJECT = ComposeProject(name="shop", files=(f"{ROOT}/compose.yml",), directory=ROOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyAfter:
    """A probe that passes `seconds` after it was first asked since the service's start; None: never."""

    kind: ClassVar[str] = "scripted"
    is_watched: ClassVar[bool] = False

    seconds: float | None = 0.0
    reason: str = "nothing answers"
    final: bool = False

    def describe(self) -> str:
        """Return a name."""
        return "scripted"

    async def check(self, target: Target) -> Outcome:
        """Answer by the clock of the event loop; the time that is missing passes in here."""
        if self.seconds is None:
            await anyio.lowlevel.checkpoint()
            return NotYet(reason=self.reason, final=self.final)
        await anyio.sleep(self.seconds)
        return Passed()

    attempt_s: ClassVar[float] = 1000.0


def ready_after(seconds: float) -> tuple[ReadyAfter, ...]:
    """Return the probes of a service that takes that long."""
    return (ReadyAfter(seconds=seconds),)


NEVER_READY = (ReadyAfter(seconds=None),)


def on(service: str, condition: Condition = Condition.READY, *, required: bool = True) -> Dependency:
    """Return an edge."""
    return Dependency(service=service, condition=condition, required=required)


def service(name: str, *depends_on: str | Dependency, run: Run | None = None, **facts: object) -> Service:
    """Return a dev server that runs on, or what `run` says; ports may be given as numbers (None: `auto`)."""
    edges = tuple(on(edge) if isinstance(edge, str) else edge for edge in depends_on)
    ports = facts.pop("ports", ())
    assert isinstance(ports, tuple)
    made = tuple(port if isinstance(port, Port) else Port(number=port) for port in ports)
    return Service(name=name, run=run or process(), depends_on=edges, ports=made, **facts)  # type: ignore[arg-type]


def process(*argv: str) -> ProcessRun:
    """Return how a process runs, `sleep` if nothing is said."""
    return ProcessRun(argv=argv or ("sleep", "1000"), working_dir=ROOT)


def ends_with(status: int) -> ProcessRun:
    """Return a process that ends at once."""
    return process("sh", "-c", f"exit {status}")


def task(name: str, *depends_on: str | Dependency, status: int | None = 0, **facts: object) -> Service:
    """Return a task that ends with `status` at once; None: the test ends it."""
    argv = ("sleep", "1000") if status is None else ("sh", "-c", f"exit {status}")
    return service(name, *depends_on, run=TaskRun(argv=argv, working_dir=ROOT), **facts)


def container(name: str, *depends_on: str | Dependency, spec: str = "1", **facts: object) -> Service:
    """Return a Compose service; `spec` stands for its definition."""
    run = ContainerRun(image="fixture/busybox", spec_hash=spec)
    return service(name, *depends_on, run=run, **facts)


def external(name: str, url: str = "https://127.0.0.1:9443/health", **facts: object) -> Service:
    """Return something that runs elsewhere."""
    return service(name, run=ExternalRun(url=url), **facts)


def stack(*services: Service, **facts: object) -> Stack:
    """Return a stack of `services`, with a Compose project if one of them is a container."""
    compose = PROJECT if any(isinstance(one.run, ContainerRun) for one in services) else None
    made = Stack(
        name="shop",
        root=ROOT,
        files=(f"{ROOT}/services.yaml",),
        services={one.name: one for one in services},
        compose=compose,
    )
    return replace(made, **facts)  # type: ignore[arg-type]


def chain(*names: str, **facts: object) -> tuple[Service, ...]:
    """Return services each of which depends on the one before."""
    first = service(names[0], **facts)
    return (first, *(service(name, before, **facts) for before, name in itertools.pairwise(names)))
