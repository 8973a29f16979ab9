"""`testbed compare` as people run it: small plants, every output, and the books counted again from their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from testbed.cli import main
from testbed.compare.comparison import Comparison, Outcome, Progress
from testbed.compare.pool import Dask, Here, Processes, Workers
from testbed.compare.task import Plan, Result, Task
from tests.compare_plant import PRICES, plant, write_plant

QUIET = Progress(lambda what, steps: None, lambda: None, lambda text: None)
ALL = ("run_to_failure", "periodic", "condition", "predictive")


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """Two policies, two seeds, twenty days, through the command line."""
    folder = tmp_path_factory.mktemp("compare")
    out = folder / "out"
    with pytest.MonkeyPatch.context() as patch:
        words = ["compare", write_plant(folder), "--policies", "run_to_failure,periodic", "--seeds", 2, "--days", 20]
        patch.setattr("sys.argv", ["testbed", *map(str, words), "--jobs", "1", "--out", str(out), "--profile"])
        with pytest.raises(SystemExit) as end:
            main()
    assert not end.value.code
    return json.loads((out / "report.json").read_text(encoding="utf-8")), out


def test_the_folder_holds_report_page_pictures_and_books(compared: tuple[dict[str, Any], Path]) -> None:
    report, out = compared
    assert {p.name for p in out.iterdir()} >= {"report.json", "summary.md", "compare.en.png", "prices.json", "ledger"}
    assert (out / "compare.en.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(list((out / "ledger").iterdir())) == 4
    assert report["figures"]["wear_failures"]["by_policy"]["run_to_failure"]["mean"] > 0
    assert report["orders"]["periodic"]["done"] > 0
    assert report["profile"]["all"]["total"] > 0
    assert "Total cost" in (out / "summary.md").read_text(encoding="utf-8")


def test_a_skeptic_counts_the_costs_again(compared: tuple[dict[str, Any], Path]) -> None:
    """From the files alone: stops times prices, and every line of the ledger times the price list."""
    report, out = compared
    prices = json.loads((out / "prices.json").read_text(encoding="utf-8"))
    for policy in report["policies"]:
        for seed, total in zip(report["seeds"], _by_seed(report, policy), strict=True):
            lines = parquet.read_table(out / "ledger" / f"{policy}-{seed}.parquet").to_pylist()
            again = sum(line["quantity"] * prices[line["kind"]][line["item"]] for line in lines)
            assert again == pytest.approx(total, rel=1e-12)
            stops = parquet.read_table(out / "spans" / f"{policy}-{seed}.parquet").to_pylist()
            assert _stops(stops) == pytest.approx(_items(lines), rel=1e-9)


def _by_seed(report: dict[str, Any], policy: str) -> list[float]:
    order = np.argsort(report["seeds"])  # figures are in order of seeds
    values = np.empty(len(order))
    values[order] = report["figures"]["cost_total"]["by_seed"][policy]
    return list(values)


def _stops(stops: list[dict[str, Any]]) -> float:
    """KRW of all stops by the price list, from when they began and ended."""
    krw = 0.0
    for stop in stops:
        rest = (stop["busy_s"] - stop["worked_s"]) / 3600
        krw += stop["worked_s"] / 3600 * PRICES["downtime_h"] + rest * PRICES["rest_h"]
        failed = stop["state"] == "failed"
        krw += PRICES["repair_parts"] + PRICES["callout"] if failed else PRICES["planned_parts"]
        krw += 45_000 * (PRICES["repair_h"] if failed else PRICES["planned_h"])
    return krw


def _items(lines: list[dict[str, Any]]) -> float:
    return sum(line["krw"] for line in lines if line["item"] not in ("energy", "scrap", "late", "tool"))


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    folder = tmp_path_factory.mktemp("all")
    with Here() as workers:
        return folder, Comparison(plant(folder), ALL, 1, 14).run(workers, QUIET)


def test_every_policy_acts_and_the_alarms_are_judged(reference: tuple[Path, Outcome]) -> None:
    report = reference[1].report
    assert report["orders"]["run_to_failure"] == {}
    assert all(report["orders"][p].get("done", 0) > 0 for p in ("periodic", "predictive"))
    assert set(report["learnt"]["limits"]) == {"pump", "filler", "capper"}
    told = report["alarms"]["all"]
    assert told["predictable"] >= told["found"] >= 0
    assert told["machine_weeks"] == pytest.approx(5 * 2.0)


@pytest.mark.parametrize("where", ["processes", "dask"])
def test_results_are_the_same_wherever_they_are_worked_on(reference: tuple[Path, Outcome], where: str) -> None:
    """Bit for bit: figures, books and lives; models and limits travel with the task."""
    folder, outcome = reference
    limits = {kind: told["value"] for kind, told in outcome.report["learnt"]["limits"].items()}
    plan = Plan("predictive", limit=limits, models=outcome.models)
    tasks = [Task(plant(folder), 77, 8, plan), Task(plant(folder), 78, 8)]
    with Here() as workers:
        expected = workers.map(tasks, lambda: None)
    if where == "processes":
        _same(Processes(1), tasks, expected)
        return
    distributed = pytest.importorskip("distributed", reason="distributed is not installed: Dask cannot be tested")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        _same(Dask(cluster.scheduler_address), tasks, expected)


def _same(workers: Workers, tasks: list[Task], expected: list[Result]) -> None:
    done: list[int] = []
    with workers:
        results = workers.map(tasks, lambda: done.append(1))
    assert len(done) == len(tasks)
    for one, two in zip(results, expected, strict=True):
        assert (one.policy, one.seed) == (two.policy, two.seed)
        assert one.figures == pytest.approx(two.figures, rel=0, abs=0, nan_ok=True)
        assert one.ledger.equals(two.ledger)
        assert one.spans.equals(two.spans)
        assert one.lives.equals(two.lives)


def test_errors_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_plant(tmp_path)
    for words, says in (
        (["--policies", "hope"], "unknown policy 'hope'"),
        (["--seeds", "0"], "0 seeds"),
        (["--days", "1"], "too short"),
        (["--seeds", "1", "--out", str(tmp_path)], "is not empty"),
    ):
        monkeypatch.setattr("sys.argv", ["testbed", "compare", str(path), *words])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr().err.strip().splitlines()
        assert end.value.code in (1, 2)
        assert says in said[-1], said
