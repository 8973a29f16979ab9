"""The published guideline says what the code does: its examples conform, its quality table is the code's."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from core import quality
from core.catalog import Catalog
from wire.codec_birth import decode_birth
from wire.codec_rows import decode_rows
from wire.guideline import check
from wire.topics import parse

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs/guideline.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^`(iiot/v1/[^`]+)`\n\n```json\n(.*?)\n```", DOCUMENT, flags=re.S | re.M)


def test_every_json_block_is_an_example_with_a_topic() -> None:
    assert len(EXAMPLES) == DOCUMENT.count("```json") >= 8


@pytest.mark.parametrize(
    ("topic", "text"), EXAMPLES, ids=[f"{n}-{t.split('/')[5]}" for n, (t, _) in enumerate(EXAMPLES)]
)
def test_examples_conform(topic: str, text: str) -> None:
    assert list(check(topic, text.encode())) == []


def test_rows_of_the_examples_follow_the_birth() -> None:
    payloads = [(topic.split("/")[5:], json.loads(text)) for topic, text in EXAMPLES]
    birth = next(p for kind, p in payloads if kind == ["birth"])
    channels = {s["name"]: [c["name"] for c in s["channels"]] for s in birth["streams"]}
    rows = [(kind[1], p) for kind, p in payloads if kind[0] == "data"]
    assert rows
    for stream, row in rows:
        assert list(row["v"]) == channels[stream]
        assert row["sid"] == birth["sid"]


def test_examples_survive_the_codecs() -> None:
    catalog = Catalog()
    for topic, text in EXAMPLES:
        parsed = parse(topic)
        if parsed.kind == "birth":
            device, sid = decode_birth(parsed, text.encode())
            catalog.add(device)
            assert sid == 1763791200
        elif parsed.kind == "data":
            entry = catalog.find(parsed.stream_path)
            assert entry is not None
            batch, _ = decode_rows(text.encode(), entry)
            assert batch.sid.tolist() == [1763791200] * len(batch)


@pytest.mark.parametrize("name", ["guideline.md", "guideline.ko.md"])
def test_the_quality_table_is_the_codes_of_core(name: str) -> None:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    table = re.findall(r"^\| (\d+) \| (?:`([a-z-]+)`)? ?\| [^|]+ \| (0x[0-9A-F]{8}) \|$", text, flags=re.M)
    said = {(int(major), reason, int(status, 16)) for major, reason, status in table}
    assert said == {(c & quality.MAJOR, quality.reason(c), quality.to_opcua(c)) for c in quality.CODES}


@pytest.mark.parametrize("name", ["guideline.md", "guideline.ko.md"])
def test_every_reason_of_the_codecs_is_explained(name: str) -> None:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    explained = set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", "".join(re.findall(r"^\| (`.*?) \|", text, flags=re.M))))
    sources = [p.read_text(encoding="utf-8") for p in (ROOT / "wire").glob("*.py")]
    raised = {code for s in sources for code in re.findall(r"(?:Rejected|Decode)Error\(\s*\"([a-z-]+)\"", s)}
    assert len(raised) > 10
    assert raised - explained == set()
