from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from chamber.plan import TestPlan, from_json, read_plan
from chamber.service import find_plan, list_plans
from core.errors import ConfigError

FOLDER = Path(__file__).parents[3] / "configs" / "chamber"


def write(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    value = yaml.safe_load((FOLDER / "dust.yaml").read_text(encoding="utf-8"))
    change(value)
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
    return path


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_plan_survives_a_round_trip(path: Path) -> None:
    plan = read_plan(path)
    again = from_json(plan.to_json(), "x")
    assert again == plan
    assert again.digest == plan.digest


def test_every_limit_and_setting_says_where_it_is_from(plan: TestPlan) -> None:
    for rule in plan.check.requirements:
        assert rule.limit.source.ko
        assert rule.limit.source.en
    bases = {rule.measure: (rule.limit.basis, rule.method.basis) for rule in plan.check.requirements}
    assert bases["repeatability"] == ("found", "unverified")
    assert set(plan.check.settings()) == {"floor", "completeness", "min_hours", "min_readings"}


def test_the_digest_follows_the_limits(plan: TestPlan, tmp_path: Path) -> None:
    def loosen(value: dict[str, Any]) -> None:
        value["check"]["requirements"][1]["limit"]["value"] = 0.5

    assert read_plan(write(tmp_path, loosen)).digest != plan.digest


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v["check"].update(field="street"), "street"),
        (lambda v: v["reference"].update(device="lab/chamber/pm-1"), "different devices"),
        (lambda v: v.update(start="2025-01-06T00:00:00"), "time zone"),
        (lambda v: v["phases"][1].update(name="chamber"), "different names"),
        (lambda v: v["check"]["floor"].pop("source"), "check.floor.source"),
        (lambda v: v["check"]["requirements"][0].update(measure="beauty"), "requirements.0.measure"),
        (lambda v: v["device_under_test"].update(units=["pm-1"]), "device_under_test.units.0"),
        (lambda v: v.update(colour="red"), "unknown key"),
    ],
)
def test_a_wrong_plan_is_refused_with_its_place(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        read_plan(write(tmp_path, change))


def test_plans_are_listed_and_found(tmp_path: Path) -> None:
    plans = list_plans(FOLDER)
    assert "dust" in [p.plan.id for p in plans]
    assert next(p for p in plans if p.plan.id == "dust").devices == ("good", "biased", "external")
    assert find_plan("dust", FOLDER) == FOLDER / "dust.yaml"
    with pytest.raises(ConfigError, match=r"there are: .*dust"):
        find_plan("dusty", FOLDER)
    with pytest.raises(ConfigError, match="no such folder"):
        list_plans(tmp_path / "nothing")
