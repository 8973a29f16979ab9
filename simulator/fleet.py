"""All devices of one equipment family: their common state table, and their streams rendered as blocks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from core import seed
from core.batch import Batch
from core.spec import DeviceSpec, LayoutSpec
from simulator.asset import Asset
from simulator.channels import Sensor, Stream
from simulator.clocks import Clocks, clocks
from simulator.cross import cross_terms
from simulator.environment import Environment
from simulator.equipment.base import EquipmentConfig
from simulator.faults import Effect
from simulator.grid import Block, Floats, Grid, Ints, cut, phase_of
from simulator.hourly import LastDay
from simulator.process.districts import nearest
from simulator.sensors import Chain, params, wander
from simulator.slow import SlowNoise
from simulator.state import Column, StateTable, Step
from simulator.states import State
from simulator.timetable import Timetable
from simulator.truth import TruthLog
from simulator.view import View, slow_noise
from simulator.wear.component import PathPool, columns_of


@dataclass(frozen=True, slots=True)
class Sampling:
    """How streams are sampled: as they live (zeros), or thinned for history.

    ``every`` ns is the shortest period of slow streams; fast streams give one burst of ``window`` ns each
    ``fast_every`` ns. ``only`` names what is rendered at all: layout -> channels (None: everything). ``health``
    tells whether rendering notes wear in the sealed truth.
    """

    every: int = 0
    fast_every: int = 0
    window: int = 0
    only: Mapping[str, Collection[str]] | None = None
    health: bool = True

    def narrowed(self, family: str, stream: Stream) -> Stream | None:
        """Return the stream with the channels that are rendered, None where there are none."""
        if self.only is None:
            return stream
        wanted = self.only.get(f"{family}.{stream.name}", ())
        channels = tuple(c for c in stream.channels if c.spec.name in wanted)
        return replace(stream, channels=channels) if channels else None

    def timing(self, stream: Stream, period: int) -> tuple[int, int, int]:
        """Return (period, burst, every) of a stream whose live period is ``period``."""
        if not self.every:
            return period, stream.burst, (stream.every if stream.burst > 1 else period)
        if stream.fast:
            burst = stream.burst if stream.burst > 1 else max(1, self.window // period)
            return period, burst, max(self.fast_every, burst * period)
        slow = max(period, self.every)
        return slow, 1, slow


class Fleet:
    """Devices of one family.

    Parameters
    ----------
    family
        Name, first part of the layouts' names.
    configs, specs
        One for each of the D devices.
    root
        Root seed.
    epoch
        Simulated ns of the world's beginning.
    """

    def __init__(
        self,
        family: str,
        configs: Sequence[EquipmentConfig],
        specs: Sequence[DeviceSpec],
        root: int,
        epoch: int,
        weather: Environment,
    ) -> None:
        self.family = family
        self.configs = configs
        self.specs = specs
        self.weather = weather
        self.kind: type[Asset] = configs[0].asset()
        self.table = StateTable(len(specs), _columns(self.kind, configs[0]), epoch)
        self.pools = {name: PathPool() for name in configs[0].wears()}
        self.samplers: list[Sampler] = []
        self.latitude = np.array([s.position.lat if s.position else np.nan for s in specs])
        self.longitude = np.array([s.position.lon if s.position else np.nan for s in specs])
        self.zones = nearest(self.latitude, self.longitude)
        self._root = root
        self._epoch = epoch
        self.begin = epoch  # first instant that is ever rendered
        self._slow: dict[tuple[str, float], SlowNoise] = {}
        self._keys: dict[tuple[str, ...], Ints] = {}
        self._numbers: dict[str, Floats] = {}
        self._days: dict[str, LastDay] = {}

    def keys(self, *names: str) -> Ints:
        """Return each device's key of a named random part, int64[D]."""
        if names not in self._keys:
            paths = [s.path for s in self.specs]
            self._keys[names] = np.array([seed.key(self._root, p, *names) for p in paths], dtype=np.int64)
        return self._keys[names]

    def slow(self, name: str, tau_s: float) -> SlowNoise:
        """Return the devices' slow process of a name."""
        if (name, tau_s) not in self._slow:
            self._slow[name, tau_s] = slow_noise(self.keys("slow", name), tau_s, self._epoch, self.begin)
        return self._slow[name, tau_s]

    def trait(self, name: str) -> Floats:
        """Return each device's fixed standard normal, float64[D]."""
        if f"trait {name}" not in self._numbers:
            zero = np.zeros(len(self.specs), dtype=np.int64)
            self._numbers[f"trait {name}"] = seed.normal(self.keys("trait", name), zero)
        return self._numbers[f"trait {name}"]

    def param(self, name: str) -> Floats:
        """Return a number of each device's config, float64[D]."""
        return self.constant(f"param {name}", lambda config, path: float(getattr(config, name)))

    def constant(self, name: str, make: Callable[[EquipmentConfig, str], float]) -> Floats:
        """Return a number made once for each device, float64[D]."""
        if name not in self._numbers:
            pairs = zip(self.configs, self.specs, strict=True)
            self._numbers[name] = np.array([make(c, s.path) for c, s in pairs], dtype=np.float64)
        return self._numbers[name]

    def last_day(self, name: str, make: Callable[[Ints], Floats]) -> LastDay:
        """Return the devices' means of 24 h of a pure function of time, made once under ``name``."""
        if name not in self._days:
            self._days[name] = LastDay(make, len(self.specs), self._epoch)
        return self._days[name]

    def commit(self, t: int) -> None:
        """Forget what no rendering from ``t`` (ns) on needs."""
        self.table.commit(t)
        for process in self._slow.values():
            process.trim(t)
        for sampler in self.samplers:
            sampler.chain.forget(t)
            sampler.clocks.forget(t)
            for _, wandering in sampler.chain.wander:
                wandering.trim(t)

    def note_health(self, log: TruthLog, grid: Grid, t0: int, t1: int) -> None:
        """Write the health of every component at the grid's instants in [t0, t1)."""
        block = cut(grid, grid.before(t0), grid.before(t1))
        if block is None or not self.pools:
            return
        n = len(block.t)
        view = View(self, block.devices, block.devices, block, "health")
        names = [s.path for s in self.specs] * n
        for component in self.pools:
            life = view[f"{component}.life"].astype(np.int64)
            log.health(names, component, life.ravel(), block.t.ravel(), view.wear(component).ravel())


