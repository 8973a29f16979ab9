import pytest

from wire.broker_log import LogReader, Refusal, is_noise

NEW = "1: New client connected from 127.0.0.1:5 as dev-a (p5, c1, k60, u'thermo')."


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        ("1: Denied PUBLISH from dev-a (d0, q1, r0, m1, 'iiot/v1/s/a/b/data/k', ... (1 bytes))",
         Refusal("publish-denied", "thermo", "iiot/v1/s/a/b/data/k")),
        ("1: Denied PUBLISH from dev-z (d0, q1, r0, m1, 'x', ... (1 bytes))", Refusal("publish-denied", "dev-z", "x")),
        ("1: Client <unknown> disconnected, not authorised.",
         Refusal("login-refused", "", "wrong or missing credentials")),
        ("1: OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify failed",
         Refusal("certificate-refused", "", "certificate verify failed")),
        ("1: OpenSSL Error[0]: error:0A00010B:SSL routines::wrong version number",
         Refusal("tls-refused", "", "wrong version number")),
        ("1: Client connection from ::1 failed: error:0A000126:SSL routines::unexpected eof while reading.", None),
        ("1: Warning: something else", None),
    ],
)  # fmt: skip
def test_lines_tell_who_was_turned_away(line, refusal):
    reader = LogReader()
    assert reader.read(NEW) is None
    assert reader.read(line) == refusal
    assert not is_noise(line.encode()) or refusal is None


@pytest.mark.parametrize(
    "text", ["Received PUBLISH from a (d0, q1)", "Sending PUBACK to a (m1, rc0)", "\tiiot/# (QoS 0)"]
)
def test_traffic_is_noise(text):
    assert is_noise(f"1795385243: {text}".encode())
    assert not is_noise(b"1795385243: Denied PUBLISH from a (d0)")
