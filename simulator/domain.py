"""Domain files: what is modelled. Turns entries into devices with identities."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from core import seed
from core.config import Config, Duration
from core.errors import ConfigError
from core.spec import DeviceSpec, Identity, Name, Position
from simulator.channels import Sensor
from simulator.equipment.base import IDENT, AreaConfig, EquipmentConfig, Place
from simulator.kinds import Equipment
from simulator.links import LinkRef
from simulator.sensor_check import check_sensors
from simulator.stations import codes_of
from simulator.twins import LineConfig
from wire.modbus.config import Overrides
from wire.modbus.maker import make_map

_M_A_DEGREE = 111_320.0


class SensorChange(Config):
    """Settings of the sensors on every ``channel`` of every ``kind`` and ``device`` that match (patterns)."""

    kind: str = "*"
    device: str = "*"
    channel: str
    set: Sensor


class CopiesConfig(Config):
    """How often a domain stands beside itself; written as a number, or with ``spread_m``.

    Copy 1 is the domain as written. In copy k every device id and flow has ``-x00k`` behind it (a line of copy k
    feeds the hub of copy k), crews are k-fold, and the places of an area are shifted together by a fixed draw within
    ``spread_m``.
    """

    count: int = Field(default=1, ge=1, le=10_000)
    spread_m: float = Field(default=10_000.0, ge=0, le=100_000)


def _copies(value: object) -> object:
    return {"count": value} if isinstance(value, int) and not isinstance(value, bool) else value


#: a number of copies, or ``{count: …, spread_m: …}``
Copies = Annotated[CopiesConfig, BeforeValidator(_copies, json_schema_input_type=int | CopiesConfig)]


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
    copies
        How often all of it exists.
    lines
        More lines like those in an area: ``[{like: guro-packaging, count: 5}]``.
    """

    domain: Literal["factory", "logistics", "urban", "own"]
    site: str = Field(pattern=IDENT)
    name: Name | None = None
    crew: int = Field(default=2, ge=1)
    repair: Duration = 4 * 3600 * 10**9
    maintain: Duration = 3600 * 10**9
    flows: dict[str, int] = Field(default_factory=dict)
    links: dict[str, LinkRef] = Field(default_factory=dict)
    sensors: tuple[SensorChange, ...] = ()
    copies: Copies = CopiesConfig()
    equipment: tuple[Equipment, ...]
    lines: tuple[LineConfig, ...] = ()

    def entries(self, where: str = "") -> Iterator[tuple[str, EquipmentConfig]]:
        """Yield every entry with its place in the file, those of lines behind the others."""
        begin = where or self.domain
        for index, entry in enumerate(self.equipment):
            yield f"{begin}:equipment.{index}", entry
        for index, line in enumerate(self.lines):
            at = f"{begin}:lines.{index}"
            for twin in line.entries(self.equipment, at):
                yield at, twin

    def crews(self) -> int:
        """Return the repairs that can go on at once in all copies."""
        return self.crew * self.copies.count

    def room(self) -> dict[str, int]:
        """Return the room of the flows of all lines and copies; twins have the room of what is written."""
        rooms = dict(self.flows)
        for at, entry in self.entries():
            if not any("{" in flow or "@" in flow for flow in (*entry.inputs, *entry.outputs)):
                continue
            for area in _areas(entry, at):
                for n in range(entry.first, entry.first + entry.count):
                    filled = _filled(entry, n, area.id)
                    names = zip((*entry.inputs, *entry.outputs), (*filled.inputs, *filled.outputs), strict=True)
                    written = {name: flow.partition("@")[0] for flow, name in names}
                    rooms |= {name: self.flows[flow] for name, flow in written.items() if flow in self.flows}
        return {copied(name, k): room for name, room in rooms.items() for k in range(self.copies.count)}


def devices(domain: DomainConfig, root: int, where: str = "") -> Iterator[tuple[EquipmentConfig, DeviceSpec]]:
    """Yield every device of a domain with its entry."""
    seen: set[str] = set()
    hit: set[int] = set()
    _check_families(domain, where or domain.domain)
    for copy in range(domain.copies.count):
        for at, entry in domain.entries(where):
            for area in _areas(entry, at):
                for n in range(entry.first, entry.first + entry.count):
                    spec = _device(domain, entry, area, n, copy, root, at)
                    if spec.path in seen:
                        raise ConfigError(
                            f"{at}.id", f"two devices are called {spec.path}", "put {n} or another text in id"
                        )
                    seen.add(spec.path)
                    if n == entry.first and not copy:
                        _check_registers(entry, spec, at)
                    mine = _filled(_changed(domain, entry.nth(n - entry.first), spec, hit), n, area.id)
                    yield mine.linked(lambda flow, k=copy: copied(flow, k)), spec  # type: ignore[misc]
    for n, change in enumerate(domain.sensors):
        if n not in hit:
            raise ConfigError(
                f"{where or domain.domain}:sensors.{n}",
                f"no sensor matches kind {change.kind!r}, device {change.device!r}, channel {change.channel!r}",
                "see the catalogue of kinds",
            )


