from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chamber import recording as recordings
from chamber.plan import TestPlan
from chamber.recorder import Recorder
from chamber.recording import Recording, RecordingError, RunFacts
from chamber.service import check, report
from chamber.verdict import judge, to_json
from core.batch import Batch
from core.spec import ChannelSpec, DeviceSpec, Identity, LayoutSpec, StreamSpec


@pytest.fixture
def folder(tmp_path: Path, good: Recording) -> Path:
    recordings.save(good, tmp_path / "run")
    return tmp_path / "run"


def test_a_recording_comes_back_as_it_was(folder: Path, good: Recording) -> None:
    again = recordings.load(folder)
    assert again.plan == good.plan
    assert again.facts == good.facts
    assert again.reference.equals(good.reference)
    assert list(again.units) == list(good.units)
    for unit, table in good.units.items():
        for name in table.column_names:
            before, after = table.column(name).to_numpy(), again.units[unit].column(name).to_numpy()
            assert np.array_equal(before, after, equal_nan=name == "pm25")
    assert to_json(judge(good))["requirements"] == to_json(judge(again))["requirements"]


def test_check_writes_verdict_report_and_junit_and_can_be_repeated(folder: Path) -> None:
    first = check(folder)
    verdict = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
    assert verdict["overall"] == first.outcome == "PASS"
    assert verdict["recording"]["sha256"] == first.recording.digest
    assert {r["requirement"]: r["outcome"] for r in verdict["requirements"]}["accuracy"] == "PASS"
    assert [d["identity"]["serial"] for d in verdict["devices"]]
    assert (folder / "junit.xml").exists()
    assert report(folder).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert check(folder).outcome == "PASS"


@pytest.mark.parametrize("name", ["plan.json", "catalog.json", "rows/unit-2.parquet", "rows/reference.parquet"])
def test_a_changed_file_is_refused(folder: Path, name: str) -> None:
    path = folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=name):
        check(folder)
    assert not (folder / "verdict.json").exists()


def test_a_missing_or_additional_file_is_refused(folder: Path) -> None:
    (folder / "rows" / "unit-4.parquet").write_bytes(b"x")
    with pytest.raises(RecordingError, match=r"unit-4.parquet is not part"):
        check(folder)
    (folder / "rows" / "unit-4.parquet").unlink()
    (folder / "rows" / "unit-1.parquet").unlink()
    with pytest.raises(RecordingError, match=r"unit-1.parquet is missing"):
        check(folder)


def test_a_manifest_rewritten_after_the_verdict_is_refused(folder: Path) -> None:
    check(folder)
    path = folder / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"device": "good"', '"device": "fine"'), encoding="utf-8")
    with pytest.raises(RecordingError, match="manifest was changed"):
        check(folder)


