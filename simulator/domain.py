"""Domain files: what is modelled. Turns entries into devices with identities."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np
from pydantic import Field

from core import seed
from core.config import Config, Duration
from core.errors import ConfigError
from core.spec import DeviceSpec, Identity, Name, Position
from simulator.channels import Sensor
from simulator.equipment.base import IDENT, AreaConfig, EquipmentConfig, Place
from simulator.kinds import Equipment
from simulator.links import LinkRef
from simulator.sensor_check import check_sensors

_M_A_DEGREE = 111_320.0


class SensorChange(Config):
    """Settings of the sensors on every ``channel`` of every ``kind`` and ``device`` that match (patterns)."""

    kind: str = "*"
    device: str = "*"
    channel: str
    set: Sensor


class DomainConfig(Config):
    """One domain of a site.

    Attributes
    ----------
    crew
        Repairs that can go on at once.
    repair, maintain
        Duration of a repair after a failure, and of planned maintenance unless the command says otherwise.
    flows
        Room of material flows, by name (default 50).
    links
        Links of the areas' connections to the broker, by area; without one it is perfect.
    sensors
        Changes of sensors across the equipment, after those of the entries, in order.
    """

    domain: Literal["factory", "logistics", "urban"]
    site: str = Field(pattern=IDENT)
    name: Name | None = None
    crew: int = Field(default=2, ge=1)
    repair: Duration = 4 * 3600 * 10**9
    maintain: Duration = 3600 * 10**9
    flows: dict[str, int] = Field(default_factory=dict)
    links: dict[str, LinkRef] = Field(default_factory=dict)
    sensors: tuple[SensorChange, ...] = ()
    equipment: tuple[Equipment, ...]


def devices(domain: DomainConfig, root: int, where: str = "") -> Iterator[tuple[EquipmentConfig, DeviceSpec]]:
    """Yield every device of a domain with its entry."""
    seen: Counter[str] = Counter()
    hit: set[int] = set()
    for index, entry in enumerate(domain.equipment):
        at = f"{where or domain.domain}:equipment.{index}"
        for area in _areas(entry, at):
            for n in range(entry.first, entry.first + entry.count):
                spec = _device(domain, entry, area, n, root, at)
                seen[spec.path] += 1
                if seen[spec.path] > 1:
                    raise ConfigError(at, f"two devices are called {spec.path}", "put {n} or another text in id")
                yield _changed(domain, entry.nth(n - entry.first), spec, hit), spec
    for n, change in enumerate(domain.sensors):
        if n not in hit:
            raise ConfigError(
                f"{where or domain.domain}:sensors.{n}",
                f"no sensor matches kind {change.kind!r}, device {change.device!r}, channel {change.channel!r}",
                "see the catalogue of kinds",
            )


def where_of(domain: DomainConfig, entry: EquipmentConfig) -> str:
    """Return where an entry stands, for errors."""
    same = ("kind", "id", "area", "areas", "first")
    for n, other in enumerate(domain.equipment):
        if all(getattr(entry, name) == getattr(other, name) for name in same):
            return f"{domain.domain}:equipment.{n}"
    return domain.domain


def _changed(domain: DomainConfig, entry: EquipmentConfig, spec: DeviceSpec, hit: set[int]) -> EquipmentConfig:
    """Return a device's entry with the domain's changes of its sensors; ``hit`` collects those that matched."""
    sensors = dict(entry.sensors)
    for n, change in enumerate(domain.sensors):
        if not (fnmatchcase(spec.kind, change.kind) and fnmatchcase(spec.device, change.device)):
            continue
        for name in (c.name for s in spec.streams for c in s.layout.channels if c.states is None):
            if fnmatchcase(name, change.channel):
                before = next((v for pattern, v in reversed(sensors.items()) if fnmatchcase(name, pattern)), Sensor())
                sensors.pop(name, None)
                sensors[name] = before.changed(change.set)
                hit.add(n)
    return entry.model_copy(update={"sensors": sensors}) if sensors != entry.sensors else entry


def _areas(entry: EquipmentConfig, at: str) -> tuple[AreaConfig, ...]:
    if bool(entry.area) == bool(entry.areas):
        raise ConfigError(at, "give either area or areas", "area: name-of-area")
    return entry.areas or (AreaConfig(id=entry.area, position=entry.position),)


def _device(domain: DomainConfig, entry: EquipmentConfig, area: AreaConfig, n: int, root: int, at: str) -> DeviceSpec:
    words = {"n": n, "area": area.id, "kind": entry.kind}
    try:
        name = entry.id.format(**words)
        node = entry.node.format(**words)
    except (KeyError, ValueError, IndexError) as error:
        raise ConfigError(f"{at}.id", f"cannot be filled in: {error}", "use {n}, {area} or {kind}") from error
    label = entry.name or entry.label
    place = area.name or Name(area.id, area.id)
    streams = entry.streams()
    if entry.connection is not None and entry.connection.kind == "own":
        node = name
    check_sensors(entry, streams, at)
    path = f"{domain.site}/{area.id}/{name}"
    family = entry.family()
    specs = tuple(s.spec(family) for s in streams)
    specs = tuple(type(s)(s.name, s.layout, entry.every.get(s.name, s.period_ns)) for s in specs)
    many = entry.count > 1
    return DeviceSpec(
        site=domain.site,
        area=area.id,
        device=name,
        kind=entry.kind,
        domain=domain.domain,
        node=node,
        identity=Identity(
            entry.manufacturer,
            f"{seed.key(root, path, 'serial') % 10**8:08d}",
            f"urn:{domain.site}:{area.id}:{name}",
            entry.model or f"{entry.kind}-1",
        ),
        streams=specs,
        commands=entry.asset().commands,
        label=Name(_fill(label.ko, n, place.ko, many), _fill(label.en, n, place.en, many)),
        position=_position(area.position or entry.position, root, path),
        protocols=entry.protocols,
        asset=path if entry.wears() else "",
    )


def _fill(text: str, n: int, area: str, many: bool) -> str:
    """Return a name for people: ``{n}`` and ``{area}`` filled in, numbered where it must be."""
    if "{" in text:
        return text.replace("{n}", str(n)).replace("{area}", area)
    return f"{text} {n}" if many else text


def _position(place: Place | None, root: int, path: str) -> Position | None:
    if place is None:
        return None
    draw = seed.uniform(np.array(seed.key(root, path, "position"), dtype=np.int64), np.arange(2, dtype=np.int64))
    north, east = ((draw * 2.0 - 1.0) * place.spread_m / _M_A_DEGREE).tolist()
    shrink = math.cos(math.radians(place.lat))
    return Position(round(place.lat + north, 6), round(place.lon + east / shrink, 6))
