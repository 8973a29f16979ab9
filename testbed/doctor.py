"""``testbed doctor``: looks at this machine and says what to do."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from core.clock import wall_ns
from gateway.stores.influx import from_environment

GB = 1024**3


@dataclass(frozen=True)
class Finding:
    """One look: ``level`` is ok, note or fault; ``advice`` says what to do."""

    subject: str
    level: str
    text: str
    advice: str = ""


def examine(data_dir: Path) -> list[Finding]:
    """Return what every look found."""
    looks: tuple[Callable[[Path], Iterator[Finding]], ...] = (
        _python,
        _broker,
        _ports,
        _disk,
        _clock,
        _certificates,
        _store,
        _browser,
    )
    return [finding for look in looks for finding in look(data_dir)]


def _python(_: Path) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    missing = [m for m in ("asyncua", "duckdb", "paho", "sklearn", "simpy") if importlib.util.find_spec(m) is None]
    if missing:
        yield Finding("packages", "fault", f"missing: {', '.join(missing)}", "run: make demo, or pip install -e .")
    else:
        yield Finding("python", "ok", f"{version}, {os.cpu_count()} cores")


def _broker(_: Path) -> Iterator[Finding]:
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")
    if found:
        yield Finding("broker", "ok", f"mosquitto at {found}")
    elif importlib.util.find_spec("iotcore"):
        text = "rumqttd from the Python package iotcore (keeps nothing over a restart, no topic permissions)"
        yield Finding("broker", "note", text, "install mosquitto for persistence and access control")
    else:
        yield Finding("broker", "fault", "no MQTT broker", "install mosquitto, or: pip install iotcore")


def _ports(_: Path) -> Iterator[Finding]:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 8080))
            yield Finding("ports", "ok", "8080 is free for the page; all other ports are picked free")
        except OSError:
            yield Finding("ports", "note", "8080 is taken", "the page will choose another port and print it")


def _disk(data_dir: Path) -> Iterator[Finding]:
    place = data_dir
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if not os.access(place, os.W_OK):
        yield Finding("disk", "fault", f"{place} cannot be written", "choose another place with --data-dir")
    elif free < 2 * GB:
        yield Finding("disk", "fault", f"{free / GB:.1f} GB free at {place}", "free some space or use --data-dir")
    else:
        yield Finding("disk", "ok", f"{free / GB:.0f} GB free at {place}")


def _clock(_: Path) -> Iterator[Finding]:
    if wall_ns() < 1_735_689_600 * 10**9:
        yield Finding(
            "clock", "fault", "the clock says a year before 2025", "set the clock: timestamps would be rejected"
        )
        return
    before_wall, before_mono = wall_ns(), time.monotonic_ns()
    time.sleep(0.05)
    slip = abs((wall_ns() - before_wall) - (time.monotonic_ns() - before_mono)) / 1e6
    if slip > 20:
        yield Finding("clock", "note", f"wall clock slipped {slip:.0f} ms in 50 ms", "check time synchronisation")
    else:
        yield Finding("clock", "ok", "wall clock is steady")


def _certificates(_: Path) -> Iterator[Finding]:
    name = socket.gethostname()
    try:
        socket.getaddrinfo(name, None)
        yield Finding(
            "certificates", "ok", f"host name {name} resolves; OPC UA certificates will carry it and localhost"
        )
    except OSError:
        text = f"host name {name} does not resolve"
        yield Finding("certificates", "note", text, "OPC UA clients should use 127.0.0.1 or localhost")


def _store(_: Path) -> Iterator[Finding]:
    url = os.environ.get("INFLUXDB_URL", "")
    if not url:
        return  # DuckDB lies inside the run's folder: nothing to look for
    try:
        with urlopen(f"{url.rstrip('/')}/ping", timeout=3):
            yield Finding("store", "ok", f"InfluxDB answers at {url}")
    except (OSError, ValueError) as error:
        text = f"InfluxDB at {url} does not answer: {error}"
        yield Finding("store", "fault", text, "start it, or unset INFLUXDB_URL to use the embedded store")
    if not from_environment("INFLUXDB_TOKEN"):
        yield Finding("store", "fault", "INFLUXDB_TOKEN is not set", "set it beside INFLUXDB_URL")


def _browser(_: Path) -> Iterator[Finding]:
    found = next((p for p in ("chromium", "google-chrome", "chrome", "firefox") if shutil.which(p)), None)
    text = f"{found} found (used by make test-all)" if found else "none found; any browser shows the page"
    yield Finding("browser", "ok" if found else "note", text)
