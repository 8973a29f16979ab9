"""A real InfluxDB: the one that INFLUXDB_URL names, or one started here from an ``influxd`` binary."""

from __future__ import annotations

import os
import urllib.error
import urllib.parse
import urllib.request
from uuid import uuid4

import pytest

from gateway.stores.influx import InfluxConfig
from testbed.bench.influxd import find_influxd, influxd


@pytest.fixture(scope="session")
def influx_server(tmp_path_factory):
    """URL of a server of ours (empty where INFLUXDB_URL names another), or skip loudly."""
    if os.environ.get("INFLUXDB_URL"):
        yield ""
        return
    binary = find_influxd()
    if binary is None:
        pytest.skip(
            "no InfluxDB: set INFLUXDB_URL, INFLUXDB_TOKEN, INFLUXDB_ORG and INFLUXDB_BUCKET, or IIOT_INFLUXD, or "
            "go install github.com/influxdata/influxdb/cmd/influxd@v1.8.10"
        )
    with influxd(binary, tmp_path_factory.mktemp("influx")) as url:
        yield url


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
