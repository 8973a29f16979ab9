from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from core.errors import ConfigError
from gateway.kinds import GatewayConfig
from gateway.stores.duck import DuckConfig
from gateway.stores.influx import InfluxConfig, from_environment
from testbed.runfolder import RunFolder
from testbed.scenario import read
from testbed.storage import asked_store, choose_store, with_store

PLACE = {"INFLUXDB_URL": "http://store:8086", "INFLUXDB_TOKEN": "hidden", "INFLUXDB_ORG": "o", "INFLUXDB_BUCKET": "b"}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.make()
    return folder


def test_the_environment_names_the_store_and_keeps_its_secret(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PLACE.items():
        monkeypatch.setenv(name, value)
    choose_store(run, "influx")
    store = with_store(GatewayConfig(), run).store
    assert isinstance(store, InfluxConfig)
    assert (store.url, store.org, store.bucket) == ("http://store:8086", "o", "b")
    assert "hidden" not in run.store_choice.read_text()


def test_without_a_choice_the_configuration_counts(run: RunFolder) -> None:
    choose_store(run, None)
    assert with_store(GatewayConfig(store=DuckConfig(file="x.duckdb")), run).store == DuckConfig(file="x.duckdb")


def test_a_choice_is_found_again_and_cannot_be_changed(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFLUXDB_TOKEN", "hidden")
    choose_store(run, "duck")
    choose_store(run, "duck")
    with pytest.raises(ConfigError, match="are in duck"):
        choose_store(run, "influx")


@pytest.mark.parametrize(("kind", "text"), [("oracle", "no such store"), ("influx", "INFLUXDB_TOKEN: is not set")])
def test_what_cannot_be_is_said(run: RunFolder, monkeypatch: pytest.MonkeyPatch, kind: str, text: str) -> None:
    monkeypatch.delenv("INFLUXDB_TOKEN", raising=False)
    with pytest.raises(ConfigError, match=text):
        choose_store(run, kind)


def test_a_deploy_file_replaces_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    rule = {
        "name": "slow-down",
        "when": {"channel": "speed", "op": ">", "value": 100, "kind": "pump"},
        "then": {"command": "set_speed", "args": {"factor": 0.8}},
    }
    domain = {"domain": "factory", "site": "w", "equipment": [{"kind": "pump", "area": "hall"}]}
    scenario = {
        "name": "x",
        "domains": ["domain.yaml"],
        "deploy": "deploy.yaml",
        "gateway": {"rules": [rule], "store": {"kind": "duck", "file": "mine.duckdb"}},
    }
    deploy = {"gateway": {"store": {"kind": "influx", "url": "http://there:8086"}}}
    for name, content in (("domain", domain), ("scenario", scenario), ("deploy", deploy)):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
    gateway = read(tmp_path / "scenario.yaml").gateway
    assert isinstance(gateway.store, InfluxConfig)
    assert gateway.store.url == "http://there:8086"
    assert [found.name for found in gateway.rules] == ["slow-down"]


def test_the_token_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("INFLUXDB_TOKEN", raising=False)
    monkeypatch.setenv("INFLUXDB_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(ConfigError, match="INFLUXDB_TOKEN_FILE"):
        asked_store("influx")
    (tmp_path / "token").write_text("hidden\n")
    assert "hidden" not in str(asked_store("influx"))
    assert from_environment("INFLUXDB_TOKEN") == "hidden"
