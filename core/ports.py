"""Every contract between the parts, on one page.

Constructors only assign; things are opened with ``async with`` or ``open``/``connect``. Columns
(:class:`Batch`) for measurements, small frozen objects (:data:`Note`) for everything else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.batch import Batch
from core.command import Command, CommandResult, Event, NodeState
from core.finding import Finding, Prognosis, WorkOrder
from core.spec import DeviceSpec

Note = Event | Command | CommandResult | Finding | Prognosis | WorkOrder
OnCommand = Callable[[Command], None]
Ack = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a source read at once.

    ``births`` come before ``batches`` and ``notes``; ``arrived`` and ``sent`` are wall ns (``sent`` 0:
    unknown), ``rejects`` are (topic or address, reason, payload) of what could not be read; ``states`` tell
    of connections that came or went; ``traces`` are trace ids that rows (stream path, sid, seq) came with.
    """

    births: Sequence[DeviceSpec] = ()
    batches: Sequence[Batch] = ()
    notes: Sequence[Note] = ()
    rejects: Sequence[tuple[str, str, bytes]] = ()
    arrived: int = 0
    sent: int = 0
    states: Sequence[NodeState] = ()
    traces: Mapping[tuple[str, int, int], str] = field(default_factory=dict)


class Publisher(Protocol):
    """Simulator side of a protocol: announces devices, hands over rows, takes in commands."""

    async def __aenter__(self) -> Publisher: ...
    async def __aexit__(self, *exc: object) -> None: ...
    async def announce(self, devices: Sequence[DeviceSpec]) -> None: ...
    async def publish(self, batches: Sequence[Batch]) -> None: ...
    async def tell(self, notes: Sequence[Event | CommandResult]) -> None: ...
    async def flush(self) -> None: ...


class Source(Protocol):
    """Gateway side of a protocol. ``read`` raises NotConnected or EndOfStream; ``ack`` follows the commit."""

    async def connect(self) -> None: ...
    async def read(self) -> tuple[Sequence[Arrival], Ack]: ...
    async def close(self) -> None: ...


class CommandLink(Protocol):
    """Carries a command to a device; the result comes back as a note of a source."""

    async def send(self, command: Command) -> None: ...


class Rule(Protocol):
    """Edge rule: judges fresh rows in milliseconds. ``now`` is run time in ns."""

    name: str

    def judge(self, batch: Batch, now: int) -> Sequence[Command]: ...


class Stage(Protocol):
    """Transforms batches on the way to a store (units, downsampling)."""

    def apply(self, batch: Batch) -> Sequence[Batch]: ...


class Store(Protocol):
    """Keeps rows and notes; ``write`` keeps ``position`` in the same transaction where it can.

    Raises StoreUnavailable (nothing written, try again) or StoreError (refused).
    """

    def open(self) -> None: ...
    def position(self) -> int: ...
    def catalogue(self, devices: Sequence[DeviceSpec]) -> None: ...
    def write(self, batches: Sequence[Batch], notes: Sequence[Note], position: int) -> None: ...
    def close(self) -> None: ...


class HistoryReader(Protocol):
    """Reads a store. Times are ns UTC, end exclusive; tables follow :mod:`core.tables`."""

    def rows(self, layout: str, start: int, end: int, devices: Sequence[str] = ()) -> pa.Table: ...
    def series(self, device: str, channel: str, start: int, end: int, every: int = 0) -> pa.Table: ...
    def notes(self, kind: type[Note], start: int, end: int, device: str = "") -> Sequence[Note]: ...


class Detector(Protocol):
    """Anomaly detector. ``x: float64[n, f]`` features; scores high = abnormal; > ``threshold`` is a finding."""

    name: str
    threshold: float

    def fit(self, x: NDArray[np.float64]) -> Detector: ...
    def score(self, x: NDArray[np.float64]) -> NDArray[np.float64]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """Prognosis columns for n assets: chance in [0, 1], seconds of remaining life with interval."""

    p_failure: NDArray[np.float64]
    rul_s: NDArray[np.float64]
    lower_s: NDArray[np.float64]
    upper_s: NDArray[np.float64]


class Prognoser(Protocol):
    """Failure and remaining-life model. ``y: float64[n]`` s to failure (inf: censored), ``group: int64[n]``."""

    horizon_s: float

    def fit(self, x: NDArray[np.float64], y: NDArray[np.float64], group: NDArray[np.int64]) -> Prognoser: ...
    def predict(self, x: NDArray[np.float64]) -> Outlook: ...


class Policy(Protocol):
    """Turns what is known into work orders and commands; interlocks and rate limits inside."""

    name: str

    def decide(
        self,
        now: int,
        prognoses: Mapping[str, Prognosis],
        findings: Mapping[str, Finding],
        state: Mapping[str, Mapping[str, float]],
    ) -> Sequence[WorkOrder | Command]: ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """Outcome of one requirement of a test plan."""

    requirement: str
    outcome: str  # PASS | FAIL | NOT-TESTED
    measured: float | None
    limit: str
    unit: str
    evidence: str


class Check(Protocol):
    """Judges a recording: rows of the devices under test and of the reference, as Arrow tables."""

    def judge(self, recording: Mapping[str, pa.Table], reference: pa.Table) -> Sequence[Verdict]: ...
