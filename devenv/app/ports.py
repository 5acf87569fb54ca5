"""What the shell needs from outside, as Protocols of a few methods each.

Adapters implement them; tests have a fake of each, held to the same contract suite. Invariant: nothing here names a
library or a file.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from devenv.domain.cleaning import BuildCacheRules, CleanRules, LogRules, PruneReport, Reclaimed
from devenv.domain.errors import HostError
from devenv.domain.events import ServiceView
from devenv.domain.findings import Finding, Verdict
from devenv.domain.holders import ContainerFacts, Holder, ProcessId
from devenv.domain.model import ComposeProject, Port, Stack, Stop, Transport
from devenv.domain.probe import Executed
from devenv.domain.subject import Subject

if TYPE_CHECKING:
    from devenv.domain.pulling import Checkout, News


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A process to start: `environment` is all of it; output is appended to the file `log`."""

    service: str
    argv: tuple[str, ...]
    working_dir: str
    environment: Mapping[str, str]
    log: str


class Processes(Protocol):
    """The processes of this machine, and the ones that the stack started on it."""

    def spawn(self, launch: Launch) -> ProcessId:
        """Start a process in a session of its own, marked as the stack's.

        Raises StartFailed (program not found, folder missing, no permission) with what, why and fix.
        """
        ...

    def is_alive(self, process: ProcessId) -> bool:
        """Tell whether exactly this process still runs (a zombie does not)."""
        ...

    async def wait_exit(self, process: ProcessId) -> int | None:
        """Wait until it has ended; return its exit status (negative: the signal), None for one we did not start."""
        ...

    async def stop_tree(self, roots: Iterable[ProcessId], service: str, stop: Stop) -> tuple[ProcessId, ...]:
        """End the trees of `roots` and everything marked as `service`'s, gently, then hard; return what is left."""
        ...

    def find_marked(self) -> Mapping[str, tuple[ProcessId, ...]]:
        """Return every live process that carries this stack's marker, by service."""
        ...

    def tree_pids(self, root: ProcessId, service: str) -> frozenset[int]:
        """Return the pids of `root`'s descendants and of everything marked as `service`'s."""
        ...

    async def run(self, launch: Launch, timeout_s: float) -> Executed:
        """Run a short command beside a service and return how it ended; killed after `timeout_s`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container of the stack's Compose project, as the engine lists it. `state` is the engine's own word."""

    id: str
    service: str
    name: str
    state: str
    image_id: str = ""
    exit_code: int | None = None
    config_hash: str = ""
    started_at: str = ""
    volumes: tuple[str, ...] = ()
    """The volumes that it mounts, by name: the project's, external and anonymous ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What was removed, by name, and what could not be, with the reason: mostly who uses it."""

    removed: tuple[str, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerExit:
    """A container's main process ended, or the container was removed (`removed`)."""

    id: str
    exit_code: int | None
    removed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What the gate needs of a running container.

    `address` is reachable from this machine ('' where none is); `published` says that ports must be probed through
    the published side (Docker Desktop, rootless, host network without address). `health_test` is the effective
    health check's argv ('' first word NONE means none); `restart_count` is the engine's. `targets` maps each
    published host port to the container's port.
    """

    id: str
    running: bool
    restarting: bool
    pid: int
    address: str
    exit_code: int | None = None
    health_test: tuple[str, ...] = ()
    restart_count: int = 0
    error: str = ""
    targets: Mapping[int, int] = field(default_factory=dict)
    published: bool = False
    started_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneScope:
    """What of the engine may go: what one project left, or (`everything`) what nobody on the engine uses.

    Containers of `keep` stay, also where they do not run. Without `build_cache` the build cache stays, unless
    `everything` goes.
    """

    everything: bool = False
    build_cache: BuildCacheRules | None = None
    keep: frozenset[str] = frozenset()
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A folder that somebody works in whom only the engine knows: `who`, in words.

    `is_ours` tells that whatever is in it may be in use as well: containers of this project, and volumes. Of other
    people's, who may have mounted the whole disk, only the folder itself counts.
    """

    path: str
    who: str
    is_ours: bool = False


class Containers(Protocol):
    """The engine: the containers of one Compose project, and who publishes a port."""

    async def ping(self) -> str:
        """Return the engine's version; raises HostError where it does not answer."""
        ...

    async def list(self) -> tuple[Container, ...]:
        """Return the project's containers, stopped ones too."""
        ...

    async def missing_images(self, services: Iterable[str]) -> tuple[str, ...]:
        """Return those of `services` whose image is not here."""
        ...

    async def prepare(self, services: Iterable[str], *, build: bool, report: "ReportProgress") -> None:
        """Pull or build the images of `services`, in parallel. Raises HostError naming service and image."""
        ...

    async def create(self, services: Iterable[str], *, force: bool = False) -> tuple[Container, ...]:
        """Make the containers of `services` (and what they need) without starting them; changed ones anew."""
        ...

    def publish(self, ports: Mapping[str, tuple[Port, ...]]) -> None:
        """From now on let `create` publish exactly these ports of these services (all ports of each)."""
        ...

    async def start(self, container: str) -> None:
        """Start it. Raises PortHeld, StartFailed or HostError with the engine's own cause translated."""
        ...

    async def inspect(self, container: str) -> Inspection:
        """Look at one container. Raises StartFailed where it is gone."""
        ...

    async def execute(self, container: str, argv: tuple[str, ...]) -> Executed:
        """Run a command inside."""
        ...

    async def tail(self, container: str, lines: int) -> tuple[str, ...]:
        """Return the last lines of its log since its last start."""
        ...

    async def stop(
        self, container: str, stop: Stop, *, declared: bool, on_quiet: Callable[[], None] = lambda: None
    ) -> None:
        """End it, not waiting for an init that can only ignore the signal. `declared`: use `stop` over the engine's.

        `on_quiet` is called where it is seen that nothing of it runs any more while the engine still clears it away.
        """
        ...

    async def remove(self, containers: Iterable[str], *, volumes: bool = False) -> None:
        """Remove stopped containers; with `volumes` their anonymous volumes too."""
        ...

    async def remove_networks(self) -> Removal:
        """Remove the project's own networks, but for those that others use."""
        ...

    async def volumes(self) -> tuple[str, ...]:
        """Return the names of the project's named volumes."""
        ...

    async def find_volumes(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return those of `names` that are there, whoever made them."""
        ...

    async def remove_volumes(self) -> Removal:
        """Remove the project's named volumes (external ones are never the project's), but for those in use."""
        ...

    async def prune(self, scope: PruneScope) -> tuple[PruneReport, HostError | None]:
        """Remove what nobody uses; return what went, and the failure that ended it early. Never touches a volume."""
        ...

    async def mounts(self) -> tuple[Mount, ...]:
        """Return the folders of this machine that the engine's containers which run, and its volumes, work in."""
        ...

    def take_notes(self) -> tuple[str, ...]:
        """Return what was decided without being asked, one sentence each, and forget it."""
        ...

    def exits(self) -> AsyncIterator[ContainerExit]:
        """Yield the project's container exits as they happen, for ever; the subscription stands at the first step."""
        ...


class ReportProgress(Protocol):
    """Takes a line of progress: `report(subject, text, done=False)`."""

    def __call__(self, subject: str, text: str, *, done: bool = False) -> None:
        """Say how far `subject` is."""
        ...


class PortTable(Protocol):
    """The ports of this machine."""

    async def holders(self, ports: Iterable[tuple[int, Transport]]) -> tuple[Holder, ...]:
        """Return everything that holds one of `ports`, in one look, with the owners' facts."""
        ...

    async def all_listeners(self) -> tuple[Holder, ...]:
        """Return everything that serves on this machine, sorted by port."""
        ...

    async def wait_free(self, port: Port, deadline_s: float) -> bool:
        """Wait until `port` is bindable and published by no container; False after `deadline_s`."""
        ...

    def is_bindable(self, port: Port) -> bool:
        """Tell whether a service could bind `port` right now, on IPv4 and IPv6."""
        ...

    def listener_pids(self, port: int, candidates: frozenset[int]) -> tuple[bool, tuple[int, ...]]:
        """Return whether anyone listens on TCP `port`, and which of `candidates` do."""
        ...

    def find_free(self, *, start: int, avoid: frozenset[int]) -> int:
        """Return the first port from `start` on, below the ephemeral range, that is free on both families."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One service in the run record: its view, and the fingerprint it was started with."""

    view: ServiceView
    fingerprint: str = ""
    process: ProcessId | None = None
    log_start: int = 0
    stop: Stop = field(default_factory=Stop)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What we started, on disk: enough to adopt it or to end it without the configuration.

    `boot` identifies the machine's boot, so that pids of an earlier boot are never believed. `ports` are the numbers
    given to moved and `auto` ports, by service. `weights` are the seconds each service took to ready last time.
    """

    stack: str
    root: str
    file: str
    boot: str
    compose: ComposeProject | None = None
    services: Mapping[str, Recorded] = field(default_factory=dict)
    ports: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    asked_ports: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """What the configuration said then, 0 for `auto`: a number that was moved is told from one that was changed."""
    weights: Mapping[str, float] = field(default_factory=dict)


class RunRecord(Protocol):
    """The run record on disk."""

    def load(self) -> Record | None:
        """Return the record, None where there is none (or a broken one, which is set aside and said in the log)."""
        ...

    def save(self, record: Record) -> None:
        """Write it beside and rename it into place. Raises HostError on a full disk."""
        ...

    def clear(self) -> None:
        """Remove it."""
        ...


class Inspector(Protocol):
    """Holds a service's database against its code, and its lock files against what is installed.

    Nothing raises: what cannot be looked at is an UNKNOWN finding. All may be cancelled.
    """

    async def check(self, subject: Subject) -> Verdict:
        """Compare models, database and migration records; reads only."""
        ...

    async def migrate(self, subject: Subject, say: Callable[[str], None]) -> Verdict:
        """Take a snapshot, run the configured command, and check again; `say` hears each line on the way."""
        ...

    async def find_missing_tables(self, subject: Subject) -> Finding | None:
        """Return the tables that the subject's imports write to and that do not exist, None where all do."""
        ...

    async def check_locks(self, subject: Subject) -> tuple[Finding, ...]:
        """Return where lock files and installed packages disagree."""
        ...


class Checkouts(Protocol):
    """The work trees that a stack runs from, and the remotes of the branches that they have checked out."""

    async def find(self, folder: str, remotes: Sequence[str], files: Sequence[str]) -> "Checkout":
        """Return the work tree around `folder`; a branch without an upstream is looked for at `remotes`, in order.

        `files` are the absolute paths of what the stack was read from. Asks no remote. Raises UsageError where the
        folder is in no repository, HostError where git cannot tell.
        """
        ...

    async def fetch(self, checkout: "Checkout") -> "News | None":
        """Fetch the one branch to pull; None where no remote has it. Raises HostError where one does not answer."""
        ...

    async def fast_forward(self, checkout: "Checkout", news: "News") -> str:
        """Bring the work tree to the news' commit if that loses nothing; return why it was not, '' where it was."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """What of the host may go. `environment` is that of the command that asks: it chooses git and package managers.

    `stay` are paths that are never removed, nor what is in them or holds them.
    """

    rules: CleanRules
    environment: Mapping[str, str]
    stay: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    dry_run: bool = False


class Cleaner(Protocol):
    """The files of this machine that may be removed to give disk space back."""

    async def clean(self, cleaning: Cleaning) -> PruneReport:
        """Remove what may go and say what stays, and why. Raises nothing that a file system or a tool can cause."""
        ...


class Logs(Protocol):
    """The log files of processes."""

    def path(self, service: str) -> str:
        """Return where a service's output goes."""
        ...

    def size(self, service: str) -> int:
        """Return how many bytes it has written so far, counted over rotations."""
        ...

    def read_since(self, service: str, offset: int, limit: int) -> str:
        """Return at most the last `limit` bytes that it wrote after `offset`, as text."""
        ...

    def tail(self, service: str, lines: int, since: int = 0) -> tuple[str, ...]:
        """Return its last lines, each cut to 500 characters and without control codes."""
        ...

    async def tend(self) -> None:
        """Index times and rotate files, for ever."""
        ...

    def limit(self, rules: LogRules) -> None:
        """Rotate by these rules from now on."""
        ...

    async def prune(self, services: Iterable[str], *, dry_run: bool) -> Reclaimed:
        """Remove the logs of all but `services`, and older pieces beyond the rules; return what went."""
        ...


__all__ = [
    "Checkouts",
    "Cleaner",
    "Cleaning",
    "Container",
    "ContainerExit",
    "ContainerFacts",
    "Containers",
    "Inspection",
    "Launch",
    "Logs",
    "Mount",
    "PortTable",
    "Processes",
    "PruneScope",
    "Record",
    "Recorded",
    "Removal",
    "ReportProgress",
    "RunRecord",
    "Stack",
]
