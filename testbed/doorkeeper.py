"""The portal's door, kept by the vault: its accounts and tokens, read again when they change."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from portal.door import Door, Role, Told
from testbed.credentials import Credentials
from testbed.vault import PEOPLE, Vault


class _Book:
    """What the vault says, as of its last change."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._stamp: tuple[int, ...] | None = None
        self._accounts: dict[str, tuple[Role, str]] = {}
        self._tokens: dict[str, tuple[str, Role]] = {}

    def accounts(self) -> dict[str, tuple[Role, str]]:
        self._renew()
        return self._accounts

    def tokens(self) -> dict[str, tuple[str, Role]]:
        self._renew()
        return self._tokens

    def _renew(self) -> None:
        stamp = self._vault.stamp()
        if stamp == self._stamp:
            return
        people = {n: a for n, a in self._vault.accounts().items() if a.role in PEOPLE and a.web}
        self._accounts = {name: (cast("Role", a.role), a.web) for name, a in people.items()}
        self._tokens = {t.hashed: (name, cast("Role", t.role)) for name, t in self._vault.tokens().items()}
        self._stamp = stamp


def page_guard(proof: Credentials, told: Told) -> tuple[Door | None, tuple[Path, Path] | None]:
    """Return the door and the certificate (with its key) of the page, None each for the open one on loopback."""
    if proof.vault is None:
        return None, None
    tls = (proof.page_cert, proof.page_key) if proof.page_cert and proof.page_key else None
    return keep_door(Vault(proof.vault), told, secure=tls is not None), tls


def keep_door(vault: Vault, told: Told, *, secure: bool = True) -> Door:
    """Return the door that lets in whom the vault knows."""
    book = _Book(vault)
    return Door(book.accounts, book.tokens, told, secure=secure)
