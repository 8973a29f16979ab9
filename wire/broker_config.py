"""Configuration files of the brokers we can start: mosquitto and rumqttd."""

from __future__ import annotations

import base64
import getpass
import hashlib
import os
from pathlib import Path
from typing import Literal

from pydantic import Field

from core.config import Config
from wire.topics import ROOT

MESSAGE_LIMIT = 8 << 20
_ITERATIONS = 10_000
PASSWORDS, ACL = "passwords", "acl"


class BrokerUser(Config):
    """A broker account. ``read`` and ``write`` are topic filters; both empty: everything is allowed.

    ``hashed`` is the entry of mosquitto's password file, where nobody keeps the password itself.
    """

    password: str = Field("", repr=False)
    hashed: str = Field("", repr=False)
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()


class BrokerTls(Config):
    """Server certificate; ``ca`` with ``require_client_cert`` asks clients for theirs: then the name in it is the
    account, no password is asked for, and what ``crl`` lists is turned away (mosquitto only).
    """

    cert: Path
    key: Path
    ca: Path | None = None
    crl: Path | None = None
    require_client_cert: bool = False


class BrokerConfig(Config):
    """Which broker to use.

    ``auto`` takes mosquitto where it is installed, else rumqttd; ``external`` uses ``url`` as it is. ``port`` 0
    takes a free one. ``users`` empty: anyone on this machine may connect. rumqttd knows users, but no ``read`` and
    ``write``, and keeps nothing over a restart. ``watch`` lets mosquitto tell of refused ``logins``, or of ``all``
    that it refuses: it tells of a publish that no right covers among a line for every packet, of which the log keeps
    the refusals.
    """

    kind: Literal["auto", "mosquitto", "rumqttd", "external"] = "auto"
    url: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    users: dict[str, BrokerUser] = Field(default_factory=dict)
    tls: BrokerTls | None = None
    autosave_s: int = 5
    watch: Literal["off", "logins", "all"] = "off"


def device_user(password: str, path: str) -> BrokerUser:
    """Return the account of one device (or node) ``site/area/device``: its own topics and nothing else."""
    own = f"{ROOT}/{path}"
    kinds = ("birth", "data/#", "state", "result", "event")
    return BrokerUser(password=password, read=(f"{own}/command",), write=tuple(f"{own}/{kind}" for kind in kinds))


def write_mosquitto(config: BrokerConfig, port: int, folder: Path) -> Path:
    """Write ``mosquitto.conf`` (and password and ACL files) into a folder; returns the path."""
    store = folder / "mosquitto"
    store.mkdir(parents=True, exist_ok=True)
    watched = config.watch != "off"
    lines = [
        f"listener {port} {config.host}",
        f"allow_anonymous {'false' if config.users else 'true'}",
        "persistence true",
        f"persistence_location {store.as_posix()}/",
        f"autosave_interval {config.autosave_s}",
        "max_queued_messages 0",
        "max_queued_bytes 0",
        "max_inflight_messages 0",
        f"message_size_limit {MESSAGE_LIMIT}",
        "set_tcp_nodelay true",
        f"connection_messages {'true' if watched else 'false'}",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        *(["log_type notice"] if watched else []),
        *(["log_type debug"] if config.watch == "all" else []),
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        lines.append(f"user {getpass.getuser()}")  # else it gives up root and cannot write its folder
    if config.users:
        write_accounts(config, folder)
        lines.append(f"password_file {(folder / PASSWORDS).as_posix()}")
        lines.append(f"acl_file {(folder / ACL).as_posix()}")
    if config.tls is not None:
        lines += _tls(config.tls)
    path = folder / "mosquitto.conf"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_accounts(config: BrokerConfig, folder: Path) -> None:
    """Write mosquitto's password and ACL files; it reads them again on SIGHUP."""
    secret_file(folder / PASSWORDS, _passwords(config.users))
    secret_file(folder / ACL, _acl(config.users))


def _tls(tls: BrokerTls) -> list[str]:
    lines = [f"certfile {tls.cert.as_posix()}", f"keyfile {tls.key.as_posix()}", "tls_version tlsv1.2"]
    if tls.ca is not None:
        lines.append(f"cafile {tls.ca.as_posix()}")
    if tls.require_client_cert:
        lines += ["require_certificate true", "use_identity_as_username true"]
        lines += [] if tls.crl is None else [f"crlfile {tls.crl.as_posix()}"]
    return lines


def write_rumqttd(config: BrokerConfig, port: int, port5: int, folder: Path) -> Path:
    """Write ``rumqttd.toml`` into a folder; returns the path. MQTT 3.1.1 is on ``port``, MQTT 5 on ``port5``.

    The router keeps, for each subscription, a log of segments; a reader that lies further back than
    64 segments of 1 MiB misses rows.
    """
    lines = [
        "id = 0",
        "[router]",
        "id = 0",
        "max_connections = 4096",
        "max_outgoing_packet_count = 2000",
        "max_segment_size = 1048576",
        "max_segment_count = 64",
    ]
    for version, number in (("v4", port), ("v5", port5)):
        lines += [
            f"[{version}.1]",
            f'name = "{version}"',
            f'listen = "{config.host}:{number}"',
            "next_connection_delay_ms = 1",
        ]
        if config.tls is not None:
            lines += [f"[{version}.1.tls]", f'certpath = "{config.tls.cert}"', f'keypath = "{config.tls.key}"']
            if config.tls.require_client_cert and config.tls.ca is not None:
                lines += [f'capath = "{config.tls.ca}"']
        lines += [
            f"[{version}.1.connections]",
            "connection_timeout_ms = 60000",
            f"max_payload_size = {MESSAGE_LIMIT}",
            "max_inflight_count = 10000",
            "dynamic_filters = true",
        ]
        if config.users:
            lines += [f"[{version}.1.connections.auth]"]
            lines += [f'"{name}" = "{user.password}"' for name, user in config.users.items()]
    return secret_file(folder / "rumqttd.toml", "\n".join(lines) + "\n")


def hash_password(password: str) -> str:
    """Return an entry of mosquitto's password file without its name: PBKDF2-SHA512, its format 7."""
    salt = os.urandom(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _passwords(users: dict[str, BrokerUser]) -> str:
    return "".join(f"{name}:{user.hashed or hash_password(user.password)}\n" for name, user in users.items())


def _acl(users: dict[str, BrokerUser]) -> str:
    lines = []
    for name, user in users.items():
        lines.append(f"user {name}")
        if not user.read and not user.write:
            lines.append("topic readwrite #")
        lines += [f"topic read {f}" for f in user.read] + [f"topic write {f}" for f in user.write]
    return "\n".join(lines) + "\n"


def secret_file(path: Path, text: str) -> Path:
    """Write a file that only its owner may read, in one step."""
    scratch = path.with_name(f".{path.name}.part")
    scratch.unlink(missing_ok=True)
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    scratch.replace(path)
    return path
