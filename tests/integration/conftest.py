"""A real InfluxDB: the one that INFLUXDB_URL names, or one started here from an ``influxd`` binary."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from uuid import uuid4

import pytest

from gateway.stores.influx import InfluxConfig

_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{http}"
  flux-enabled = true
  log-enabled = false
"""


def _binary() -> str | None:
    cached = Path.home() / ".cache" / "iiot-testbed" / "bin" / "influxd"
    named = os.environ.get("IIOT_INFLUXD")
    return named or shutil.which("influxd") or (str(cached) if cached.exists() else None)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]
    finally:
        for item in sockets:
            item.close()


def _started(url: str, child: subprocess.Popen[bytes]) -> bool:
    for _ in range(1_200):  # a minute: other builds may hold the machine
        try:
            with urllib.request.urlopen(f"{url}/ping", timeout=1):
                return True
        except OSError:
            if child.poll() is not None:
                return False
            time.sleep(0.05)
    return False


@pytest.fixture(scope="session")
def influx_server(tmp_path_factory):
    """URL of a server of ours (empty where INFLUXDB_URL names another), or skip loudly."""
    if os.environ.get("INFLUXDB_URL"):
        yield ""
        return
    binary = _binary()
    if binary is None:
        pytest.skip(
            "no InfluxDB: set INFLUXDB_URL, INFLUXDB_TOKEN, INFLUXDB_ORG and INFLUXDB_BUCKET, or IIOT_INFLUXD, or "
            "go install github.com/influxdata/influxdb/cmd/influxd@v1.8.10"
        )
    folder = tmp_path_factory.mktemp("influx")
    http, rpc = _free_ports(2)
    (folder / "influx.toml").write_text(_CONFIG.format(folder=folder.as_posix(), http=http, rpc=rpc))
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen([binary, "-config", str(folder / "influx.toml")], stdout=log, stderr=log)
    try:
        assert _started(f"http://127.0.0.1:{http}", child), (folder / "log").read_text()[-2000:]
        yield f"http://127.0.0.1:{http}"
    finally:
        child.terminate()
        child.wait(10)


@pytest.fixture
def influx(influx_server):
    """Config of an empty place on a real server."""
    if url := os.environ.get("INFLUXDB_URL"):
        return InfluxConfig(
            url=url,
            token=os.environ.get("INFLUXDB_TOKEN", ""),
            org=os.environ.get("INFLUXDB_ORG", "testbed"),
            bucket=os.environ.get("INFLUXDB_BUCKET") or f"test-{uuid4().hex[:8]}",
        )
    database = f"t{uuid4().hex[:8]}"
    query = urllib.parse.urlencode({"q": f"CREATE DATABASE {database}"})
    with urllib.request.urlopen(urllib.request.Request(f"{influx_server}/query?{query}", method="POST"), timeout=10):
        pass
    return InfluxConfig(url=influx_server, token="user:password", org="testbed", bucket=f"{database}/autogen")
