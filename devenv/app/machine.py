"""What was seen of a machine, and of a stack on it, as `devenv doctor` judges it.

Values only; `devenv.cli.examining` fills them in. Must not judge. Invariant: what could not be looked at is empty,
never guessed.
"""

from dataclasses import dataclass

from devenv.domain.errors import DevenvError
from devenv.domain.ownership import Ownership


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program or service: its version, or why there is none and what helps."""

    version: str = ""
    why: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerNeed:
    """A service that wants a container: `stand_in` is what could serve in its place, '' for nothing."""

    service: str
    image: str
    builds: bool = False
    stand_in: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortFact:
    """A port that the stack needs and who has it: `holder` is '' where it is free, `will_free` where `up` may act."""

    service: str
    port: int
    holder: str = ""
    ownership: Ownership | None = None
    will_free: bool = False
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """The space below a folder, in bytes."""

    what: str
    path: str
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFolder:
    """Where stacks' state lives: its mode, and whether it is ours and can be written (where it exists)."""

    path: str
    mode: int = 0o700
    is_own: bool = True
    is_writable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonFact:
    """The stack's daemon: whether it listens and its version; what a dead one left; how long its socket's path is."""

    socket: str
    limit: int
    length: int
    listens: bool = False
    version: str = ""
    left_socket: bool = False
    left_record: bool = False
    broken_record: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was seen. Without a stack `stack` is '' and everything about it is empty."""

    own_version: str
    python: tuple[int, int, int]
    engine: Tool
    compose: Tool
    buildx: Tool
    git: Tool
    open_files: int
    state: StateFolder
    disks: tuple[Disk, ...] = ()
    stack: str = ""
    config_error: DevenvError | None = None
    engine_choice: str = "auto"
    containers: tuple[ContainerNeed, ...] = ()
    ports: tuple[PortFact, ...] = ()
    daemon: DaemonFact | None = None
