"""City and hub models against their published formulas and numbers."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.equipment.crossing import CrossingConfig, pedestrian_green
from simulator.equipment.dock import read_probability, tag_power
from simulator.equipment.noise_node import BANDS, WORKS
from simulator.equipment.streetlight import dali_arc, dali_percent
from simulator.equipment.water_zone import favad_flow, leak_exponent
from simulator.process.air_index import cai, sub_index
from simulator.process.cold_chain import (
    KineticRecorder,
    capacity,
    decay_rate,
    defrost_heat,
    demand,
    excess,
    mean_kinetic_temperature,
    swing,
)
from simulator.process.districts import DISTRICTS, NUMBERS, distances_km, nearest, road_m
from simulator.process.sound import a_weighting, energy_sum


def test_mean_kinetic_temperature_of_a_warm_spell() -> None:
    mean = (22.0 * float(decay_rate(5.0)) + 2.0 * float(decay_rate(15.0))) / 24.0
    assert mean_kinetic_temperature(mean) == pytest.approx(6.46, abs=0.005)
    assert mean_kinetic_temperature(float(decay_rate(5.0))) == pytest.approx(5.0)


def test_recorder_forgets_what_is_older_than_24_hours() -> None:
    recorder = KineticRecorder()
    warm = [(15.0 if hour < 2 else 5.0) for hour in range(24)]
    for cel in warm:
        recorder.add(np.array([cel]), 3600.0)
        last = recorder.close()
    assert last == pytest.approx(6.46, abs=0.005)
    for _ in range(2):
        recorder.add(np.array([5.0]), 3600.0)
        last = recorder.close()
    assert last == pytest.approx(5.0)


def test_cold_box_holds_until_the_unit_is_worn() -> None:
    summer = 31.0 - 4.0
    assert excess(demand(summer), capacity(0.0)) == 0.0
    assert float(excess(demand(summer), capacity(1.0))) > 3.0
    t = np.arange(0, 7 * 3600, 60, dtype=np.int64) * 10**9
    assert 2.0 < float(defrost_heat(t).max()) <= 4.0
    ripple, on = swing(t, np.full(t.shape, 0.4))
    assert float(on.mean()) == pytest.approx(0.4, abs=0.05)
    assert abs(float(ripple.mean())) < 0.1


def test_dali_curve_at_published_points() -> None:
    arcs = np.array([0, 1, 85, 127, 170, 229, 254])
    expected = [0.0, 0.1, 1.0, 3.1, 10.0, 50.5, 100.0]
    assert dali_percent(arcs).tolist() == pytest.approx(expected, rel=0.01)
    assert [dali_arc(p) for p in (0.0, 0.1, 1.0, 10.0, 100.0)] == [0, 1, 85, 170, 254]
    assert all(dali_arc(float(dali_percent(n))) == n for n in range(1, 255))


def test_favad_flow_is_orifice_and_slot() -> None:
    area = 2e-4
    assert float(favad_flow(40.0, area, 0.0)) == pytest.approx(0.6 * area * np.sqrt(2 * 9.80665 * 40.0))
    # doubling the head: N1 = 0.5 for a fixed area, 1.5 for an area that only the pressure opens
    assert float(favad_flow(80.0, area, 0.0) / favad_flow(40.0, area, 0.0)) == pytest.approx(2**0.5)
    assert float(favad_flow(80.0, 0.0, 1e-6) / favad_flow(40.0, 0.0, 1e-6)) == pytest.approx(2**1.5)
    # LN = m h / A0 = 1 gives N1 = 1
    assert leak_exponent(40.0, area, area / 40.0) == pytest.approx(1.0)
    step = float(
        np.log(favad_flow(40.2, area, area / 40.0) / favad_flow(39.8, area, area / 40.0)) / np.log(40.2 / 39.8)
    )
    assert step == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("pollutant", "concentration", "index"),
    [
        ("pm10", 30, 50), ("pm10", 31, 51), ("pm10", 80, 100), ("pm10", 81, 101), ("pm10", 150, 250),
        ("pm10", 600, 500),
        ("pm25", 15, 50), ("pm25", 16, 51), ("pm25", 45, 135), ("pm25", 75, 250), ("pm25", 76, 251),
        ("pm10", 30.9, 50),  # cut to whole ug/m3 first
        ("o3", 0.030, 50), ("o3", 0.031, 51), ("o3", 0.0909, 100), ("no2", 0.06, 100), ("no2", 0.061, 101),
        ("co", 2.0, 50), ("co", 2.01, 51), ("so2", 0.02, 50), ("so2", 0.151, 251), ("pm25", 0, 0), ("pm25", 900, 500),
    ],
)  # fmt: skip
def test_air_index_at_its_break_points(pollutant: str, concentration: float, index: int) -> None:
    assert round(float(sub_index(pollutant, concentration))) == index


def test_air_index_adds_for_several_unhealthy_pollutants() -> None:
    clean = {"pm10": 20.0, "pm25": 10.0, "o3": 0.02, "no2": 0.02}
    assert float(cai(clean)) == 33.0
    assert float(cai(clean | {"pm25": 45.0})) == 135.0
    assert float(cai(clean | {"pm25": 45.0, "pm10": 90.0})) == 135.0 + 50.0
    assert float(cai(clean | {"pm25": 45.0, "pm10": 90.0, "o3": 0.1})) == 135.0 + 75.0


def test_pedestrian_green() -> None:
    assert pedestrian_green(14.0, 0.7) == pytest.approx(27.0)
    assert CrossingConfig(length_m=24.0, area="a").green_s == pytest.approx(31.0)


@pytest.mark.parametrize(("exponent", "reach"), [(2.0, 11.6), (2.5, 7.1), (3.0, 5.1)])
def test_rfid_range_by_path_loss_exponent(exponent: float, reach: float) -> None:
    assert tag_power(reach, exponent) == pytest.approx(-18.0, abs=0.15)
    assert read_probability(tag_power(reach, exponent), 4.0, 1) == pytest.approx(0.5, abs=0.02)


def test_rounds_read_what_one_round_misses() -> None:
    assert read_probability(-18.0, 4.0, 5) == pytest.approx(1.0 - 0.5**5)


def test_octaves_sum_to_the_level() -> None:
    assert float(energy_sum(60.0, 60.0)) == pytest.approx(63.01, abs=0.01)
    assert float(energy_sum(*BANDS.values())) == pytest.approx(0.0, abs=0.1)


def test_districts_are_seoul() -> None:
    assert len(DISTRICTS) == 25
    assert all(37.42 < lat < 37.71 and 126.76 < lon < 127.19 for lat, lon in DISTRICTS.values())
    assert 20_000 < road_m(DISTRICTS["gangseo"], DISTRICTS["gangdong"]) < 40_000


def test_nearest_district() -> None:
    lat, lon = np.array([37.5709, 37.5040, np.nan]), np.array([126.988, 127.0480, np.nan])
    assert nearest(lat, lon).tolist() == [NUMBERS["jongno"], NUMBERS["gangnam"], -1]
    assert np.allclose(distances_km(), distances_km().T)


def test_a_weighting_is_within_a_tenth_of_the_table() -> None:
    hz = [31.5, 63, 125, 250, 500, 1000, 2000, 4000, 8000, 16000]
    table = [-39.4, -26.2, -16.1, -8.6, -3.2, 0.0, 1.2, 1.0, -1.1, -6.6]
    exact = 1000.0 * 10.0 ** (np.round(10 * np.log10(np.array(hz) / 1000.0)) / 10.0)
    assert a_weighting(exact).tolist() == pytest.approx(table, abs=0.1)
    assert float(energy_sum(*WORKS.values())) == pytest.approx(0.0, abs=1e-9)
