"""The roles of docker-compose.yml as plain processes, with the commands and the environment of that file."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import ssl
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import yaml

from core.catalog import Catalog
from gateway.stores.influx import InfluxConfig, InfluxStore
from testbed.runfolder import RunFolder
from testbed.vault import Vault
from tests.integration.testbed.compose import DeployedBroker, Role, roles, until
from wire.broker import find_mosquitto
from wire.ports import free_port

PAGE_HOST = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
DOMAIN: dict[str, Any] = {
    "domain": "factory",
    "site": "works",
    "equipment": [
        {"kind": "pump", "area": "hall", "count": 2, "protocols": ["opcua"]},
        {"kind": "fan", "area": "roof", "count": 2, "protocols": ["mqtt"]},
    ],
}
TOKEN = "drawn:secret"
RULE = {
    "name": "slow-down",
    "when": {"channel": "speed", "op": ">", "value": 100, "kind": "fan"},
    "then": {"command": "set_speed", "args": {"factor": 0.8}},
}


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    (tmp_path / "domain.yaml").write_text(yaml.safe_dump(DOMAIN))
    (tmp_path / "deploy.yaml").write_text("gateway: {inflight: 32}\n")
    content = {
        "name": "roles",
        "domains": ["domain.yaml"],
        "deploy": "deploy.yaml",
        "history": {"days": 0.1},
        "gateway": {"rules": [RULE]},
    }
    path = tmp_path / "roles.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
async def started(scenario: Path, tmp_path: Path, influx: InfluxConfig) -> AsyncIterator[dict[str, Role]]:
    program = find_mosquitto()
    if program is None or shutil.which("mosquitto_sub") is None:
        pytest.skip("mosquitto and its clients are not installed on this machine")
    (tmp_path / "influx_token").write_text(f"{TOKEN}\n")
    mqtt, opcua = free_port(), free_port()
    hosts = {
        "broker:8883": f"localhost:{mqtt}",
        "=/broker": f"={tmp_path / 'broker'}",
        "/run/secrets": str(tmp_path),
        "simulator:4840": f"127.1:{opcua}",  # loopback by a name that is not known to be: certificates are needed
        "http://influxdb:8086": influx.url,
        "0.0.0.0": PAGE_HOST,
        "/data": str(tmp_path / "run"),
    }
    keys, *others = roles(tmp_path, {"SCENARIO": str(scenario), "INFLUX_BUCKET": influx.bucket}, hosts).values()
    await equip(keys)
    found = {role.name: role for role in others}
    async with DeployedBroker(program, tmp_path / "broker", mqtt):
        try:
            await asyncio.gather(*(role.start() for role in others))
            yield found
        finally:
            await asyncio.gather(*(role.kill() for role in others))


async def equip(keys: Role) -> None:
    """Let the keys service do its work."""
    await keys.start()
    assert keys.process is not None
    assert await asyncio.wait_for(keys.process.wait(), 60) == 0, keys.output


def status(run: RunFolder, role: str) -> dict[str, Any]:
    try:
        return dict(json.loads(run.status_file(role).read_text()))
    except (OSError, json.JSONDecodeError):
        return {}


def page(platform: Role) -> str:
    found = re.search(r"page and API at (\S+)", platform.output)
    return found[1] if found else ""


def telling(folder: Path) -> list[str]:
    """Return the files that hold the store's token and should not."""
    told = [p for p in folder.rglob("*") if p.suffix in (".json", ".out", ".log", ".conf") and p.is_file()]
    return [p.name for p in told if TOKEN in p.read_text(errors="replace")]


def kept(influx: InfluxConfig, folder: Path) -> int:
    """Return how many rows lie in InfluxDB."""
    store = InfluxStore(influx.model_copy(update={"token": TOKEN}), folder / "look", Catalog())
    store.open()
    try:
        rows = f'from(bucket: "{influx.bucket}") |> range(start: -1h) |> filter(fn: (r) => r._field == "seq")'
        return sum(record.get_value() for record in store.query(f"{rows} |> group() |> count()"))
    finally:
        store.close()


def get(url: str, ca: Path, token: str = "", body: dict[str, Any] | None = None) -> bytes:
    context = ssl.create_default_context(cafile=str(ca))
    context.check_hostname = False  # the page stands in for 0.0.0.0 here
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"} if token else {}
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, headers), timeout=10, context=context) as answer:
        return bytes(answer.read())


async def test_the_containers_work_as_processes(started: dict[str, Role], influx: InfluxConfig, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")

    def stored() -> dict[str, int]:
        return dict(status(run, "platform").get("stored", {}))

    # rows of every device reach the store over both protocols; a rule of the scenario survives its deploy file
    await until("all devices are stored", lambda: len({p.rsplit("/", 1)[0] for p in stored()}) == 4, started)
    await until("a rule commands", lambda: status(run, "platform").get("commands", {}).get("done", 0) > 0, started)
    assert kept(influx, tmp_path) >= 4
    assert telling(tmp_path) == []

    # the page answers where the environment says, and the history is learnt from
    await until("the page is up", lambda: page(started["platform"]) != "", started)
    address = page(started["platform"])
    assert address.startswith(f"https://{PAGE_HOST}:")
    vault = Vault(run.root)
    program = partial(get, ca=vault.ca / "ca.crt", token=vault.add_token("test", "viewer"))
    assert b'action="/login' in await asyncio.to_thread(get, address, vault.ca / "ca.crt")
    assert b"works/hall/pump-01" in await asyncio.to_thread(program, f"{address}api/v1/catalog")

    # a person's command goes over the page, signed, to the equipment and back
    operator = vault.add_token("op", "operator")
    wanted = {"device": "works/hall/pump-01", "name": "set_speed", "args": {"factor": 0.9}}
    ask = partial(get, ca=vault.ca / "ca.crt")
    ident = json.loads(await asyncio.to_thread(ask, f"{address}api/v1/commands", token=operator, body=wanted))["id"]

    def answered() -> bool:
        trail = json.loads(ask(f"{address}api/v1/audit?limit=500", token=operator))
        return any(line["id"] == ident and line["result"] == "done" for line in trail)

    await until("the command is done", answered, started)
    await until("the models have had their turn", (run.history / "trained.json").exists, started)

    # the simulator alone is restarted: the same run goes on
    manifest, before = run.manifest(), sum(stored().values())
    assert await started["simulator"].end() == 0
    stopped_at = status(run, "simulator")["t"]
    await started["simulator"].start()
    await until("rows come again", lambda: sum(stored().values()) > before + 20, started)
    assert run.manifest() == manifest
    assert status(run, "simulator")["t"] > stopped_at

    for name in ("platform", "gateway", "simulator"):
        assert await started[name].end() == 0, started[name].output


async def test_a_foreign_run_is_not_taken_over(scenario: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.make()
    run.manifest_file.write_text(
        json.dumps(
            {
                "scenario": "other.yaml",
                "name": {"ko": "x", "en": "x"},
                "digest": "0",
                "start": 1,
                "anchor": 1,
                "launched": 1,
                "seed": 1,
                "speed": 1,
                "mqtt": "",
                "opcua": "",
            }
        )
    )
    before = run.manifest_file.read_bytes()
    role = Role("simulator", ["simulate", str(scenario), f"--data-dir={run.root}"], {}, tmp_path)
    await role.start()
    assert role.process is not None
    assert await asyncio.wait_for(role.process.wait(), 60) == 2
    assert "other.yaml" in role.output
    assert len(role.output.splitlines()) == 1
    assert run.manifest_file.read_bytes() == before
