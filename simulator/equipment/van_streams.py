"""What a refrigerated van reports, and how it follows from its state: the cold box, the recorder, the drive.

The recorder keeps what EN 12830 asks of transport under 24 h: a value every 5 minutes, class 1 (1 K, resolution better
than 0.5 K), of a probe in glycol.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.clock import NS
from simulator.channels import Sensor, Stream, counted, enumerated, measured
from simulator.grid import Floats
from simulator.process.cold_chain import capacity, defrost_heat, demand, excess, swing
from simulator.states import STATES, State
from simulator.view import View

UNIT_OFF = frozenset({State.FAILED, State.MAINTENANCE})
#: what adds up to the temperature of the box, beside defrosting and control
BOX = ("target", "door_heat", "idle_heat")

DOOR = {0: "closed", 1: "open"}

COLD = Stream(
    "cold",
    (
        enumerated("state", STATES, ko="상태", en="State"),
        enumerated("door", DOOR, ko="문", en="Door"),
        measured("setpoint", "temperature", "Cel", -30, 20, ko="설정 온도", en="Set-point"),
        measured(
            "box_temp", "temperature", "Cel", -30, 50,
            Sensor(lag="45s", bias=0.15, noise=0.05, drift=0.1, resolution=0.1, dropout=2e-4),
            ko="적재함 온도", en="Air in the box", accuracy=1.0,
        ),
        measured(
            "product_temp", "temperature", "Cel", -30, 50,
            Sensor(lag="8m", bias=0.15, noise=0.03, drift=0.1, resolution=0.1),
            ko="제품 온도", en="Goods", accuracy=1.0,
        ),
        measured("mkt", "temperature", "Cel", -30, 50, Sensor(resolution=0.01),
                 ko="평균 동역학 온도(24시간)", en="Mean kinetic temperature of 24 h"),
        measured("duty", "ratio", "%", 0, 100, Sensor(noise=0.8, resolution=0.1),
                 ko="냉동기 가동률", en="Duty of the unit", group="health"),
        measured(
            "compressor_current", "current", "A", 0, 60,
            Sensor(lag="1s", gain=0.01, noise=0.1, resolution=0.01),
            ko="압축기 전류", en="Compressor current", group="health",
        ),
    ),
    period=5 * NS,
)  # fmt: skip
DRIVE = Stream(
    "drive",
    (
        measured("latitude", "latitude", "deg", -90, 90, Sensor(noise=2e-5, resolution=1e-6), ko="위도", en="Latitude"),
        measured("longitude", "longitude", "deg", -180, 180, Sensor(noise=2.5e-5, resolution=1e-6),
                 ko="경도", en="Longitude"),
        measured("speed", "speed", "km/h", 0, 120, Sensor(noise=0.3, resolution=0.1), ko="속도", en="Speed"),
        counted("odometer", "distance", "km", ko="주행 거리", en="Odometer"),
        measured("load", "count", "1", 0, 40, ko="적재 팔레트", en="Pallets on board"),
        counted("delivered", "count", ko="배송 팔레트", en="Pallets delivered"),
    ),
)  # fmt: skip
RECORDER = Stream(
    "recorder",
    (
        measured("recorded_temp", "temperature", "Cel", -30, 50, Sensor(lag="8m", bias=0.2, noise=0.05, resolution=0.1),
                 ko="기록계 온도", en="Recorded temperature", accuracy=1.0),
    ),
    period=300 * NS,
)  # fmt: skip


def truth(stream: str, view: View) -> dict[str, NDArray[Any]]:
    """Return true values of a stream."""
    if stream == "drive":
        return _drive(view)
    cold = _cold(view)
    return {"recorded_temp": cold["box_temp"]} if stream == "recorder" else cold


def _cold(view: View) -> dict[str, NDArray[Any]]:
    ambient = view.env("temperature")
    target = view["target"]
    off = view.is_state(*UNIT_OFF)
    left = capacity(view.wear("compressor"))
    need = demand(ambient - target, view.fault("door_seal"))
    duty = np.minimum(need / left, 1.0) * (1.0 - off)
    ripple, on = swing(view.t, duty)
    heat = view["door_heat"] + view["idle_heat"] + (defrost_heat(view.t) + ripple + excess(need, left)) * (1.0 - off)
    warmest = np.maximum(ambient - target, 4.0)
    box = target + np.clip(heat, -warmest, warmest)
    return {
        "state": view["state"],
        "door": view["door"],
        "setpoint": view["setpoint"],
        "box_temp": box,
        "product_temp": box,
        "mkt": view["mkt"],
        "duty": 100.0 * duty,
        "compressor_current": on * (9.0 + 6.0 * need + 3.0 * view.wear("compressor")) * (1.0 - off) + 0.4,
    }


def _drive(view: View) -> dict[str, Floats]:
    flowing = np.clip(1.0 + 0.5 * view.slow("road", 25.0), 0.0, 1.6)
    return {
        "latitude": view["lat"],
        "longitude": view["lon"],
        "speed": view["speed"] * flowing,
        "odometer": view["odometer"],
        "load": view["load"],
        "delivered": view["delivered"],
    }
