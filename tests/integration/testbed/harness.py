"""Runs ``testbed up`` as a person would, in its own process, and looks at everything it leaves behind.

    with start_up(write_scenario(tmp_path), tmp_path, "--for", "4s") as up:
        up.wait("rows are stored", lambda: up.stored() > 0)
        up.kill("gateway")
        report = up.finish()

What it starts is found by its folder in the command line, so nothing it started survives the ``with``, and a test
can tell whether something would have.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import urlopen

import psutil
import yaml
from paho.mqtt import publish

from core.clock import MS, wall_ns
from testbed.runfolder import Manifest, RunFolder, runs

ROOT = Path(__file__).resolve().parents[3]
#: generous: the machine may be doing many other things
DEADLINE_S = 60.0
_STEP_S = 0.05
T = TypeVar("T")

#: eight devices over both protocols, each with something to say every second
MIXED: dict[str, Any] = {
    "domain": "factory",
    "site": "works",
    "equipment": [
        {"kind": "pump", "area": "hall", "count": 3},
        {"kind": "fan", "area": "roof", "count": 2},
        {"kind": "pump", "area": "yard", "count": 3, "protocols": ["opcua"]},
    ],
}
#: slows down a pump that turns; again a second later, for as long as the run lasts
SLOW_DOWN: dict[str, Any] = {
    "name": "slow-down",
    "when": {"channel": "speed", "op": ">", "value": 100, "kind": "pump"},
    "then": {"command": "set_speed", "args": {"factor": 0.8}},
    "cooldown": "1s",
    "repeat": True,
}


def write_scenario(folder: Path, name: str = "small", domain: dict[str, Any] | None = None, **keys: Any) -> Path:
    """Write a scenario without a past, and its domain; ``keys`` are those of the scenario file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}-domain.yaml").write_text(yaml.safe_dump(domain or MIXED), encoding="utf-8")
    content = {"name": name, "seed": 5, "domains": [f"{name}-domain.yaml"], "history": {"days": 0}, **keys}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


class Running:
    """A ``testbed up`` in its own process. Waits on conditions; never sleeps for long enough."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process = process
        self.data_dir = folder / "data"
        self._out, self._err = folder / "stdout", folder / "stderr"

    # --- what it says --------------------------------------------------------------------------------------

    @property
    def stdout(self) -> str:
        return self._out.read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        return self._err.read_text(encoding="utf-8")

    def said(self, pattern: str) -> re.Match[str]:
        """Wait until it has printed something; returns the match."""
        return self.wait(f"{pattern!r} is printed", lambda: re.search(pattern, self.stderr))

    @property
    def page(self) -> str:
        """Address of the page, without a slash at the end."""
        return self.said(r"page and API at (http://\S+?)/?\s")[1]

    def get(self, path: str) -> Any:
        """Return the JSON of an answer of the API."""
        with urlopen(f"{self.page}/api/v1{path}", timeout=10) as answer:
            return json.load(answer)

    # --- what it writes ------------------------------------------------------------------------------------

    @property
    def folder(self) -> RunFolder:
        """The folder of its run, once there is a manifest."""
        return self.wait("there is a manifest", lambda: next(iter(self._runs()), None))

    @property
    def manifest(self) -> Manifest:
        return self.folder.manifest()

    def status(self, role: str) -> dict[str, Any]:
        """Return the last status of a role, empty where there is none."""
        return self.folder.statuses().get(role, {})

    def stored(self) -> int:
        """Return how many rows the platform says are stored."""
        return sum(self.status("platform").get("stored", {}).values())

    def pids(self) -> dict[str, int]:
        """Return the process ids of the roles."""
        return self.wait("the roles have started", lambda: self.status("supervisor").get("pids"))

    def processes(self) -> list[psutil.Process]:
        """Return every process that works in its folder, roles and broker."""
        return working_in(self.data_dir)

    def broker(self) -> psutil.Process:
        """Return the process of the broker itself."""
        log = str(self.folder.broker)
        found = [p for p in self.processes() if log in " ".join(_cmdline(p))]
        # mosquitto is a child of the process that keeps it; rumqttd lives inside that process
        return next((p for p in found if "wire.broker_child" not in _cmdline(p)), found[0])

    # --- what is done to it --------------------------------------------------------------------------------

    def wait(self, what: str, condition: Callable[[], T | None], seconds: float = DEADLINE_S) -> T:
        """Wait until a condition gives something true, and return that; the failure shows what was said."""
        deadline = time.monotonic() + seconds
        while True:
            ended = self.process.poll() is not None
            if found := condition():
                return found
            if ended or time.monotonic() > deadline:
                why = f"the run ended with {self.process.returncode}" if ended else f"not within {seconds:.0f} s"
                raise AssertionError(f"waiting until {what}: {why}\n{self.stderr}{self._logs()}")
            time.sleep(_STEP_S)

    def kill(self, role: str) -> int:
        """``kill -9`` a role, and return its new process id once the supervisor has started it again."""
        old = self.pids()[role]
        os.kill(old, signal.SIGKILL)
        return self.wait(f"{role} is started again", lambda: (new := self.pids()[role]) != old and new)

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """Press Ctrl-C, or send another signal."""
        self.process.send_signal(number)

    def ended(self, seconds: float = DEADLINE_S) -> int:
        """Wait for the end; returns the exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds:.0f} s\n{self.stderr}{self._logs()}") from None

    def finish(self, seconds: float = DEADLINE_S) -> dict[str, Any]:
        """Wait for the end and return the report, which is the last line of standard output."""
        code = self.ended(seconds)
        assert code == 0, f"exit code {code}\n{self.stderr}{self._logs()}"
        report = json.loads(self.stdout.splitlines()[-1])
        assert isinstance(report, dict)
        return report

    def survivors(self, seconds: float = 15.0) -> list[str]:
        """Return what still works in its folder after some time to end."""
        deadline = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(_STEP_S)
        return [f"{p.pid} {' '.join(_cmdline(p))}" for p in left]

    def clear(self) -> None:
        """End whatever is left."""
        for process in (*self.processes(), self.process):
            try:
                process.kill()
            except (psutil.Error, ProcessLookupError):
                continue
        self.process.wait(10)

    def _runs(self) -> list[RunFolder]:
        return [run for run in runs(self.data_dir) if run.manifest_file.exists()]

    def _logs(self) -> str:
        """Return the ends of the roles' logs, for a failure's text."""
        texts = []
        for run in self._runs():
            for log in sorted((*run.logs.glob("*.log"), *run.broker.glob("*.log"))):
                tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
                texts.append(f"\n--- {log.name}\n{tail}" if tail else "")
        return "".join(texts)