@dataclass(slots=True)
class Sampler:
    """One stream of the devices of a fleet that share its timing.

    Attributes
    ----------
    members : intp[D]
        Its devices in the fleet.
    streams : int32[D]
        Their indices in the catalog.
    next : int64[D]
        Index of the next sample to render.
    seq : int64[D]
        Row number of that sample.
    """

    fleet: Fleet
    stream: Stream
    layout: LayoutSpec
    members: NDArray[np.intp]
    streams: NDArray[np.int32]
    grid: Grid
    chain: Chain
    clocks: Clocks
    next: Ints
    seq: Ints

    def skip(self, t: int) -> None:
        """Go to the first samples at or after ``t`` (ns) without rendering, counting from row 0."""
        self.next = self.grid.before(t)
        self.seq = np.zeros_like(self.next)
        self.chain.restart()

    def pass_over(self, t: int) -> None:
        """Go to the first samples at or after ``t`` (ns); the rows before keep their numbers."""
        high = self.grid.before(t)
        self.seq = self.seq + (high - self.next)
        self.next = high

    def warm(self, t: int) -> None:
        """Compute what the first rendering from ``t`` (ns) on would compute and keep, without rendering."""
        block = cut(self.grid, self.next, np.minimum(self.next + 1, self.grid.before(t + self.stream.cycle)))
        if block is not None:
            self._true(self._view(block), block.shape)

    def render(self, t1: int, start: int, sid: int) -> Batch | None:
        """Return the rows from the last rendering up to ``t1`` (ns, exclusive), None where there are none."""
        high = self.grid.before(t1)
        block = cut(self.grid, self.next, high)
        if block is None:
            return None
        view = self._view(block)
        x = self._true(view, block.shape)
        q = self.chain.measure(x, block, view.env)
        t = block.t if self.clocks.true else block.t + self.clocks.error(block)
        offset = (block.index - self.next[block.devices]) + self.seq[block.devices]
        self.seq = self.seq + (high - self.next)
        self.next = high
        n, d, k = x.shape
        streams = np.broadcast_to(self.streams[block.devices], (n, d)).ravel()
        batch = Batch(
            self.layout,
            streams,
            np.full(n * d, sid, dtype=np.int64),
            offset.ravel(),
            t.ravel() + start,
            x.reshape(n * d, k),
            q.reshape(n * d, k),
        )
        if block.full:
            return batch
        return batch.take((np.arange(n)[:, None] < block.counts).ravel())

    def _view(self, block: Block) -> View:
        members = self.members[block.devices]
        position = np.full(len(self.fleet.specs), -1, dtype=np.intp)
        position[members] = np.arange(len(members))
        return View(self.fleet, members, position, block, self.stream.name)

    def _true(self, view: View, shape: tuple[int, int]) -> Floats:
        values = self.fleet.kind.truth(self.stream.name, view)
        x = np.empty((*shape, len(self.stream.channels)))
        for column, channel in enumerate(self.stream.channels):
            x[:, :, column] = values[channel.spec.name]
        return x


