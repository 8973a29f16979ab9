"""Who may command what: keys of issuers and the scope of each. A refusal names its reason in one word first."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from pydantic import Field

from core.command import Command
from core.config import Config
from core.spec import DeviceSpec
from wire.signing import Algorithm, verify


class IssuerKey(Config):
    """A key with what it may command; every name is a pattern (``*`` all).

    ``id`` names the key in signatures. ``issuer`` is who signs with it (``policy:*``, ``user:kim``), ``kinds`` are
    equipment kinds, ``areas`` are ``site/area``, ``commands`` are names. ``key`` is base64: an HMAC key, or an Ed25519
    public key.
    """

    id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    issuer: str = "*"
    algorithm: Algorithm = "ed25519"
    key: str = Field(repr=False)
    kinds: tuple[str, ...] = ("*",)
    areas: tuple[str, ...] = ("*",)
    commands: tuple[str, ...] = ("*",)


class Issuers:
    """Checks signatures and scopes. Without keys and without ``required`` everything passes, as in the demo."""

    def __init__(self, keys: Sequence[IssuerKey], required: bool) -> None:
        self._keys = {key.id: key for key in keys}
        self.required = required

    def forgery(self, command: Command) -> str:
        """Return why a command is not what its issuer signed, empty if it is (or need not be signed)."""
        if not command.signature:
            return "unsigned: commands are signed here" if self.required else ""
        key = self._keys.get(command.signature.partition(":")[0])
        if key is None:
            return "unknown key" if self.required else ""
        if not fnmatchcase(command.issuer, key.issuer):
            return f"wrong issuer: key {key.id} does not sign for {command.issuer!r}"
        return "" if verify(command, key.algorithm, key.key) else "bad signature"

    def outside(self, command: Command, device: DeviceSpec) -> str:
        """Return why a command is outside the scope of its key, empty if it is inside."""
        key = self._keys.get(command.signature.partition(":")[0])
        if key is None:
            return ""
        area = f"{device.site}/{device.area}"
        for what, value, allowed in (
            ("kind", device.kind, key.kinds),
            ("area", area, key.areas),
            ("command", command.name, key.commands),
        ):
            if not any(fnmatchcase(value, pattern) for pattern in allowed):
                return f"out of scope: key {key.id} is not for {what} {value!r}"
        return ""
