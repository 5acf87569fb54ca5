"""The sql probe: the application's own login works and a query runs (PostgreSQL, MySQL and MariaDB, SQLite).

Must not know of retries, nor of drivers: those are in `sql_drivers`. Invariant: the password is never shown.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import anyio.to_thread

from devenv.domain.database import Database, parse_url
from devenv.domain.probe import NotYet, Outcome, Passed, Target
from devenv.probes.loading import load_apart
from devenv.probes.reach import closes_at_once, find_obstacle, hide_credentials
from devenv.probes.sql_drivers import Rows, load_driver, run_query

_SCHEME = re.compile(r"(postgres|postgresql|mysql|mariadb|sqlite)(\+\w+)?:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sql:
    """`sql: postgresql://app:secret@127.0.0.1:5432/app`; also mysql://, mariadb://, sqlite:///path.

    The driver's name in a scheme (`postgresql+psycopg`) does not matter. `query` passes when it runs; where it gives
    rows, the first value must be true.
    """

    kind: ClassVar[str] = "sql"
    asks_port: ClassVar[bool] = True
    __pydantic_config__: ClassVar[Mapping[str, str]] = {"extra": "forbid"}

    value: str
    query: str = "SELECT 1"
    attempt_s: float = 5.0

    def __post_init__(self) -> None:
        if not self.value.startswith("${") and not _SCHEME.match(self.value):
            raise ValueError("sql needs a postgresql://, mysql://, mariadb:// or sqlite:/// URL")
        if not self.query.strip():
            raise ValueError("query is empty; leave it out for SELECT 1")

    def describe(self) -> str:
        """Return the kind and the place, without the password."""
        return f"sql {hide_credentials(self.value)}"

    async def prepare(self) -> None:
        """Load the driver, so that the first check need not."""
        await load_apart(partial(load_driver, self.value))

    async def check(self, target: Target) -> Outcome:
        """Log in and run the query, in a thread."""
        try:
            database = parse_url(self.value, target.working_dir)
        except ValueError as error:
            return NotYet(reason=f"{self.describe()} cannot be asked: {error}", final=True)
        found = await anyio.to_thread.run_sync(run_query, database, self.query, self.attempt_s, abandon_on_cancel=True)
        if found is None:
            return await _explain_silence(database)
        return self.judge(found) if isinstance(found, Rows) else found

    def judge(self, rows: Rows) -> Outcome:
        """Return what the query's result means; a statement without one passes by having run."""
        if rows.has_result and not rows.first:
            return NotYet(reason=f"{self.query!r} gave no row yet")
        if rows.has_result and not rows.first[0]:
            return NotYet(reason=f"{self.query!r} gave {rows.first[0]!r}, and waits for a true value")
        return Passed(detail="the query ran")


async def _explain_silence(database: Database) -> NotYet:
    if database.socket:
        return NotYet(reason=f"nothing answers on {database.socket}")
    return await find_obstacle(database.host, database.port) or closes_at_once(database.host, database.port)
