"""Lines like other lines: the entries of an area, repeated with areas and buffers of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import Field

from core.config import Config, Label, parse
from core.errors import ConfigError
from core.spec import Name
from simulator.equipment.base import IDENT, AreaConfig, EquipmentConfig

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

    def entries(self, equipment: Sequence[EquipmentConfig], where: str) -> Iterator[EquipmentConfig]:
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
