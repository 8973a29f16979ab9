"""``testbed config plan``: what a scenario will do before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.clock import NS
from simulator.world import World
from testbed.scenario import Scenario

DAY_S = 86_400
#: bytes a stored value takes in DuckDB on disk, and bytes a JSON row takes on the wire (assumed: orders
#: of magnitude for planning, not a promise)
STORED_BYTES_PER_VALUE = 4.0
WIRE_BYTES_PER_ROW = 70.0
WIRE_BYTES_PER_VALUE = 14.0


@dataclass
class _Sum:
    devices: int = 0
    channels: int = 0
    rows_per_s: float = 0.0
    values_per_s: float = 0.0


def plan(scenario: Scenario) -> dict[str, Any]:
    """Return devices, channels, rates and bytes a day by domain and protocol."""
    world = World(scenario.world(), scenario.config.start_ns(), scenario.config.seed)
    by_domain: dict[str, _Sum] = {}
    by_protocol: dict[str, _Sum] = {}
    for device in world.devices:
        sums = (by_domain.setdefault(device.domain, _Sum()), by_protocol.setdefault(device.protocols[0], _Sum()))
        for total in sums:
            total.devices += 1
            for stream in device.streams:
                total.channels += len(stream.layout.channels)
                total.rows_per_s += stream.rate_hz
                total.values_per_s += stream.rate_hz * len(stream.layout.channels)
    speed = scenario.config.speed or 1.0
    rows = sum(s.rows_per_s for s in by_domain.values())
    values = sum(s.values_per_s for s in by_domain.values())
    history = scenario.config.history
    history_values = sum(
        len(s.layout.channels) * history.days * DAY_S * NS / history.every
        for d in world.devices
        for s in d.streams
        if not s.fast
    )
    return {
        "scenario": str(scenario.path),
        "domains": {name: vars(total) for name, total in sorted(by_domain.items())},
        "protocols": {name: vars(total) for name, total in sorted(by_protocol.items())},
        "devices": len(world.devices),
        "channels": sum(s.channels for s in by_domain.values()),
        "rows_per_s": round(rows * speed, 1),
        "values_per_s": round(values * speed, 1),
        "wire_bytes_per_day": round((rows * WIRE_BYTES_PER_ROW + values * WIRE_BYTES_PER_VALUE) * speed * DAY_S),
        "stored_bytes_per_day": round(values * STORED_BYTES_PER_VALUE * speed * DAY_S),
        "history_values": round(history_values),
    }
