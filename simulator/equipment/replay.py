"""Recorded data as devices: every row of a CSV or Parquet file is published once, exactly as it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PrivateAttr, model_validator

from core.clock import NS
from core.config import Config, Label
from core.spec import ChannelSpec, CommandSpec, Name
from simulator import recorded
from simulator.asset import Asset
from simulator.channels import EXACT, Channel, Stream
from simulator.equipment.base import EquipmentConfig
from simulator.faults import SimTime
from simulator.grid import Ints
from simulator.view import View

ROWS = "rows"


class ReplayColumn(Config):
    """What a column of the file means; ``name`` is the channel's (default: made of the column's)."""

    name: str = Field(default="", pattern=r"^$|^[a-z][a-z0-9_]*$")
    quantity: str = ""
    unit: str = "1"
    low: float | None = None
    high: float | None = None
    label: Label | None = None


class ReplayConfig(EquipmentConfig):
    """A file whose rows are played.

    ``every`` is the time between rows (default 1 s) where ``time`` names no column of times; ``count`` then limits
    how many groups become devices (default: all), numbered in the order of the groups' values.

    Attributes
    ----------
    file
        Path of a ``.csv`` or ``.parquet`` file.
    group_by
        Column whose every value is a device of its own.
    time
        Column of times: ISO 8601, or seconds. The file's earliest row is played at ``start``.
    columns
        Columns to play and what they mean; default all numeric ones.
    start
        When the first row is played, relative to the live start.
    limit
        Rows of each device at most.
    layout
        First part of the layout's name; default the file's stem. Entries of one layout must have equal columns.
    """

    kind: Literal["replay"] = "replay"
    id: str = "replay-{n:03d}"
    manufacturer: str = "Recorded"
    file: str
    group_by: str = ""
    time: str = ""
    columns: dict[str, ReplayColumn] = Field(default_factory=dict)
    start: SimTime = 0
    limit: int | None = Field(default=None, ge=1)
    layout: str = Field(default="", pattern=r"^$|^[a-z][a-z0-9_-]*$")
    _group: int = PrivateAttr(0)

    label: ClassVar[Name] = Name("기록 재생", "Recording")

    @model_validator(mode="before")
    @classmethod
    def _count_groups(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("file"), str):
            return value
        groups = len(recorded.read(value["file"], value.get("group_by", ""), value.get("time", "")).groups)
        asked = value.get("count", groups)
        every = value.get("every", {})
        return {
            **value,
            "count": min(asked, groups) if isinstance(asked, int) else asked,
            "every": every if isinstance(every, dict) else {ROWS: every},
        }

    @model_validator(mode="after")
    def _columns_exist(self) -> Self:
        unknown = self.columns.keys() - set(self.recording.columns)
        if unknown:
            known = ", ".join(self.recording.columns)
            raise ValueError(f"{self.file} has no numeric column {min(unknown)!r}; it has {known}")
        names = [c.spec.name for c in self._channels()]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"two columns become the channel {min(twice)!r}; give one a name")
        return self

    @property
    def recording(self) -> recorded.Recording:
        """The file's content."""
        return recorded.read(self.file, self.group_by, self.time)

    def nth(self, n: int) -> ReplayConfig:
        """Return the entry of its n-th device, which plays the n-th group."""
        entry = self.model_copy()
        entry._group = n
        return entry

    def asset(self) -> type[Replay]:
        """Return the class of a replayed device."""
        return Replay

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (Stream(ROWS, self._channels(), self._period()),)

    def family(self) -> str:
        """Return the layout's name."""
        return self.layout or _word(Path(self.file).stem)

    def instants(self, stream: str) -> Ints:
        """Return when the rows are played, simulated ns."""
        if self.time:
            return self._rows().t[: self.limit] + self.start
        n = len(self._rows().x[: self.limit])
        return np.arange(n, dtype=np.int64) * self._period() + self.start

    def values(self) -> NDArray[np.float64]:
        """Return the rows, float64[n, channels]."""
        names = self.recording.columns
        return self._rows().x[:, [names.index(name) for name in self._names()]]

    def _rows(self) -> recorded.Group:
        return self.recording.groups[self._group]

    def _names(self) -> tuple[str, ...]:
        return tuple(self.columns) or self.recording.columns

    def _period(self) -> int:
        """Return the time between rows in ns: as given, else the median of the file's times, else 1 s."""
        given = self.every.get(ROWS)
        if given is not None or not self.time:
            return given or NS
        steps = np.concatenate([np.diff(group.t) for group in self.recording.groups])
        return int(np.median(steps)) if len(steps) else NS

    def _channels(self) -> tuple[Channel, ...]:
        return tuple(_channel(name, self.columns.get(name, ReplayColumn())) for name in self._names())


class Replay(Asset):
    """Plays its rows; nothing can be commanded."""

    commands: ClassVar[tuple[CommandSpec, ...]] = ()
    config: ReplayConfig

    def ends(self) -> int | None:
        """Return the instant after the last row, simulated ns."""
        return int(self.config.instants(ROWS)[-1]) + 1

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return the rows as recorded."""
        configs = [config for config in view.configs if isinstance(config, ReplayConfig)]
        channels = configs[0].streams()[0].channels
        x = np.empty((*view.index.shape, len(channels)))
        for device, config in enumerate(configs):
            rows = config.values()
            x[:, device] = rows[np.minimum(view.index[:, device], len(rows) - 1)]
        return {channel.spec.name: x[:, :, column] for column, channel in enumerate(channels)}


def _channel(column: str, meaning: ReplayColumn) -> Channel:
    name = meaning.name or _word(column)
    label = meaning.label or Name(column, column)
    quantity = meaning.quantity or name
    return Channel(ChannelSpec(name, quantity, meaning.unit, meaning.low, meaning.high, label=label), EXACT)


def _word(text: str) -> str:
    """Return a text as an identifier: ``Air temperature [K]`` becomes ``air_temperature_k``."""
    word = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return word if word[:1].isalpha() else f"c_{word}"
