"""A lively make-believe city for developing and testing the portal: devices, rows, notes and a store.

Run it to look at the page: ``python -m tests.unit.portal.fake_world [port]``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from core import quality
from core.batch import Batch
from core.catalog import Catalog
from core.clock import NS, RunClock, wall_ns
from core.command import Cause, Command, CommandResult, Event
from core.finding import Finding, Prognosis, WorkOrder
from core.ports import Note
from core.spec import ChannelSpec, CommandSpec, DeviceSpec, Identity, LayoutSpec, Name, Position, StreamSpec
from core.tables import to_table
from portal.live import LiveState
from portal.run import RunInfo

C = ChannelSpec
DAY_S = 86_400.0
DAY = 86_400 * NS
KINDS: dict[str, tuple[ChannelSpec, ...]] = {
    "rotating": (
        C("vibration", "velocity", "mm/s", 0, 20, label=Name("진동 속도", "Vibration"), group="health"),
        C(
            "temperature",
            "temperature",
            "Cel",
            0,
            120,
            label=Name("베어링 온도", "Bearing temperature"),
            group="health",
        ),
        C("power", "power", "kW", 0, 30, group="consumption"),
        C("state", "state", "1", states={0: "idle", 1: "running", 2: "failed"}, group="status"),
    ),
    "cnc": (
        C("spindle_load", "load", "%", 0, 150, label=Name("주축 부하", "Spindle load")),
        C("spindle_speed", "rotation", "/min", 0, 12000),
        C("tool_wear", "length", "um", 0, 400, group="health"),
    ),
    "packaging": (C("rate", "rate", "/min", 0, 120), C("rejects", "count", "1", 0, 100)),
    "conveyor": (C("speed", "velocity", "m/s", 0, 3), C("current", "current", "A", 0, 20)),
    "van": (C("speed", "velocity", "km/h", 0, 120), C("cargo_temperature", "temperature", "Cel", -30, 30)),
    "air_station": (
        C("pm25", "mass concentration", "ug/m3", 0, 500, label=Name("초미세먼지 PM2.5", "Fine dust PM2.5")),
        C("pm10", "mass concentration", "ug/m3", 0, 600),
        C("humidity", "relative humidity", "%", 0, 100),
    ),
    "crossing": (
        C("pedestrians", "count", "{#}", 0, 200, label=Name("대기 보행자", "Waiting pedestrians")),
        C("signal", "state", "1", states={0: "red", 1: "green", 2: "flashing"}, group="status"),
    ),
    "streetlight": (C("dim", "ratio", "%", 0, 100), C("power", "power", "W", 0, 200)),
    "water_zone": (C("flow", "volume flow", "m3/h", 0, 500), C("pressure", "pressure", "bar", 0, 10)),
    "noise_node": (C("laeq", "sound level", "dB[A]", 20, 130, label=Name("소음도", "Sound level")),),
}
LABELS = {
    "rotating": Name("냉각수 펌프", "Coolant pump"),
    "cnc": Name("CNC 선반", "CNC lathe"),
    "packaging": Name("포장기", "Packaging machine"),
    "conveyor": Name("컨베이어", "Conveyor"),
    "van": Name("냉장 배송차", "Cold-chain van"),
    "air_station": Name("대기 측정소", "Air-quality station"),
    "crossing": Name("스마트 횡단보도", "Smart crossing"),
    "streetlight": Name("가로등 구역", "Street-light zone"),
    "water_zone": Name("상수도 구역", "Water zone"),
    "noise_node": Name("소음 측정기", "Noise meter"),
}
PLAN: tuple[tuple[str, str, str, int, float, float, float], ...] = (
    ("factory", "guro", "rotating", 4, 37.483, 126.880, 0.004),
    ("factory", "guro", "cnc", 4, 37.483, 126.880, 0.004),
    ("factory", "guro", "packaging", 3, 37.483, 126.880, 0.004),
    ("logistics", "jangji", "conveyor", 4, 37.478, 127.126, 0.004),
    ("logistics", "jangji", "van", 6, 37.530, 127.020, 0.050),
    ("urban", "city", "air_station", 8, 37.560, 126.985, 0.075),
    ("urban", "city", "crossing", 6, 37.545, 127.010, 0.060),
    ("urban", "city", "streetlight", 5, 37.575, 126.990, 0.050),
    ("urban", "city", "water_zone", 5, 37.555, 127.000, 0.070),
    ("third_party", "visitors", "noise_node", 3, 37.570, 126.977, 0.030),
)
BASE = {"vibration": 1.9, "temperature": 52, "pm25": 23, "pm10": 41, "spindle_load": 61, "speed": 1.2, "laeq": 58}


def devices(copies: int = 1) -> list[DeviceSpec]:
    """Return the city's devices; ``copies`` multiplies them for load tests."""
    rng = np.random.default_rng(7)
    layouts = {kind: LayoutSpec(f"{kind}.main", channels) for kind, channels in KINDS.items()}
    out = []
    for domain, area, kind, count, lat, lon, spread in PLAN:
        for i in range(count * copies):
            dy, dx = rng.uniform(-spread, spread, 2)
            command = {"rotating": "maintain", "crossing": "extend_green", "cnc": "derate"}.get(kind)
            commands = (CommandSpec(command, {"seconds": "s"} if kind == "crossing" else {}),) if command else ()
            out.append(
                DeviceSpec(
                    "seoul",
                    area,
                    f"{kind.replace('_', '-')}-{i + 1:02d}",
                    kind,
                    domain,  # type: ignore[arg-type]
                    area,
                    Identity("Hangang Works", f"SN-{i:04d}", f"urn:example:{kind}:{i}", "HW-1"),
                    (StreamSpec("main", layouts[kind], NS if domain != "urban" else 2 * NS),),
                    commands,
                    Name(f"{LABELS[kind].ko} {i + 1}", f"{LABELS[kind].en} {i + 1}"),
                    Position(lat + float(dy), lon + float(dx)),
                    ("opcua",) if kind == "cnc" else ("mqtt",),
                    kind if command else "",
                )
            )
    return out


