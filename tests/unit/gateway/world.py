"""Small devices, batches and clocks for the gateway's tests."""

from __future__ import annotations

import numpy as np

from core.batch import NO_SEQ, Batch
from core.catalog import Catalog
from core.clock import NS, RunClock, wall_ns
from core.metrics import Metrics
from core.ports import Arrival
from core.quality import GOOD
from core.spec import ChannelSpec, CommandSpec, DeviceSpec, Identity, LayoutSpec, StreamSpec
from gateway.gaps import GapConfig
from gateway.validate import Remarks, ValidateConfig, Validator

PUMP = LayoutSpec(
    "pump.main", (ChannelSpec("flow", "flow", "L/min", 0.0, 100.0), ChannelSpec("temp", "temperature", "Cel"))
)
WAVE = LayoutSpec("pump.vibration", (ChannelSpec("ax", "acceleration", "m/s2"),))
MAX = RunClock(0, 0, 0)


def device(name: str = "p1", *, replay: bool = True, wave: bool = False, protocols=("mqtt",), domain="factory"):
    streams = [StreamSpec("main", PUMP, NS)]
    if wave:
        streams.append(StreamSpec("vibration", WAVE, NS // 100))
    commands = [CommandSpec("stop"), CommandSpec("set_speed", {"speed": "1"})]
    if replay:
        commands.append(CommandSpec("replay"))
    return DeviceSpec(
        "s",
        "a",
        name,
        "pump",
        domain,
        "n",
        Identity("m", name, "u"),
        tuple(streams),
        tuple(commands),
        protocols=protocols,
    )


def wall_clock() -> RunClock:
    now = wall_ns()
    return RunClock(now, now, 1.0)


def rows(seqs, *, stream: int = 0, sid: int = 7, t0: int = 0, flow=1.0, temp=20.0, step: int = NS) -> Batch:
    """Rows of PUMP; the time of row ``seq`` is ``t0 + seq * step``."""
    seq = np.array(list(seqs), dtype=np.int64)
    n = len(seq)
    x = np.stack([np.broadcast_to(flow, n), np.broadcast_to(temp, n)], axis=1).astype(np.float64)
    q = np.full((n, 2), GOOD, dtype=np.uint8)
    return Batch(PUMP, np.full(n, stream, np.int32), np.full(n, sid, np.int64), seq, t0 + seq * step, x, q)


def timed(times, *, stream: int = 0) -> Batch:
    """Rows of PUMP without numbers."""
    batch = rows(range(len(list(times))), stream=stream, sid=0)
    n = len(batch)
    t = np.array(list(times), dtype=np.int64)
    return Batch(PUMP, batch.stream, batch.sid, np.full(n, NO_SEQ, np.int64), t, batch.x, batch.q)


def arrival(*batches: Batch, births=(), notes=(), rejects=(), states=()) -> Arrival:
    now = wall_ns()
    return Arrival(births, batches, notes, rejects, now, now - 1_000_000, states)


def validator(catalog: Catalog | None = None, clock: RunClock = MAX, **gaps: float) -> Validator:
    catalog = catalog or Catalog([device()])
    return Validator(ValidateConfig(gaps=GapConfig.model_validate(gaps)), catalog, clock, Metrics())


def check(judge: Validator, batch: Batch, now: int = 0) -> tuple[Batch, Remarks]:
    remarks = Remarks()
    return judge.check(batch, now, remarks), remarks
