from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from chamber.checks.dust_check import DustCheck
from chamber.evidence import Judged
from chamber.plan import TestPlan
from chamber.recording import Recording
from chamber.verdict import judge, method_of, overall
from core.ports import Check
from core.quality import BAD_SENSOR, UNCERTAIN

Change = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def changed(table: pa.Table, change: Change) -> pa.Table:
    """Return the table with (pm25, quality) passed through ``change``."""
    x, q = change(table.column("pm25").to_numpy().copy(), table.column("pm25__q").to_numpy().copy())
    table = table.set_column(table.column_names.index("pm25"), "pm25", pa.array(x))
    return table.set_column(table.column_names.index("pm25__q"), "pm25__q", pa.array(q, type=pa.uint8()))


def results(recording: Recording, units: dict[str, pa.Table], reference: pa.Table | None = None) -> dict[str, Judged]:
    check: Check = DustCheck(recording.plan.check, method_of(recording))
    found = check.judge(units, recording.reference if reference is None else reference)
    return {r.requirement: r for r in found if isinstance(r, Judged)}


def perfect(recording: Recording, gain: float = 1.0) -> dict[str, pa.Table]:
    """Units that say what the reference says, times a gain."""
    return {unit: changed(recording.reference, lambda x, q: (gain * x, q)) for unit in recording.units}


def test_units_that_repeat_the_reference_are_perfect(good: Recording) -> None:
    found = results(good, perfect(good))
    assert found["accuracy"].measured == pytest.approx(100.0)
    assert found["r2"].measured == pytest.approx(1.0)
    assert found["data_rate"].measured == 100.0
    assert found["relative_precision"].measured == pytest.approx(100.0)
    assert {r.outcome for r in found.values()} == {"PASS"}


@pytest.mark.parametrize(("gain", "outcome"), [(1.19, "PASS"), (1.21, "FAIL"), (0.81, "PASS"), (0.79, "FAIL")])
def test_a_gain_error_of_a_fifth_decides_accuracy(good: Recording, gain: float, outcome: str) -> None:
    found = results(good, perfect(good, gain))["accuracy"]
    assert found.measured == pytest.approx(100 * (1 - abs(gain - 1)))
    assert found.outcome == outcome


def test_exceeds_and_reaches_differ_at_the_limit(plan: TestPlan) -> None:
    rule = plan.check.requirements[0]
    reaches = rule.model_copy(update={"limit": rule.limit.model_copy(update={"compare": ">="})})
    assert Judged.of(rule, 80.0, []).outcome == "FAIL"
    assert Judged.of(reaches, 80.0, []).outcome == "PASS"
    assert Judged.of(rule, 80.0, []).limit == "> 80"


def test_what_is_not_good_does_not_count(good: Recording) -> None:
    """The first unit is BAD or UNCERTAIN, with absurd values, for the first half of every hour."""

    def spoil(x: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        minute = np.arange(len(x)) % 60
        q[minute < 20], q[(minute >= 20) & (minute < 30)] = BAD_SENSOR, UNCERTAIN
        x[minute < 30] = 9999.0
        return x, q

    units = perfect(good)
    first = next(iter(units))
    units[first] = changed(units[first], spoil)
    found = results(good, units)
    assert found["data_rate"].measured == 0.0, "30 of 60 readings are below the completeness of 75 %"
    assert found["data_rate"].outcome == "FAIL"
    assert found["accuracy"].measured == pytest.approx(100.0)
    spoilt = next(line for line in found["data_rate"].lines if line.en.startswith(first))
    assert f"{good.reference.num_rows // 3} BAD" in spoilt.en
    assert f"{good.reference.num_rows // 6} UNCERTAIN" in spoilt.en


def test_one_unit_is_not_enough_for_precision(good: Recording) -> None:
    units = dict(list(perfect(good).items())[:1])
    found = results(good, units)["relative_precision"]
    assert found.outcome == "NOT-TESTED"
    assert found.measured is None
    assert "at least 2" in found.evidence


def test_too_few_hours_are_not_tested(good: Recording) -> None:
    """Only the chamber phase and 100 of 168 hours of the field phase were recorded."""
    rows = (3 + 100) * 60
    units = {unit: table.slice(0, rows) for unit, table in perfect(good).items()}
    found = results(good, units, good.reference.slice(0, rows))
    outcomes = {name: r.outcome for name, r in found.items()}
    assert outcomes.pop("repeatability") == "PASS"
    assert set(outcomes.values()) == {"NOT-TESTED"}
    assert "100 valid averages where 168" in found["accuracy"].evidence


def test_a_silent_unit_fails_the_data_rate_and_leaves_repeatability_untested(good: Recording) -> None:
    units = perfect(good)
    last = list(units)[-1]
    units[last] = units[last].slice(0, 0)
    found = results(good, units)
    assert found["data_rate"].measured == 0.0
    assert found["repeatability"].outcome == "NOT-TESTED"
    assert last in found["repeatability"].evidence
    assert overall(list(found.values())) == "FAIL"


def test_no_rows_at_all_are_not_tested(good: Recording) -> None:
    empty = good.reference.slice(0, 0)
    found = results(good, dict.fromkeys(good.units, empty), empty)
    assert {r.outcome for r in found.values()} == {"NOT-TESTED"}


def test_hours_below_the_floor_are_stated(good: Recording) -> None:
    reference = changed(good.reference, lambda x, q: (np.where(np.arange(len(x)) >= 300 * 60, 4.0, x), q))
    found = results(good, perfect(good), reference)["accuracy"]
    assert found.outcome == "PASS"
    assert "39 averages with a reference below 5" in found.evidence


def test_a_stuck_sensor_fails(good: Recording) -> None:
    units = {unit: changed(table, lambda x, q: (np.full(len(x), 25.0), q)) for unit, table in perfect(good).items()}
    found = results(good, units)
    assert (found["r2"].measured, found["r2"].outcome) == (0.0, "FAIL")


def test_the_good_device_passes_and_the_biased_one_fails(good: Recording, biased: Recording) -> None:
    assert judge(good).outcome == "PASS"
    found = judge(biased)
    assert found.outcome == "FAIL"
    assert found.result("accuracy").outcome == "FAIL"
    assert 20 < (found.result("accuracy").measured or 0) < 70, "like the uncompensated sensors of JOIE21 (31 %)"


def test_overall() -> None:
    def one(outcome: str) -> Judged:
        return Judged("x", outcome, None, "", "", "")

    assert overall([one("PASS"), one("PASS")]) == "PASS"
    assert overall([one("PASS"), one("NOT-TESTED")]) == "NOT-TESTED"
    assert overall([one("NOT-TESTED"), one("FAIL")]) == "FAIL"
    assert overall([]) == "NOT-TESTED"
