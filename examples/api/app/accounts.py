"""What users can do: sign in, get a key, be found by a key. Every function blocks; call it in a thread."""

import hashlib
import secrets
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import or_, select
from sqlalchemy.orm import sessionmaker

from app.database import connect_engine
from app.models import User
from app.passwords import NOBODY, verify_password

open_session = sessionmaker(connect_engine())


class KeySlot(StrEnum):
    PRIMARY = "primary"
    SECONDARY = "secondary"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    api_key: str
    replaced_digest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOwner:
    email: str
    slot: KeySlot


def check_users_table() -> None:
    """Read a user with every column the code knows; fails when the database or a column is missing."""
    with open_session() as session:
        session.execute(select(User).limit(1))


def log_in(email: str, password: str) -> int | None:
    """Return the user's id, or None when email and password do not belong together."""
    with open_session() as session:
        row = session.execute(select(User.id, User.password_hash).where(User.email == email.strip().lower())).first()
    matches = verify_password(password, row.password_hash if row else NOBODY)
    return row.id if row and matches else None


def issue_key(user_id: int, slot: KeySlot) -> IssuedKey | None:
    """Put a new key into the user's slot; this is the only moment the key itself is known."""
    api_key = f"cc_{secrets.token_urlsafe(32)}"
    with open_session.begin() as session:
        user = session.get(User, user_id, with_for_update=True)
        if user is None:
            return None
        if slot is KeySlot.PRIMARY:
            replaced, user.primary_api_key_digest = user.primary_api_key_digest, digest_key(api_key)
        else:
            replaced, user.secondary_api_key_digest = user.secondary_api_key_digest, digest_key(api_key)
    return IssuedKey(api_key=api_key, replaced_digest=replaced)


def find_owner(api_key: str) -> KeyOwner | None:
    digest = digest_key(api_key)
    with open_session() as session:
        user = session.scalar(
            select(User).where(or_(User.primary_api_key_digest == digest, User.secondary_api_key_digest == digest))
        )
    if user is None:
        return None
    slot = KeySlot.PRIMARY if user.primary_api_key_digest == digest else KeySlot.SECONDARY
    return KeyOwner(email=user.email, slot=slot)


def digest_key(api_key: str) -> str:
    return hashlib.sha256(api_key.encode()).hexdigest()
