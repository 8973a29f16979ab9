"""The JSON Schema that editors use accepts every shipped file, and refuses what the loader refuses."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from core.config import Config
from simulator.domain import DomainConfig
from testbed.scenario import ScenarioConfig

ROOT = Path(__file__).parents[2]
FILES = [
    (path, model)
    for folder, model in (("domains", DomainConfig), ("scenarios", ScenarioConfig))
    for path in sorted((ROOT / "configs" / folder).glob("*.yaml"))
]


def faults(content: Any, model: type[Config]) -> list[str]:
    checker = jsonschema.Draft202012Validator(model.model_json_schema())
    return [f"{'.'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in checker.iter_errors(content)]


@pytest.mark.parametrize(("path", "model"), FILES, ids=lambda v: v.stem if isinstance(v, Path) else "")
def test_every_shipped_file_fits(path: Path, model: type[Config]) -> None:
    assert faults(yaml.safe_load(path.read_text(encoding="utf-8")), model) == []


def test_it_refuses_what_is_wrong() -> None:
    good = yaml.safe_load((ROOT / "configs/domains/greenhouse.yaml").read_text(encoding="utf-8"))
    for change in ({"crew": 0}, {"domain": "moon"}, {"equipment": [{"kind": "rocket"}]}, {"colour": "red"}):
        assert faults({**copy.deepcopy(good), **change}, DomainConfig) != []
