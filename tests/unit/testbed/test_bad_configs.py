"""Bad configs: one line with file and YAML path, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from core.errors import ConfigError
from testbed.scenario import read
from tests.sim_generic import GENERIC

PUMP: dict[str, Any] = {"kind": "pump", "area": "a"}
BELT: dict[str, Any] = {"kind": "conveyor", "area": "a"}
OWN: dict[str, Any] = {"kind": "generic", "area": "a", **GENERIC}


def channel(**content: Any) -> list[dict[str, Any]]:
    return [{**OWN, "reports": {**GENERIC["reports"], "more": {"channels": {"c": content}}}}]


def error_of(folder: Path, equipment: list[dict[str, Any]], domain: dict[str, Any], scenario: dict[str, Any]) -> str:
    """Return the one line that a scenario over this equipment is refused with, its folder left out."""
    domains = [{"domain": "factory", "site": "s", "equipment": equipment, **domain}]
    domains += scenario.pop("more_domains", [])
    for n, content in enumerate(domains):
        (folder / f"d{n}.yaml").write_text(yaml.safe_dump(content))
    files = [f"d{n}.yaml" for n in range(len(domains))]
    content = {"name": "bad", "start": "2026-03-02T00:00:00Z", "domains": files, "history": {"days": 0}, **scenario}
    (folder / "s.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError) as caught:
        read(folder / "s.yaml").check()
    text = str(caught.value)
    assert "\n" not in text
    return text.replace(f"{folder.resolve()}/", "").replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("equipment", "expected"),
    [
        # negative rates
        ([{**BELT, "outputs": ["x"], "arrivals_per_h": -5}], ("d0.yaml:equipment.0.arrivals_per_h", "greater than")),
        ([{**PUMP, "every": {"process": -1}}], ("d0.yaml:equipment.0.every", "not a duration: -1")),
        ([{**PUMP, "sensors": {"flow": {"noise": -1}}}], ("d0.yaml:equipment.0.sensors.flow.noise", "greater than")),
        (channel(counter={"rate": -1}), ("d0.yaml:equipment.0.reports.more.channels.c.counter", "cannot go back")),
        # units and quantities
        (channel(unit="degC", random={}), ("d0.yaml:equipment.0.reports.more.channels.c.unit", "'degC' is not a UCUM")),
        (
            channel(quantity="temperature", unit="bar", random={}),
            ("d0.yaml:equipment.0.reports.more.channels.c", "temperature cannot be in 'bar' (fits: Cel)"),
        ),
        (channel(formula="temp + level"), ("reports.more.channels.c.formula", "have different units")),
        (
            channel(quantity="pressure", unit="bar", formula="temp"),
            ("reports.more.channels.c.formula", "gives Cel, but c is in bar"),
        ),
        # instruments
        ([{**PUMP, "sensors": {"flw": {}}}], ("d0.yaml:equipment.0.sensors.flw", "did you mean flow?")),
        ([{**PUMP, "sensors": {"state": {"noise": 1}}}], ("d0.yaml:equipment.0.sensors.state", "no instrument")),
        ([{**PUMP, "every": {"proces": "1s"}}], ("d0.yaml:equipment.0.every.proces", "did you mean process?")),
        # lines
        (
            [{**BELT, "id": "x", "inputs": ["b"], "outputs": ["a"]}, {**BELT, "inputs": ["a"], "outputs": ["b"]}],
            ("d0.yaml:equipment.", ".outputs", "goes round in a circle: "),
        ),
        (
            [{**BELT, "id": "x", "outputs": ["boxes"]}, {"kind": "capper", "area": "a", "inputs": ["boxs"]}],
            ("d0.yaml:equipment.1.inputs", "nothing fills the flow 'boxs'", "did you mean boxes?"),
        ),
        # names
        ([{**PUMP, "count": 2, "id": "p"}], ("d0.yaml:equipment.0.id", "two devices are called s/a/p", "put {n}")),
        ([{**PUMP, "kind": "pmup"}], ("d0.yaml:equipment.0", "unknown 'kind' 'pmup'", "did you mean pump?")),
        ([{**PUMP, "id": "p-{m}"}], ("d0.yaml:equipment.0.id", "cannot be filled in")),
        ([{"kind": "pump"}], ("d0.yaml:equipment.0.area", "give either area or areas")),
        ([OWN, {**OWN, "id": "x", "parts": {}}], ("d0.yaml:equipment.1", "wear.pump")),
        ([OWN, {**OWN, "id": "x", "events": []}], ("d0.yaml:equipment.1", "declared differently in equipment.0")),
        # formulas
        (channel(formula="temp +"), ("reports.more.channels.c.formula", "not a formula")),
        (channel(formula="tmp * 2"), ("reports.more.channels.c.formula", "did you mean temp?")),
        (channel(formula="c + 1"), ("reports.more.channels.c.formula", "circle: c -> c")),
        (channel(formula="__import__('os')"), ("reports.more.channels.c.formula", "unknown function __import__()")),
        (channel(formula="mode == 'warm'"), ("reports.more.channels.c.formula", "mode has no state 'warm'")),
        (channel(), ("reports.more.channels.c", "give one of setpoint")),
    ],
)  # fmt: skip
def test_equipment(tmp_path: Path, equipment: list[dict[str, Any]], expected: tuple[str, ...]) -> None:
    told = error_of(tmp_path, equipment, {}, {})
    assert [text for text in expected if text not in told] == [], told


@pytest.mark.parametrize(
    ("scenario", "domain", "expected"),
    [
        ({"faults": [{"at": 1, "device": "pmp-01", "fault": "cavitation"}]}, {}, ("s.yaml:faults.0.device", "pump-01")),
        ({"faults": [{"at": 1, "device": "pump-01", "fault": "cavitaton"}]}, {}, ("faults.0.fault", "cavitation")),
        (
            {"faults": [{"at": 1, "device": "pump-01", "fault": "sensor_bias", "args": {"channel": "flo"}}]},
            {}, ("s.yaml:faults.0.args.channel", "pump has no channel 'flo'", "did you mean flow?"),
        ),
        ({"speed": -1}, {}, ("s.yaml:speed", "greater than or equal to 0")),
        ({"copies": 0}, {}, ("s.yaml:copies", "greater than or equal to 1")),
        ({}, {"flows": {"boxes": 3}}, ("d0.yaml:flows.boxes", "no machine fills or empties this flow")),
        ({}, {"crew": 0}, ("d0.yaml:crew", "greater than or equal to 1")),
        (
            {"more_domains": [{"domain": "factory", "site": "s", "equipment": [PUMP]}]},
            {}, ("d1.yaml:equipment", "another domain has a device s/a/pump-01 too"),
        ),
    ],
)  # fmt: skip
def test_scenario(tmp_path: Path, scenario: dict[str, Any], domain: dict[str, Any], expected: tuple[str, ...]) -> None:
    told = error_of(tmp_path, [PUMP], domain, dict(scenario))
    assert [text for text in expected if text not in told] == [], told
