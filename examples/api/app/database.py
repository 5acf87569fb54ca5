"""The way to the database. Nothing here waits without a limit."""

import os

from sqlalchemy import Engine, NullPool, create_engine

CONNECT_TIMEOUT_S = 2
STATEMENT_TIMEOUT_MS = 2000  # also ends the wait for a table that a migration has locked


def read_database_url() -> str:
    url = os.environ.get("DATABASE_URL")
    if not url:
        raise RuntimeError("DATABASE_URL is not set; services.yaml sets it for `devenv up`")
    return url


def connect_engine() -> Engine:
    """A new connection for each use: a restarted database is noticed at once, a hung one when the time is over."""
    return create_engine(
        read_database_url(),
        poolclass=NullPool,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS}"},
    )
