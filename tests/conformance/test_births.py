"""Every device of every shipped domain introduces itself in a way that our own gateway accepts."""

from pathlib import Path

import pytest
import yaml

from core.config import load
from core.spec import DeviceSpec
from simulator.domain import DomainConfig, devices
from wire import topics
from wire.codec_birth import decode_birth, encode_birth

DOMAINS = Path(__file__).parents[2] / "configs" / "domains"
FILES = [p for p in sorted(DOMAINS.glob("*.yaml")) if "${data}" not in p.read_text(encoding="utf-8")]


@pytest.mark.parametrize("file", FILES, ids=lambda p: p.stem)
def test_births_are_accepted_and_keep_what_they_say(file: Path) -> None:
    assert yaml.safe_load(file.read_text(encoding="utf-8"))
    found: list[DeviceSpec] = [spec for _, spec in devices(load(file, DomainConfig), 1)]
    assert found
    for spec in found:
        topic = topics.parse(topics.of_device(spec.path, "birth"))
        said, sid = decode_birth(topic, encode_birth(spec, 7))
        assert sid == 7
        assert [s.layout.columns for s in said.streams] == [s.layout.columns for s in spec.streams]
        assert [c.unit for s in said.streams for c in s.layout.channels] == [
            c.unit for s in spec.streams for c in s.layout.channels
        ]
        assert (said.kind, said.domain, said.position) == (spec.kind, spec.domain, spec.position)