def samplers(fleet: Fleet, indices: Mapping[str, int], sampling: Sampling, root: int, epoch: int) -> list[Sampler]:
    """Return the samplers of a fleet; ``indices`` gives the catalog index of a stream path."""
    groups: dict[tuple[str, tuple[int, int, int]], list[tuple[int, Stream]]] = {}
    for member, config in enumerate(fleet.configs):
        for whole in config.streams():
            stream = sampling.narrowed(fleet.family, whole)
            if stream is None:
                continue
            timing = sampling.timing(stream, config.every.get(stream.name, stream.period))
            groups.setdefault((stream.name, timing), []).append((member, stream))
    return [_sampler(fleet, timing, group, indices, root, epoch) for (_, timing), group in groups.items()]


def _sampler(
    fleet: Fleet,
    timing: tuple[int, int, int],
    group: list[tuple[int, Stream]],
    indices: Mapping[str, int],
    root: int,
    epoch: int,
) -> Sampler:
    stream = group[0][1]
    members = [member for member, _ in group]
    paths = [fleet.specs[m].stream_path(stream.name) for m in members]
    layout = next(s.layout for s in fleet.specs[members[0]].streams if s.name == stream.name)
    if len(stream.channels) < len(layout.channels):
        layout = LayoutSpec(layout.name, tuple(c.spec for c in stream.channels))
    grid = _grid(stream, [fleet.configs[m] for m in members], paths, timing, root)
    first = grid.before(epoch)
    return Sampler(
        fleet,
        stream,
        layout,
        np.array(members, dtype=np.intp),
        np.array([indices[path] for path in paths], dtype=np.int32),
        grid,
        _chain(stream, [fleet.configs[m] for m in members], paths, timing, root, epoch),
        clocks([fleet.configs[m].clock for m in members], fleet.keys("clock")[members], epoch),
        first,
        np.zeros_like(first),
    )


def _grid(
    stream: Stream, configs: Sequence[EquipmentConfig], paths: Sequence[str], timing: tuple[int, int, int], root: int
) -> Grid:
    given = [rows for config in configs if (rows := config.instants(stream.name)) is not None]
    if given:
        return Timetable(*timing, np.zeros(len(given), dtype=np.int64), given)
    phases = [phase_of(seed.key(root, path, "phase"), *timing) for path in paths]
    return Grid(*timing, np.array(phases, dtype=np.int64))


def _chain(
    stream: Stream,
    configs: Sequence[EquipmentConfig],
    paths: Sequence[str],
    timing: tuple[int, int, int],
    root: int,
    epoch: int,
) -> Chain:
    period, burst, every = timing
    names = [c.spec.name for c in stream.channels]
    sensors = [[_sensor(config, stream, name) for name in names] for config in configs]

    def keys(part: str) -> Ints:
        return np.array([[seed.key(root, path, name, part) for name in names] for path in paths], dtype=np.int64)

    noise = keys("noise")
    # a lag cannot be carried over the gap between bursts: it counts as long as one
    p = params(stream.channels, sensors, noise, period if burst == 1 else every * 1000)
    spikes = keys("spike") if p.spike.any() else None
    return Chain(
        p,
        noise,
        keys("drop"),
        wander(sensors, keys("drift"), epoch),
        spike_keys=spikes,
        crosses=cross_terms(names, sensors),
        epoch=epoch,
    )


def _sensor(config: EquipmentConfig, stream: Stream, name: str) -> Sensor:
    """Return a channel's sensor with the entry's overrides."""
    channel = next(c for c in stream.channels if c.spec.name == name)
    sensor = channel.sensor
    if channel.spec.states is not None:
        return sensor  # codes have no sensor; a pattern may still cover them
    for pattern, change in config.sensors.items():
        if fnmatchcase(name, pattern):
            sensor = sensor.changed(change)
    return sensor


def _columns(asset: type[Asset], config: EquipmentConfig) -> dict[str, Column]:
    """Return the columns of a family: common ones, the kind's, its wear's and its faults'."""
    columns: dict[str, Column] = {"state": Step(float(State.IDLE)), "derate": Step(1.0)}
    columns |= asset.columns
    for component in config.wears():
        columns |= columns_of(component)
    for name, kind in asset.faults.items():
        if isinstance(kind, Effect):
            columns[f"fault.{name}"] = Step()
    return columns
