"""A database snapshot as values: what is known of it, how it is named, which ones may go, how it is told.

Pure. Must not know files, tools or migrations' files. Invariant: nothing here holds a password, and a snapshot that
somebody asked for is never among those that may go.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from devenv.domain.sizes import count, format_size

KEPT = 10
"""How many automatic snapshots of a service are kept."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")


class Why(StrEnum):
    """What a snapshot was taken for."""

    ASKED = "asked"
    MIGRATE = "before migrate"
    RESTORE = "before restore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What is known of a dump.

    `database` describes where it was taken, without user and password; `taken_at` is UTC (`2025-01-31T14:05:09.123Z`).
    `fingerprint` is that of the schema, `checksum` the SHA-256 of the dump's bytes. `tables` are titles, `rows` is the
    server's own estimate. `migrations` are the applied ids by tool, in the order of their files. `owners` and
    `grantees` are the roles that a restore of everything needs. `commit` is '' outside a git repository.
    """

    name: str
    service: str
    why: Why
    taken_at: str
    database: str
    dialect: str
    server_version: str
    fingerprint: str
    checksum: str
    size_bytes: int
    devenv_version: str
    tables: tuple[str, ...] = ()
    rows: int = 0
    extensions: tuple[str, ...] = ()
    migrations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    owners: tuple[str, ...] = ()
    grantees: tuple[str, ...] = ()
    commit: str = ""
    has_changes: bool = False
    """The checkout differed from `commit`."""


def is_name(text: str) -> bool:
    """Tell whether a snapshot can be called `text`: letters, digits, dots, dashes and underscores."""
    return _NAME.fullmatch(text) is not None


def suggest_name(service: str, taken_at: str, taken: Iterable[str]) -> str:
    """Return `<service>-20250131-140509`, with a number behind where that one is `taken`."""
    digits = re.sub(r"\D", "", taken_at)
    name = f"{re.sub(r'[^A-Za-z0-9._-]', '-', service)}-{digits[:8]}-{digits[8:14]}"
    names = set(taken)
    number = 2
    while (chosen := name if number == 2 else f"{name}-{number - 1}") in names:
        number += 1
    return chosen


def sort_newest_first(snapshots: Iterable[Snapshot]) -> tuple[Snapshot, ...]:
    """Return them with the newest first."""
    return tuple(sorted(snapshots, key=lambda one: (one.taken_at, one.name), reverse=True))


def select_expired(snapshots: Iterable[Snapshot], service: str, *, spared: str = "") -> tuple[Snapshot, ...]:
    """Return the automatic snapshots of `service` beyond the newest `KEPT`, without the one called `spared`."""
    automatic = [one for one in sort_newest_first(snapshots) if one.service == service and one.why is not Why.ASKED]
    return tuple(one for one in automatic[KEPT:] if one.name != spared)


def find_rollback(snapshots: Iterable[Snapshot], service: str) -> Snapshot | None:
    """Return the snapshot that the last migration of `service` began with."""
    before = (one for one in sort_newest_first(snapshots) if one.service == service and one.why is Why.MIGRATE)
    return next(before, None)


def describe_snapshot(snapshot: Snapshot) -> str:
    """Return it in one line: `12 tables, about 3,000 rows, 74 migrations (last 2024…), 1.3 MB`."""
    parts = [count(len(snapshot.tables), "table"), f"about {count(snapshot.rows, 'row')}"]
    parts += [
        f"{count(len(applied), 'migration')} of {tool} (last {applied[-1]})" if applied else f"no migration of {tool}"
        for tool, applied in snapshot.migrations.items()
    ]
    return ", ".join((*parts, format_size(snapshot.size_bytes)))


def encode_snapshot(snapshot: Snapshot) -> dict[str, object]:
    """Return a snapshot as plain data, for JSON."""
    return {"version": 1, **asdict(snapshot), "why": str(snapshot.why)}


def decode_snapshot(data: Mapping[str, Any]) -> Snapshot:
    """Rebuild the snapshot that `encode_snapshot` took apart. Raises KeyError, TypeError or ValueError."""
    known = {name: value for name, value in data.items() if name in Snapshot.__slots__}
    lists = {name: tuple(known[name]) for name in ("tables", "extensions", "owners", "grantees")}
    migrations = {tool: tuple(applied) for tool, applied in known["migrations"].items()}
    return Snapshot(**{**known, **lists, "migrations": migrations, "why": Why(known["why"])})
