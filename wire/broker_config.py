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


class BrokerUser(Config):
    """A broker account. ``read`` and ``write`` are topic filters; both empty: everything is allowed."""

    password: str
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()


class BrokerTls(Config):
    """Server certificate; ``ca`` with ``require_client_cert`` asks clients for theirs."""

    cert: Path
    key: Path
    ca: Path | None = None
    require_client_cert: bool = False


class BrokerConfig(Config):
    """Which broker to use.

    ``auto`` takes mosquitto where it is installed, else rumqttd; ``external`` uses ``url`` as it is. ``port`` 0
    takes a free one. ``users`` empty: anyone on this machine may connect. rumqttd knows users, but no ``read`` and
    ``write``, and keeps nothing over a restart.
    """

    kind: Literal["auto", "mosquitto", "rumqttd", "external"] = "auto"
    url: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    users: dict[str, BrokerUser] = Field(default_factory=dict)
    tls: BrokerTls | None = None
    autosave_s: int = 5


def device_user(password: str, path: str) -> BrokerUser:
    """Return the account of one device (or node) ``site/area/device``: its own topics and nothing else."""
    own = f"{ROOT}/{path}"
    kinds = ("birth", "data/#", "state", "result", "event")
    return BrokerUser(password=password, read=(f"{own}/command",), write=tuple(f"{own}/{kind}" for kind in kinds))


def write_mosquitto(config: BrokerConfig, port: int, folder: Path) -> Path:
    """Write ``mosquitto.conf`` (and password and ACL files) into a folder; returns the path."""
    store = folder / "mosquitto"
    store.mkdir(parents=True, exist_ok=True)
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
        "connection_messages false",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        lines.append(f"user {getpass.getuser()}")  # else it gives up root and cannot write its folder
    if config.users:
        lines.append(f"password_file {_secret(folder / 'passwords', _passwords(config.users)).as_posix()}")
        if any(user.read or user.write for user in config.users.values()):
            lines.append(f"acl_file {_secret(folder / 'acl', _acl(config.users)).as_posix()}")
    if config.tls is not None:
        lines += [f"certfile {config.tls.cert.as_posix()}", f"keyfile {config.tls.key.as_posix()}"]
        if config.tls.ca is not None:
            lines += [f"cafile {config.tls.ca.as_posix()}"]
        if config.tls.require_client_cert:
            lines += ["require_certificate true"]
    path = folder / "mosquitto.conf"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


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
    return _secret(folder / "rumqttd.toml", "\n".join(lines) + "\n")


def _passwords(users: dict[str, BrokerUser]) -> str:
    """Return mosquitto's password file: PBKDF2-SHA512 entries of its format 7."""
    lines = []
    for name, user in users.items():
        salt = os.urandom(12)
        digest = hashlib.pbkdf2_hmac("sha512", user.password.encode(), salt, _ITERATIONS)
        parts = (base64.b64encode(salt).decode(), base64.b64encode(digest).decode())
        lines.append(f"{name}:$7${_ITERATIONS}${parts[0]}${parts[1]}\n")
    return "".join(lines)


def _acl(users: dict[str, BrokerUser]) -> str:
    lines = []
    for name, user in users.items():
        lines.append(f"user {name}")
        if not user.read and not user.write:
            lines.append("topic readwrite #")
        lines += [f"topic read {f}" for f in user.read] + [f"topic write {f}" for f in user.write]
    return "\n".join(lines) + "\n"


def _secret(path: Path, text: str) -> Path:
    """Write a file that only its owner may read."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return path
