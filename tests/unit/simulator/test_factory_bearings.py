"""Rolling bearings: frequencies against the CWRU list, envelope spectra of spalls, vibration by the zones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.signal import butter, hilbert, sosfiltfilt

from core.clock import NS
from simulator.process.bearings import BEARINGS, Part
from tests.sim_worlds import build, collect

RATE = 2560.0
RPM = 1480.0
PUMP = "s/u/pump-01"


def hall(spall: str = "outer", kind: str = "pump", **more: Any) -> dict[str, Any]:
    entry = {"kind": kind, "area": "u", "waveform": True, "spall": spall, "bearing": {"life_h": 100}, **more}
    return {"domain": "factory", "site": "s", "equipment": [entry]}


def bursts(world: Any, device: str = PUMP, n: int = 12) -> np.ndarray:
    """Return n bursts of 1,024 samples of acceleration, m/s2."""
    t, x = (part for part in collect(world, world.now + n * 10 * NS)[f"{device}/waveform"][1:3])
    starts = np.flatnonzero(np.diff(t, prepend=t[0] - NS) > NS // 100)
    whole = [x[s : s + 1024, 0] for s in starts if s + 1024 <= len(x)]
    return np.array([burst for burst in whole if np.isfinite(burst).all()])


def worn(part: str, share: float = 0.9, **more: Any) -> Any:
    """Return a world whose pump has used that share of its bearing's life."""
    world = build(hall(part, **more))
    bearing = world.assets[PUMP if more.get("kind", "pump") == "pump" else f"s/u/{more['kind']}-01"].components[
        "bearing"
    ]
    world.fast_forward(round(bearing.life.path.life_s * share) * NS)
    return world


