"""What one process proves itself with: ``secrets/<role>.json`` of the run folder, written by ``up --secure``.

Each process gets its own and no other: an account (with mutual TLS a certificate), the CA, and the keys that it signs
or checks commands with. Without the file a process goes without, as in the loopback demo.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import Field

from core.config import Config
from gateway.issuers import IssuerKey
from wire.broker_config import secret_file
from wire.session import MqttConfig
from wire.signing import Algorithm

C = TypeVar("C", bound=MqttConfig)


class SigningKey(Config):
    """The key a process signs commands with (base64)."""

    id: str
    algorithm: Algorithm = "ed25519"
    private: str = Field(repr=False)


class Credentials(Config):
    """Everything of one role; all empty in the loopback demo."""

    username: str | None = None
    password: str | None = Field(None, repr=False)
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    issuers: tuple[IssuerKey, ...] = ()
    signing: SigningKey | None = None
    vault: Path | None = None
    page_cert: Path | None = None
    page_key: Path | None = None

    @property
    def secure(self) -> bool:
        """Tell whether this run is secured."""
        return self.username is not None

    def connect(self, config: C) -> C:
        """Return MQTT settings with these credentials where the settings name none."""
        if not self.secure or config.username or config.cert:
            return config
        own = {"username": self.username, "password": self.password, "ca": self.ca, "cert": self.cert, "key": self.key}
        return config.model_copy(update=own)

    def write(self, secrets: Path, role: str) -> None:
        """Keep them for a role, readable by its owner only."""
        secret_file(secrets / f"{role}.json", self.model_dump_json(exclude_none=True, indent=1))


def credentials(secrets: Path, role: str) -> Credentials:
    """Return what a role proves itself with."""
    file = secrets / f"{role}.json"
    return Credentials.model_validate_json(file.read_bytes()) if file.exists() else Credentials()
