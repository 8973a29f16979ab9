"""Which units fit a quantity: named quantities and one unit code for each dimension they may be given in."""

from __future__ import annotations

from core.errors import RejectedError
from wire.ucum import dimension

_MASS_PER_VOLUME = ("ug/m3",)
_GAS = ("ug/m3", "[ppb]")
_RATIO = ("%",)
_MOTION = ("m/s", "/min")  # travel and rotation; rad/s and deg/s are listed where rotation is meant
_TABLE: dict[str, tuple[str, ...]] = {
    "temperature": ("Cel",),
    "humidity": ("%", "g/m3"),
    "relative_humidity": _RATIO,
    "dew_point": ("Cel",),
    "pressure": ("Pa",),
    "differential_pressure": ("Pa",),
    "pm1": _MASS_PER_VOLUME,
    "pm25": _MASS_PER_VOLUME,
    "pm10": _MASS_PER_VOLUME,
    "dust": _MASS_PER_VOLUME,
    "co": _GAS,
    "co2": _GAS,
    "no2": _GAS,
    "o3": _GAS,
    "so2": _GAS,
    "voc": _GAS,
    "turbidity": ("[NTU]", "mg/L"),
    "ph": ("[pH]",),
    "conductivity": ("uS/cm", "S"),
    "sound_level": ("dB",),
    "noise": ("dB",),
    "acceleration": ("m/s2",),
    "vibration": ("mm/s", "m/s2", "um"),
    "vibration_velocity": ("mm/s",),
    "displacement": ("mm",),
    "length": ("mm",),
    "distance": ("m",),
    "level": ("m", "%", "m3"),
    "depth": ("m",),
    "height": ("m",),
    "area": ("m2",),
    "volume": ("m3",),
    "flow": ("m3/h", "kg/h", "/h"),
    "mass": ("kg",),
    "weight": ("kg", "N"),
    "force": ("N",),
    "torque": ("N.m",),
    "speed": (*_MOTION, "rad/s", "Hz"),
    "velocity": ("m/s",),
    "rotational_speed": ("/min", "rad/s"),
    "wind_speed": ("m/s",),
    "wind_direction": ("deg",),
    "angle": ("deg",),
    "direction": ("deg",),
    "heading": ("deg",),
    "latitude": ("deg",),
    "longitude": ("deg",),
    "frequency": ("Hz",),
    "voltage": ("V",),
    "current": ("A",),
    "resistance": ("Ohm",),
    "power": ("W",),
    "apparent_power": ("VA",),
    "energy": ("kW.h",),
    "electric_charge": ("A.h",),
    "illuminance": ("lx",),
    "irradiance": ("W/m2",),
    "rainfall": ("mm", "mm/h"),
    "duration": ("s",),
    "time": ("s",),
    "count": ("1",),
    "state": ("1",),
    "ratio": _RATIO,
    "efficiency": _RATIO,
    "state_of_charge": _RATIO,
    "battery": ("%", "V"),
    "signal_strength": ("dB",),
}
QUANTITIES = tuple(_TABLE)


def check_unit(quantity: str, unit: str, where: str) -> None:
    """Accept a unit for a quantity; an unknown quantity takes any plausible UCUM code.

    Raises
    ------
    RejectedError
        ``bad-unit`` where the code is not UCUM, ``unit-mismatch`` where it measures something else.
    """
    found = dimension(unit)
    if found is None:
        raise RejectedError("bad-unit", f"{where}: {unit[:80]!r} is not a UCUM code (examples: Cel, ug/m3, mm/s, %, 1)")
    allowed = _TABLE.get(quantity)
    if allowed is not None and all(dimension(code) != found for code in allowed):
        raise RejectedError("unit-mismatch", f"{where}: {quantity} cannot be in {unit!r} (fits: {', '.join(allowed)})")
