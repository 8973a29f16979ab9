"""Signatures of commands: HMAC-SHA256 or Ed25519 over one canonical text, a key for each issuer.

The canonical text is JSON with sorted keys and no blanks: ``args``, ``device``, ``expires``, ``id``, ``issuer``,
``name``, ``t``. Times are ns as integers; a number among the arguments is written as ``f64:`` and the 16 hex digits of
its IEEE 754 double, since languages disagree on how to write numbers. A signature is ``<key id>:<base64url>``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import struct
from dataclasses import replace
from typing import Literal

from core.command import Command

Algorithm = Literal["hmac-sha256", "ed25519"]


def canonical(command: Command) -> bytes:
    """Return the text that is signed."""
    args = {name: v if isinstance(v, str) else f"f64:{struct.pack('>d', v).hex()}" for name, v in command.args.items()}
    fields = {
        "id": command.id,
        "device": command.device,
        "name": command.name,
        "issuer": command.issuer,
        "t": command.t,
        "expires": command.expires,
        "args": args,
    }
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sign(command: Command, key_id: str, algorithm: Algorithm, secret: str) -> Command:
    """Return the command with its signature; ``secret`` is base64 (HMAC key, or Ed25519 private key of 32 bytes)."""
    raw, text = base64.b64decode(secret), canonical(command)
    if algorithm == "hmac-sha256":
        mark = hmac.digest(raw, text, hashlib.sha256)
    else:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        mark = Ed25519PrivateKey.from_private_bytes(raw).sign(text)
    return replace(command, signature=f"{key_id}:{base64.urlsafe_b64encode(mark).decode()}")


def verify(command: Command, algorithm: Algorithm, key: str) -> bool:
    """Tell whether the signature is of this key (base64: HMAC key, or Ed25519 public key)."""
    try:
        mark = base64.urlsafe_b64decode(command.signature.partition(":")[2])
        raw = base64.b64decode(key)
    except (binascii.Error, ValueError):
        return False
    if algorithm == "hmac-sha256":
        return hmac.compare_digest(hmac.digest(raw, canonical(command), hashlib.sha256), mark)
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(mark, canonical(command))
    except (InvalidSignature, ValueError):
        return False
    return True


def key_pair() -> tuple[str, str]:
    """Return a new Ed25519 key as base64: (private, public)."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private, public = key.private_bytes_raw(), key.public_key().public_bytes_raw()
    return base64.b64encode(private).decode(), base64.b64encode(public).decode()
