"""Signed session tokens, `USER.EXPIRES.SIGNATURE`. The secret is new in each process: a restart signs everyone out."""

import hmac
import secrets
import time

LIFETIME_S = 3600
_SECRET = secrets.token_bytes(32)


def sign_session(user_id: int) -> str:
    claim = f"{user_id}.{int(time.time()) + LIFETIME_S}"
    return f"{claim}.{_sign(claim)}"


def read_session(token: str) -> int | None:
    """Return the user's id, or None for a token that is forged or too old."""
    claim, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _sign(claim).encode()):
        return None
    user_id, _, expires = claim.partition(".")
    return int(user_id) if time.time() < int(expires) else None


def _sign(claim: str) -> str:
    return hmac.digest(_SECRET, claim.encode(), "sha256").hex()
