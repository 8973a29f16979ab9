"""Passwords and tokens as they are kept: hashed. scrypt for what people think up, SHA-256 for what is random."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets

#: N, r, p of RFC 7914: about 50 ms and 16 MB a check
_N, _R, _P = 2**14, 8, 1
_MEMORY = 64 << 20
#: letters that nobody takes for each other
_LETTERS = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def new_password(length: int = 20) -> str:
    """Return a random password (about 116 bits at 20 letters)."""
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def new_token() -> str:
    """Return a random API token of 256 bits."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return how a token is kept."""
    return hashlib.sha256(token.encode()).hexdigest()


def hash_password(password: str) -> str:
    """Return ``scrypt$N$r$p$salt$key``."""
    salt = os.urandom(16)
    key = hashlib.scrypt(password.encode(), salt=salt, n=_N, r=_R, p=_P, maxmem=_MEMORY)
    return f"scrypt${_N}${_R}${_P}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def matches(password: str, kept: str) -> bool:
    """Tell whether a password is the one that was hashed. Takes its time: call it off the event loop."""
    try:
        _, n, r, p, salt, key = kept.split("$")
        wanted = base64.b64decode(key)
        made = hashlib.scrypt(
            password.encode(), salt=base64.b64decode(salt), n=int(n), r=int(r), p=int(p), maxmem=_MEMORY
        )
    except ValueError:
        return False
    return hmac.compare_digest(made, wanted)


#: what an unknown name is compared with, so that it takes as long as a known one
NOBODY = hash_password(secrets.token_hex(8))
