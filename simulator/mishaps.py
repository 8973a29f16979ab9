"""When faults happen: at a time, by a command, or at random; each leaves its label in the truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from math import gamma
from typing import TYPE_CHECKING

import numpy as np

from core import seed as seeds
from core.clock import NS, parse_duration
from core.command import Command
from core.config import parse
from core.errors import CommandRefused, ConfigError
from core.spec import CommandSpec, DeviceSpec, Name
from simulator.asset import Asset, Steps
from simulator.clocks import ClockFault, odd
from simulator.faults import (
    CLOCK_FAULTS,
    GENERIC,
    LINK_FAULTS,
    NEVER,
    SENSOR_FAULTS,
    Args,
    FaultConfig,
    RandomConfig,
    check_args,
)
from simulator.links import Worse
from simulator.network import Lane, Trouble
from simulator.sensor_faults import SensorFault
from simulator.truth import Label

if TYPE_CHECKING:
    from simulator.fleet import Sampler
    from simulator.world import World

_YEAR_S = 365.2425 * 86_400
_ARGS = dict.fromkeys(("fault", "channel", "size", "chance", "rate", "fails_in", "lasts"), "1")
_ARGS |= dict.fromkeys(("loss", "delay", "jitter", "duplicate", "reorder"), "1")
#: what a trainer may ask of any device, where the scenario allows it
INJECT = CommandSpec("inject_fault", _ARGS, Name("고장 주입", "Inject a fault"))
CLEAR = CommandSpec("clear_fault", {"fault": "1", "channel": "1"}, Name("고장 해제", "Clear a fault"))
TRAINER = (INJECT, CLEAR)

Stop = Callable[[int], None]


def trained(spec: DeviceSpec) -> DeviceSpec:
    """Return a device that takes a trainer's commands."""
    return replace(spec, commands=(*spec.commands, *TRAINER))


@dataclass(slots=True)
class _Running:
    """A fault that is there now, and how to end it."""

    device: str
    fault: str
    target: str
    stop: Stop


