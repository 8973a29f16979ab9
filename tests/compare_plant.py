"""A plant that is small and short-lived enough to be compared in a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from testbed.scenario import Scenario, read

LINE = {"life_h": 60, "scatter": 0.3, "growth": 2, "used": 0.9}
BEARING = {"life_h": 150, "scatter": 0.4, "used": 0.9}
DOMAIN: dict[str, Any] = {
    "domain": "factory", "site": "small", "crew": 2, "repair": "9h", "maintain": "2h",
    "flows": {"filled": 2},
    "equipment": [
        {"kind": "filler", "area": "line", "outputs": ["filled"], "lot": 4800, "reel": 0, "parts": LINE,
         "reject": 0.001},
        {"kind": "capper", "area": "line", "inputs": ["filled"], "jam": 0, "parts": LINE, "reject": 0.001},
        {"kind": "pump", "area": "utility", "count": 3, "bearing": BEARING},
        {"kind": "cnc", "area": "cell", "cycle": "30m", "lot": 6, "change_at_min": 180},
    ],
}  # fmt: skip
PRICES = {
    "downtime_h": 100_000, "rest_h": 1000, "repair_parts": 900_000, "planned_parts": 300_000, "repair_h": 10,
    "planned_h": 3, "callout": 50_000, "scrap": 20,
}  # fmt: skip
TREES = {"iterations": 15, "folds": 2}
SCENARIO: dict[str, Any] = {
    "name": "small plant", "start": "2026-01-05T06:00:00+09:00", "seed": 4, "domains": ["domain.yaml"],
    "history": {"days": 0},
    "analytics": {
        "filters": {"fast": 2, "slow": 9, "baseline": 6, "baseline_min": 2},
        "alarm": {"raise_after": 1, "clear_after": 2},
        "groups": [
            {"name": "rotating", "kinds": ["pump"], "detectors": [{"kind": "zones"}],
             "prognosis": {"horizon": "2d", "min_failures": 5, "trees": TREES},
             "sampling": {"every": "8h", "dense_every": "8h"}},
            {"name": "line", "kinds": ["filler", "capper"], "detectors": [{"kind": "drift"}],
             "prognosis": {"horizon": "2d", "min_failures": 5, "trees": TREES},
             "sampling": {"every": "8h", "dense_every": "8h"}},
        ],
    },
    "compare": {
        "sample": "30m",
        "calendar": {"kinds": ["filler", "capper", "cnc"]},
        "gate": {"crews": 6, "at_most": 6, "pause": "12h", "stock": 3, "lead": "2d", "duration": "2h", "expires": "1h"},
        "orders": {"kind": "capper", "demand": 80_000, "truck": 16_000, "room": 16_000},
        "learn": {"days": 30, "train": 2, "tune": 1, "sweep": 1, "factors": [1.0, 1.5]},
        "watch": {"seeds": 1},
        "costs": {"kinds": dict.fromkeys(("filler", "capper", "pump", "cnc"), PRICES)},
    },
}  # fmt: skip


def write_plant(folder: Path, **changes: Any) -> Path:
    """Write the scenario with its domain; ``changes`` replace top keys of the scenario."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "domain.yaml").write_text(yaml.safe_dump(DOMAIN), encoding="utf-8")
    path = folder / "scenario.yaml"
    path.write_text(yaml.safe_dump({**SCENARIO, **changes}), encoding="utf-8")
    return path


def plant(folder: Path) -> Scenario:
    """Return the scenario."""
    return read(write_plant(folder))
