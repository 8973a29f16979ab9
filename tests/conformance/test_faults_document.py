"""docs/faults.md names everything there is, and its examples are accepted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from simulator.channels import Cross, Sensor
from simulator.clocks import ClockConfig
from simulator.faults import GENERIC
from simulator.links import PRESETS, ConnectionConfig, LinkConfig
from tests.sim_worlds import build

TEXT = (Path(__file__).parents[2] / "docs/faults.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml (\w+)\n(.*?)```", TEXT, flags=re.S)
FACTORY: dict[str, Any] = {
    "domain": "factory",
    "site": "s",
    "equipment": [
        {"kind": "pump", "area": "u", "count": 3},
        {"kind": "fan", "area": "u"},
        {"kind": "filler", "area": "guro-packaging"},
    ],
}


@pytest.mark.parametrize("model", [Sensor, Cross, ClockConfig, LinkConfig, ConnectionConfig])
def test_every_setting_is_told(model: type[Any]) -> None:
    told = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", re.sub(r"```.*?```", "", TEXT, flags=re.S)))))
    assert sorted(set(model.model_fields) - told - {"kind", "link"}) == []


def test_every_fault_and_preset_is_told() -> None:
    rows = set(re.findall(r"^\| `([\w]+)`", TEXT, flags=re.M))
    assert sorted(set(GENERIC) - rows) == []
    assert sorted(set(PRESETS) - rows) == []


def test_defaults_in_the_table_are_those_in_the_code() -> None:
    for name, args in re.findall(r"^\| `(\w+)` \| ([^|]*) \|", TEXT, flags=re.M):
        for arg, value in re.findall(r"(\w+) \(([\d.]+)\)", args) if name in GENERIC else ():
            assert GENERIC[name].args[arg] == float(value), name


@pytest.mark.parametrize("n", range(len(EXAMPLES)))
def test_examples_are_accepted(n: int) -> None:
    kind, text = EXAMPLES[n]
    value = yaml.safe_load(text)
    if kind == "domain":
        build({"domain": "urban", "site": "s", **value}, live=False)
    else:
        build(FACTORY, faults=value["faults"], history="3d", live=False)
