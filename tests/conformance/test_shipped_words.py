"""The page speaks of all that is shipped in both languages: kinds, areas, arguments, detectors, policies, rules."""

import json
from pathlib import Path

import pytest

from core.config import load, read_yaml
from simulator.domain import DomainConfig, devices
from testbed.scenario import read

ROOT = Path(__file__).parents[2]
DOMAINS = [p for p in sorted((ROOT / "configs/domains").glob("*.yaml")) if "${data}" not in p.read_text("utf-8")]


def codes() -> set[str]:
    specs = [spec for file in DOMAINS for _, spec in devices(load(file, DomainConfig), 1)]
    found = {f"kind.{s.kind}" for s in specs} | {f"area.{s.area}" for s in specs}
    found |= {f"arg.{name}" for s in specs for command in s.commands for name in command.args}
    for file in (ROOT / "configs/scenarios").glob("*.yaml"):
        if "${data}" in json.dumps(read_yaml(file)):
            continue
        scenario = read(file)
        found |= {f"rule.{rule.name}" for rule in scenario.gateway.rules}
        found |= {f"policy.{policy.kind}" for policy in scenario.config.analytics.policies}
        found |= {f"detector.{d.kind}" for group in scenario.config.analytics.groups for d in group.detectors}
    return found


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_shipped_code_has_words(language: str) -> None:
    texts = json.loads((ROOT / f"portal/texts/{language}.json").read_text(encoding="utf-8"))
    assert sorted(codes() - texts.keys()) == []
