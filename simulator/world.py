"""The world: configuration becomes fleets and a graph of events; time goes forward; rows come out.

``advance`` runs events up to an instant, ``render`` makes the rows of the span since the last rendering. Both may
be cut anywhere: the rows are bit-identical.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from functools import cached_property

import numpy as np
import simpy

from core import seed as seeds
from core.batch import Batch
from core.catalog import Catalog
from core.clock import NS
from core.command import Command, CommandResult, Event
from core.config import Config, Duration
from core.errors import ConfigError
from core.spec import DeviceSpec
from simulator.asset import Asset, Steps
from simulator.domain import DomainConfig, devices
from simulator.environment import Environment
from simulator.equipment.base import EquipmentConfig
from simulator.faults import NEVER, SENSOR_FAULTS, FaultConfig, SensorFault, check_args
from simulator.fleet import Fleet, Sampler, Sampling, samplers
from simulator.grid import Grid, Ints
from simulator.host import Host, Service
from simulator.process.flow import FlowBus
from simulator.truth import TruthLog

TRUTH_EVERY = 600 * NS
LIVE = Sampling()


class WorldConfig(Config):
    """What is modelled and what happens to it.

    Attributes
    ----------
    faults
        Timed faults; negative times lie in the history.
    history
        ns of past before simulated time 0.
    """

    domains: tuple[DomainConfig, ...]
    faults: tuple[FaultConfig, ...] = ()
    history: Duration = 0


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
        self.weather = Environment(seed, start_ns, self.epoch)
        self.truth = TruthLog(start_ns)
        self._notes: list[Event | CommandResult] = []
        self._rendered = self.epoch
        entries = [(d, entry, spec) for d in config.domains for entry, spec in devices(d, seed)]
        self.catalog = Catalog(spec for _, _, spec in entries)
        self.devices: list[DeviceSpec] = list(self.catalog.devices.values())
        self.fleets = _fleets([(entry, spec) for _, entry, spec in entries], self)
        self._samplers = _all_samplers(self, sampling)
        self._note_health = sampling.health
        self.assets = _assets([(d, entry, spec) for d, entry, spec in entries], self)
        for fault in config.faults:
            self.inject(fault)

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
        for table in tables:
            table.settle()
            table.logging = True
        self._commit(t)
        for fleet in self.fleets.values():
            fleet.begin = t
        for sampler in self._samplers:
            sampler.skip(t)

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
        asset.handle(command)

    def emit(self, note: Event | CommandResult) -> None:
        """Add a note."""
        self._notes.append(note)

    def notes(self) -> list[Event | CommandResult]:
        """Return what was emitted since the last call, in order."""
        notes, self._notes = self._notes, []
        return notes

    def inject(self, fault: FaultConfig) -> int:
        """Schedule a fault on every device it names; returns their number.

        Raises
        ------
        ConfigError
            If no device matches, or a device does not know the fault.
        """
        hit = [
            a for path, a in self.assets.items() if fnmatch(path, fault.device) or fnmatch(a.spec.device, fault.device)
        ]
        if not hit:
            raise ConfigError("faults", f"no device matches {fault.device!r}", "write an id, a path or pump-*")
        for asset in hit:
            if fault.fault in SENSOR_FAULTS:
                self._inject_sensor(fault, asset)
            elif fault.fault in asset.faults:
                check_args(fault, asset.faults[fault.fault])
                self.env.process(self._physical(fault, asset))
            else:
                known = ", ".join([*asset.faults, *SENSOR_FAULTS])
                raise ConfigError("faults", f"{asset.spec.kind} has no fault {fault.fault!r}", f"known: {known}")
        return len(hit)

    def close_truth(self) -> TruthLog:
        """Return the truth so far, with the lives that are still open noted as such."""
        for asset in self.assets.values():
            for component in asset.components.values():
                self.truth.life(asset.spec.path, component, self.now, "open")
        return self.truth

    def _commit(self, t: int) -> None:
        for fleet in self.fleets.values():
            fleet.commit(t)
        self._rendered = t

    def _physical(self, fault: FaultConfig, asset: Asset) -> Steps:
        yield self.env.timeout(max(0, fault.at - self.now))
        asset.strike(fault.fault, fault.args)
        if fault.until is not None:
            yield self.env.timeout(max(0, fault.until - self.now))
            asset.heal(fault.fault)

    def _inject_sensor(self, fault: FaultConfig, asset: Asset) -> None:
        channel = str(fault.args.get("channel", ""))
        place = _find_channel(self._samplers, asset.spec, channel)
        if place is None:
            raise ConfigError("faults", f"{asset.spec.kind} has no channel {channel!r}", "args: {channel: …}")
        sampler, device, column = place
        end = NEVER if fault.until is None else fault.until
        size = float(fault.args.get("size", SENSOR_FAULTS[fault.fault]))
        chance = float(fault.args.get("chance", 0.02 if fault.fault == "sensor_spike" else 1.0))
        key = seeds.key(self.seed, asset.spec.path, channel, fault.fault, fault.at)
        at = max(fault.at, self.now)
        sampler.chain.faults.append(SensorFault(fault.fault, device, column, at, end, size, chance, key))
        self.truth.fault(asset.spec.path, fault.fault, channel, at, fault.until, str(fault.args))


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
    flows = FlowBus(world.env, {k: v for d in world.config.domains for k, v in d.flows.items()})
    hosts = {id(d): _host(d, flows, world) for d in world.config.domains}
    rows = {spec.path: row for fleet in world.fleets.values() for row, spec in enumerate(fleet.specs)}
    assets: dict[str, Asset] = {}
    for domain, entry, spec in entries:
        fleet = world.fleets[entry.family()]
        asset = entry.asset()(entry, spec, fleet.table, rows[spec.path], fleet.pools, hosts[id(domain)])
        assets[spec.path] = asset
    for asset in assets.values():
        asset.begin()
    flows.check("domains")
    return assets


def _host(domain: DomainConfig, flows: FlowBus, world: World) -> Host:
    return Host(
        env=world.env,
        root=world.seed,
        start=world.start,
        crew=simpy.Resource(world.env, capacity=domain.crew),
        service=Service(domain.repair / NS, domain.maintain / NS),
        flows=flows,
        weather=world.weather,
        truth=world.truth,
        emit=world.emit,
    )


def _find_channel(samplers_: Sequence[Sampler], spec: DeviceSpec, channel: str) -> tuple[Sampler, int, int] | None:
    """Return (sampler, device in it, column) of a device's channel."""
    for sampler in samplers_:
        if channel not in sampler.layout.columns:
            continue
        for device, member in enumerate(sampler.members):
            if sampler.fleet.specs[member].path == spec.path:
                return sampler, device, sampler.layout.column(channel)
    return None
