"""Every failure that a user can cause or meet, each with its code and exit status.

The class owns code and status; the raise site owns the words: *what* could not be done, *why* (the values that
were seen), *fix* (one command or edit). One boundary in `cli` renders them; the daemon sends the same fields as
JSON and the client rebuilds the class by its code. Invariant: every leaf is in `BY_CODE`, and the README lists it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar


class DevenvError(Exception):
    """A known failure: one sentence what, one why, one fix; `details` are further lines, such as log tails."""

    code: ClassVar[str] = "bug"
    exit_status: ClassVar[int] = 70

    def __init__(self, what: str, *, why: str = "", fix: str = "", details: tuple[str, ...] = ()) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.fix = fix
        self.details = details


class UsageError(DevenvError):
    """The command line asks for something that is not there."""

    code = "usage"
    exit_status = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One mistake in a configuration file; `line` and `column` count from 1, 0 where the file has no position."""

    file: str
    line: int
    column: int
    message: str
    source: str = ""
    hint: str = ""

    @property
    def place(self) -> str:
        """Return `file:line:column`, which terminals and editors open."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class ConfigError(DevenvError):
    """The configuration has mistakes; carries every one of them."""

    code = "config-invalid"
    exit_status = 2

    def __init__(
        self,
        what: str,
        *,
        why: str = "",
        fix: str = "",
        details: tuple[str, ...] = (),
        diagnostics: tuple[Diagnostic, ...] = (),
    ) -> None:
        super().__init__(what, why=why, fix=fix, details=details)
        self.diagnostics = diagnostics


class HostError(DevenvError):
    """The machine lacks something: the engine does not answer, a tool or driver is missing, the disk is full."""

    code = "host"
    exit_status = 3


class PortHeld(DevenvError):
    """A port that the stack needs is held, and ending its holder was not agreed to."""

    code = "port-held"
    exit_status = 4


class StartFailed(DevenvError):
    """A service did not start, or ended before it was ready."""

    code = "start-failed"
    exit_status = 5


class NotReady(DevenvError):
    """A service runs, but its gate was not passed in time."""

    code = "not-ready"
    exit_status = 5


class StopFailed(DevenvError):
    """Something that was to end is still there."""

    code = "stop-failed"
    exit_status = 5


class DatabaseFailed(DevenvError):
    """A command on a database failed: a dump, a restore, a migration."""

    code = "database-failed"
    exit_status = 5


class SchemaDrift(DevenvError):
    """The database is not what the code expects, or a check of `devenv check` blocks."""

    code = "schema-drift"
    exit_status = 6


class SyncIncomplete(DevenvError):
    """Something of a git sync was not done: a branch behind, a push refused, a file of a mirror edited."""

    code = "sync-incomplete"
    exit_status = 7


class DaemonUnreachable(DevenvError):
    """The stack's daemon could not be started or does not answer."""

    code = "daemon-unreachable"
    exit_status = 8


class Interrupted(DevenvError):
    """The user pressed Ctrl-C."""

    code = "interrupted"
    exit_status = 130


BY_CODE: dict[str, type[DevenvError]] = {
    leaf.code: leaf
    for leaf in (
        UsageError,
        ConfigError,
        HostError,
        PortHeld,
        StartFailed,
        NotReady,
        StopFailed,
        DatabaseFailed,
        SchemaDrift,
        SyncIncomplete,
        DaemonUnreachable,
        Interrupted,
    )
}


def to_fields(error: DevenvError) -> dict[str, object]:
    """Return `error` as plain data: `code what why fix details status`, and `diagnostics` of a ConfigError."""
    fields: dict[str, object] = {
        "code": error.code,
        "status": error.exit_status,
        "what": error.what,
        "why": error.why,
        "fix": error.fix,
        "details": list(error.details),
    }
    if isinstance(error, ConfigError):
        fields["diagnostics"] = [asdict(diagnostic) for diagnostic in error.diagnostics]
    return fields


def from_fields(fields: Mapping[str, Any]) -> DevenvError:
    """Rebuild the error that `to_fields` took apart; an unknown code becomes a plain DevenvError."""
    texts = {name: str(fields.get(name, "")) for name in ("what", "why", "fix")}
    details = tuple(str(line) for line in fields.get("details", ()))
    leaf = BY_CODE.get(str(fields.get("code")), DevenvError)
    if leaf is ConfigError:
        diagnostics = tuple(Diagnostic(**item) for item in fields.get("diagnostics", ()))
        return ConfigError(**texts, details=details, diagnostics=diagnostics)
    return leaf(**texts, details=details)