def test_what_is_no_recording_is_refused(tmp_path: Path, folder: Path, good: Recording) -> None:
    with pytest.raises(RecordingError, match="not a recording"):
        check(tmp_path)
    (folder / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(RecordingError, match="not JSON"):
        check(folder)
    with pytest.raises(RecordingError, match="not empty"):
        recordings.save(good, folder)


LAYOUT = LayoutSpec("x.air", (ChannelSpec("pm25", "pm25", "ug/m3"),))


def device(path: str, stream: str, layout: LayoutSpec = LAYOUT) -> DeviceSpec:
    site, area, name = path.split("/")
    return DeviceSpec(
        site, area, name, "x", "third_party", name, Identity("m", "1", "urn:x"), (StreamSpec(stream, layout),)
    )


def rows(plan: TestPlan, seq: list[int], sid: int = 1, t: list[int] | None = None) -> Batch:
    n = len(seq)
    times = np.array(t if t is not None else seq, dtype=np.int64) * plan.period + plan.start_ns
    number, start = np.array(seq, dtype=np.int64), np.full(n, sid, dtype=np.int64)
    x = np.array(times % 97, dtype=np.float64)[:, None]
    return Batch(LAYOUT, np.zeros(n, np.int32), start, number, times, x, np.full((n, 1), 192, np.uint8))


def born(plan: TestPlan) -> Recorder:
    recorder = Recorder(plan)
    for path in recorder.devices:
        recorder.birth(device(path, "climate" if path.endswith("climate") else "air"))
    return recorder


def facts(plan: TestPlan) -> RunFacts:
    return RunFacts(plan.start_ns, 0, 0, 0.0, "good", {})


def test_the_recorder_drops_doubles_counts_gaps_and_sorts(plan: TestPlan) -> None:
    recorder = born(plan)
    unit = plan.device_under_test.units[0]
    for seq in ([3, 4, 5], [0, 1], [4, 5, 8]):
        recorder.rows(f"{unit}/air", rows(plan, seq))
    recorder.rows(f"{unit}/air", rows(plan, [0, 1], sid=2, t=[20, 21]))
    recorder.last(f"{unit}/air", 1, 9)
    recorder.rows("lab/chamber/stranger/air", rows(plan, [0]))
    made = recorder.recording(facts(plan))
    table, transport = made.units[unit], made.facts.transport[unit]
    assert table.column("seq").to_pylist() == [0, 1, 3, 4, 5, 8, 0, 1]
    assert (transport.rows, transport.doubled, transport.lost) == (8, 2, 4)  # 2, 6, 7, 9


def test_the_recorder_keeps_rows_without_seq_by_their_time_and_inside_the_window(plan: TestPlan) -> None:
    recorder = born(plan)
    unit = plan.device_under_test.units[1]
    end = plan.duration // plan.period
    recorder.rows(f"{unit}/air", rows(plan, [-1] * 5, sid=0, t=[0, 1, 1, end, -1]))
    made = recorder.recording(facts(plan))
    assert made.units[unit].num_rows == 2
    assert made.facts.transport[unit].doubled == 1
    assert made.units[plan.device_under_test.units[0]].num_rows == 0


def test_the_recorder_refuses_what_cannot_be_compared(plan: TestPlan) -> None:
    recorder = Recorder(plan)
    with pytest.raises(RecordingError, match="no birth from lab/chamber/pm-1"):
        recorder.recording(facts(plan))
    milligrams = LayoutSpec("y.air", (ChannelSpec("pm25", "pm25", "mg/m3"),))
    recorder = born(plan)
    recorder.birth(device(plan.device_under_test.units[0], "air", milligrams))
    with pytest.raises(RecordingError, match="pm25 in mg/m3"):
        recorder.recording(facts(plan))
    other = LayoutSpec("z.air", (ChannelSpec("pm10", "pm10", "ug/m3"),))
    recorder = born(plan)
    recorder.birth(device(plan.device_under_test.units[0], "air", other))
    with pytest.raises(RecordingError, match="no channel pm25"):
        recorder.recording(facts(plan))


def test_the_recorder_knows_when_the_last_row_is_here(plan: TestPlan) -> None:
    recorder = born(plan)
    unit = plan.device_under_test.units[0]
    assert recorder.caught_up
    recorder.last(f"{unit}/air", 1, 3)
    assert not recorder.caught_up
    recorder.rows(f"{unit}/air", rows(plan, [0, 1, 2]))
    assert not recorder.caught_up
    recorder.rows(f"{unit}/air", rows(plan, [3]))
    assert recorder.caught_up
    assert recorder.count(unit) == 4


def test_a_device_of_which_nothing_arrived_lost_everything_it_spoke_of(plan: TestPlan) -> None:
    recorder = born(plan)
    unit = plan.device_under_test.units[0]
    recorder.last(f"{unit}/air", 1, 9)
    assert recorder.recording(facts(plan)).facts.transport[unit].lost == 10


def test_a_unit_may_restart_but_not_become_another_during_the_test(plan: TestPlan) -> None:
    recorder = born(plan)
    unit = device(plan.device_under_test.units[0], "air")
    recorder.birth(replace(unit, identity=Identity("m", "0", "urn:x")))  # before the test: the newest counts
    recorder.birth(unit)
    recorder.begun = True
    recorder.birth(unit)
    with pytest.raises(RecordingError, match="became another device"):
        recorder.birth(replace(unit, identity=Identity("m", "2", "urn:x")))
    with pytest.raises(RecordingError, match="changed its channels"):
        recorder.birth(device(unit.path, "air", LayoutSpec("z.air", (ChannelSpec("pm10", "pm10", "ug/m3"),))))
