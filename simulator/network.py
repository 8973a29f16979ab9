"""The network of a world: which device reports through which connection, over which link, in what state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from core import seed
from core.errors import ConfigError
from core.spec import DeviceSpec
from simulator.faults import NEVER
from simulator.links import ConnectionConfig, Link, LinkConfig, Worse

#: a device, what its entry says of its connection, and where (for errors)
Joined = tuple[DeviceSpec, ConnectionConfig | None, str]
PERFECT = LinkConfig()


@dataclass(slots=True)
class Trouble:
    """A fault of a connection from ``start`` to ``end`` (simulated ns); ``worse`` None: it is out."""

    start: int
    end: int = NEVER
    worse: Worse | None = None

    def touches(self, t0: int, t1: int) -> bool:
        """Tell whether it is there at any instant in [t0, t1)."""
        return self.start < t1 and self.end > t0


@dataclass(slots=True)
class Lane:
    """One connection.

    Attributes
    ----------
    name
        Path of its area, or of its one device.
    own
        Whether it is one device's alone.
    link
        The link; None: perfect, unless ``troubles`` say otherwise.
    store, replay
        See :class:`simulator.links.ConnectionConfig`.
    """

    name: str
    own: bool
    link: Link
    perfect: bool = True
    store: bool = True
    replay: bool = True
    devices: list[DeviceSpec] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)

    @property
    def slow(self) -> bool:
        """Tell whether messages are noticeably late on it as a rule."""
        return self.link.config.slow

    def outages(self, t0: int, t1: int) -> list[Trouble]:
        """Return the outages at any instant in [t0, t1)."""
        return [x for x in self.troubles if x.worse is None and x.touches(t0, t1)]

    def worse(self, t: int) -> Worse:
        """Return what the faults of the moment add."""
        found = [x.worse for x in self.troubles if x.worse is not None and x.start <= t < x.end]
        if not found:
            return Worse()
        each = {name: sum(getattr(w, name) for w in found) for name in Worse.__slots__}
        return Worse(**each)

    def forget(self, t: int) -> None:
        """Drop the troubles that ended before ``t``."""
        self.troubles = [x for x in self.troubles if x.end > t]


class Network:
    """All connections of a world.

    Parameters
    ----------
    lanes
        Connections by the path of each device.
    start
        UTC ns of simulated time 0.
    now
        Returns the simulated ns up to which events have run.
    load
        Returns how full the network is at a simulated ns, 0 to 1.
    """

    def __init__(
        self, lanes: Mapping[str, Lane], start: int, now: Callable[[], int], load: Callable[[int], float]
    ) -> None:
        self.lanes = lanes
        self.start = start
        self.now = now
        self.load = load

    def touched(self, paths: Iterable[str]) -> list[Lane]:
        """Return the connections that devices report through, each once."""
        return list({id(lane): lane for path in paths if (lane := self.lanes.get(path)) is not None}.values())


def lanes(devices: Sequence[Joined], links: Mapping[str, LinkConfig], root: int) -> dict[str, Lane]:
    """Return the connections of devices that speak MQTT; ``links`` gives those of areas (``site/area``).

    Raises
    ------
    ConfigError
        If two entries want different links for one area, or a link cannot carry what is sent over it.
    """
    shared: dict[str, tuple[LinkConfig, str]] = {}
    for spec, config, where in devices:
        if config is not None and config.kind == "area" and config.link is not None:
            area = f"{spec.site}/{spec.area}"
            before = shared.setdefault(area, (config.link, where))
            if before[0] != config.link:
                raise ConfigError(f"{where}.connection.link", f"{area} has another link at {before[1]}", "use own")
    out: dict[str, Lane] = {}
    for spec, config, where in devices:
        if "mqtt" not in spec.protocols:
            if config is not None:
                raise ConfigError(f"{where}.connection", f"{spec.path} does not speak MQTT", "links carry MQTT only")
            continue
        area = f"{spec.site}/{spec.area}"
        own = config is not None and config.kind == "own"
        link = config.link if config is not None and own else shared.get(area, (links.get(area), ""))[0]
        name = spec.path if own else area
        lane = out.get(name) or Lane(name, own, Link(link or PERFECT, seed.key(root, name, "link")), link is None)
        if config is not None:
            lane.store, lane.replay = lane.store and config.store, lane.replay and config.replay
        lane.devices.append(spec)
        out[name] = lane
        out[spec.path] = lane
        _fits(lane, where)
    return {spec.path: out[spec.path] for spec, _, _ in devices if spec.path in out}


def _fits(lane: Lane, where: str) -> None:
    """Refuse a LoRa link that is on air for longer than there is time."""
    lora = lane.link.config.lora
    if lora is None:
        return
    streams = [s for d in lane.devices for s in d.streams if s.period_ns]
    busy = sum(lora.row_busy(len(s.layout.channels)) / s.period_ns for s in streams)
    if busy > 1.0:
        fastest = min(streams, key=lambda s: s.period_ns)
        need = lora.row_busy(len(fastest.layout.channels)) * len(streams) / 1e9
        raise ConfigError(
            f"{where}.connection.link",
            f"{lane.name} needs {busy:.0%} of the time on SF{lora.sf}",
            f"a row takes {lora.row_busy(len(fastest.layout.channels)) / 1e9:.1f} s: "
            f"write every: {{{fastest.name}: {max(10, round(need * 1.5)):d}s}} or more, or a lower sf",
        )