def _filled(entry: EquipmentConfig, n: int, area: str) -> EquipmentConfig:
    """Return an entry with number and area filled into the names of its flows."""
    return entry.linked(lambda flow: flow.replace("{n}", str(n)).replace("{area}", area))


def where_of(domain: DomainConfig, entry: EquipmentConfig, where: str) -> str:
    """Return where an entry of the domain at ``where`` stands, for errors."""
    same = ("kind", "id", "area", "areas", "first")
    for n, other in enumerate(domain.equipment):
        if all(getattr(entry, name) == getattr(other, name) for name in same):
            return f"{where}:equipment.{n}"
    return where


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


def _check_families(domain: DomainConfig, where: str) -> None:
    """Raise ConfigError where entries of one family are declared differently."""
    known: dict[str, tuple[int, str]] = {}
    for index, entry in enumerate(domain.equipment):
        first, definition = known.setdefault(entry.family(), (index, entry.definition()))
        if definition != entry.definition():
            what = f"{entry.family()} is declared differently in equipment.{first}"
            raise ConfigError(f"{where}:equipment.{index}", what, "give it another type, or differ in params only")


def _areas(entry: EquipmentConfig, at: str) -> tuple[AreaConfig, ...]:
    if bool(entry.area) == bool(entry.areas):
        raise ConfigError(f"{at}.area", "give either area or areas", "area: name-of-area")
    return entry.areas or (AreaConfig(id=entry.area, position=entry.position),)


def _device(
    domain: DomainConfig, entry: EquipmentConfig, area: AreaConfig, n: int, copy: int, root: int, at: str
) -> DeviceSpec:
    words = {"n": n, "area": area.id, "kind": entry.kind}
    try:
        name = copied(entry.id.format(**words), copy)
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
        kind=entry.shown_kind(),
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
        label=Name(_fill(label.ko, n, place.ko, many, copy), _fill(label.en, n, place.en, many, copy)),
        position=_position(area.position or entry.position, root, path, _shift(domain, area.id, copy, root)),
        protocols=entry.protocols,
        asset=path if entry.wears() else "",
    )


def _check_registers(entry: EquipmentConfig, spec: DeviceSpec, at: str) -> None:
    """Raise ConfigError where an entry's register map cannot be made."""
    if "modbus" in entry.protocols:
        make_map(spec, entry.modbus or Overrides(), codes_of(entry), at)
    elif entry.modbus is not None:
        raise ConfigError(f"{at}.modbus", "the entry does not speak Modbus", "add modbus to its protocols")


def copied(name: str, copy: int) -> str:
    """Return the name of a device or flow in a copy of its domain (0: as written)."""
    return f"{name}-x{copy + 1:03d}" if copy else name


def _fill(text: str, n: int, area: str, many: bool, copy: int) -> str:
    """Return a name for people: ``{n}`` and ``{area}`` filled in, numbered where it must be."""
    name = text.replace("{n}", str(n)).replace("{area}", area) if "{" in text else f"{text} {n}" if many else text
    return f"{name} ×{copy + 1}" if copy else name


def _shift(domain: DomainConfig, area: str, copy: int, root: int) -> tuple[float, float]:
    """Return how far (m north, m east) the area lies off in a copy."""
    if not copy:
        return 0.0, 0.0
    north, east = _draw(seed.key(root, domain.site, area, "copy", copy))
    return north * domain.copies.spread_m, east * domain.copies.spread_m


def _position(place: Place | None, root: int, path: str, shift: tuple[float, float]) -> Position | None:
    if place is None:
        return None
    draw = _draw(seed.key(root, path, "position"))
    north, east = ((part * place.spread_m + off) / _M_A_DEGREE for part, off in zip(draw, shift, strict=True))
    shrink = math.cos(math.radians(place.lat))
    return Position(round(place.lat + north, 6), round(place.lon + east / shrink, 6))


def _draw(key: int) -> tuple[float, float]:
    """Return two fixed numbers in [-1, 1)."""
    one, two = (seed.uniform(np.array(key, dtype=np.int64), np.arange(2, dtype=np.int64)) * 2.0 - 1.0).tolist()
    return one, two
