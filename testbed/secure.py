"""``up --secure``: TLS, accounts, rights and keys for every part of a run; who is told what, and nothing more."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from core.clock import NS, wall_ns
from core.config import Config, parse
from core.errors import TestbedError
from gateway.issuers import IssuerKey
from testbed.credentials import Credentials, SigningKey, credentials
from testbed.runfolder import RunFolder
from testbed.vault import OWN, Vault
from wire.broker import Broker
from wire.broker_config import BrokerConfig, BrokerTls, secret_file
from wire.certs import Pair, issue
from wire.ledger import entries, write_crl
from wire.opcua.identity import REVOKED, USERS
from wire.opcua.security import is_loopback

#: s between two looks at whether accounts or certificates have changed
LOOK_S = 1.0
#: days that certificates of our own processes last, and with how many left a start renews them
OWN_DAYS, RENEW_DAYS = 90, 30
DAY_NS = 86_400 * NS


class SecurityConfig(Config):
    """``security:`` of a scenario. ``mutual``: every MQTT client shows a certificate, whose name is its account.

    ``hosts``: names and addresses, beside those of this machine, under which broker and page are reached.
    ``broker_host``, ``broker_port``: where the broker listens. ``watch``: what the broker tells of refusals (``all``
    costs it a line for each packet).
    """

    mutual: bool = False
    hosts: tuple[str, ...] = ()
    broker_host: str = "127.0.0.1"
    broker_port: int = 0
    watch: Literal["off", "logins", "all"] = "all"


class Fortress:
    """Secures one run: makes what is missing in the vault, equips the roles, follows changes while it runs."""

    def __init__(self, vault: Vault, config: SecurityConfig, areas: Sequence[str]) -> None:
        self.vault, self.config, self.areas = vault, config, tuple(areas)
        self._passwords: dict[str, str] = {}
        self._server = Pair(Path(), Path())

    def prepare(self) -> str:
        """Make CA, certificates and accounts; returns what a person should know, empty for nothing."""
        self.vault.make()
        self._server = lasting(self.vault.ca, "server", hosts(self.config.hosts))
        write_crl(self.vault.ca)
        self._passwords = self.vault.own(self.areas)
        first = self.vault.first_person()
        told = f"clients trust {self.vault.ca / 'ca.crt'}"
        return f"{told}; the first login of the page is in {first}" if first else told

    def broker(self, base: BrokerConfig) -> BrokerConfig:
        """Return the broker's settings: TLS, accounts, no anonymous client."""
        if base.kind == "external":
            raise TestbedError("--secure starts its own mosquitto: leave --broker out, or secure that broker yourself")
        ca = self.vault.ca
        tls = BrokerTls(
            cert=self._server.cert, key=self._server.key, ca=ca / "ca.crt", crl=ca / "crl.pem",
            require_client_cert=self.config.mutual,
        )  # fmt: skip
        place = {"host": self.config.broker_host, "port": self.config.broker_port}
        more = {"users": self.vault.broker_users(), "tls": tls, "watch": self.config.watch, **place}
        return base.model_copy(update=more)

    def equip(self, run: RunFolder) -> None:
        """Give every role what it proves itself with, in the run's folder of secrets."""
        platform = self.vault.issuer_key()
        own = IssuerKey(id=platform["id"], issuer="*", algorithm="ed25519", key=platform["public"])
        more = [parse(entry, IssuerKey, str(self.vault.root / "issuers.json")) for entry in self.vault.issuers()]
        extra: dict[str, dict[str, object]] = {
            "gateway": {"issuers": (own, *more)},
            "platform": {
                "signing": SigningKey(id=platform["id"], private=platform["private"]),
                "vault": self.vault.root.parent.resolve(),
                "page_cert": self._server.cert.resolve(),
                "page_key": self._server.key.resolve(),
            },
        }
        for role in OWN:
            self._credentials(role).model_copy(update=extra.get(role, {})).write(run.secrets, role)

    def _credentials(self, role: str) -> Credentials:
        pair = lasting(self.vault.ca, role) if self.config.mutual else None
        return Credentials(
            username=role,
            password=self._passwords[role],
            ca=(self.vault.ca / "ca.crt").resolve(),
            cert=pair and pair.cert.resolve(),
            key=pair and pair.key.resolve(),
        )

    def trust(self, run: RunFolder) -> None:
        """Let the run's OPC UA server know the CA, what it has revoked, and the people with an account."""
        for source, folder in (("ca.crt", "trusted"), ("crl.pem", REVOKED)):
            shutil.copyfile(self.vault.ca / source, run.opcua / folder / "ca.pem")
        secret_file(run.opcua / USERS, json.dumps(self.vault.opcua_users()))

    async def follow(self, run: RunFolder, broker: Broker, told: Callable[[str], None]) -> None:
        """Hand changes of accounts and certificates to the broker; runs until cancelled."""
        seen = self.vault.stamp()
        while True:
            await asyncio.sleep(LOOK_S)
            now = self.vault.stamp()
            if now != seen:
                revoked = now[-1] != seen[-1]
                seen = now
                self.trust(run)
                users = {"users": self.vault.broker_users()}
                await broker.reload(broker.config.model_copy(update=users), restart=revoked and self.config.mutual)
                told("accounts or certificates have changed: the broker has taken them up")


def guard_page(vault: Vault, run: RunFolder, names: Sequence[str] = ()) -> str:
    """Put login and TLS before the page of a role that runs alone; returns what a person should know."""
    vault.make()
    server = lasting(vault.ca, "server", hosts(names))
    page = {"vault": vault.root.parent.resolve(), "page_cert": server.cert.resolve(), "page_key": server.key.resolve()}
    credentials(run.secrets, "platform").model_copy(update=page).write(run.secrets, "platform")
    first = vault.first_person()
    return f"the first login of the page is in {first}" if first else ""


def lasting(ca: Path, name: str, names: Sequence[str] = ()) -> Pair:
    """Return the certificate of one of our processes: the last one while it is good, else a new one."""
    pair = Pair(ca / f"{name}.crt", ca / f"{name}.key")
    last = next((e for e in reversed(entries(ca)) if e.name == name), None)
    fresh = last is not None and last.state == "valid" and last.expires - wall_ns() > RENEW_DAYS * DAY_NS
    if fresh and last is not None and last.hosts == tuple(names) and pair.cert.exists() and pair.key.exists():
        return pair
    return issue(ca, name, hosts=names, client=not names, days=OWN_DAYS)


def hosts(more: Sequence[str] = ()) -> list[str]:
    """Return the names and addresses under which this machine is reached."""
    return list(dict.fromkeys(["localhost", "127.0.0.1", "::1", socket.gethostname(), *more]))


def refuse_open_door(host: str, what: str) -> None:
    """Raise TestbedError where something would listen beyond this machine without security."""
    if not is_loopback(host):
        raise TestbedError(f"{what} {host} opens the page to the network: add --secure (login, TLS), or use 127.0.0.1")
