import json

from wire.codec_birth import encode_birth
from wire.guideline import SCHEMA_FILE, check, schema, schema_text


def test_the_published_schema_is_up_to_date():
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), "run python -m wire.guideline"


def test_every_topic_has_its_definition():
    value = schema()
    assert len(value["topics"]) == 7
    for part in value["topics"].values():
        assert part["$ref"].removeprefix("#/$defs/") in value["$defs"]


def test_the_checker_names_faults(device):
    assert check("iiot/v1/seoul/north/air-1/birth", encode_birth(device, 1)) == []
    assert check("iiot/v1/seoul/north/air-1/data/air", b'{"t":1,"v":{"a":1}}') == []
    assert check("iiot/v1/seoul/north/air-1/state", b'{"online":true}') == []
    assert check("x/y", b"{}")[0].startswith("bad-topic")
    assert check("iiot/v1/seoul/north/air-1/data/air", b'{"t":1,"v":{"a":null}}')[0].startswith("null-not-bad")
    assert check("iiot/v1/seoul/north/air-1/event", b"{}")[0].startswith("bad-shape")
    assert check("iiot/v1/seoul/north/air-1/result", b"nope")[0].startswith("bad-json")
    assert check("iiot/v1/seoul/north/air-1/request", json.dumps({"id": "1"}).encode())[0].startswith("bad-shape")
