"""What a client may ask for, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to read the configuration: where from, and with which of the user's own settings.

    `environment` is that of the command that asks, never the daemon's.
    """

    directory: str
    file: str | None = None
    project: str | None = None
    profiles: tuple[str, ...] = ()
    engine: str | None = None
    pid: int = 0
    """The command that asks."""
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpRequest:
    """An `up`. `decisions` are the answers to a port's prompt: holder key -> stop | move | fail."""

    reading: Reading
    services: tuple[str, ...] = ()
    no_deps: bool = False
    build: bool = False
    force_recreate: bool = False
    dry_run: bool = False
    rollback: bool = False
    free_ports: bool = False
    strict: bool = False
    """Whether what could not be checked fails, too."""
    pull: bool = False
    """Whether git is asked for newer commits first, where the configuration wants that."""
    timeout_s: float | None = None
    decisions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DownRequest:
    """A `down` of everything, or a `stop` of some services. `grace_s` overrides every service's own."""

    services: tuple[str, ...] = ()
    volumes: bool = False
    grace_s: float | None = None
    prune: bool = False
    """Whether disk space is given back once everything has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneRequest:
    """A `prune`. With `all_unused` of the whole engine, which somebody agreed to."""

    reading: Reading
    all_unused: bool = False
    dry_run: bool = False
