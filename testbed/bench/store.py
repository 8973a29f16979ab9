"""`testbed bench store`: rows into DuckDB and InfluxDB, the latter beside posting ready-made lines by plain HTTP."""

from __future__ import annotations

import http.client
import os
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from core.batch import Batch
from core.catalog import Catalog
from core.clock import NS, mono_ns, wall_ns
from core.errors import RunError
from gateway.stores.duck import DuckConfig, DuckStore
from gateway.stores.extra import DrainStore
from gateway.stores.influx import InfluxConfig, InfluxStore
from gateway.stores.lines import row_lines
from testbed.bench import load
from testbed.bench.influxd import find_influxd, influxd

Tell = Callable[[str], None]
STREAMS = 500
BATCH = 20_000


def measure(rows: int, tell: Tell) -> dict[str, dict[str, float | str]]:
    """Return figures of both stores; without an InfluxDB server the second says what is missing."""
    catalog = Catalog(load.devices(STREAMS))
    batches = load.batches(STREAMS, BATCH, max(1, rows // BATCH), wall_ns())
    found: dict[str, dict[str, float | str]] = {}
    with tempfile.TemporaryDirectory(prefix="testbed-bench-") as folder:
        tell(f"{rows:,} rows of five values into DuckDB")
        store = DuckStore(DuckConfig(), Path(folder) / "bench.duckdb", catalog)
        found["duckdb"] = {"values_per_s": round(_rate(store, catalog, batches))}
        with server(Path(folder)) as place:
            if place is None:
                found["influxdb"] = {
                    "skipped": "no server: set INFLUXDB_URL, or put influxd on the path (IIOT_INFLUXD)"
                }
                return found
            tell(f"the same into {place.url}")
            found["influxdb"] = _influx(place, Path(folder), catalog, batches, tell)
    return found


def _influx(
    place: InfluxConfig, folder: Path, catalog: Catalog, batches: Sequence[Batch], tell: Tell
) -> dict[str, float | str]:
    """Measure twice each, in turns, and take the better: a server that merges its files now is slow for both."""
    ours, plain = 0.0, 0.0
    lines = [_lines(catalog, batch, place.batch) for batch in batches]
    for turn in range(2):
        tell("ready-made lines by plain HTTP")
        with _database(place, f"plain{turn}") as config:
            plain = max(plain, _plain(config, lines, batches))
        tell("through our store")
        with _database(place, f"ours{turn}") as config:
            store = InfluxStore(config, folder / f"influx-{turn}", catalog)
            ours = max(ours, _rate(store, catalog, batches))
    return {
        "values_per_s": round(ours),
        "floor_values_per_s": round(plain),
        "ratio_to_floor": round(ours / plain, 3),
        "lines_a_request": place.batch,
    }


def _rate(store: DrainStore, catalog: Catalog, batches: Sequence[Batch]) -> float:
    """Return values a second through a store's ``write``."""
    store.open()
    try:
        store.catalogue(list(catalog.devices.values()))
        began = mono_ns()
        for n, batch in enumerate(batches):
            store.write([batch], (), n + 1)
        return sum(batch.values for batch in batches) / ((mono_ns() - began) / NS)
    finally:
        store.close()


def _lines(catalog: Catalog, batch: Batch, size: int) -> list[bytes]:
    lines = row_lines(batch, catalog, {})
    return ["\n".join(lines[i : i + size]).encode() for i in range(0, len(lines), size)]


def _plain(config: InfluxConfig, requests: Sequence[Sequence[bytes]], batches: Sequence[Batch]) -> float:
    """Post ready-made bodies over one connection; returns values a second."""
    place = urlsplit(config.url)
    query = urllib.parse.urlencode({"org": config.org, "bucket": config.bucket, "precision": "ns"})
    connection = http.client.HTTPConnection(place.hostname or "127.0.0.1", place.port or 8086, timeout=30)
    began = mono_ns()
    for bodies in requests:
        for body in bodies:
            connection.request("POST", f"/api/v2/write?{query}", body, {"Authorization": f"Token {config.token}"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status >= 300:
                raise RunError(f"{config.url} answers {answer.status} to plain lines: {text[:200]!r}")
    took = (mono_ns() - began) / NS
    connection.close()
    return sum(batch.values for batch in batches) / took


@contextmanager
def server(folder: Path) -> Iterator[InfluxConfig | None]:
    """Give the server that ``INFLUXDB_URL`` names, else one of our own; None without either."""
    if url := os.environ.get("INFLUXDB_URL"):
        yield InfluxConfig(
            url=url,
            token=os.environ.get("INFLUXDB_TOKEN", ""),
            org=os.environ.get("INFLUXDB_ORG", "testbed"),
            bucket=os.environ.get("INFLUXDB_BUCKET", ""),
        )
        return
    program = find_influxd()
    if program is None:
        yield None
        return
    with influxd(program, folder) as url:
        yield InfluxConfig(url=url, token="user:password", bucket="")


@contextmanager
def _database(place: InfluxConfig, name: str) -> Iterator[InfluxConfig]:
    """Give an empty place on our own server (1.x API); a named server's bucket is taken as it is."""
    if place.bucket:
        yield place
        return
    _query(place.url, f"CREATE DATABASE {name}")
    yield place.model_copy(update={"bucket": f"{name}/autogen"})
    _query(place.url, f"DROP DATABASE {name}")


def _query(url: str, text: str) -> None:
    asked = urllib.request.Request(f"{url}/query?{urllib.parse.urlencode({'q': text})}", method="POST")
    with urllib.request.urlopen(asked, timeout=30):
        pass
