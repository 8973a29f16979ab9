"""Core objects as JSON-ready values. Times become milliseconds since the epoch, missing numbers null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.clock import MS, NS
from core.ports import Note
from core.spec import ChannelSpec, DeviceSpec, LayoutSpec, Name

_TIMES = ("t", "due", "expires")


def clean(value: Any) -> Any:
    """Return a value that JSON can carry: NaN and infinities become null, numpy scalars plain."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): clean(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(v) for v in value]
    return value


def encode(value: Any) -> bytes:
    """Return compact UTF-8 JSON of a clean value."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=str).encode()


def number(value: float) -> float | None:
    """Return a value rounded to six significant digits, None where it is missing."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def numbers(values: NDArray[np.float64]) -> list[float | None]:
    """Return values rounded to six significant digits, None where missing."""
    return [number(v) for v in values.tolist()]


def note_fields(note: Note) -> dict[str, Any]:
    """Return a note's fields; ``t``, ``due`` and ``expires`` in ms, infinite spans as null."""
    fields = asdict(note)
    for name in _TIMES:
        if name in fields:
            fields[name] = fields[name] // MS
    if fields.get("cause") and isinstance(fields["cause"], dict):
        fields["cause"]["t"] //= MS
    return dict(clean(fields))


def name(value: Name | None) -> dict[str, str] | None:
    """Return a name in both languages."""
    return None if value is None else {"ko": value.ko, "en": value.en}


def channel(spec: ChannelSpec) -> dict[str, Any]:
    """Return a channel's description."""
    fields = {
        "name": spec.name,
        "quantity": spec.quantity,
        "unit": spec.unit,
        "low": spec.low,
        "high": spec.high,
        "accuracy": spec.accuracy,
        "resolution": spec.resolution,
        "states": spec.states,
        "label": name(spec.label),
        "group": spec.group,
    }
    return dict(clean({k: v for k, v in fields.items() if v is not None}))


def layout(spec: LayoutSpec) -> dict[str, Any]:
    """Return a layout's channels."""
    return {"name": spec.name, "channels": [channel(c) for c in spec.channels]}


def device(spec: DeviceSpec) -> dict[str, Any]:
    """Return a device's description with its streams and commands, without values."""
    position = None if spec.position is None else clean({"lat": spec.position.lat, "lon": spec.position.lon})
    return {
        "path": spec.path,
        "site": spec.site,
        "area": spec.area,
        "device": spec.device,
        "kind": spec.kind,
        "domain": spec.domain,
        "node": spec.node,
        "label": name(spec.label),
        "position": position,
        "protocols": list(spec.protocols),
        "asset": spec.asset,
        "identity": asdict(spec.identity),
        "streams": [{"name": s.name, "layout": s.layout.name, "period_s": s.period_ns / NS} for s in spec.streams],
        "commands": [{"name": c.name, "args": dict(c.args), "label": name(c.label)} for c in spec.commands],
    }
