"""``testbed gallery``: a year of the shared environment against published bands, as a page and plots."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.clock import NS
from simulator.environment import Environment
from simulator.equipment.meter import household_kw
from simulator.grid import Floats
from simulator.holidays import DAY, HOUR, is_workday
from simulator.process.air import Site, particles
from simulator.process.districts import DISTRICTS
from simulator.wear.bearing import BearingWear

_START = 1_735_657_200 * NS  # 2025-01-01 0 h in Seoul
_HOURS = 365 * 24


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a simulated year with the band it is expected in."""

    name: str
    value: float
    low: float
    high: float
    unit: str
    source: str

    @property
    def inside(self) -> bool:
        """Tell whether it lies in its band."""
        return self.low <= self.value <= self.high


@dataclass(frozen=True, slots=True, eq=False)
class Year:
    """Hourly values of 2025: utc int64[n]; particles float64[n, 25], ug/m3; the others float64[n]."""

    utc: np.ndarray
    pm10: Floats
    pm25: Floats
    fields: dict[str, Floats]


def year(seed: int) -> Year:
    """Return a year of the environment."""
    weather = Environment(seed, _START, 0)
    t = np.arange(_HOURS, dtype=np.int64) * HOUR
    zones = np.arange(len(DISTRICTS))
    each = np.repeat(t[:, None], len(zones), axis=1)
    site = Site(zones, np.array([[lon for _, lon in DISTRICTS.values()]]), np.ones((1, len(zones))))
    pm10, pm25 = particles(weather, each, site, weather.at("traffic", each))
    names = ("temperature", "rain", "dust", "traffic", "mains")
    return Year(weather.utc(t), pm10, pm25, {name: weather.at(name, t) for name in names})


def figures(seed: int) -> list[Figure]:
    """Return the figures of a simulated year."""
    y = year(seed)
    daily = y.pm10.mean(axis=1).reshape(-1, 24).mean(axis=1)
    month = np.arange(365) * 12 // 365
    spring, autumn = (daily[np.isin(month, of)].mean() for of in ((0, 1, 2), (7, 8)))
    hour, workday = np.arange(_HOURS) % 24, is_workday(y.utc)
    traffic, rain, cel = y.fields["traffic"], y.fields["rain"], y.fields["temperature"]
    kw = household_kw(y.utc, cel)
    logs = np.log(np.maximum(y.pm10, 1.0))
    near = np.corrcoef(logs.T)[np.triu_indices(len(DISTRICTS), 1)]
    model = BearingWear(life_h=1000.0)
    lives = [model.path(np.random.default_rng([seed, n])).life_s / 3600.0 for n in range(200)]
    own = "own band, unverified"
    return [
        Figure("PM10, mean of the year", float(y.pm10.mean()), 28, 52, "ug/m3", "Seoul 2013: 45; 2018-2021: 33-41"),
        Figure("PM2.5, mean of the year", float(y.pm25.mean()), 14, 28, "ug/m3", "2013: 26.6; 2018-2021: 17-22"),
        Figure("PM10, winter over late summer", float(spring / autumn), 1.3, 3.0, "1", "high Dec-Mar, low Aug-Sep"),
        Figure("PM10, spread (GSD)", float(np.exp(logs.std())), 1.4, 2.1, "1", "lognormal 1.6-1.8"),
        Figure("PM10, highest hour", float(y.pm10.max()), 120, 1000, "ug/m3", "peaks to 517 (May 2021)"),
        Figure("PM2.5 / PM10", float(np.median(y.pm25) / np.median(y.pm10)), 0.45, 0.6, "1", "0.45-0.6"),
        Figure("PM10, correlation of districts", float(near.mean()), 0.6, 0.99, "1", own),
        Figure("days with yellow dust", float((y.fields["dust"].reshape(-1, 24).max(axis=1) > 0.1).sum()),
               2, 30, "d", "5-10 d a year, years differ"),
        Figure("temperature, mean", float(cel.mean()), 10.5, 15.5, "Cel", "KMA normal 12.8"),
        Figure("rain", float(rain.sum()), 800, 2200, "mm", "KMA normal 1418; 800-2000 in single years"),
        Figure("traffic, 8 h over 3 h on workdays", float(traffic[workday & (hour == 8)].mean()
               / traffic[workday & (hour == 3)].mean()), 4, 12, "1", own),
        Figure("load of a household", float(kw.mean() * 730), 290, 380, "kW.h / month", "300-350"),
        Figure("load factor of a household", float(kw.mean() / kw.max()), 0.3, 0.7, "1", "blocks of flats 64 %"),
        Figure("grid, load factor", float(y.fields["mains"].mean() / y.fields["mains"].max()), 0.55, 0.8, "1", own),
        Figure("life of a bearing, median", float(np.median(lives)), 930, 1070, "h", "set to 1000"),
        Figure("life of a bearing, spread", float(np.std(np.log(lives))), 0.2, 0.3, "1", "set to 0.25"),
    ]  # fmt: skip


def page(seed: int) -> str:
    """Return the page of a year's figures."""
    rows = [
        f"| {f.name} | {f.value:.3g} | {f.low:g} to {f.high:g} | {f.unit} | "
        f"{'yes' if f.inside else '**no**'} | {f.source} |"
        for f in figures(seed)
    ]
    head = (
        "# Statistics of a simulated year\n\nMade by `testbed gallery --out docs`; do not edit. The shared environment "
        f"over 2025, hour by hour, seed {seed}; a test asserts the bands for several seeds.\n\n"
        "| figure | value | band | unit | inside | where the band comes from |\n|---|---|---|---|---|---|\n"
    )
    return head + "\n".join(rows) + "\n\n![A year in Seoul](plots/year.png)\n"


def write(folder: Path, seed: int) -> list[Path]:
    """Write the page and its plot; returns the files."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    (folder / "plots").mkdir(parents=True, exist_ok=True)
    y, days = year(seed), np.arange(_HOURS) * (HOUR / DAY)
    shown = {
        "PM10, ug/m3": y.pm10.mean(axis=1),
        "PM2.5, ug/m3": y.pm25.mean(axis=1),
        "Temperature, Cel": y.fields["temperature"],
        "Rain, mm/h": y.fields["rain"],
        "Grid load, share of peak": y.fields["mains"],
    }
    figure, axes = pyplot.subplots(len(shown), 1, figsize=(9, 9), sharex=True)
    for axis, (name, values) in zip(axes, shown.items(), strict=True):
        axis.plot(days, values, linewidth=0.5)
        axis.set_ylabel(name, fontsize=7)
    axes[-1].set_xlabel("day of 2025")
    figure.tight_layout()
    plot, text = folder / "plots" / "year.png", folder / "statistics.md"
    figure.savefig(plot, dpi=70)
    pyplot.close(figure)
    text.write_text(page(seed), encoding="utf-8")
    return [text, plot]
