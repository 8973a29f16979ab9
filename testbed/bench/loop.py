"""`testbed bench loop`: from a value's publication to the command in the inbox, beside a bare echo on the same broker.

A whole run: 5,000 values a second, rules that command all the time, a model in training, five readers of the live page.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from core.clock import MS, NS, mono_ns
from core.errors import RunError
from testbed.bench.crew import crew
from testbed.children import environment
from testbed.runfolder import Manifest, RunFolder, runs
from wire.plain import Echo, leave, listen

Tell = Callable[[str], None]
DOMAINS = Path(__file__).parents[2] / "configs" / "domains"
COPIES = 6
WARM_S = 5.0
READY_S = 60.0
PING_S = 0.05
RULE = {
    "name": "bench",
    "when": {"kind": "crossing", "stream": "signal", "channel": "green_left", "op": ">", "value": -1.0},
    "then": {"command": "extend_green", "args": {"seconds": 1}},
    "repeat": True,
    "max_age": "30s",  # a busy machine may lag: late rows are measured as well
    "expires": "30s",
    "cooldown": "2s",
    "min_interval": "50ms",
}


def measure(seconds: float, readers: int, training: bool, tell: Tell) -> dict[str, Any]:
    """Return the loop's and the echo's figures, ms, of one run of so many seconds."""
    with tempfile.TemporaryDirectory(prefix="testbed-bench-") as folder:
        scenario = Path(folder) / "loop.yaml"
        scenario.write_text(yaml.safe_dump(_scenario()), encoding="utf-8")
        tell(f"{seconds:g} s of a city of {COPIES} Seouls, {readers} readers, training: {training}")
        up = _start(scenario, Path(folder), seconds + WARM_S)
        try:
            manifest = _ready(Path(folder), up)
            echoes = _beside(manifest, seconds, readers, training)
            out, _ = up.communicate(timeout=READY_S + seconds)
        finally:
            _end(up)
        if up.returncode:
            raise RunError(f"testbed up ended with code {up.returncode}")
        report: dict[str, Any] = json.loads(out.splitlines()[-1])
    return {"loop": _figures(report, echoes), "run": _run(report)}


def _scenario() -> dict[str, Any]:
    return {
        "name": {"ko": "벤치", "en": "Bench"},
        "start": "now",
        "seed": 7,
        "speed": 1,
        "domains": [str(DOMAINS / f"{name}.yaml") for name in ("factory", "logistics", "urban")],
        "copies": {"count": COPIES, "spread_m": 9000},
        "links": False,  # simulated air would be what is measured
        "history": {"days": 0},
        "gateway": {"rules": [RULE], "commands": {"per_minute": 10_000}},
    }


def _start(scenario: Path, folder: Path, seconds: float) -> subprocess.Popen[str]:
    call = [sys.executable, "-m", "testbed", "up", str(scenario), "--for", f"{seconds:g}s", "--json"]
    with (folder / "up.log").open("wb") as log:
        return subprocess.Popen(
            [*call, "--data-dir", str(folder)], stdout=subprocess.PIPE, stderr=log, text=True, env=environment()
        )


def _ready(folder: Path, up: subprocess.Popen[str]) -> Manifest:
    """Wait until rows are stored, then until what comes with the start is over."""
    deadline = mono_ns() + round(READY_S * NS)
    while mono_ns() < deadline and up.poll() is None:
        found = [run for run in runs(folder) if run.manifest_file.exists()]
        if found and _stored(found[-1]):
            time.sleep(WARM_S / 2)
            return found[-1].manifest()
        time.sleep(0.1)
    raise RunError("the bench's run stored nothing:\n" + (folder / "up.log").read_text(errors="replace")[-1000:])


def _stored(run: RunFolder) -> int:
    return int(str(run.statuses().get("platform", {}).get("stored_values", 0)))


def _beside(manifest: Manifest, seconds: float, readers: int, training: bool) -> list[int]:
    """Read the page, train and echo while the run goes on; return the round trips, ns."""
    over = threading.Event()
    for n in range(readers):
        url = f"{manifest.portal}/api/v1/stream"
        threading.Thread(target=_read, args=(url, over), name=f"reader {n}", daemon=True).start()
    with crew() as members:
        if training:
            members.add("train").hear("ready")
        answering = members.add("echo", url=manifest.mqtt)
        answering.hear("ready")
        echo = Echo()
        client = listen(manifest.mqtt, "bench-ping", "bench/pong", echo)
        trips: list[int | None] = []
        end = mono_ns() + round((seconds - WARM_S / 2) * NS)
        while mono_ns() < end:
            trips.append(echo.once(client, "bench/ping", b"x" * 200))
            time.sleep(PING_S)
        leave(client)
    over.set()
    return [trip for trip in trips if trip is not None]


def _read(url: str, over: threading.Event) -> None:
    """Follow the live page as a browser does."""
    try:
        with urllib.request.urlopen(url, timeout=10) as page:
            while not over.is_set() and page.readline():
                continue
    except OSError:
        return  # the run has ended


def _end(up: subprocess.Popen[str]) -> None:
    if up.poll() is None:
        up.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
        try:
            up.wait(20)
        except subprocess.TimeoutExpired:
            up.kill()
            up.wait()


def _figures(report: dict[str, Any], echoes: list[int]) -> dict[str, float | None]:
    trips = sorted(trip / MS for trip in echoes)
    middle = statistics.median(trips) if trips else 0.0
    late = trips[min(len(trips) - 1, round(0.99 * len(trips)))] if trips else 0.0
    p50, p99 = (report["latency_ms"][f"edge_loop_{p}"] for p in ("p50", "p99"))
    return {
        "edge_loop_p50_ms": p50,
        "edge_loop_p99_ms": p99,
        "echo_p50_ms": round(middle, 3),
        "echo_p99_ms": round(late, 3),
        "p50_to_echo_p50": round(p50 / middle, 2) if p50 and middle else None,
        "p99_to_echo_p99": round(p99 / late, 2) if p99 and late else None,
        "p99_to_echo_p50": round(p99 / middle, 2) if p99 and middle else None,
        "echoes": len(trips),
        "commands": report["commands"].get("sent", 0),
    }


def _run(report: dict[str, Any]) -> dict[str, Any]:
    names = ("ingest_p50", "ingest_p99", "stored_p99")
    return {
        "values_per_s": report["values_per_s"],
        **{f"{name}_ms": report["latency_ms"][name] for name in names},
        "overruns": report["overruns"],
        "lost": report["rows"]["lost"],
        "duplicated": report["rows"]["duplicated"],
        "wall_s": report["wall_s"],
    }
