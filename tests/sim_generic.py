"""An entry of the kind `generic` that uses every behaviour, command effect and fault there is."""

from __future__ import annotations

from typing import Any

GENERIC: dict[str, Any] = {
    "type": "tank",
    "params": {"size": 2.0},
    "variables": {
        "demand": {"random": {"mean": 4, "sigma": 1, "tau": "2min", "spread": 0.5}},
        "course": {"daily": {"mean": 1, "swing": 0.5, "peak": 14}},
        "opening_hours": {"profile": {"workday": [0.1] * 8 + [1.0] * 12 + [0.2] * 4, "day_off": [0.1] * 24}},
        "heat": {"setpoint": {"initial": 20, "lag": "30s", "target": {"mode": {"hot": 80, "cold": 10}}}},
        "goal": {"setpoint": {"initial": 50, "lag": "10s"}},
    },
    "reports": {
        "main": {
            "every": "700ms",
            "channels": {
                "level": {
                    "quantity": "level", "unit": "%", "range": [0, 100],
                    "formula": "clip(goal + demand * course - 5 * wear.pump + trait.tank, 0, 100)",
                    "sensor": {"lag": "2s", "noise": 0.2, "bias": 0.1, "drift": 0.1, "resolution": 0.1},
                },
                "temp": {
                    "quantity": "temperature", "unit": "Cel", "range": [-20, 120],
                    "formula": "heat if mode == 'hot' else min(heat, env.temperature + 10) + 3 * fault.leak",
                },
                "mode": {"states": {"of": {
                    "cold": {"for": "20s", "scatter": 0.5, "next": {"hot": 2, "purge": 1}},
                    "hot": {"for": "15s", "scatter": 0.3, "next": {"cold": 1}},
                    "purge": {},
                }}},
            },
        },
        "slow": {
            "every": "3s",
            "channels": {
                "used": {"quantity": "volume", "unit": "L", "counter": {"rate": {"mode": {"hot": 0.7, "cold": 0.1}}}},
                "odd": {"formula": "sin(hour * pi / 12) + opening_hours * param.size + workday + exp(-course) % 0.3"},
            },
        },
    },
    "parts": {"pump": {"wear": {"kind": "bearing", "life_h": 50}, "rate": {"mode": {"hot": 2, "cold": 1}}}},
    "faults": {"dry": {"part": "pump", "rate": 30}, "leak": {"size": 2.0}},
    "commands": {
        "set_level": {"set": {"goal": {"arg": "percent", "low": 0, "high": 100}}},
        "heat_up": {
            "state": {"mode": "hot"}, "then": {"mode": "cold"},
            "for": {"arg": "seconds", "low": 1, "high": 600, "default": 5},
            "only_if": "wear.pump < 0.9 and env.temperature < 60 and heat < 79", "because": "too hot",
        },
        "park": {"state": {"mode": "purge"}, "reset": ["used"]},
    },
    "events": [{"when": {"mode": "purge"}, "name": "purging", "text": "purges", "severity": "warning"}],
}  # fmt: skip
