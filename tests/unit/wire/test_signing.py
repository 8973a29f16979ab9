import base64
import json
import os
from dataclasses import replace

import pytest

from core.command import Command
from wire.signing import canonical, key_pair, sign, verify

COMMAND = Command("c1", "s/a/p1", "set_speed", "policy:saver", 5, 10, {"factor": 0.8, "mode": "eco"})


def pair(algorithm: str) -> tuple[str, str]:
    if algorithm == "ed25519":
        return key_pair()
    secret = base64.b64encode(os.urandom(32)).decode()
    return secret, secret


def test_the_canonical_text_is_what_the_page_says():
    told = json.loads(canonical(COMMAND))
    assert list(told) == sorted(told)
    assert told["args"] == {"factor": "f64:3fe999999999999a", "mode": "eco"}
    assert b" " not in canonical(COMMAND)


@pytest.mark.parametrize("algorithm", ["hmac-sha256", "ed25519"])
@pytest.mark.parametrize(
    "change",
    [{"id": "c2"}, {"device": "s/a/p2"}, {"name": "stop"}, {"issuer": "user:kim"}, {"t": 6}, {"expires": 11},
     {"args": {"factor": 0.9, "mode": "eco"}}, {"args": {"factor": 0.8}}, {"signature": ""}, {"signature": "k:%%%"},
     {"signature": "k:QUFBQQ=="}],
)  # fmt: skip
def test_a_changed_command_does_not_verify(algorithm, change):
    secret, key = pair(algorithm)
    signed = sign(COMMAND, "k", algorithm, secret)
    assert verify(signed, algorithm, key)
    assert not verify(replace(signed, **change), algorithm, key)
    assert not verify(signed, algorithm, pair(algorithm)[1])


def test_what_leads_to_a_command_is_not_signed():
    secret, key = key_pair()
    assert verify(replace(sign(COMMAND, "k", "ed25519", secret), trace="ab" * 16), "ed25519", key)
