"""UCUM units as OPC UA EngineeringUnits (UN/CEFACT Recommendation 20 common codes, OPC 10000-8)."""

from __future__ import annotations

UNECE_URI = "http://www.opcfoundation.org/UA/units/un/cefact"

_UNECE = {
    "%": "P1", "A": "AMP", "Cel": "CEL", "dB": "2N", "deg": "DD", "g": "GRM", "h": "HUR", "Hz": "HTZ", "J": "JOU",
    "K": "KEL", "kHz": "KHZ", "kg": "KGM", "km": "KMT", "km/h": "KMH", "kPa": "KPA", "kV": "KVT", "kW": "KWT",
    "kW.h": "KWH", "L": "LTR", "L/min": "L2", "lx": "LUX", "m": "MTR", "m/s": "MTS", "m/s2": "MSK", "m3": "MTQ",
    "m3/h": "MQH", "mA": "4K", "mbar": "MBR", "min": "MIN", "mm": "MMT", "mm/s": "C16", "ms": "C26", "mV": "2Z",
    "N": "NEW", "N.m": "NU", "Ohm": "OHM", "Pa": "PAL", "ppm": "59", "[ppm]": "59", "s": "SEC", "t": "TNE",
    "ug/m3": "GQ", "um": "4H", "V": "VLT", "W": "WTT", "bar": "BAR", "mg/L": "M1", "r/min": "RPM", "/min": "C94",
    "{rev}/min": "RPM", "{#}": "C62", "1": "C62",
}  # fmt: skip
_DISPLAY = {"Cel": "°C", "ug/m3": "µg/m³", "um": "µm", "m/s2": "m/s²", "m3": "m³", "m3/h": "m³/h", "deg": "°",
            "Ohm": "Ω", "N.m": "N·m", "kW.h": "kWh", "1": "", "{rev}/min": "rpm", "r/min": "rpm"}  # fmt: skip


def unit_id(ucum: str) -> int:
    """Return the UnitId of a UCUM code: the letters of its common code as one number, -1 where there is none."""
    code = _UNECE.get(ucum)
    return int.from_bytes(code.encode("ascii"), "big") if code else -1


def display(ucum: str) -> str:
    """Return how people write the unit."""
    return _DISPLAY.get(ucum, ucum)