def envelope(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (Hz, mean amplitude) of the envelope spectrum of bursts around the resonance."""
    band = butter(4, (600.0, 1200.0), "bandpass", fs=RATE, output="sos")
    tops = np.abs(hilbert(sosfiltfilt(band, x, axis=1), axis=1))
    tops = (tops - tops.mean(axis=1, keepdims=True)) * np.hanning(x.shape[1])
    size = 8192
    return np.fft.rfftfreq(size, 1 / RATE), np.abs(np.fft.rfft(tops, size, axis=1)).mean(axis=0)


def peak(hz: np.ndarray, spectrum: np.ndarray, low: float, high: float) -> float:
    inside = (hz >= low) & (hz <= high)
    return float(hz[inside][np.argmax(spectrum[inside])])


@pytest.mark.parametrize(
    ("name", "ftf", "bpfo", "bpfi", "twice_bsf"),
    [("6205", 0.39828, 3.5848, 5.4152, 4.7135), ("6203", 0.3817, 3.0530, 4.9469, 3.9874)],
)
def test_frequencies_are_those_of_the_cwru_list(
    name: str, ftf: float, bpfo: float, bpfi: float, twice_bsf: float
) -> None:
    bearing = BEARINGS[name]
    assert bearing.ftf == pytest.approx(ftf, abs=2e-4)
    assert bearing.bpfo == pytest.approx(bpfo, abs=2e-4)
    assert bearing.bpfi == pytest.approx(bpfi, abs=2e-4)
    assert 2 * bearing.bsf == pytest.approx(twice_bsf, abs=3e-3)


@pytest.mark.parametrize(("part", "order"), [("outer", 3.5848), ("inner", 5.4152), ("ball", 4.7135)])
def test_the_envelope_of_a_spall_shows_its_frequency(part: Part, order: float) -> None:
    hz, spectrum = envelope(bursts(worn(part)))
    expected = order * RPM / 60
    assert peak(hz, spectrum, 40, 220) == pytest.approx(expected, rel=0.02)
    floor = np.median(spectrum[(hz > 40) & (hz < 220)])
    at = (hz > 0.98 * expected) & (hz < 1.02 * expected)
    assert spectrum[at].max() > 5 * floor


def test_an_inner_race_has_sidebands_of_the_shaft_and_an_outer_has_not() -> None:
    def sideband(part: str, order: float) -> float:
        hz, spectrum = envelope(bursts(worn(part)))
        f, fr = peak(hz, spectrum, 0.97 * order * RPM / 60, 1.03 * order * RPM / 60), RPM / 60
        near = lambda g: spectrum[(hz > g - 3) & (hz < g + 3)].max()  # noqa: E731
        return float((near(f - fr) + near(f + fr)) / 2 / near(f))

    assert sideband("inner", 5.4152) > 0.25
    assert sideband("outer", 3.5848) < 0.15


def test_a_new_bearing_shows_the_shaft_and_no_spall() -> None:
    world = build(hall())
    x = bursts(world)
    spectrum = np.abs(np.fft.rfft(x * np.hanning(1024), axis=1)).mean(axis=0)
    hz = np.fft.rfftfreq(1024, 1 / RATE)
    assert peak(hz, spectrum, 10, 1000) in (pytest.approx(RPM / 60, abs=2.5), pytest.approx(RPM / 30, abs=2.5))
    old, young = envelope(bursts(worn("outer")))[1], envelope(x)[1]
    assert old.max() > 20 * young.max()


@pytest.mark.parametrize("share", [0.1, 0.7, 0.95])
def test_waveform_and_vibration_velocity_tell_the_same(share: float) -> None:
    world = worn("outer", share)
    begin = world.now
    rows = collect(world, begin + 300 * NS)
    shown = float(np.nanmean(rows[f"{PUMP}/health"][2][:, 0]))
    t, x = rows[f"{PUMP}/waveform"][1:3]
    starts = np.flatnonzero(np.diff(t, prepend=t[0] - NS) > NS // 100)
    rms = []
    hz = np.fft.rfftfreq(1024, 1 / RATE)
    band = (hz >= 10) & (hz <= 1000)
    for s in starts:
        if s + 1024 > len(x):
            continue
        spectrum = np.fft.rfft(x[s : s + 1024, 0]) / 1024
        velocity = 1000 * np.abs(spectrum[band]) / (2 * np.pi * hz[band])
        rms.append(np.sqrt(2 * np.sum(velocity**2)))
    assert np.mean(rms) == pytest.approx(shown, rel=0.2)


@pytest.mark.parametrize("kind", ["fan", "compressor"])
def test_fans_and_compressors_have_waveforms_too(kind: str) -> None:
    world = worn("outer", kind=kind)
    rpm = {"fan": 980.0, "compressor": 2950.0}[kind]
    hz, spectrum = envelope(bursts(world, f"s/u/{kind}-01"))
    expected = 3.5848 * rpm / 60
    assert peak(hz, spectrum, 0.6 * expected, 1.6 * expected) == pytest.approx(expected, rel=0.03)


def test_vibration_passes_the_zones_of_a_life() -> None:
    """ISO 20816-3 group 2, rigid (limits of secondary sources): new in A, failing in D."""
    world = build(hall())
    new = float(np.nanmean(collect(world, 60 * NS)[f"{PUMP}/health"][2][:, 0]))
    old = worn("outer", 0.998)
    begin = old.now
    end = float(np.nanmean(collect(old, begin + 60 * NS)[f"{PUMP}/health"][2][:, 0]))
    assert new < 1.4
    assert end > 4.5


def test_machines_draw_which_part_spalls() -> None:
    world = build(hall("drawn", count=10, bearing={"life_h": 100, "scatter": 0, "roughness": 0}))
    world.fast_forward(95 * 3600 * NS)
    rows = collect(world, world.now + 40 * NS)
    found = set()
    for n in range(1, 11):
        t, x = rows[f"s/u/pump-{n:02d}/waveform"][1:3]
        starts = np.flatnonzero(np.diff(t, prepend=t[0] - NS) > NS // 100)
        whole = np.array([x[s : s + 1024, 0] for s in starts if s + 1024 <= len(x)])
        found.add(round(peak(*envelope(whole), 60, 220) / (RPM / 60), 1))
    assert len(found & {3.6, 5.4, 4.7}) >= 2, found
