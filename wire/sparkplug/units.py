"""Engineering units as people write them in ``engUnit``, as UCUM codes.

The specification leaves the property's text open, so what is not a UCUM code already is looked up here.
"""

from __future__ import annotations

from wire.ucum import dimension

_COMMON = {
    "": "1",
    "°c": "Cel", "degc": "Cel", "deg c": "Cel", "celsius": "Cel", "℃": "Cel",
    "°f": "[degF]", "degf": "[degF]", "deg f": "[degF]", "fahrenheit": "[degF]",
    "kelvin": "K",
    "°": "deg", "degree": "deg", "degrees": "deg",
    "percent": "%", "pct": "%", "%rh": "%", "rh": "%",
    "rpm": "/min", "r/min": "/min", "1/min": "/min", "min-1": "/min",
    "psi": "[psi]", "ppm": "[ppm]", "ppb": "[ppb]", "ph": "[pH]",
    "kpa": "kPa", "mpa": "MPa", "hpa": "hPa", "mbar": "mbar",
    "m³": "m3", "m³/h": "m3/h", "m³/s": "m3/s", "cmh": "m3/h", "l/min": "L/min", "lpm": "L/min", "l/s": "L/s",
    "µg/m³": "ug/m3", "μg/m³": "ug/m3", "µm": "um", "μm": "um", "m/s²": "m/s2", "m²": "m2", "gpm": "[gal_us]/min",
    "amp": "A", "amps": "A", "ampere": "A", "volt": "V", "volts": "V", "watt": "W", "watts": "W", "kw": "kW",
    "kwh": "kW.h", "wh": "W.h", "ohm": "Ohm", "ω": "Ohm", "hz": "Hz", "khz": "kHz", "nm": "N.m",
    "sec": "s", "second": "s", "seconds": "s", "hour": "h", "hours": "h", "minute": "min", "minutes": "min",
    "db(a)": "dB", "dba": "dB", "lux": "lx", "in": "[in_i]", "inch": "[in_i]", "ft": "[ft_i]", "lb": "[lb_av]",
    "kmh": "km/h", "kph": "km/h", "mph": "[mi_i]/h", "count": "1", "counts": "1", "bool": "1", "none": "1",
}  # fmt: skip


def to_ucum(text: object) -> str | None:
    """Return the UCUM code of an engineering unit, None where it is not known."""
    if not isinstance(text, str) or len(text) > 64:
        return None
    plain = text.strip()
    known = _COMMON.get(plain.lower()) if plain not in ("Nm", "nm") else {"Nm": "N.m", "nm": "nm"}[plain]
    if known is not None and dimension(known) is not None:
        return known
    return plain if dimension(plain) is not None else None
