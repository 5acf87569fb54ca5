"""Checks passwords against `scrypt$N$R$P$SALT$DIGEST` (hex), the form in which signup stores them."""

import hashlib
import hmac

# Compared with when there is no such user, so that the time of an answer does not tell who has an account.
NOBODY = f"scrypt$16384$8$1${'00' * 16}${'00' * 32}"


def verify_password(password: str, stored: str) -> bool:
    _, n, r, p, salt, digest = stored.split("$")
    expected = bytes.fromhex(digest)
    actual = hashlib.scrypt(
        password.encode(), salt=bytes.fromhex(salt), n=int(n), r=int(r), p=int(p), dklen=len(expected)
    )
    return hmac.compare_digest(actual, expected)
