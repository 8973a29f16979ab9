"""The world: configuration becomes fleets and a graph of events; time goes forward; rows come out.

``advance`` runs events up to an instant, ``render`` makes the rows of the span since the last rendering. Both may
be cut anywhere: the rows are bit-identical.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import simpy

from core.batch import Batch
from core.catalog import Catalog
from core.clock import NS
from core.command import Command, CommandResult, Event
from core.config import Config, Duration
from core.errors import ConfigError
from core.spec import DeviceSpec
from simulator import obey
from simulator.asset import Asset
from simulator.climate import ClimateConfig
from simulator.domain import DomainConfig, devices, where_of
from simulator.environment import Environment
from simulator.equipment.base import EquipmentConfig
from simulator.faults import FaultConfig
from simulator.fleet import Fleet, Sampler, Sampling, samplers
from simulator.grid import Grid, Ints
from simulator.host import Host, Service
from simulator.lines import check_circles, check_rooms, missing, place
from simulator.mishaps import TRAINER, Mishaps, trained
from simulator.network import Network, lanes
from simulator.process.flow import FlowBus
from simulator.truth import TruthLog

TRUTH_EVERY = 600 * NS
_TRAINING = frozenset(spec.name for spec in TRAINER)
LIVE = Sampling()


class WorldConfig(Config):
    """What is modelled and what happens to it.

    Attributes
    ----------
    faults
        Timed faults; negative times lie in the history.
    history
        ns of past before simulated time 0.
    trainer
        Whether every device takes the commands ``inject_fault`` and ``clear_fault``.
    links
        Whether links are simulated; if not, all are perfect and nobody has an own connection.
    climate
        Normals and spells of weather; default Seoul's.
    """

    domains: tuple[DomainConfig, ...]
    faults: tuple[FaultConfig, ...] = ()
    history: Duration = 0
    trainer: bool = False
    links: bool = True
    climate: ClimateConfig = ClimateConfig()


class World:
    """One world, from its beginning (``-history``) on.

    Parameters
    ----------
    config
        Domains and faults.
    start_ns
        UTC ns of simulated time 0.
    seed
        Root seed.
    sampling
        How streams are sampled (`LIVE`, or thinned for history).

    Attributes
    ----------
    devices
        Every device, in the order of the configuration.
    catalog
        The same with stream indices.
    network
        The connections they report through.
    now
        Simulated ns up to which events have run.
    sid
        Start number written into rows.
    """

    def __init__(self, config: WorldConfig, start_ns: int, seed: int, sampling: Sampling = LIVE) -> None:
        self.config = config
        self.start = start_ns
        self.seed = seed
        self.epoch = -config.history
        self.sid = 0
        self.env = simpy.Environment(initial_time=self.epoch)
        self.weather = Environment(seed, start_ns, self.epoch, config.climate)
        self.truth = TruthLog(start_ns)
        self._notes: list[Event | CommandResult] = []
        self._places: dict[str, list[tuple[Sampler, int]]] = {}
        self._rendered = self.epoch
        check_circles(config.domains)
        entries = [
            (d, entry, spec) for n, d in enumerate(config.domains) for entry, spec in devices(d, seed, f"domains.{n}")
        ]
        _check_unique(entries, config.domains)
        if config.trainer:
            entries = [(d, entry, trained(spec)) for d, entry, spec in entries]
        self.catalog = Catalog(spec for _, _, spec in entries)
        self.devices: list[DeviceSpec] = list(self.catalog.devices.values())
        self.fleets = _fleets([(entry, spec) for _, entry, spec in entries], self)
        self._samplers = _all_samplers(self, sampling)
        self._note_health = sampling.health
        self.assets = _assets([(d, entry, spec) for d, entry, spec in entries], self)
        self.network = _network(entries, self)
        self.mishaps = Mishaps(self, config.trainer)
        self.mishaps.wear_out(self._samplers)
        for n, fault in enumerate(config.faults):
            self.mishaps.add(fault, f"faults.{n}")

    @property
    def now(self) -> int:
        """Simulated ns up to which events have run."""
        return int(self.env.now)

    @cached_property
    def natural_end(self) -> int | None:
        """Simulated ns after which no device has anything more to report; None where one goes on forever."""
        ends = [asset.ends() for asset in self.assets.values()]
        known = [end for end in ends if end is not None]
        return max(known) if known and len(known) == len(ends) else None

    def advance(self, t1: int) -> None:
        """Run every event before ``t1`` (simulated ns)."""
        if t1 > self.now:
            self.env.run(until=t1)

    def fast_forward(self, t: int) -> None:
        """Run the events up to ``t`` without rendering; sensors start afresh there and count rows from 0."""
        tables = [fleet.table for fleet in self.fleets.values()]
        for table in tables:
            table.logging = False
        self.advance(t)
        while self.epoch == t and self.env.peek() <= t:  # no past: what begins with the world begins before the clock
            self.env.step()
        for table in tables:
            table.settle()
            table.logging = True
        self._commit(t)
        for fleet in self.fleets.values():
            fleet.begin = t
        for sampler in self._samplers:
            sampler.skip(t)
            sampler.warm(t)

    def render(self, t0: int, t1: int) -> list[Batch]:
        """Return the rows with instants in [t0, t1) (simulated ns); ``t0`` is where the last rendering ended.

        Raises
        ------
        ValueError
            If the span does not follow the last one, or its events have not run.
        """
        if t0 != self._rendered or t1 > self.now:
            raise ValueError(f"render [{t0}, {t1}) after {self._rendered} with events up to {self.now}")
        rows = [sampler.render(t1, self.start, self.sid) for sampler in self._samplers]
        for fleet in self.fleets.values() if self._note_health else ():
            grid = Grid(TRUTH_EVERY, 1, TRUTH_EVERY, np.zeros(len(fleet.specs), dtype=np.int64))
            fleet.note_health(self.truth, grid, t0, t1)
        self._commit(t1)
        return [batch for batch in rows if batch is not None]

    def leave_out(self, t1: int) -> None:
        """Go on to ``t1`` (simulated ns, at most ``now``) without the rows up to there."""
        self._commit(t1)
        for sampler in self._samplers:
            sampler.pass_over(t1)

    def keep_only(self, *columns: str) -> None:
        """Keep the changes of the named state columns alone; nothing is rendered from now on."""
        for fleet in self.fleets.values():
            fleet.table.keep_only(*columns)

    def steps(self) -> int:
        """Return a number that grows with every event that is scheduled."""
        return next(self.env._eid)

    def states(self) -> tuple[Ints, Ints, Ints]:
        """Return the changes of common states since the last rendering: (UTC ns, place in ``devices``, state)."""
        place = {spec.path: i for i, spec in enumerate(self.devices)}
        parts = []
        for fleet in self.fleets.values():
            t, row, value = fleet.table.changes("state")
            places = np.array([place[spec.path] for spec in fleet.specs], dtype=np.int64)
            parts.append((t + self.start, places[row], value.astype(np.int64)))
        t, device, state = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.argsort(t, kind="stable")
        return t[order], device[order], state[order]

    def apply(self, command: Command, at_ns: int) -> None:
        """Hand a command to its device at ``at_ns`` (simulated ns), which must be ``now``; it answers by notes."""
        if at_ns != self.now:
            raise ValueError(f"command at {at_ns}, but events have run up to {self.now}")
        asset = self.assets.get(command.device)
        if asset is None:
            self.emit(CommandResult(command.id, command.device, "refused", "unknown device", self.start + at_ns))
            return
        if command.name in _TRAINING:
            obey.answer(asset, command, lambda: self.mishaps.obey(asset, command))
        else:
            asset.handle(command)

    def emit(self, note: Event | CommandResult) -> None:
        """Add a note."""
        self._notes.append(note)

    def notes(self) -> list[Event | CommandResult]:
        """Return what was emitted since the last call, in order."""
        notes, self._notes = self._notes, []
        return notes

    def inject(self, fault: FaultConfig, where: str = "faults") -> int:
        """Schedule a fault on every device it names; returns their number. ``where`` is its place in the config.

        Raises
        ------
        ConfigError
            If no device matches, or a device does not know the fault.
        """
        return self.mishaps.add(fault)

    def place_of(self, spec: DeviceSpec, channel: str) -> tuple[Sampler, int]:
        """Return the sampler of a device's channel and the device's index in it; raises KeyError."""
        for sampler, device in self.places_of(spec):
            if channel in sampler.layout.columns:
                return sampler, device
        raise KeyError(channel)

    def places_of(self, spec: DeviceSpec) -> list[tuple[Sampler, int]]:
        """Return the samplers of a device and its index in each."""
        if not self._places:
            for sampler in self._samplers:
                for device, member in enumerate(sampler.members.tolist()):
                    self._places.setdefault(sampler.fleet.specs[member].path, []).append((sampler, device))
        return self._places[spec.path]

    def close_truth(self) -> TruthLog:
        """Return the truth so far, with the lives that are still open noted as such."""
        for asset in self.assets.values():
            for component in asset.components.values():
                self.truth.life(asset.spec.path, component, self.now, "open")
        return self.truth

    def _commit(self, t: int) -> None:
        for fleet in self.fleets.values():
            fleet.commit(t)
        self.weather.roads.commit(t)
        self._rendered = t


def _check_unique(
    entries: Sequence[tuple[DomainConfig, EquipmentConfig, DeviceSpec]], domains: Sequence[DomainConfig]
) -> None:
    """Raise ConfigError where two domains have a device of one path, or declare one family differently."""
    paths: set[str] = set()
    families: dict[str, str] = {}
    for domain, entry, spec in entries:
        if spec.path in paths:
            raise ConfigError(
                _place_of(domain, domains), f"another domain has a device {spec.path} too", "rename one of them"
            )
        paths.add(spec.path)
        if families.setdefault(entry.family(), entry.definition()) != entry.definition():
            what = f"another domain declares {entry.family()} differently"
            raise ConfigError(_place_of(domain, domains), what, "give it another type")


def _place_of(domain: DomainConfig, domains: Sequence[DomainConfig]) -> str:
    return place(next(n for n, d in enumerate(domains) if d is domain))


def _fleets(entries: Sequence[tuple[EquipmentConfig, DeviceSpec]], world: World) -> dict[str, Fleet]:
    """Return the fleets by family."""
    groups: dict[str, list[tuple[EquipmentConfig, DeviceSpec]]] = {}
    for entry, spec in entries:
        groups.setdefault(entry.family(), []).append((entry, spec))
    return {
        family: Fleet(family, [e for e, _ in group], [s for _, s in group], world.seed, world.epoch, world.weather)
        for family, group in groups.items()
    }


def _all_samplers(world: World, sampling: Sampling) -> list[Sampler]:
    indices = {entry.path: entry.index for entry in world.catalog.streams}
    out: list[Sampler] = []
    for fleet in world.fleets.values():
        fleet.samplers = samplers(fleet, indices, sampling, world.seed, world.epoch)
        out += fleet.samplers
    return out


def _assets(entries: Sequence[tuple[DomainConfig, EquipmentConfig, DeviceSpec]], world: World) -> dict[str, Asset]:
    """Return every asset by path, begun, in the order of the configuration."""
    flows = FlowBus(world.env, {k: v for d in world.config.domains for k, v in d.room().items()})
    hosts = {id(d): _host(d, flows, world) for d in world.config.domains}
    rows = {spec.path: row for fleet in world.fleets.values() for row, spec in enumerate(fleet.specs)}
    assets: dict[str, Asset] = {}
    for domain, entry, spec in entries:
        fleet = world.fleets[entry.family()]
        asset = entry.asset()(entry, spec, fleet.table, rows[spec.path], fleet.pools, hosts[id(domain)])
        assets[spec.path] = asset
    for asset in assets.values():
        asset.begin()
    check_rooms(world.config.domains)
    for name in flows.unfilled():
        raise missing(world.config.domains, name)
    return assets


def _host(domain: DomainConfig, flows: FlowBus, world: World) -> Host:
    return Host(
        env=world.env,
        root=world.seed,
        start=world.start,
        crew=simpy.PriorityResource(world.env, capacity=domain.crews()),
        service=Service(domain.repair / NS, domain.maintain / NS),
        flows=flows,
        weather=world.weather,
        truth=world.truth,
        emit=world.emit,
    )


def _network(entries: Sequence[tuple[DomainConfig, EquipmentConfig, DeviceSpec]], world: World) -> Network:
    domains = world.config.domains if world.config.links else ()
    where = {id(d): f"domains.{n}" for n, d in enumerate(domains)}
    links = {f"{d.site}/{area}": link for d in domains for area, link in d.links.items()}
    joined = [
        (spec, entry.connection, where_of(d, entry, where[id(d)]) if entry.connection else "")
        for d, entry, spec in entries
        if domains
    ]
    found = lanes(joined, links, world.seed)
    return Network(found, world.start, lambda: world.now, lambda t: world.weather.now("congestion", t))
