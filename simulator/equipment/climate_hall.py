"""Climate of a production hall: a zone with a supply fan, a chilled-water coil and a filter.

A first-order zone, C dT/dt = UA (T_out - T) + G + V - Q: the walls, heat of people and machines G, outside air that
the fan brings V, and the coil Q (negative: heating). Between two steps of the controller G, V and Q hold, so the
temperature approaches T_out + (G + V - Q) / UA exactly, with time constant C / UA; the kJ in and out add up to what the
air and the building store. Water and carbon dioxide follow the same way. A PI controller moves the valve. The clogging
filter takes air; dust comes in with the air it does not hold. Saturation pressure by Magnus (Alduchov and Eskridge
1996); sizes of a small assembly hall are assumptions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.clock import NS
from core.command import Command
from core.config import Duration
from core.errors import CommandRefused
from core.spec import CommandSpec, Name
from simulator.asset import Asset, Steps, Work
from simulator.channels import Sensor, Stream, counted, enumerated, measured
from simulator.environment import on_shift
from simulator.equipment.base import EquipmentConfig
from simulator.faults import Effect, FaultKind, WearFault
from simulator.grid import Floats
from simulator.state import Column, Ramp, Relax, Step
from simulator.states import COMMON, DERATE, STATES, State
from simulator.view import View
from simulator.wear.component import WearModel
from simulator.wear.fouling import FoulingWear

TAU_S = 5400.0  # C / UA of the building
_AIR_TAU_S = 1500.0  # of what the air alone holds: water, carbon dioxide
_AIR_KJ = 1.206  # m3 K
_OUT_PPM = 425.0
_CONDENSED = 0.0012  # g/kg of water that a kW of cooling takes out, a kg/s of air
_STROKE_S = 90.0

CLIMATE = Stream(
    "climate",
    (
        enumerated("state", STATES, ko="상태", en="State"),
        measured(
            "temperature", "temperature", "Cel", -20, 60,
            Sensor(lag="60s", bias=0.15, noise=0.03, drift=0.1, resolution=0.1, dropout=1e-5),
            ko="온도", en="Temperature",
        ),
        measured(
            "humidity", "relative-humidity", "%", 0, 100,
            Sensor(lag="60s", bias=1.0, noise=0.3, drift=1.0, resolution=0.1), ko="상대습도", en="Relative humidity",
        ),
        measured(
            "co2", "mole-fraction", "[ppm]", 0, 5000, Sensor(lag="60s", bias=15, noise=6, drift=15, resolution=1),
            ko="이산화탄소", en="Carbon dioxide",
        ),
        measured(
            "dust", "mass-concentration", "ug/m3", 0, 1000, Sensor(gain=0.05, noise=1.0, resolution=0.1),
            ko="부유 먼지", en="Airborne dust",
        ),
        measured("set_temp", "temperature", "Cel", 10, 35, Sensor(resolution=0.1), ko="설정 온도", en="Set-point"),
        measured("valve", "ratio", "%", -100, 100, Sensor(noise=0.2, resolution=0.1),
                 ko="냉온수 밸브", en="Coil valve (negative: heating)"),
        measured("fan_speed", "ratio", "%", 0, 110, Sensor(noise=0.2, resolution=0.1), ko="팬 속도", en="Fan speed"),
        measured(
            "flow", "volume-flow", "m3/h", 0, 60_000, Sensor(lag="3s", gain=0.01, noise=40, resolution=10),
            ko="급기 풍량", en="Supply air",
        ),
        measured(
            "filter_dp", "differential-pressure", "Pa", 0, 1000, Sensor(lag="2s", bias=1, noise=1.5, resolution=1),
            ko="필터 차압", en="Filter pressure drop", group="health",
        ),
        measured(
            "power", "power", "kW", 0, 100, Sensor(lag="1s", gain=0.005, noise=0.03, resolution=0.01),
            ko="전력", en="Power",
        ),
        counted("energy", "energy", "kW.h", ko="전력량", en="Energy"),
        counted("coil", "energy", "kW.h", ko="코일 열량", en="Heat carried by the coil"),
    ),
    period=5 * NS,
)  # fmt: skip


def saturation_gkg(cel: NDArray[Any] | float) -> Floats:
    """Return grams of water in a kg of saturated air at 1013 hPa."""
    hpa = 6.1094 * np.exp(17.625 * cel / (cel + 243.04))
    return np.asarray(622.0 * hpa / (1013.25 - hpa), dtype=np.float64)


class ClimateHallConfig(EquipmentConfig):
    """A hall.

    Attributes
    ----------
    ua_kw_k
        Heat that its walls let through, kW a K.
    gain_kw
        Heat of people and machines while they work.
    coil_kw
        Capacity of the coil, cooling and heating.
    flow_m3h, fresh
        Air of the fan at full speed, and the share of it that is outside air.
    step
        Time between two steps of the controller.
    people
        In the hall while they work.
    """

    kind: Literal["climate_hall"] = "climate_hall"
    ua_kw_k: float = Field(default=2.0, gt=0)
    gain_kw: float = Field(default=35.0, ge=0)
    coil_kw: float = Field(default=120.0, gt=0)
    flow_m3h: float = Field(default=18_000.0, gt=0, le=50_000)
    fresh: float = Field(default=0.25, gt=0, le=1)
    fan_kw: float = Field(default=7.5, gt=0, le=60)
    set_temp: float = Field(default=22.0, ge=14, le=30)
    people: float = Field(default=25.0, ge=0)
    step: Duration = Field(default=900 * NS, ge=60 * NS, le=1200 * NS)
    filter: FoulingWear = FoulingWear(life_h=1400.0)

    label: ClassVar[Name] = Name("공조 홀", "Climate hall")

    def asset(self) -> type[ClimateHall]:
        """Return the class of a hall."""
        return ClimateHall

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (CLIMATE,)

    def wears(self) -> dict[str, WearModel]:
        """Return its filter."""
        return {"filter": self.filter}


class ClimateHall(Asset):
    """Holds a temperature."""

    columns: ClassVar[Mapping[str, Column]] = {
        "temperature": Relax(20.0, TAU_S),
        "water": Relax(7.0, _AIR_TAU_S),  # g/kg
        "co2": Relax(_OUT_PPM, _AIR_TAU_S),
        "valve": Relax(0.0, _STROKE_S),  # 1 = full cooling, -1 = full heating; what one sees of it
        "set_temp": Step(),
        "fan": Step(),  # 1 = full speed
        "fan_set": Step(1.0),
        "energy": Ramp(),
        "coil": Ramp(),
    }
    commands = (
        *COMMON,
        DERATE,
        CommandSpec("set_temperature", {"temperature": "Cel"}, Name("온도 설정", "Set temperature")),
        CommandSpec("set_fan", {"factor": "1"}, Name("팬 속도 설정", "Set fan speed")),
    )
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "filter_clogging": WearFault("filter", 40.0, Name("필터 막힘", "Clogging filter")),
        "chiller_weak": Effect(0.6, label=Name("냉동기 저하", "Weak chiller")),  # share of the cooling lost
        "valve_stuck": Effect(1.0, label=Name("밸브 고착", "Stuck valve")),
        "door_open": Effect(1.0, repaired=False, label=Name("출입문 열림", "Open door")),
    }
    logs: ClassVar[bool] = True
    config: ClimateHallConfig
    _integral = 0.0
    _position = 0.0
    #: kJ since the beginning that each way brought in, for the balance
    heat: Mapping[str, float]

    def begin(self) -> None:
        """Start from the set-point."""
        self.put("set_temp", self.config.set_temp)
        self._table.put(self._row, "temperature", self.now, self.config.set_temp, self.config.set_temp)
        self.heat = dict.fromkeys(("walls", "gain", "air", "coil"), 0.0)
        super().begin()

    def run(self) -> Steps:
        """Control."""
        self.enter(State.RUNNING)
        while True:
            self.control()
            yield self.env.timeout(self.config.step)

    def control(self) -> None:
        """Take one step of the controller, and let the zone follow until the next."""
        if not self.get("fault.valve_stuck"):
            self._position = self._steer() if self.state is State.RUNNING else 0.0
        self.relax("valve", self._position)
        self._follow()

    def _steer(self) -> float:
        """Return the PI controller's valve; its gains keep the sampled loop stable whatever the step."""
        stored = self.config.ua_kw_k * TAU_S / (self.config.step / NS)  # kW that warm the hall by 1 K in a step
        gain = 0.4 * stored / self.config.coil_kw
        off = self.get("temperature") - self.get("set_temp")
        self._integral = min(max(self._integral + 0.45 * gain * off, -1.0), 1.0)
        return min(max(gain * off + self._integral, -1.0), 1.0)

    def air_m3s(self) -> float:
        """Return the air that the fan moves; a clogged filter takes up to half of it."""
        return self.config.flow_m3h / 3600.0 * self.get("fan") * (1.0 - 0.5 * self.components["filter"].wear)

    def flows_kw(self) -> dict[str, float]:
        """Return the heat that comes in by air, gain and coil, kW."""
        outside = self.host.weather.now("temperature", self.now)
        inside, air = self.get("temperature"), self.air_m3s()
        leak = 1.5 * self.get("fault.door_open")  # m3/s
        capacity = self.config.coil_kw * min(air / (self.config.flow_m3h / 3600.0), 1.0)
        if self._position > 0:
            capacity *= 1.0 - self.get("fault.chiller_weak")
        return {
            "air": _AIR_KJ * (self.config.fresh * air + leak + 0.05) * (outside - inside),
            "gain": self.config.gain_kw * self._busy(),
            "coil": -capacity * self._position,
        }

    def _busy(self) -> float:
        return 1.0 if bool(on_shift(np.int64(self.host.start + self.now), 7.0, 21.0)) else 0.25  # type: ignore[arg-type]

    def _follow(self) -> None:
        """Let temperature, water and carbon dioxide approach what the flows of now lead to."""
        weather, now = self.host.weather, self.now
        outside = weather.now("temperature", now)
        flows = self.flows_kw()
        self.relax("temperature", outside + sum(flows.values()) / self.config.ua_kw_k)
        air = self.air_m3s()
        fresh = max(self.config.fresh * air + 1.5 * self.get("fault.door_open"), 0.05)
        wet = weather.now("humidity", now) / 100.0 * float(saturation_gkg(outside))
        people = self.config.people * self._busy()
        dried = _CONDENSED * 1000.0 * max(-flows["coil"], 0.0) / max(air * 1.2, 0.5)
        top = 0.95 * float(saturation_gkg(self.get("temperature")))
        self.relax("water", min(max(wet + people * 0.05 / (1.2 * fresh) - dried, 2.0), top))
        self.relax("co2", _OUT_PPM + people * 5.0 / fresh)  # 5 ml/s a person at work (assumption)
        self.ramp("coil", abs(flows["coil"]) / 3600.0)

    def on_state(self, old: State, new: State) -> None:
        """Turn the fan while running."""
        speed = self.get("fan_set") * self.get("derate") if new is State.RUNNING else 0.0
        self.put("fan", speed)
        self.ramp("energy", (self.config.fan_kw * speed**3 + 0.15) / 3600.0)
        if new is not State.RUNNING:
            self._position = self._integral = 0.0
            self.relax("valve", 0.0)
        if self.components:
            self._follow()

    def on_effect(self, fault: str, size: float) -> None:
        """Let the zone follow at once."""
        self._follow()

    def stress(self, component: str) -> float:
        """A filter takes dirt with the air."""
        return float(self.get("fan"))

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add the set-points."""
        return super().handlers() | {"set_temperature": self._set_temperature, "set_fan": self._set_fan}

    def interlock(self) -> str:
        """Do not blow air through an open door."""
        return "door is open" if self.get("fault.door_open") > 0 else ""

    def _set_temperature(self, command: Command) -> str:
        temperature = self.number(command, "temperature", 14.0, 30.0)
        self.put("set_temp", temperature)
        self.control()
        return f"temperature set to {temperature:g} Cel"

    def _set_fan(self, command: Command) -> str:
        factor = self.number(command, "factor", 0.2, 1.0)
        if factor < 0.4 and abs(self._position) > 0.8:
            raise CommandRefused("interlock: the coil needs at least 40 % of the air")
        self.put("fan_set", factor)
        self.on_state(self.state, self.state)
        self.adapt_wear()
        return f"fan set to {factor:.0%}"

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values of the hall."""
        wear, fan = view.wear("filter"), view["fan"]
        temperature = view["temperature"] + 0.08 * view.slow("mixing", 300.0)
        share = fan * (1.0 - 0.5 * wear)
        humidity = 100.0 * view["water"] / saturation_gkg(temperature)
        outside = 22.0 * np.exp(0.5 * view.env("air_mass"))
        dust = 4.0 + outside * (0.15 + 0.85 * view.fault("door_open")) + 12.0 * (1.0 - share)
        return {
            "state": view["state"],
            "temperature": temperature,
            "humidity": np.clip(humidity, 5.0, 99.0),
            "co2": view["co2"] + 8.0 * view.slow("people", 600.0),
            "dust": dust * (1.0 + 0.1 * view.slow("dust", 900.0)),
            "set_temp": view["set_temp"],
            "valve": 100.0 * view["valve"],
            "fan_speed": 100.0 * fan,
            "flow": view.param("flow_m3h") * share,
            "filter_dp": fan * fan * (90.0 + 260.0 * wear),
            "power": view.param("fan_kw") * fan * fan * fan + 0.15,
            "energy": view["energy"],
            "coil": view["coil"],
        }