def batch_of(catalog: Catalog, layout: LayoutSpec, t: int, seq: int) -> Batch:
    """Return one row of every stream of a layout."""
    streams = [e.index for e in catalog.streams if e.spec.layout.name == layout.name]
    n, k = len(streams), len(layout.channels)
    x = np.empty((n, k))
    for j, channel in enumerate(layout.channels):
        if channel.states:
            x[:, j] = (seq // 8 + np.arange(n)) % 2
            continue
        low, high = channel.low or 0.0, channel.high or 100.0
        base = BASE.get(channel.name, low + 0.4 * (high - low))
        phase = np.arange(n) * 1.7 + j
        x[:, j] = base * (1 + 0.12 * np.sin(seq / 9 + phase) + 0.03 * np.sin(seq * 1.7 + phase * 3))
        if channel.name == "vibration":
            x[2, j] += min(4.5, 0.05 * seq)
    q = np.full((n, k), quality.GOOD, np.uint8)
    return Batch(
        layout, np.array(streams, np.int32), np.ones(n, np.int64), np.full(n, seq, np.int64), np.full(n, t), x, q
    )


class FakeReader:
    """A store with a sine for every channel, and no more notes than it was told."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.kept: list[Note] = []

    def rows(self, layout: str, start: int, end: int, devices: Sequence[str] = ()) -> pa.Table:
        spec = self.catalog.layout(layout)
        tables = []
        for t in range(-(-start // NS) * NS, end, NS):
            batch = batch_of(self.catalog, spec, t, t // NS)
            keep = [i for i, s in enumerate(batch.stream) if not devices or self.catalog.streams[s].device in devices]
            tables.append(to_table(batch.take(np.array(keep, np.intp))))
        return pa.concat_tables(tables)

    def series(self, device: str, channel: str, start: int, end: int, every: int = 0) -> pa.Table:
        if every < 0 or start >= end:
            raise ValueError("bad span")
        t = np.arange(start, end, every or NS, dtype=np.int64)
        mean = BASE.get(channel, 40) * (1 + 0.1 * np.sin(t / (37 * NS)) + 0.25 * (t - start) ** 2 / (end - start) ** 2)
        mean[len(mean) // 3 : len(mean) // 3 + 2] = np.nan
        return pa.table({"t": t, "mean": mean, "min": mean * 0.96, "max": mean * 1.05, "n": np.full(len(t), 10)})

    def notes(self, kind: type[Note], start: int, end: int, device: str = "") -> Sequence[Note]:
        return [n for n in self.kept if isinstance(n, kind) and start <= n.t < end and device in ("", n.device)]


def story(t: int) -> list[Note]:
    """Return the notes of a pump that is repaired before it breaks, a lathe that is watched, and a busy crossing."""
    pump, lathe, crossing = "seoul/guro/rotating-03", "seoul/guro/cnc-02", "seoul/city/crossing-02"
    plan = "policy:predictive"
    notes: list[Note] = [
        Finding("f1", pump, "zones", t - 95 * NS, 4.9, 4.5, "warning", "vibration 4.9 mm/s, above zone limit B/C 4.5"),
        Prognosis(pump, "rul-forest", t - 90 * NS, 0.83, DAY_S, 0.7 * DAY_S, 0.35 * DAY_S, 1.2 * DAY_S, 0.9, "bearing"),
        WorkOrder("w1", pump, "replace_bearing", plan, t - 84 * NS, t + DAY // 2, "failure likely within a day",
                  ("bearing 6205",), 2, 5400, 4_200_000, "c1"),
        Command("c1", pump, "maintain", plan, t - 83 * NS, t, {"component": "bearing"}),
        CommandResult("c1", pump, "accepted", "crew on its way", t - 82 * NS),
        Finding("f3", "seoul/city/air-station-05", "fleet", t - 70 * NS, 3.9, 3.0, "warning", "pm25 above neighbours"),
        Finding("f2", lathe, "pca", t - 40 * NS, 7.2, 5.0, "alarm", "spindle load does not fit speed and feed"),
        Prognosis(lathe, "rul-forest", t - 30 * NS, 0.41, DAY_S, 3.1 * DAY_S, 1.6 * DAY_S, 5.2 * DAY_S, 0.9, "tool"),
    ]  # fmt: skip
    for i in range(7):
        at = t - (63 - 9 * i) * NS
        cause = Cause("seoul/city/crossing-02/main", 1, i, at)
        notes.append(
            Command(f"x{i}", crossing, "extend_green", "rule:pedestrian_green", at, at + NS, {"seconds": 6}, cause)
        )
        notes.append(CommandResult(f"x{i}", crossing, "done", "green extended by 6 s", at + 8_000_000))
    return sorted(notes, key=lambda n: n.t)


def repaired(t: int) -> list[Note]:
    """Return the end of the pump's story."""
    pump = "seoul/guro/rotating-03"
    return [
        CommandResult("c1", pump, "done", "bearing replaced, vibration 1.3 mm/s", t),
        Finding("f1", pump, "zones", t, 1.3, 4.5, "info", "vibration back to normal", active=False),
        Event(pump, "repaired", "bearing replaced", t),
    ]


def statuses(seq: int) -> dict[str, dict[str, object]]:
    """Return what the three roles would report after ``seq`` seconds."""
    rows = 512 * seq
    return {
        "simulator": {"emitted_rows": rows, "emitted_rate": 512.0, "overruns": 0,
                      "edge_loop_p50": 4.1, "edge_loop_p99": 8.9, "policy_loop_p50": 1240.0, "policy_loop_p99": 1810.0},
        "gateway": {"received": max(0, rows - 12), "rejected": 3, "duplicated": 0, "reordered": 0, "lost": 0,
                    "latency_ms": {"ingest_p50": 3.4, "ingest_p99": 11.8}},
        "platform": {"stored": max(0, rows - 410), "duplicated": 0, "windows": seq,
                     "stored_p50": 410.0, "stored_p99": 930.0},
    }  # fmt: skip


class FakeWorld:
    """Live state, store and command link of the make-believe city."""

    def __init__(self, copies: int = 1) -> None:
        start = wall_ns() - 134 * NS
        self.catalog = Catalog(devices(copies))
        clock = RunClock(start, start, 1.0)
        run = RunInfo(Name("서울 시연", "Seoul demonstration"), 42, clock, "seoul.yaml", start - 30 * DAY)
        self.live = LiveState(self.catalog, run)
        self.reader = FakeReader(self.catalog)
        self.sent: list[Command] = []
        self.seq = 134

    async def send(self, command: Command) -> None:
        self.sent.append(command)
        self.live.tell([command, CommandResult(command.id, command.device, "done", "as asked", command.t + 5_000_000)])

    def step(self, t: int | None = None) -> None:
        """Feed one second of rows and, when it is the present one, statuses."""
        self.seq += 1
        at = wall_ns() if t is None else t
        self.live.ingest([batch_of(self.catalog, layout, at, self.seq) for layout in self.catalog.layouts.values()])
        if t is None:
            self.report()

    def report(self) -> None:
        """Let every role speak."""
        for role, values in statuses(self.seq).items():
            self.live.status(role, values)

    def warm(self, seconds: int = 60) -> None:
        """Feed the last seconds at once, with the story."""
        now = wall_ns()
        for i in range(seconds):
            self.step(now - (seconds - i) * NS)
        self.report()
        notes = story(now)
        self.reader.kept.extend(notes)
        self.live.tell(notes)

    async def run(self) -> None:
        """Live until cancelled."""
        turn = 0
        while True:
            self.step()
            turn += 1
            if turn == 20:
                self.live.tell(repaired(wall_ns()))
            await asyncio.sleep(1.0)


async def _main(port: int) -> None:
    from portal.app import create_app
    from portal.server import serve

    world = FakeWorld()
    world.warm()
    served = await serve(create_app(world.live, world.reader, world.send), port=port)
    print(served.url, flush=True)
    try:
        await world.run()
    finally:
        await served.stop()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]) if len(sys.argv) > 1 else 8080))
