"""The command line as people and programs use it: exit codes, one line an error, JSON where it is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.cli import main
from tests.integration.testbed.harness import MIXED, ROOT, birth, row, write_scenario

SCENARIOS = sorted((ROOT / "configs" / "scenarios").glob("*.yaml"))
Said = tuple[int, str, str]
Cli = Callable[..., Said]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run the command line in this process; returns exit code, standard output and standard error."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.delenv("IIOT_DATA", raising=False)
    monkeypatch.delenv("TESTBED_DATA_DIR", raising=False)

    def run(*words: object) -> Said:
        monkeypatch.setattr("sys.argv", ["testbed", *map(str, words)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(bool(end.code))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


# --- configuration -------------------------------------------------------------------------------------------------


def test_every_shipped_scenario_is_right(cli: Cli, tmp_path: Path) -> None:
    ours = [s for s in SCENARIOS if "${data}" not in s.read_text(encoding="utf-8")]
    assert {s.name for s in ours} >= {"seoul.yaml", "smoke.yaml"}
    code, out, _ = cli("config", "check", *ours)
    assert (code, out.count("ok ")) == (0, len(ours)), out


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if "${data}" in s.read_text(encoding="utf-8")], ids=str)
def test_a_scenario_of_real_data_says_that_it_needs_its_folder(cli: Cli, scenario: Path) -> None:
    code, out, _ = cli("config", "check", scenario)
    assert code == 2
    assert len(out.splitlines()) == 1
    assert "--data" in out


def test_the_plan_of_the_story_is_of_the_size_that_was_asked_for(cli: Cli) -> None:
    code, out, _ = cli("config", "plan", "configs/scenarios/seoul.yaml", "--json")
    plan = json.loads(out)
    assert code == 0
    assert plan["devices"] >= 40
    assert plan["channels"] >= 150
    assert set(plan["domains"]) == {"factory", "logistics", "urban"}
    assert set(plan["protocols"]) >= {"mqtt", "opcua"}
    assert cli("config", "plan", "configs/scenarios/seoul.yaml")[0] == 0


def test_the_schema_is_json(cli: Cli) -> None:
    assert {"scenario", "domain"} <= set(json.loads(cli("config", "schema")[1]))


Change = Callable[[dict[str, Any], dict[str, Any]], None]


def _misspell(scenario: dict[str, Any], domain: dict[str, Any]) -> None:
    scenario["sead"] = 4


def _speed(scenario: dict[str, Any], domain: dict[str, Any]) -> None:
    scenario["speed"] = "fast"


def _kind(scenario: dict[str, Any], domain: dict[str, Any]) -> None:
    domain["equipment"][1]["kind"] = "pmup"


def _no_domain(scenario: dict[str, Any], domain: dict[str, Any]) -> None:
    scenario["domains"] = ["small-domian.yaml"]


def _start(scenario: dict[str, Any], domain: dict[str, Any]) -> None:
    scenario["start"] = "tomorrow"


def _rule(scenario: dict[str, Any], domain: dict[str, Any]) -> None:
    scenario["gateway"] = {"rules": [{"name": "r", "when": {"channel": "speed", "op": ">", "value": 1}, "then": {}}]}


def _fault(scenario: dict[str, Any], domain: dict[str, Any]) -> None:
    scenario["faults"] = [{"at": "1s", "device": "pump-99", "fault": "bearing_fatigue"}]


@pytest.mark.parametrize(
    ("change", "where", "hint"),
    [
        (_misspell, "small.yaml:sead", "did you mean seed?"),
        (_speed, "small.yaml:speed", "fast"),
        (_kind, "small-domain.yaml:equipment.1", "did you mean pump?"),
        (_no_domain, "small-domian.yaml", "did you mean"),
        (_start, "small.yaml:start", "2026-03-02T08:00:00Z"),
        (_rule, "small.yaml:gateway.rules.0.", "kind"),
        (_fault, "small.yaml:faults", "pump-99"),
    ],
)
def test_a_wrong_file_is_one_line_with_its_place(
    cli: Cli, tmp_path: Path, change: Change, where: str, hint: str
) -> None:
    path = write_scenario(tmp_path)
    file = path.parent / "small-domain.yaml"
    scenario, domain = (yaml.safe_load(p.read_text(encoding="utf-8")) for p in (path, file))
    change(scenario, domain)
    path.write_text(yaml.safe_dump(scenario), encoding="utf-8")
    file.write_text(yaml.safe_dump(domain), encoding="utf-8")
    code, out, err = cli("config", "check", path)
    assert code == 2
    assert len(out.splitlines()) == 1, out
    assert where in out
    assert hint in out
    code, out, err = cli("up", path, "--data-dir", tmp_path / "data", "--for", "1s")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1, err
    assert where in err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--for", "soon"], "90s"),
        (["--speed", "fast"], "--speed"),
        (["--start", "someday"], "--start"),
        (["--quantum", "-1s"], "duration"),
        (["--broker", "hivemq"], "mosquitto"),
        (["--replay-commands", "nowhere.jsonl"], "nowhere.jsonl"),
    ],
)
def test_a_wrong_option_is_one_line(cli: Cli, tmp_path: Path, words: list[str], text: str) -> None:
    code, _, err = cli("up", write_scenario(tmp_path), "--data-dir", tmp_path / "data", *words)
    assert code == 2
    assert text in err
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1, err


def test_a_data_folder_that_is_a_file_is_one_line(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("", encoding="utf-8")
    code, _, err = cli("up", write_scenario(tmp_path), "--data-dir", tmp_path / "data", "--for", "1s")
    assert code == 2
    assert len(err.splitlines()) == 1, err
    assert "--data-dir" in err


# --- guideline, doctor, folders ------------------------------------------------------------------------------------


def test_a_payload_is_checked_against_the_guideline(cli: Cli, tmp_path: Path) -> None:
    good, bad, nan = (tmp_path / name for name in ("good.json", "bad.json", "nan.json"))
    good.write_text(json.dumps(birth(1)), encoding="utf-8")
    bad.write_text(json.dumps(birth(1, unit="m")), encoding="utf-8")
    nan.write_text('{"t": 1, "v": {"temperature": NaN}}', encoding="utf-8")
    topic = "iiot/v1/a/b/c"
    assert cli("guideline", "check", f"{topic}/birth", good)[0] == 0
    code, out, _ = cli("guideline", "check", f"{topic}/birth", bad)
    assert (code, len(out.splitlines())) == (2, 1)
    assert out.startswith("unit-mismatch")
    assert cli("guideline", "check", f"{topic}/data/air", nan)[1].startswith("nan")
    good.write_text(json.dumps(row(1)), encoding="utf-8")
    assert cli("guideline", "check", f"{topic}/data/air", good)[0] == 0
    assert cli("guideline", "check", "weather/today", good)[0] == 2
    assert json.loads(cli("guideline", "schema")[1])["$defs"]


def test_the_doctor_speaks_json(cli: Cli, tmp_path: Path) -> None:
    code, out, _ = cli("doctor", "--json", "--data-dir", tmp_path)
    findings = json.loads(out)
    assert code == 0
    assert {"python", "broker", "ports", "disk", "clock", "certificates"} <= {f["subject"] for f in findings}
    assert all(f["advice"] for f in findings if f["level"] == "fault")
    code, out, _ = cli("doctor", "--data-dir", tmp_path)
    assert code == 0
    assert "broker" in out


def test_nothing_to_export_or_to_reset_is_said_in_one_line(cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli("export", tmp_path / "out", "--data-dir", tmp_path)
    assert code == 2
    assert len(err.splitlines()) == 1, err
    assert "testbed up" in err
    assert cli("reset", "--yes", "--data-dir", tmp_path)[:1] == (0,)


def test_history_is_written_without_any_broker(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "history"
    assert cli("history", write_scenario(tmp_path), "--days", "0.5", "--every", "5m", "--out", out)[0] == 0
    assert (out / "catalog.json").exists()
    assert list(out.glob("pump.process/*.parquet"))
    assert (out / "truth").is_dir()


@pytest.mark.parametrize(("device", "code"), [("good", 0), ("biased", 1)])
def test_the_chamber_passes_the_good_and_fails_the_biased(cli: Cli, tmp_path: Path, device: str, code: int) -> None:
    out = tmp_path / "run"
    found, verdict, _ = cli("chamber", "run", "dust", "--device", device, "--out", out, "--json")
    assert found == code
    outcomes = {r["outcome"] for r in json.loads(verdict)["requirements"]}
    assert ("FAIL" in outcomes) == (device == "biased")
    assert (out / "report.html").exists()
    assert cli("chamber", "check", out, "--json")[:2] == (code, verdict)


def test_the_small_scenario_of_these_tests_is_itself_right(cli: Cli, tmp_path: Path) -> None:
    assert MIXED["equipment"]
    code, out, _ = cli("config", "check", write_scenario(tmp_path))
    assert (code, out.startswith("ok")) == (0, True)
