"""Hashes passwords to `scrypt$N$R$P$SALT$DIGEST` (hex); the API checks them from these parts alone."""

import hashlib
import secrets

N, R, P = 2**14, 8, 1  # 16 MiB and some 50 ms for each guess


def hash_password(password: str) -> str:
    salt = secrets.token_bytes(16)
    digest = hashlib.scrypt(password.encode(), salt=salt, n=N, r=R, p=P, dklen=32)
    return f"scrypt${N}${R}${P}${salt.hex()}${digest.hex()}"
