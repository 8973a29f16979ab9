"""Certificates in files, PEM or DER, as OPC UA shows them."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding


def read_certificate(file: Path) -> bytes | None:
    """Return a certificate as DER, None where the file holds none."""
    try:
        data = file.read_bytes()
        read = (
            x509.load_pem_x509_certificate
            if data.lstrip().startswith(b"-----BEGIN")
            else x509.load_der_x509_certificate
        )
        return read(data).public_bytes(Encoding.DER)
    except (OSError, ValueError):
        return None
