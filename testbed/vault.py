"""Everything secret of one machine: CA, accounts, tokens, signing keys; made at first use, below ``<data>/security``.

Passwords of devices and people are kept hashed and shown once; those of our own processes and the signing keys must be
kept as they are, in files of mode 0600 in a folder of mode 0700. Nothing of it is written to logs or run folders.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from core.clock import wall_ns
from core.config import Config
from core.errors import ConfigError, TestbedError
from portal.passwords import hash_password as scrypt
from portal.passwords import hash_token, new_password, new_token
from wire.accounts import Role, check_account, rights
from wire.broker_config import BrokerUser, hash_password, secret_file
from wire.signing import key_pair

#: accounts of our own processes; they are renewed with every start of ``up --secure``
OWN: dict[str, Role] = {"simulator": "device", "gateway": "gateway", "platform": "platform"}
PEOPLE: tuple[Role, ...] = ("viewer", "operator")
FIRST = "operator"
T = TypeVar("T")


class Account(Config):
    """A device, a process or a person. ``mqtt`` and ``web`` are hashes of one password; ``made`` is wall ns."""

    role: Role
    paths: tuple[str, ...] = ()
    mqtt: str = Field(repr=False)
    web: str = Field("", repr=False)
    made: int = 0


class Token(Config):
    """An API token of a program; ``hashed`` is its SHA-256."""

    role: Role
    hashed: str = Field(repr=False)
    made: int = 0


class Vault:
    """The security folder of a data folder. Reads from disk each time: several commands may be at work."""

    def __init__(self, data_dir: Path) -> None:
        self.root = data_dir / "security"
        self.ca = self.root / "ca"

    def make(self) -> None:
        """Make the folder; raises TestbedError where others could read it."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise TestbedError(f"{self.root}: cannot be written ({error.strerror})") from error
        if os.name == "posix" and self.root.stat().st_mode & 0o077:
            raise TestbedError(f"{self.root}: others can read it; run: chmod 700 {self.root}")

    # --- accounts -------------------------------------------------------------------------------------------

    def accounts(self) -> dict[str, Account]:
        """Return every account by name."""
        return self._read("accounts.json", dict[str, Account], {})

    def add(self, name: str, role: Role, paths: Sequence[str] = ()) -> str:
        """Add an account and return its password, which nobody can ask for again."""
        check_account(name, role, paths)
        if name in self.accounts():
            raise TestbedError(f"account {name}: there is one already; testbed users rotate {name} renews its password")
        return self._put(name, role, tuple(paths))

    def rotate(self, name: str) -> str:
        """Give an account a new password and return it."""
        account = self._known(name)
        return self._put(name, account.role, account.paths)

    def remove(self, name: str) -> None:
        """Remove an account."""
        self._known(name)
        self._write("accounts.json", {n: a for n, a in self.accounts().items() if n != name})

    def own(self, areas: Sequence[str]) -> dict[str, str]:
        """Return new passwords of our own processes; the simulator speaks for ``areas`` (``site/area``)."""
        return {name: self._put(name, role, tuple(areas) if role == "device" else ()) for name, role in OWN.items()}

    def first_person(self) -> str:
        """Return the file with the first login where one had to be made, else nothing."""
        if any(account.role in PEOPLE for account in self.accounts().values()):
            return ""
        path = secret_file(self.root / "first-login.txt", f"{FIRST} {self.add(FIRST, 'operator')}\n")
        return str(path)

    def broker_users(self) -> dict[str, BrokerUser]:
        """Return the broker's accounts."""
        return {name: rights(a.role, a.paths, hashed=a.mqtt) for name, a in self.accounts().items()}

    def opcua_users(self) -> list[dict[str, str]]:
        """Return the people as users of the OPC UA server: operators call methods, viewers read."""
        people = {name: a for name, a in self.accounts().items() if a.role in PEOPLE}
        return [{"name": name, "role": a.role, "password": a.mqtt} for name, a in people.items()]

    # --- tokens and keys -----------------------------------------------------------------------------------

    def tokens(self) -> dict[str, Token]:
        """Return the API tokens by name."""
        return self._read("tokens.json", dict[str, Token], {})

    def add_token(self, name: str, role: Role) -> str:
        """Add (or renew) an API token and return it, once."""
        if role not in PEOPLE:
            raise TestbedError(f"token {name}: a program is a viewer or an operator, not {role!r}")
        check_account(name, role, ())
        token = new_token()
        self._write("tokens.json", {**self.tokens(), name: Token(role=role, hashed=hash_token(token), made=wall_ns())})
        return token

    def remove_token(self, name: str) -> None:
        """Withdraw an API token."""
        if name not in self.tokens():
            raise TestbedError(f"token {name}: there is none")
        self._write("tokens.json", {n: t for n, t in self.tokens().items() if n != name})

    def issuer_key(self) -> dict[str, str]:
        """Return the platform's signing key (``id``, ``private``, ``public``), made at first use."""
        key: dict[str, str] = self._read("issuer.json", dict[str, str], {})
        if not key:
            private, public = key_pair()
            key = {"id": f"platform-{secrets.token_hex(4)}", "private": private, "public": public}
            self._write("issuer.json", key)
        return key

    def issuers(self) -> list[dict[str, Any]]:
        """Return the further issuers (``gateway.commands.IssuerKey`` as written by ``testbed users issuer``)."""
        return self._read("issuers.json", list[dict[str, Any]], [])

    def add_issuer(self, name: str, issuer: str, scope: Mapping[str, Sequence[str]]) -> str:
        """Let a program command under its own key; returns the private key (base64), once."""
        private, public = key_pair()
        entry = {"id": name, "issuer": issuer, "algorithm": "ed25519", "key": public, **scope}
        self._write("issuers.json", [*(e for e in self.issuers() if e["id"] != name), entry])
        return private

    def stamp(self) -> tuple[int, ...]:
        """Return a value that changes whenever something in the vault does."""
        files = ("accounts.json", "tokens.json", "issuers.json", "ca/crl.pem")
        return tuple(f.stat().st_mtime_ns if (f := self.root / name).exists() else 0 for name in files)

    # --- inside ---------------------------------------------------------------------------------------------

    def _known(self, name: str) -> Account:
        account = self.accounts().get(name)
        if account is None:
            raise TestbedError(f"account {name}: there is none; testbed users list shows what there is")
        return account

    def _put(self, name: str, role: Role, paths: tuple[str, ...]) -> str:
        password = new_password()
        web = scrypt(password) if role in PEOPLE else ""
        account = Account(role=role, paths=paths, mqtt=hash_password(password), web=web, made=wall_ns())
        self._write("accounts.json", {**self.accounts(), name: account})
        return password

    def _read(self, name: str, kind: type[T], default: T) -> T:
        try:
            return TypeAdapter(kind).validate_json((self.root / name).read_bytes())
        except FileNotFoundError:
            return default
        except (ValidationError, OSError) as error:
            raise ConfigError(str(self.root / name), "cannot be read", "restore it from a backup") from error

    def _write(self, name: str, value: Any) -> None:
        self.make()
        plain = TypeAdapter(Any).dump_python(value, mode="json")
        secret_file(self.root / name, json.dumps(plain, indent=1))
