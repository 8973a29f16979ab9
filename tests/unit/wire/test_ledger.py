import pytest
from cryptography import x509

from core.errors import ConfigError
from wire.certs import issue, make_ca
from wire.ledger import CRL, entries, revoke, write_crl


def revoked(folder) -> set[int]:
    crl = x509.load_pem_x509_crl((folder / CRL).read_bytes())
    assert crl.is_signature_valid(x509.load_pem_x509_certificate(make_ca(folder).cert.read_bytes()).public_key())
    return {entry.serial_number for entry in crl}


def test_what_is_issued_is_noted_and_can_be_revoked_by_name(tmp_path):
    issue(tmp_path, "a", client=True)
    old = issue(tmp_path, "b", hosts=["localhost"]).cert.read_bytes()
    new = issue(tmp_path, "b", hosts=["localhost"])
    write_crl(tmp_path)
    assert revoked(tmp_path) == set()
    assert [(e.name, e.purpose, e.hosts, e.state) for e in entries(tmp_path)] == [
        ("a", "client", (), "valid"), *[("b", "server", ("localhost",), "valid")] * 2,
    ]  # fmt: skip
    keep = x509.load_pem_x509_certificate(new.cert.read_bytes()).serial_number
    revoke(tmp_path, "b", keep=str(keep))
    assert revoked(tmp_path) == {x509.load_pem_x509_certificate(old).serial_number}
    with pytest.raises(ConfigError, match="nobody"):
        revoke(tmp_path, "nobody")


def test_an_expired_certificate_says_so(tmp_path):
    issue(tmp_path, "late", client=True, days=-1)
    assert entries(tmp_path)[0].state == "expired"
