import json

import msgspec
import pytest

from core.errors import DecodeError, RejectedError
from wire import topics
from wire.codec_birth import decode_birth, encode_birth

TOPIC = topics.parse("iiot/v1/seoul/north/air-1/birth")
FOREIGN = {
    "manufacturer": "Startup",
    "serialNumber": "1",
    "productInstanceUri": "urn:startup:1",
    "streams": [{"name": "air", "channels": [{"name": "pm25", "quantity": "pm25", "unit": "ug/m3"}]}],
}


def foreign(**change):
    return json.dumps(FOREIGN | change).encode()


def test_a_birth_reads_back(device):
    assert decode_birth(TOPIC, encode_birth(device, 77)) == (device, 77)


def test_a_foreign_birth_needs_little():
    device, sid = decode_birth(TOPIC, foreign())
    assert (device.domain, device.node, device.kind, sid) == ("third_party", "air-1", "generic", 0)
    assert device.streams[0].layout.name == "generic.air"
    assert device.streams[0].period_ns == 0


def test_unknown_keys_are_for_later_versions():
    assert decode_birth(TOPIC, foreign(firmware="1.2"))[1] == 0


def channel(**change):
    return [{"name": "air", "channels": [{"name": "a", "quantity": "temperature", "unit": "Cel"} | change]}]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{", "bad-json"),
        (b"", "empty"),
        (b"\xff\xfe", "bad-json"),
        (b'{"manufacturer": NaN}', "nan"),
        (b"[1]", "bad-shape"),
        (foreign(serialNumber=""), "bad-shape"),
        (foreign(position={"lat": 91, "lon": 0}), "bad-shape"),
        (foreign(streams=channel(unit="%")), "unit-mismatch"),
        (foreign(streams=channel(unit="degC")), "bad-unit"),
        (foreign(streams=channel(range=[5, 1])), "bad-range"),
        (foreign(streams=channel(name="a b")), "bad-shape"),
        (foreign(streams=channel() * 2), "duplicate-name"),
        (foreign(streams=[{"name": "air", "channels": []}]), "bad-shape"),
        (foreign(streams=[{"name": "air", "layout": "a/b", "channels": channel()[0]["channels"]}]), "bad-shape"),
        (foreign(commands=[{"name": "go", "args": {"x": "???"}}]), "bad-unit"),
        (b" " * (1 << 20) + b"{}", "too-large"),
        (b'{"x":' + b"[" * 100_000, "bad-json"),
    ],
)
def test_wrong_births_say_why(payload, reason):
    with pytest.raises(DecodeError) as error:
        decode_birth(TOPIC, payload)
    assert error.value.reason == reason


def test_a_missing_key_is_named():
    body = {k: v for k, v in FOREIGN.items() if k != "manufacturer"}
    with pytest.raises(RejectedError, match="manufacturer"):
        decode_birth(TOPIC, msgspec.json.encode(body))