class Mishaps:
    """The faults of a world."""

    def __init__(self, world: World, trainer: bool) -> None:
        self._world = world
        self._trainer = trainer
        self._running: list[_Running] = []

    def add(self, fault: FaultConfig, where: str = "faults") -> int:
        """Schedule a fault on every device it names; returns their number. Raises ConfigError with ``where``."""
        chosen = self._named(fault, where)
        for asset in chosen:
            self._check(fault, asset, where)
        for target in self._units(fault, chosen):
            if fault.random is None:
                self._world.env.process(self._once(fault, target))
            else:
                self._world.env.process(self._again_and_again(fault, fault.random, target))
        return len(chosen)

    def wear_out(self, samplers: Iterable[Sampler]) -> None:
        """Schedule what sensors do by themselves: those that freeze now and then (`Sensor.stuck`)."""
        for sampler in samplers:
            p = sampler.chain.p
            for row, column in zip(*np.nonzero(p.stuck), strict=True):
                spec = sampler.fleet.specs[sampler.members[row]]
                often = RandomConfig.model_validate(
                    {"per_year": float(p.stuck[row, column]), "lasts": float(p.stuck_for[row, column]) / NS}
                )
                args: dict[str, float | str] = {"channel": sampler.layout.columns[column]}
                fault = FaultConfig(device=spec.path, fault="sensor_stuck", args=args, random=often)
                self._world.env.process(self._again_and_again(fault, often, [self._world.assets[spec.path]]))

    def obey(self, asset: Asset, command: Command) -> str:
        """Carry out ``inject_fault`` or ``clear_fault``; raises CommandRefused with the reason."""
        if not self._trainer:
            raise CommandRefused("this scenario takes no faults by command (write trainer: true)")
        args = dict(command.args)
        fault = str(args.pop("fault", ""))
        if command.name == CLEAR.name:
            return self._clear(asset, fault, str(args.get("channel", "")))
        lasts = args.pop("lasts", None)
        given = {"at": 0, "device": asset.spec.path, "fault": fault, "args": args, "lasts": lasts}
        try:
            config = parse(given, FaultConfig, "inject_fault")
            self._check(config, asset, "inject_fault")
        except ConfigError as error:
            raise CommandRefused(f"{error.what} ({error.hint})" if error.hint else error.what) from error
        config = config.model_copy(update={"at": self._world.now})
        for target in self._units(config, [asset]):
            self._world.env.process(self._once(config, target))
        return f"{fault} begins" + (f", for {config.lasts / NS:g} s" if config.lasts else "")

    # --- which devices ------------------------------------------------------------------------------------

    def _named(self, fault: FaultConfig, where: str) -> list[Asset]:
        assets = self._world.assets
        if fault.area:
            areas = {path: (a.spec.area, f"{a.spec.site}/{a.spec.area}") for path, a in assets.items()}
            hit = [assets[path] for path, names in areas.items() if any(fnmatchcase(n, fault.area) for n in names)]
            names_ = sorted({names[0] for names in areas.values()})
            key, wanted = "area", fault.area
        else:
            hit = [
                a for p, a in assets.items() if fnmatchcase(p, fault.device) or fnmatchcase(a.spec.device, fault.device)
            ]
            names_ = sorted({a.spec.device for a in assets.values()})
            key, wanted = "device", fault.device
        if not hit:
            near = get_close_matches(wanted, names_, n=1)
            hint = f"did you mean {near[0]}?" if near else "write an id, a path or a pattern such as pump-*"
            raise ConfigError(f"{where}.{key}", f"no {key} matches {wanted!r}", hint)
        return hit

    def _units(self, fault: FaultConfig, assets: Sequence[Asset]) -> list[list[Asset]]:
        """Return what the fault befalls one by one: devices, or for links all that share a connection."""
        if fault.fault not in LINK_FAULTS:
            return [[asset] for asset in assets]
        lanes = self._world.network.touched(a.spec.path for a in assets)
        return [[self._world.assets[d.path] for d in lane.devices] for lane in lanes]

    def _check(self, fault: FaultConfig, asset: Asset, where: str) -> None:
        name, kind = fault.fault, asset.faults.get(fault.fault) or GENERIC.get(fault.fault)
        if kind is None:
            known = [*asset.faults, *GENERIC]
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            raise ConfigError(f"{where}.fault", f"{asset.spec.kind} has no fault {name!r}", hint)
        check_args(name, fault.args, kind, where)
        if name in SENSOR_FAULTS:
            self._check_channel(fault, asset, where)
        elif name in LINK_FAULTS and asset.spec.path not in self._world.network.lanes:
            speaks = " and ".join(asset.spec.protocols)
            raise ConfigError(f"{where}.fault", f"{asset.spec.path} speaks {speaks}", "links carry MQTT only")

    def _check_channel(self, fault: FaultConfig, asset: Asset, where: str) -> None:
        name = str(fault.args.get("channel", ""))
        channels = {c.name: c for s in asset.spec.streams for c in s.layout.channels}
        if name not in channels:
            near = get_close_matches(name, channels, n=1)
            hint = f"did you mean {near[0]}?" if near else f"args: {{channel: …}} with one of {', '.join(channels)}"
            raise ConfigError(f"{where}.args.channel", f"{asset.spec.kind} has no channel {name!r}", hint)
        channel, unit = channels[name], str(fault.args.get("unit", ""))
        if channel.states is not None:
            raise ConfigError(
                f"{where}.args.channel", f"{name} is a state: no instrument measures it", "choose a quantity"
            )
        if unit and unit != channel.unit:
            raise ConfigError(f"{where}.args.unit", f"{name} is in {channel.unit}, not {unit}", "convert size")

    # --- when ---------------------------------------------------------------------------------------------

    def _once(self, fault: FaultConfig, target: Sequence[Asset]) -> Steps:
        world = self._world
        yield world.env.timeout(max(0, (fault.at or 0) - world.now))
        running = self._begin(fault, target, fault.end)
        if fault.end is not None:
            yield world.env.timeout(max(0, fault.end - world.now))
            self._end(running)

    def _again_and_again(self, fault: FaultConfig, often: RandomConfig, target: Sequence[Asset]) -> Steps:
        """Draw faults of one unit from its own generator: nobody else's numbers shift."""
        world, path = self._world, target[0].spec.path
        draw = seeds.generator(world.seed, path, "mishap", fault.fault, str(fault.args.get("channel", "")))
        mean = _YEAR_S / often.per_year / gamma(1.0 + 1.0 / often.shape)
        if fault.at is not None and fault.at > world.now:
            yield world.env.timeout(fault.at - world.now)
        while True:
            yield world.env.timeout(round(mean * float(draw.weibull(often.shape)) * NS))
            end = world.now + max(1, _duration(often, draw))
            if fault.until is not None and world.now >= fault.until:
                return
            running = self._begin(fault, target, end)
            yield world.env.timeout(end - world.now)
            self._end(running)

    def _begin(self, fault: FaultConfig, target: Sequence[Asset], end: int | None) -> list[_Running]:
        made: list[_Running] = []
        if fault.fault in LINK_FAULTS:
            made = self._begin_link(fault, target)
        else:
            for asset in target:
                if fault.fault in SENSOR_FAULTS:
                    made.append(self._begin_sensor(fault, asset, end))
                elif fault.fault in CLOCK_FAULTS:
                    made.append(self._begin_clock(fault, asset, end))
                else:
                    asset.strike(fault.fault, fault.args)
                    made.append(_Running(asset.spec.path, fault.fault, "", _healer(asset, fault.fault)))
        self._running += made
        return made

    def _end(self, running: Sequence[_Running]) -> None:
        for one in running:
            if one in self._running:
                self._running.remove(one)
                one.stop(self._world.now)

    def _clear(self, asset: Asset, fault: str, channel: str) -> str:
        here = [r for r in self._running if r.device == asset.spec.path]
        mine = [r for r in here if (not fault or r.fault == fault) and (not channel or r.target == channel)]
        if not mine:
            there = ", ".join(sorted({r.fault for r in here})) or "none"
            raise CommandRefused(f"no such fault is there; present: {there}")
        self._end(mine)
        return f"ended: {', '.join(sorted({r.fault for r in mine}))}"

    # --- what ---------------------------------------------------------------------------------------------

    def _label(self, device: str, fault: FaultConfig, target: str) -> Label:
        return self._world.truth.fault(device, fault.fault, target, self._world.now, None, detail(fault.args))

    def _begin_sensor(self, fault: FaultConfig, asset: Asset, end: int | None) -> _Running:
        world, args = self._world, {**SENSOR_FAULTS[fault.fault].args, **fault.args}
        channel = str(args["channel"])
        sampler, device = world.place_of(asset.spec, channel)
        key = seeds.key(world.seed, asset.spec.path, channel, fault.fault, world.now)
        made = SensorFault(
            fault.fault,
            device,
            sampler.layout.column(channel),
            world.now,
            NEVER if end is None else end,
            float(args["size"]),
            float(args["chance"]),
            key,
        )
        sampler.chain.faults.append(made)
        label = self._label(asset.spec.path, fault, channel)

        def stop(t: int) -> None:
            made.end = min(made.end, t)
            world.truth.end(label, t)

        return _Running(asset.spec.path, fault.fault, channel, stop)

    def _begin_clock(self, fault: FaultConfig, asset: Asset, end: int | None) -> _Running:
        world, path = self._world, asset.spec.path
        size = float(fault.args.get("size", CLOCK_FAULTS[fault.fault].args["size"]))
        jump, ppm = (size, 0.0) if fault.fault == "clock_jump" else (0.0, size)
        made: list[ClockFault] = []
        for sampler, device in world.places_of(asset.spec):
            fraction = odd(seeds.key(world.seed, path, "clock", world.now))
            made.append(ClockFault(device, world.now, NEVER if end is None else end, jump, ppm, fraction))
            sampler.clocks.faults.append(made[-1])
        label = self._label(path, fault, "clock")

        def stop(t: int) -> None:
            for one in made:
                one.end = min(one.end, t)
            world.truth.end(label, t)

        return _Running(path, fault.fault, "clock", stop)

    def _begin_link(self, fault: FaultConfig, target: Sequence[Asset]) -> list[_Running]:
        world = self._world
        lane: Lane = world.network.lanes[target[0].spec.path]
        trouble = Trouble(world.now, worse=None if fault.fault == "link_outage" else _worse(fault.args))
        lane.troubles.append(trouble)

        def stopper(label: Label) -> Stop:
            def stop(t: int) -> None:
                trouble.end = min(trouble.end, t)
                world.truth.end(label, t)

            return stop

        return [
            _Running(a.spec.path, fault.fault, "link", stopper(self._label(a.spec.path, fault, "link"))) for a in target
        ]


def detail(args: Args) -> str:
    """Return a fault's arguments as the truth keeps them: JSON, keys in order."""
    return json.dumps(dict(args), sort_keys=True, ensure_ascii=False)


def _healer(asset: Asset, fault: str) -> Stop:
    return lambda _: asset.heal(fault)


def _worse(args: Args) -> Worse:
    chances = {name: float(args.get(name, 0.0)) for name in ("loss", "duplicate", "reorder")}
    spans = {name: float(parse_duration(args.get(name, 0.0))) for name in ("delay", "jitter")}
    return Worse(**chances, **spans)


def _duration(often: RandomConfig, draw: np.random.Generator) -> int:
    """Return a drawn duration in ns; means are kept."""
    factor = {
        "fixed": lambda: 1.0,
        "exponential": lambda: float(draw.exponential()),
        "lognormal": lambda: float(np.exp(draw.normal(-0.5, 1.0))),
    }[often.spread]()
    return round(often.lasts * factor)
