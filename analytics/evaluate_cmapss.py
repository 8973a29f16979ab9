"""The C-MAPSS protocol: train on engines run to failure, one prediction for each test engine at its last cycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.cmapss import CAP, CmapssConfig, read_engines, train_cmapss
from analytics.evaluate import Figure, bootstrap, phm08, rmse
from core.errors import ModelError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CmapssScore:
    """Score of predictions against the published truth, in cycles.

    Attributes
    ----------
    engines
        Engines compared.
    rmse
        With test RUL clipped at ``clip``, and its 95 % bootstrap interval over engines.
    rmse_unclipped
        Against the truth as published.
    phm08
        Score of the challenge, test RUL clipped.
    rmse_of_mean
        Of the trivial predictor: the mean of the truth itself.
    coverage
        Share of engines inside the interval, NaN where no interval was given.
    """

    engines: int
    clip: float
    rmse: Figure
    rmse_unclipped: float
    phm08: float
    rmse_of_mean: float
    coverage: float

    def line(self) -> str:
        """Return one line for people."""
        return (
            f"C-MAPSS: RMSE {self.rmse} cycles over {self.engines} engines, test RUL clipped at {self.clip:.0f} "
            f"(unclipped {self.rmse_unclipped:.2f}); PHM08 score {self.phm08:.0f}; "
            f"mean predictor {self.rmse_of_mean:.1f}"
        )


def read_truth(path: Path) -> dict[int, float]:
    """Return unit -> true remaining cycles of a ``RUL_*.txt`` file (one number a line, in unit order)."""
    try:
        values = [float(line) for line in path.read_text(encoding="utf-8").split()]
    except FileNotFoundError as error:
        raise ModelError(f"{path} is missing: the folder needs RUL_FD001.txt") from error
    except ValueError as error:
        raise ModelError(f"{path} is no list of remaining lives: {error}") from error
    return dict(enumerate(values, start=1))


def score(
    predicted: Mapping[int, float],
    truth_file: Path,
    interval: Mapping[int, tuple[float, float]] | None = None,
    clip: float = CAP,
) -> CmapssScore:
    """Return the score of predictions by unit; units without a prediction are not compared (see ``engines``)."""
    truth = read_truth(truth_file)
    units = sorted(truth.keys() & predicted.keys())
    if not units:
        raise ModelError(f"no predicted engine is in {truth_file}")
    true = np.array([truth[u] for u in units])
    guess = np.array([predicted[u] for u in units])
    clipped = np.minimum(true, clip)
    inside = float("nan")
    if interval:
        inside = float(np.mean([interval[u][0] <= t <= interval[u][1] for u, t in zip(units, clipped, strict=True)]))
    return CmapssScore(
        len(units),
        clip,
        bootstrap(rmse, guess, clipped),
        rmse(guess, true),
        phm08(guess, clipped),
        rmse(np.full(len(true), true.mean()), true),
        inside,
    )


def evaluate_cmapss(
    folder: Path, subset: str = "FD001", seeds: int = 5, config: CmapssConfig | None = None
) -> dict[str, Any]:
    """Train with several seeds, predict the test engines; returns the figures, JSON-ready.

    ``rmse_by_seed`` are single models; ``mean`` is the score of their averaged predictions.
    """
    config = config or CmapssConfig()
    tests = read_engines(folder / f"test_{subset}.parquet")
    truth = folder / f"RUL_{subset}.txt"
    scores, held = [], []
    rul: list[Floats] = []
    for seed in range(seeds):
        model = train_cmapss(folder / f"train_{subset}.parquet", seed, config)
        out = model.predict(tests)
        units = out.unit.tolist()
        interval = dict(zip(units, zip(out.lower.tolist(), out.upper.tolist(), strict=True), strict=True))
        scores.append(score(dict(zip(units, out.rul.tolist(), strict=True)), truth, interval))
        rul.append(out.rul)
        held.append(model.metrics)
    together = score(dict(zip(units, np.mean(rul, axis=0).tolist(), strict=True)), truth)
    return {
        "subset": subset,
        "protocol": f"training RUL and test RUL clipped at {config.cap:.0f}; last cycle of each test engine",
        "seeds": seeds,
        "rmse_by_seed": [round(s.rmse.value, 3) for s in scores],
        "coverage_by_seed": [round(s.coverage, 3) for s in scores],
        "held_out": [{k: round(v, 3) for k, v in h.items()} for h in held],
        "mean": asdict(together),
        "text": together.line(),
    }
