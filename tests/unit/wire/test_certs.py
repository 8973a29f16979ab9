import os
import stat

import pytest
from cryptography import x509

from core.clock import NS, wall_ns
from core.errors import TestbedError
from wire.certs import expires, issue, make_ca


def test_a_server_certificate_names_its_hosts(tmp_path):
    pair = issue(tmp_path, "broker", hosts=["localhost", "127.0.0.1"], uri="urn:testbed:broker", days=30)
    cert = x509.load_pem_x509_certificate(pair.cert.read_bytes())
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["urn:testbed:broker"]
    cert.verify_directly_issued_by(x509.load_pem_x509_certificate(make_ca(tmp_path).cert.read_bytes()))
    assert abs(expires(pair.cert) - wall_ns() - 30 * 86_400 * NS) < 60 * NS


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_keys_are_for_their_owner_only(tmp_path):
    pair = issue(tmp_path, "client", client=True)
    for key in (pair.key, make_ca(tmp_path).key):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_the_ca_is_made_once(tmp_path):
    before = make_ca(tmp_path).cert.read_bytes()
    issue(tmp_path, "a")
    assert make_ca(tmp_path).cert.read_bytes() == before


def test_a_broken_ca_says_what_to_do(tmp_path):
    make_ca(tmp_path).key.write_text("nonsense")
    with pytest.raises(TestbedError, match="remove it"):
        issue(tmp_path, "a")
