"""What a CA has issued, and what of it is revoked: ``issued.json`` beside the CA, and its revocation list.

The ledger holds no secret. The revocation list (``crl.pem``) is a file that mosquitto (``crlfile``) and OPC UA trust
lists read; it is signed anew with every change and at every start, since it has an end of its own.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from core.clock import NS, wall_ns
from core.errors import ConfigError

FILE, CRL = "issued.json", "crl.pem"
#: days until a revocation list has to be renewed; every start renews it
CRL_DAYS = 90
Purpose = Literal["server", "client", "opcua"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One certificate; ``expires`` and ``revoked`` are wall ns (``revoked`` 0: not)."""

    serial: str
    name: str
    purpose: Purpose
    hosts: tuple[str, ...]
    expires: int
    revoked: int = 0

    @property
    def state(self) -> str:
        """``valid``, ``revoked`` or ``expired``."""
        return "revoked" if self.revoked else "expired" if self.expires < wall_ns() else "valid"


def entries(folder: Path) -> list[Entry]:
    """Return what the CA of a folder has issued, oldest first."""
    try:
        raw = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise ConfigError(str(folder / FILE), f"cannot be read: {error}", "restore it from a backup") from error
    return [Entry(**{**item, "hosts": tuple(item["hosts"])}) for item in raw]


def note(folder: Path, entry: Entry) -> None:
    """Add a certificate."""
    _write(folder, [*entries(folder), entry])


def revoke(folder: Path, name: str, keep: str = "") -> list[Entry]:
    """Revoke every valid certificate of a name but the serial ``keep``; returns those, and renews the list.

    Raises
    ------
    ConfigError
        If the name has no valid certificate.
    """
    known = entries(folder)
    gone = [e for e in known if e.name == name and not e.revoked and e.serial != keep]
    if not gone:
        hint = "testbed certs list shows what there is"
        raise ConfigError(str(folder / FILE), f"{name!r} has no certificate that could be revoked", hint)
    now = wall_ns()
    _write(folder, [replace(e, revoked=now) if e in gone else e for e in known])
    write_crl(folder)
    return gone


def write_crl(folder: Path) -> Path:
    """Sign the revocation list anew; returns its path."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    from wire.certs import load_ca

    authority, signer = load_ca(folder)
    now = _moment(wall_ns())
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.subject)
    builder = builder.last_update(now - timedelta(hours=1)).next_update(now + timedelta(days=CRL_DAYS))
    builder = builder.add_extension(x509.CRLNumber(wall_ns()), critical=False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = builder.add_extension(identifier, critical=False)
    for entry in entries(folder):
        if entry.revoked:
            revoked = x509.RevokedCertificateBuilder().serial_number(int(entry.serial))
            builder = builder.add_revoked_certificate(revoked.revocation_date(_moment(entry.revoked)).build())
    path = folder / CRL
    scratch = path.with_suffix(".part")
    scratch.write_bytes(builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    scratch.replace(path)
    return path


def _moment(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // NS, UTC)


def _write(folder: Path, known: list[Entry]) -> None:
    scratch = folder / f".{FILE}.part"
    scratch.write_text(json.dumps([asdict(e) for e in known], indent=1), encoding="utf-8")
    scratch.replace(folder / FILE)
