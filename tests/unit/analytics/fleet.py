"""A small synthetic fleet with lives, failures and noise, written the way the history child writes it."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from core.batch import Batch
from core.catalog import Catalog
from core.clock import NS
from core.command import Event
from core.quality import BAD_SENSOR, GOOD
from core.spec import ChannelSpec, DeviceSpec, Identity, LayoutSpec, StreamSpec
from core.tables import to_table

START = 1_760_000_040 * NS  # a multiple of 60 s
STATES = {0: "idle", 1: "running", 2: "failed", 3: "maintenance"}
HOUR = 3600 * NS


def layouts(kind):
    process = LayoutSpec(
        f"{kind}.process",
        (
            ChannelSpec("state", "state", states=STATES, group="status"),
            ChannelSpec("energy", "energy", "kW.h", group="consumption"),
        ),
    )
    health = LayoutSpec(
        f"{kind}.health",
        (
            ChannelSpec("vibration", "vibration-velocity", "mm/s", 0, 50, group="health"),
            ChannelSpec("bearing_temp", "temperature", "Cel", -20, 150, group="health"),
            ChannelSpec("current", "electric-current", "A", 0, 120, group="health"),
        ),
    )
    return process, health


def device(kind, number):
    process, health = layouts(kind)
    return DeviceSpec(
        "city", "plant", f"{kind}-{number:02d}", kind, "factory", "line", Identity("acme", f"s{number}", "urn:x"),
        (StreamSpec("process", process), StreamSpec("health", health)), asset=f"{kind} {number}",
    )  # fmt: skip


@dataclass
class Fleet:
    """Rows and events of a fleet over ``hours``; one row a minute."""

    kinds: tuple[str, ...] = ("pump", "fan")
    per_kind: int = 4
    hours: int = 300
    life_h: float = 60.0
    repair_h: int = 2
    seed: int = 0
    period_s: int = 60
    catalog: Catalog = field(init=False)
    batches: list[Batch] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self):
        self.catalog = Catalog(device(k, i) for k in self.kinds for i in range(self.per_kind))
        rng = np.random.default_rng(self.seed)
        rows = {}
        for path, spec in self.catalog.devices.items():
            for stream, batch in self._render(path, spec, rng):
                rows.setdefault(stream, []).append(batch)
        self.batches = [b for parts in rows.values() for b in parts]

    def _render(self, path, spec, rng):
        n = self.hours * 3600 // self.period_s
        t = START + np.arange(n, dtype=np.int64) * self.period_s * NS
        wear, state = self._lives(path, n, t, rng)
        running = state == 1
        noise = rng.standard_normal((n, 3))
        day = np.sin(2 * np.pi * np.arange(n) * self.period_s / 86400)
        size = 1.0 + 0.2 * rng.standard_normal()
        vibration = running * size * (1.0 + 4.5 * wear**2 + 0.4 * wear + 0.05 * noise[:, 0])
        temp = 22 + 4 * day + running * (20 + 25 * wear**3) + 0.3 * noise[:, 1]
        current = running * 20 * (1 + 0.03 * wear + 0.01 * noise[:, 2])
        health = np.stack([vibration, temp, current], axis=1)
        process = np.stack([state.astype(float), np.cumsum(running) / 60.0], axis=1)
        for stream, x in (("process", process), ("health", health)):
            index = self.catalog.index(spec.stream_path(stream))
            layout = next(s.layout for s in spec.streams if s.name == stream)
            q = np.full(x.shape, GOOD, dtype=np.uint8)
            if stream == "health":
                lost = rng.random(n) < 0.01
                x = np.where(lost[:, None], np.nan, x)
                q[lost] = BAD_SENSOR
            column = np.full(n, index, dtype=np.int32)
            yield stream, Batch(layout, column, np.zeros(n, np.int64), np.arange(n, dtype=np.int64), t, x, q)

    def _lives(self, path, n, t, rng):
        wear, state = np.zeros(n), np.ones(n, dtype=int)
        per_h = 3600 // self.period_s
        at = 0
        while at < n:
            length = int(self.life_h * per_h * np.exp(0.25 * rng.standard_normal()))
            end = min(n, at + length)
            age = np.arange(end - at) / length
            wear[at:end] = np.expm1(3.0 * age) / np.expm1(3.0)
            if end < n:
                down = min(n, end + self.repair_h * per_h)
                state[end:down] = 2
                self.events.append(Event(path, "failure", "bearing failed", int(t[end]), "alarm"))
                if down < n:
                    self.events.append(Event(path, "repaired", "bearing replaced", int(t[down])))
                end = down
            at = max(end, at + 1)
        return wear, state

    @property
    def end(self):
        return START + self.hours * HOUR

    @property
    def failures(self):
        return sum(e.name == "failure" for e in self.events)

    def write(self, folder: Path, cut: int | None = None) -> Path:
        """Write the history folder, up to ``cut`` (ns) if given."""
        folder.mkdir(parents=True, exist_ok=True)
        self.catalog.save(folder / "catalog.json")
        names = sorted({b.layout.name for b in self.batches})
        for name in names:
            (folder / name).mkdir(exist_ok=True)
            for i, batch in enumerate(b for b in self.batches if b.layout.name == name):
                rows = batch if cut is None else batch.take(batch.t < cut)
                pq.write_table(to_table(rows), folder / name / f"{i:03d}.parquet")
        told = [e for e in self.events if cut is None or e.t < cut]
        (folder / "events.jsonl").write_text("".join(json.dumps(asdict(e)) + "\n" for e in told))
        return folder

    def after(self, start: int, end: int) -> list[Batch]:
        """Return the rows of ``[start, end)``."""
        parts = [b.take((b.t >= start) & (b.t < end)) for b in self.batches]
        return [b for b in parts if len(b)]
