"""Domain files: what is modelled. Turns entries into devices with identities."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from core import seed
from core.config import Config, Duration, Label, parse
from core.errors import ConfigError
from core.spec import DeviceSpec, Identity, Name, Position
from simulator.equipment.base import IDENT, AreaConfig, EquipmentConfig, Place
from simulator.kinds import Equipment

_M_A_DEGREE = 111_320.0
_LINE_M = 15.0  # between two lines


class LineConfig(Config):
    """More lines of the machines that stand in an area, each with an area and buffers of its own.

    Every flow that a machine of the area fills gets a twin for every line, but for those that are ``shared``.

    Attributes
    ----------
    like
        Area whose entries are repeated.
    count, first
        How many lines, and the first one's number.
    area
        Area of the n-th line; default ``<like>-{n}``.
    name
        Name of that area for people.
    shared
        Flows that all lines fill, such as the pallets for the hub.
    set
        Settings that all their machines have instead of the original's, e.g. ``{spread: 0.03}``; machines that
        do not know one keep theirs.
    """

    like: str = Field(pattern=IDENT)
    count: int = Field(default=1, ge=1, le=10_000)
    first: int = 2
    area: str = ""
    name: Label | None = None
    shared: tuple[str, ...] = ()
    set: dict[str, Any] = Field(default_factory=dict)

    def copies(self, equipment: Sequence[EquipmentConfig], where: str) -> Iterator[EquipmentConfig]:
        """Yield the entries of every line."""
        pattern = self.area or f"{self.like}-{{n}}"
        originals = [entry for entry in equipment if entry.area == self.like]
        if not originals:
            raise ConfigError(
                f"{where}.like", f"no equipment stands in area {self.like!r}", "name an area of one entry"
            )
        if self.count > 1 and "{n}" not in pattern:
            raise ConfigError(f"{where}.area", "every line needs an area of its own", "write {n} in it")
        known = {key for entry in originals for key in type(entry).model_fields}
        if strange := self.set.keys() - known:
            raise ConfigError(f"{where}.set", f"no machine of the line has {min(strange)!r}", "see the kinds' settings")
        own = {flow for e in originals for flow in e.outputs} - set(self.shared)
        for n in range(self.first, self.first + self.count):
            area = pattern.replace("{n}", str(n))
            twins = {flow: f"{flow}@{area}" for flow in own}
            for entry in originals:
                yield self._copy(entry, n, area, twins, where)

    def _copy(self, entry: EquipmentConfig, n: int, area: str, twins: dict[str, str], where: str) -> EquipmentConfig:
        place = entry.position
        if place is not None:  # lines stand side by side
            place = place.model_copy(update={"lat": place.lat + n * _LINE_M / _M_A_DEGREE})
        name = self.name and Name(self.name.ko.replace("{n}", str(n)), self.name.en.replace("{n}", str(n)))
        mine = {key: value for key, value in self.set.items() if key in type(entry).model_fields}
        checked = parse({"area": area, **mine}, type(entry), f"{where}.set")
        return entry.model_copy(
            update={
                "area": "",
                "areas": (AreaConfig(id=area, name=name, position=place),),
                "inputs": tuple(twins.get(flow, flow) for flow in entry.inputs),
                "outputs": tuple(twins.get(flow, flow) for flow in entry.outputs),
                **{key: getattr(checked, key) for key in mine},
            }
        )


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
    lines
        More lines like those in an area: ``[{like: guro-packaging, count: 5}]``.
    """

    domain: Literal["factory", "logistics", "urban"]
    site: str = Field(pattern=IDENT)
    name: Name | None = None
    crew: int = Field(default=2, ge=1)
    repair: Duration = 4 * 3600 * 10**9
    maintain: Duration = 3600 * 10**9
    flows: dict[str, int] = Field(default_factory=dict)
    equipment: tuple[Equipment, ...]
    lines: tuple[LineConfig, ...] = ()

    def room(self) -> dict[str, int]:
        """Return the room of every flow that is told; twins of a line have the room of the original."""
        twins = (flow for _, entry in self.entries() for flow in (*entry.inputs, *entry.outputs) if "@" in flow)
        return self.flows | {
            flow: self.flows[name] for flow in twins for name in [flow.partition("@")[0]] if name in self.flows
        }

    def entries(self, where: str = "") -> Iterator[tuple[str, EquipmentConfig]]:
        """Yield every entry with its place in the file, those of lines behind the others."""
        begin = where or self.domain
        for index, entry in enumerate(self.equipment):
            yield f"{begin}:equipment.{index}", entry
        for index, line in enumerate(self.lines):
            at = f"{begin}:lines.{index}"
            for copy in line.copies(self.equipment, at):
                yield at, copy


def devices(domain: DomainConfig, root: int, where: str = "") -> Iterator[tuple[EquipmentConfig, DeviceSpec]]:
    """Yield every device of a domain with its entry."""
    seen: Counter[str] = Counter()
    for at, entry in domain.entries(where):
        for area in _areas(entry, at):
            for n in range(entry.first, entry.first + entry.count):
                spec = _device(domain, entry, area, n, root, at)
                seen[spec.path] += 1
                if seen[spec.path] > 1:
                    raise ConfigError(at, f"two devices are called {spec.path}", "put {n} or another text in id")
                yield _filled(entry.nth(n - entry.first), n, area.id), spec


def _filled(entry: EquipmentConfig, n: int, area: str) -> EquipmentConfig:
    """Return an entry with number and area filled into the names of its flows."""
    if not any("{" in flow for flow in (*entry.inputs, *entry.outputs)):
        return entry

    def fill(flows: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(flow.replace("{n}", str(n)).replace("{area}", area) for flow in flows)

    return entry.model_copy(update={"inputs": fill(entry.inputs), "outputs": fill(entry.outputs)})


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
    unknown = (entry.every.keys() - {s.name for s in streams}) | (
        entry.sensors.keys() - {c.spec.name for s in streams for c in s.channels}
    )
    if unknown:
        raise ConfigError(at, f"{entry.kind} has no stream or channel {min(unknown)!r}", "see the catalogue of kinds")
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
