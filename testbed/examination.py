"""Examinations at the end of a scenario: a model answers on the rows that came through the whole pipe."""

from __future__ import annotations

import asyncio
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.catalog import Catalog
from core.clock import FOREVER, NS
from core.config import Config, Duration
from core.errors import TestbedError
from core.finding import Prognosis
from core.ports import HistoryReader

if TYPE_CHECKING:
    from analytics.cmapss import CmapssModel


class CmapssExam(Config):
    """C-MAPSS: learn from ``train``, prognose every replayed engine at its last cycle, compare with ``truth``.

    ``cycle`` is the run time that a cycle of the replay takes; ``quick`` trains in an eighth of the time.
    """

    kind: Literal["cmapss"] = "cmapss"
    train: Path
    truth: Path
    layout: str = "cmapss.rows"
    cycle: Duration = NS
    quick: bool = False


class Examination:
    """One examination of a run; training goes on beside the run."""

    def __init__(self, config: CmapssExam, seed: int) -> None:
        self.config, self._seed = config, seed
        self._training: asyncio.Task[CmapssModel] | None = None

    def start(self) -> None:
        """Begin to train."""
        self._training = asyncio.create_task(asyncio.to_thread(self._train), name="train the examinee")

    async def finish(self, reader: HistoryReader, catalog: Catalog) -> tuple[list[Prognosis], dict[str, Any]]:
        """Return a prognosis of every engine and the score. Raises TestbedError where rows or files are missing."""
        if self._training is None:
            self.start()
        assert self._training is not None
        model = await self._training
        return await asyncio.to_thread(self._examine, model, reader, catalog)

    def _train(self) -> CmapssModel:
        from analytics.cmapss import CmapssConfig, train_cmapss

        config = CmapssConfig()
        return train_cmapss(self.config.train, self._seed % 1000, config.quick() if self.config.quick else config)

    def _examine(
        self, model: CmapssModel, reader: HistoryReader, catalog: Catalog
    ) -> tuple[list[Prognosis], dict[str, Any]]:
        from analytics.cmapss import engines
        from analytics.evaluate_cmapss import score

        rows, devices = self._rows(reader, catalog)
        out = model.predict(engines(rows))
        units, ruls = out.unit.tolist(), out.rul.tolist()
        interval = dict(zip(units, zip(out.lower.tolist(), out.upper.tolist(), strict=True), strict=True))
        result = score(dict(zip(units, ruls, strict=True)), self.config.truth, interval)
        t = int(pc.max(rows.column("t")).as_py())
        cycle_s = self.config.cycle / NS
        prognoses = [
            Prognosis(
                device=devices[unit],
                model="cmapss",
                t=t,
                p_failure=float(rul <= 30),
                horizon_s=30 * cycle_s,
                rul_s=rul * cycle_s,
                lower_s=interval[unit][0] * cycle_s,
                upper_s=interval[unit][1] * cycle_s,
            )
            for unit, rul in zip(units, ruls, strict=True)
        ]
        return prognoses, {"text": result.line(), **asdict(result)}

    def _rows(self, reader: HistoryReader, catalog: Catalog) -> tuple[pa.Table, dict[int, str]]:
        """Return the stored rows with their unit numbers, and the device of each unit."""
        known = self.config.layout in catalog.layouts
        table = reader.rows(self.config.layout, 0, FOREVER) if known else None
        if table is None or not table.num_rows:
            raise TestbedError(f"nothing of layout {self.config.layout!r} is in the store: nothing to examine")
        unit_of = {entry.index: _number(entry.device) for entry in catalog.streams}
        devices = {_number(entry.device): entry.device for entry in catalog.streams}
        stream = table.column("stream").to_numpy()
        unit = np.array([unit_of[int(index)] for index in stream], dtype=np.int64)
        return table.append_column("unit", pa.array(unit)), devices


def _number(device: str) -> int:
    """Return the number that a device's name ends with; 0 without one."""
    found = re.search(r"(\d+)$", device)
    return int(found[1]) if found else 0
