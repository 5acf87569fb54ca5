"""Who holds a port, as values.

Observed by `devenv.adapters.ports`; judged by `devenv.domain.conflicts`. Invariant: a process is identified by pid
and start time together, never by pid, name or port alone.
"""

from dataclasses import dataclass

from devenv.domain.model import Transport


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ProcessId:
    """A process for as long as it lives: pid and start time.

    `started` is what the system says without rounding: on Linux the clock ticks since boot from /proc/PID/stat, on
    macOS the UTC seconds. Only ever compared for equality.
    """

    pid: int
    started: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFacts:
    """What is known of a process that holds a port; unknown texts are empty (another user's process)."""

    id: ProcessId
    command: str = ""
    working_dir: str = ""
    user: str = ""
    uid: int = -1
    age_s: float = 0.0
    parent: ProcessId | None = None
    parent_command: str = ""
    ancestors: tuple[int, ...] = ()
    """Pids from its parent up to 1."""
    marker_stack: str = ""
    """The value of DEVENV_STACK in its environment: the key of the devenv stack that started it."""
    marker_service: str = ""
    leads_terminal: bool = False
    """It leads a session that has a terminal: what a person started there, such as the shell itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerFacts:
    """A container that publishes a port: its name, id, image, and the Compose project and folder of its labels."""

    id: str
    name: str
    image: str = ""
    project: str = ""
    service: str = ""
    working_dir: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A socket that holds `port` on `address`, and who owns it.

    `process` is None where the owner may not be looked at; `uid` is then still known on Linux. `container` is set
    where the socket is Docker's proxy (or the engine says that it publishes the port). `hung` tells that it accepts
    connections, but requests pile up unread.
    """

    port: int
    address: str
    transport: Transport = Transport.TCP
    process: ProcessFacts | None = None
    uid: int = -1
    container: ContainerFacts | None = None
    hung: bool = False