@contextmanager
def start_up(scenario: Path, folder: Path, *options: str) -> Iterator[Running]:
    """Start ``testbed up SCENARIO --json`` with its data below ``folder``; nothing of it survives the block."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "testbed", "up", str(scenario), "--json", "--data-dir", str(folder / "data")]
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        process = subprocess.Popen(
            [*command, *options],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**os.environ, "COLUMNS": "200"},
        )
    up = Running(process, folder)
    try:
        yield up
    finally:
        up.clear()


def run_up(scenario: Path, folder: Path, *options: str) -> dict[str, Any]:
    """Run to the end and return the report."""
    with start_up(scenario, folder, *options) as up:
        return up.finish()


def working_in(folder: Path) -> list[psutil.Process]:
    """Return the processes whose command line names something below a folder, except ``testbed up`` itself."""
    place = f"{folder}{os.sep}"
    found = []
    for process in psutil.process_iter():
        words = _cmdline(process)
        if any(place in word for word in words):
            found.append(process)
    return found


def _cmdline(process: psutil.Process) -> list[str]:
    try:
        return [] if process.status() == psutil.STATUS_ZOMBIE else process.cmdline()
    except psutil.Error:
        return []


def assert_every_row(report: dict[str, Any]) -> None:
    """Nothing lost, nothing double, nothing turned away."""
    rows = report["rows"]
    assert rows["emitted"] > 0
    assert (rows["lost"], rows["duplicated"], rows["rejected"]) == (0, 0, 0), rows
    assert rows["stored"] == rows["emitted"], rows


# --- a device that is not ours ------------------------------------------------------------------------------------


def birth(sid: int, unit: str = "Cel", **more: Any) -> dict[str, Any]:
    """Return the least that the guideline asks of a thermometer."""
    channel = {"name": "temperature", "quantity": "temperature", "unit": unit}
    identity = {"manufacturer": "Seongsu Sensors", "serialNumber": "S-1", "productInstanceUri": "urn:seongsu:s-1"}
    return {**identity, "sid": sid, "streams": [{"name": "air", "channels": [channel], "rate": 1}], **more}


def row(seq: int, value: float | None = 20.5, t: int | None = None, **more: Any) -> dict[str, Any]:
    """Return one row of the thermometer; ``t`` in ms, now if None."""
    return {"t": wall_ns() // MS if t is None else t, "seq": seq, "v": {"temperature": value}, **more}


class Foreign:
    """A plain MQTT client that knows nothing of us, one connection for each call."""

    def __init__(self, url: str, area: str = "startup/lab") -> None:
        place = urlsplit(url)
        self.host, self.port, self.area = place.hostname or "", place.port or 0, area

    def topic(self, device: str, kind: str) -> str:
        return f"iiot/v1/{self.area}/{device}/{kind}"

    def send(self, device: str, kind: str, *payloads: object) -> None:
        """Publish payloads (JSON, or bytes as they are) in order; returns when the broker has them."""
        bodies = [p if isinstance(p, bytes) else json.dumps(p).encode() for p in payloads]
        messages = [
            {"topic": self.topic(device, kind), "payload": b, "qos": 1, "retain": kind == "birth"} for b in bodies
        ]
        publish.multiple(messages, self.host, self.port)  # type: ignore[arg-type]
