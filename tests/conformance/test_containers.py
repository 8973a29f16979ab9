"""The container files: loopback only, no secret inside, commands that the command line knows."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from simulator.domain import devices
from testbed.cli import app
from testbed.scenario import read

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "iiot-testbed"}


def test_every_role_is_there() -> None:
    assert set(OURS) == {"keys", "simulator", "gateway", "platform"}
    assert {"broker", "influxdb", "grafana"} <= set(SERVICES)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_ports_are_published_on_loopback_only(name: str) -> None:
    assert [p for p in SERVICES[name].get("ports", []) if not p.startswith("127.0.0.1:")] == []


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_secrets_come_from_files(name: str) -> None:
    secrets = {k: v for k, v in SERVICES[name].get("environment", {}).items() if re.search("PASSWORD|TOKEN", k)}
    files = {f"/run/secrets/{secret}" for secret in SERVICES[name].get("secrets", [])}
    assert {k: v for k, v in secrets.items() if not k.endswith("_FILE") or v not in files} == {}


def test_secrets_are_those_that_are_drawn() -> None:
    assert {f".secrets/{name}" for name in COMPOSE["secrets"]} == {s["file"] for s in COMPOSE["secrets"].values()}
    script = (ROOT / "configs/deploy/make-env.sh").read_text(encoding="utf-8")
    drawn = re.search(r"for name in (.*); do", script)
    assert drawn
    assert set(drawn[1].split()) == set(COMPOSE["secrets"])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_is_bounded(name: str) -> None:
    service = SERVICES[name]
    assert {"mem_limit", "cpus", "pids_limit"} <= set(service)
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_nobody_waits_for_a_service_without_health(name: str) -> None:
    for wanted, how in SERVICES[name].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            assert wanted in OURS or "healthcheck" in SERVICES[wanted]


def test_the_broker_lets_nobody_in_unknown() -> None:
    lines = (ROOT / "configs/deploy/mosquitto.conf").read_text(encoding="utf-8").splitlines()
    assert "allow_anonymous false" in lines
    told = dict(line.split(" ", 1) for line in lines if line and not line.startswith("#") and " " in line)
    assert {"password_file", "acl_file", "certfile", "keyfile"} <= set(told)


@pytest.mark.parametrize("board", ["factory", "logistics", "urban"])
def test_dashboards_ask_for_what_there_is(board: str) -> None:
    folder = ROOT / "configs/deploy/grafana/provisioning/dashboards"
    text = (folder / f"{board}.json").read_text(encoding="utf-8")
    asked = re.findall(r'_measurement == \\"([^"\\]+)\\" and r._field == \\"([^"\\]+)\\"', text)
    assert len(asked) == len(json.loads(text)["panels"]) > 0
    known = {
        (stream.layout.name, channel.name)
        for domain in read(ROOT / "configs/scenarios/seoul.yaml").domains
        for _, device in devices(domain, 0)
        for stream in device.streams
        for channel in stream.layout.channels
        if domain.domain == board
    }
    assert set(asked) - known == set()


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_images_are_of_a_stated_version(name: str) -> None:
    image = SERVICES[name]["image"]
    assert image == "iiot-testbed" or re.search(r":\d", image)


def test_mounted_files_are_shipped() -> None:
    mounts = [v for s in SERVICES.values() for v in s.get("volumes", []) if v.startswith("./")]
    assert mounts
    assert [m for m in mounts if not (ROOT / m.split(":")[0]).exists()] == []


@pytest.mark.parametrize("name", sorted(OURS))
def test_roles_drop_their_rights(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["environment"]["ROLE"] == name


def test_the_image_runs_as_nobody_in_particular() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    users = [n for n, line in enumerate(lines) if line.startswith("USER ")]
    assert users
    assert lines[users[-1]] != "USER root"
    assert users[-1] < next(n for n, line in enumerate(lines) if line.startswith("ENTRYPOINT"))
    assert any(line.startswith("HEALTHCHECK") for line in lines)


def test_the_image_has_every_room() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    rooms = ("core", "wire", "simulator", "gateway", "analytics", "chamber", "portal", "testbed")
    assert [room for room in rooms if f"COPY {room} {room}\n" not in text] == []
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert [room for room in rooms if f"!{room}/" not in allowed] == []


@pytest.mark.parametrize("name", sorted(OURS))
def test_the_command_line_knows_the_command(name: str) -> None:

    role, *words = OURS[name]["command"]
    command = typer.main.get_command(app).commands[role]  # type: ignore[attr-defined]
    known = {option for parameter in command.params for option in parameter.opts}
    options = {word.split("=")[0] for word in words if word.startswith("--")}
    assert options - known == set()


def healthy(folder: Path, role: str) -> int:
    environment = {**os.environ, "ROLE": role, "TESTBED_DATA_DIR": str(folder)}
    script = ROOT / "configs/deploy/healthy.py"
    return subprocess.run([sys.executable, str(script)], env=environment, capture_output=True).returncode


def test_health_is_a_young_status(tmp_path: Path) -> None:
    status = tmp_path / "status" / "gateway.json"
    assert healthy(tmp_path, "gateway") == 1
    status.parent.mkdir()
    status.write_text("{}")
    assert healthy(tmp_path, "gateway") == 0
    os.utime(status, (1, 1))
    assert healthy(tmp_path, "gateway") == 1


@pytest.mark.skipif(os.name != "posix", reason="a script for a POSIX shell")
def test_make_env_draws_secrets_once(tmp_path: Path) -> None:
    script = tmp_path / "configs/deploy/make-env.sh"
    script.parent.mkdir(parents=True)
    shutil.copy(ROOT / "configs/deploy/make-env.sh", script)
    subprocess.run(["sh", str(script)], check=True, capture_output=True)
    secrets = {p.name: p.read_text() for p in (tmp_path / ".secrets").iterdir()}
    assert {len(secret) for secret in secrets.values()} == {48}
    assert len(set(secrets.values())) == len(secrets)
    assert (tmp_path / ".secrets").stat().st_mode & 0o077 == 0
    subprocess.run(["sh", str(script)], check=True, capture_output=True)
    assert {p.name: p.read_text() for p in (tmp_path / ".secrets").iterdir()} == secrets
    first = (tmp_path / ".env").read_text()
    assert not [secret for secret in secrets.values() if secret in first]
    values = dict(line.split("=") for line in first.splitlines() if "=" in line)
    wanted = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text(encoding="utf-8")))
    assert wanted - set(values) == set()


def test_compose_itself_accepts_the_file(tmp_path: Path) -> None:
    tool = shutil.which("docker-compose")
    if tool is None:
        pytest.skip("docker-compose is not installed: the file was read as YAML only")
    names = re.findall(r"\$\{([A-Z_]+):\?", (ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    environment = {**os.environ, **dict.fromkeys(names, "test")}
    done = subprocess.run(
        [tool, "-f", str(ROOT / "docker-compose.yml"), "config", "--quiet"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
