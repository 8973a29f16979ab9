"""The C-MAPSS protocol: train on engines run to failure, one prediction for each test engine at its last cycle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.cmapss import CAP, CmapssConfig, CmapssModel, Remaining
from analytics.engine_rows import Engines, find_engines
from analytics.evaluate import Figure, bootstrap, phm08, rmse
from core.errors import ModelError

Floats = NDArray[np.float64]
#: RMSE others report, test RUL clipped
PUBLISHED: dict[str, tuple[str, ...]] = {
    "FD001": (
        "RMSE: SVR 20.96, CNN 18.45, LSTM 16.14, plain LSTM of 20 seeds 14.26, tsfresh 13.26, DCNN 12.61, STAR 10.61",
    )
}


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
        raise ModelError(f"{path} is missing: the folder needs the true remaining cycles beside the engines") from error
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
    folder: Path,
    subset: str = "FD001",
    seeds: int = 5,
    config: CmapssConfig | None = None,
    told: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """Train with several seeds, predict the test engines; returns the figures, JSON-ready.

    ``rmse_by_seed`` are single models; ``mean`` is the score of their averaged predictions. ``told`` hears the share
    done.
    """
    config = config or CmapssConfig()
    fleet, tests, left_out = shared(find_engines(folder, f"train_{subset}"), find_engines(folder, f"test_{subset}"))
    truth = folder / f"RUL_{subset}.txt"
    missing = read_truth(truth).keys() ^ set(tests.unit.tolist())
    if missing:
        raise ModelError(f"{truth}: engine {min(missing)} stands in only one of this file and test_{subset}")
    scores, held = [], []
    outs: list[Remaining] = []
    for seed in range(seeds):
        model = CmapssModel(config, seed).fit(fleet)
        out = model.predict(tests)
        units = out.unit.tolist()
        interval = dict(zip(units, zip(out.lower.tolist(), out.upper.tolist(), strict=True), strict=True))
        scores.append(score(dict(zip(units, out.rul.tolist(), strict=True)), truth, interval))
        outs.append(out)
        held.append(model.metrics)
        if told is not None:
            told((seed + 1) / seeds)
    mean = np.mean([out.rul for out in outs], axis=0)
    together = score(dict(zip(units, mean.tolist(), strict=True)), truth)
    return {
        "subset": subset,
        "protocol": f"training RUL and test RUL clipped at {config.cap:.0f}; last cycle of each test engine",
        "seeds": seeds,
        "regimes": model.regimes,
        "sensors": list(model.sensors),
        "left_out": list(left_out),
        "rmse_by_seed": [round(s.rmse.value, 3) for s in scores],
        "coverage_by_seed": [round(s.coverage, 3) for s in scores],
        "coverage": round(float(np.mean([s.coverage for s in scores])), 4),
        "width": round(float(np.mean([np.mean(out.upper - out.lower) for out in outs])), 2),
        "held_out": [{k: round(v, 3) for k, v in h.items()} for h in held],
        "mean": asdict(together),
        "published": list(PUBLISHED.get(subset, ())),
        "text": together.line(),
    }


def shared(fleet: Engines, tests: Engines) -> tuple[Engines, Engines, tuple[str, ...]]:
    """Return both with only the columns that both have, and the columns left out."""
    both = tuple(n for n in fleet.columns if n in tests.columns)
    left_out = tuple(n for n in dict.fromkeys((*fleet.columns, *tests.columns)) if n not in both)
    if not any(n.startswith("s") for n in both):
        raise ModelError("training and test engines share no sensor: are both files of the same subset?")
    return fleet.keep(both), tests.keep(both), left_out
