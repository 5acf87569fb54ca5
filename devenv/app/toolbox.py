"""What the shell was given from outside, in one value.

Must not construct anything: `daemon.wiring` does, or a test. Invariant: everything that touches the machine is in here.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from devenv.app.ports import Checkouts, Cleaner, Containers, Inspector, Logs, PortTable, Processes, RunRecord
from devenv.app.requests import Reading
from devenv.app.runner import ChooseStages
from devenv.domain.errors import HostError
from devenv.domain.holders import ProcessId
from devenv.domain.model import ComposeProject, Stack
from devenv.domain.ownership import Self


class StopForeign(Protocol):
    """Ends a process that is not the stack's, with its tree."""

    async def __call__(self, holder: ProcessId, grace_s: float, *, protect: frozenset[int]) -> tuple[ProcessId, ...]:
        """End it, but never a pid of `protect`; return what is left."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """What the shell was given from outside; built by `daemon.wiring` or by a test."""

    processes: Processes
    ports: PortTable
    record: RunRecord
    logs: Logs
    load: Callable[[Reading], Awaitable[Stack]]
    open_engine: Callable[[ComposeProject, Callable[[HostError | None], None]], Containers]
    """Takes the project, and who is told that the engine went away (why) or came back (None)."""
    embed: Callable[[Stack, tuple[str, ...], str], Stack]
    """Turns the named Compose services into embedded servers, with a note that gives the reason.

    Raises one HostError for all that have no stand-in.
    """
    remove_embedded_data: Callable[[bool], Awaitable[tuple[str, ...]]]
    """Removes the anonymous data of embedded servers, with True the named volumes too; returns the folders."""
    stop_foreign: "StopForeign"
    stop_container: Callable[[str], Awaitable[None]]
    """Stops a container of somebody else's project, which was agreed to."""
    itself: Callable[[int], Self]
    """Takes the pid of the asking command; returns who we are, and which other stacks there are."""
    choose_stages: ChooseStages
    open_checkouts: Callable[[Mapping[str, str]], Checkouts]
    """Takes the environment of the asking command, in which git runs."""
    inspector: Inspector
    cleaner: Cleaner
    boot: str
    cpus: int
