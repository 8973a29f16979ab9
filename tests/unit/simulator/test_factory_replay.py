"""Recorded data is played exactly, once, at its times."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.clock import NS
from core.config import load, parse
from core.errors import ConfigError
from simulator.domain import DomainConfig
from simulator.world import World, WorldConfig
from tests.sim_worlds import AIR, START, build, collect

ROOT = Path(__file__).parents[3]
BENCH = ROOT / "tests" / "data" / "bench.csv"
DATA = Path(os.environ.get("IIOT_DATA", ROOT.parent / "shared" / "data"))
HEAD = "rig,t,Oil temperature [Cel],speed,step,note"


def entry(**more: Any) -> dict[str, Any]:
    return {"kind": "replay", "area": "a", "file": str(BENCH), "group_by": "rig", "time": "t", **more}


def world(*entries: dict[str, Any], **more: Any) -> World:
    return build({"domain": "factory", "site": "s", "equipment": list(entries)}, **more)


def bench() -> dict[str, list[list[str]]]:
    lines = BENCH.read_text(encoding="utf-8").splitlines()
    assert lines[0] == HEAD
    groups: dict[str, list[list[str]]] = {}
    for line in lines[1:]:
        groups.setdefault(line.split(",")[0], []).append(line.split(","))
    return groups


def test_every_row_is_played_once_at_its_time() -> None:
    w = world(entry())
    rows = collect(w, 200 * NS, step=7 * NS)
    assert [d.device for d in w.devices] == ["replay-001", "replay-002", "replay-003"]  # east, north, west
    groups = bench()
    earliest = min(float(r[1]) for g in groups.values() for r in g)
    for n, name in enumerate(sorted(groups), 1):
        seq, t, x, q = rows[f"s/a/replay-{n:03d}/rows"]
        want = groups[name]
        assert seq.tolist() == list(range(len(want)))
        assert t.tolist() == pytest.approx([START + round((float(r[1]) - earliest) * 1e9) for r in want], abs=2)
        oil = np.array([float(r[2] or "nan") for r in want])
        np.testing.assert_array_equal(x[:, 0], oil)
        np.testing.assert_array_equal(x[:, 1], [float(r[3]) for r in want])
        assert ((q[:, 0] == 16) == np.isnan(oil)).all()  # a missing value is bad
        assert (q[:, 1:] == 192).all()
    assert w.devices[0].streams[0].layout.columns == ("oil_temperature_cel", "speed", "step")


def test_the_world_ends_after_the_last_row() -> None:
    w = world(entry())
    end = w.natural_end
    assert end is not None
    times = [t for _, t, _, _ in collect(w, end).values()]
    assert max(int(t[-1]) for t in times) - START == end - 1
    assert world(entry(), {"kind": "pump", "area": "p"}).natural_end is None
    assert build(AIR).natural_end is None


def test_rows_in_the_past_are_not_played_live() -> None:
    rows = collect(world(entry(start="-60s"), history="1h"), 200 * NS)
    for seq, t, _, _ in rows.values():
        assert t[0] >= START
        assert seq[0] == 0


def test_columns_count_limit_and_period_can_be_chosen() -> None:
    meaning = {"speed": {"name": "rpm", "quantity": "rotational-speed", "unit": "/min", "high": 3000.0}}
    w = world(entry(time="", every="2s", columns=meaning, count=2, limit=5, layout="rig"))
    rows = collect(w, 60 * NS)
    assert len(rows) == 2
    (channel,) = w.devices[0].streams[0].layout.channels
    assert (channel.name, channel.quantity, channel.unit) == ("rpm", "rotational-speed", "/min")
    assert w.devices[0].streams[0].layout.name == "rig.rows"
    _, t, x, q = rows["s/a/replay-001/rows"]
    assert (t - START).tolist() == [0, 2 * NS, 4 * NS, 6 * NS, 8 * NS]
    assert x[:, 0].max() <= 3000.0
    assert set(q[:, 0].tolist()) <= {192, 84}


def test_a_file_without_groups_is_one_device() -> None:
    w = world(entry(group_by="", id="bench"))
    (row,) = collect(w, 200 * NS).values()
    assert [d.device for d in w.devices] == ["bench"]
    assert len(row[0]) == sum(map(len, bench().values()))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"file": "/nowhere/x.csv"}, "no such file: /nowhere/x.csv"),
        ({"file": __file__}, "neither .csv nor .parquet"),
        ({"group_by": "ring"}, "has no column 'ring'; it has rig, t,"),
        ({"time": "note"}, "note holds no times"),
        ({"time": "step"}, "step does not increase in rig east"),
        ({"columns": {"note": {}}}, "no numeric column 'note'"),
        ({"columns": {"speed": {"name": "a"}, "step": {"name": "a"}}}, "two columns become the channel 'a'"),
    ],
)
def test_a_bad_recording_names_its_place(change: dict[str, Any], what: str) -> None:
    value = {"domain": "factory", "site": "s", "equipment": [{**entry(), **change}]}
    with pytest.raises(ConfigError) as caught:
        parse(value, DomainConfig, "d.yaml")
    assert "d.yaml:equipment.0" in str(caught.value)
    assert what in str(caught.value)


def test_real_turbofans_are_played_to_the_last_row(tmp_path: Path) -> None:
    file = DATA / "test_FD001.parquet"
    if not file.exists():
        pytest.skip(f"NOT TESTED ON REAL DATA: no {file}; set IIOT_DATA to the folder of C-MAPSS")
    from pyarrow import parquet

    shipped = (ROOT / "configs" / "domains" / "replay-cmapss.yaml").read_text(encoding="utf-8")
    (tmp_path / "d.yaml").write_text(shipped.replace("${data}", str(DATA)), encoding="utf-8")
    w = World(WorldConfig(domains=(load(tmp_path / "d.yaml", DomainConfig),)), START, 1)
    assert w.natural_end is not None
    rows = collect(w, w.natural_end, step=50 * NS)
    table = parquet.read_table(file)
    unit = table.column("unit").to_numpy()
    real = np.column_stack([table.column(n).to_numpy() for n in table.column_names[1:]]).astype(np.float64)
    assert len(rows) == 100
    assert sum(len(r[0]) for r in rows.values()) == 13_096
    assert w.catalog.layout("cmapss.rows").columns == tuple(table.column_names[1:])
    for n in range(1, 101):
        _, t, x, q = rows[f"replay/test-fd001/engine-{n:03d}/rows"]
        np.testing.assert_array_equal(x, real[unit == n])
        assert (np.diff(t) == NS).all()
        assert (q == 192).all()
