"""Creates users. It knows only the columns it writes; the table belongs to the API and its migrations.

Every function blocks; call it in a thread.
"""

import os
from dataclasses import dataclass

from psycopg.errors import UniqueViolation
from sqlalchemy import Engine, Integer, NullPool, String, column, create_engine, insert, select, table
from sqlalchemy.exc import IntegrityError

from app.passwords import hash_password

PASSWORD_LENGTH_MIN = 8
EMAIL_LENGTH_MAX = 254
CONNECT_TIMEOUT_S = 2
STATEMENT_TIMEOUT_MS = 2000  # also ends the wait for a table that a migration has locked

user_id = column("id", Integer)
users = table("users", user_id, column("email", String), column("password_hash", String))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    id: int
    email: str


class InvalidUserError(ValueError):
    """The user typed something we cannot take; the message is for the user."""


class EmailTakenError(Exception):
    """There is a user with this email already."""


def connect_engine() -> Engine:
    """A new connection for each use: a restarted database is noticed at once, a hung one when the time is over."""
    url = os.environ.get("DATABASE_URL")
    if not url:
        raise RuntimeError("DATABASE_URL is not set; services.yaml sets it for `devenv up`")
    return create_engine(
        url,
        poolclass=NullPool,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS}"},
    )


engine = connect_engine()


def check_users_table() -> None:
    with engine.connect() as connection:
        connection.execute(select(users).limit(1))


def create_user(email: str, password: str) -> NewUser:
    """Write a user, the email in lower case. Raises InvalidUserError and EmailTakenError."""
    email = email.strip().lower()
    check_user(email, password)
    row = {"email": email, "password_hash": hash_password(password)}
    try:
        with engine.begin() as connection:
            new_id = connection.execute(insert(users).values(row).returning(user_id)).scalar_one()
    except IntegrityError as error:
        if isinstance(error.orig, UniqueViolation):
            raise EmailTakenError(email) from None
        raise
    return NewUser(id=new_id, email=email)


def check_user(email: str, password: str) -> None:
    name, at, domain = email.partition("@")
    if not (name and at and domain) or len(email) > EMAIL_LENGTH_MAX or not email.isprintable():
        raise InvalidUserError("this is not an email address")
    if len(password) < PASSWORD_LENGTH_MIN:
        raise InvalidUserError(f"a password needs {PASSWORD_LENGTH_MIN} characters or more")
