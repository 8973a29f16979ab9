"""The folder of a run: where every file of ``docs/architecture.md`` lies, and the manifest that opens it."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict

from core.clock import RunClock, wall_ns
from core.errors import ConfigError, TestbedError

KEEP = 5


class Manifest(BaseModel):
    """``run.json``: what every role needs to know. Times are ns UTC; speed 0 means ``max``.

    ``sparkplug_host``: the primary host of the simulator's Sparkplug edge nodes, and what the gateway calls itself;
    empty: nobody waits for one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scenario: str
    name: dict[str, str]
    digest: str
    start: int
    anchor: int
    launched: int
    seed: int
    speed: float
    mqtt: str
    opcua: str
    sparkplug_host: str = "testbed"
    modbus: str = ""
    portal: str = ""
    portal_hosts: tuple[str, ...] = ()
    data: str = ""
    secure: bool = False
    versions: dict[str, str] = {}

    @property
    def clock(self) -> RunClock:
        """The run clock."""
        return RunClock(self.start, self.anchor, self.speed)


class RunFolder:
    """Paths of one run below ``root``; nothing is made before :meth:`make`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.manifest_file = root / "run.json"
        self.buffer = root / "buffer"
        self.store = root / "store"
        self.history = root / "history"
        self.truth = root / "truth"
        self.models = root / "models"
        self.raw = root / "raw"
        self.logs = root / "logs"
        self.broker = root / "broker"
        self.secrets = root / "secrets"
        self.opcua = self.secrets / "opcua"
        self.commands = root / "commands.jsonl"
        self.events = root / "events.jsonl"
        self.report = root / "report.json"
        self.store_choice = root / "store.json"

    def make(self) -> None:
        """Create the folders; raises TestbedError where the place cannot be written."""
        try:
            for folder in (self.buffer, self.store, self.models, self.logs, self.root / "status"):
                folder.mkdir(parents=True, exist_ok=True)
            for sealed in (self.truth, self.secrets):
                sealed.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise TestbedError(
                f"{self.root}: cannot be written ({error.strerror}); choose another --data-dir"
            ) from error

    def status_file(self, role: str) -> Path:
        """Return where a role puts its last status."""
        return self.root / "status" / f"{role}.json"

    def write_status(self, role: str, status: dict[str, object]) -> None:
        """Replace a role's status file in one step, so that readers never see half of it."""
        scratch = self.root / "status" / f".{role}.part"
        scratch.write_text(json.dumps(status), encoding="utf-8")
        scratch.replace(self.status_file(role))

    def statuses(self) -> dict[str, dict[str, object]]:
        """Return the last status of every role that has one."""
        found: dict[str, dict[str, object]] = {}
        for path in sorted((self.root / "status").glob("*.json")):
            try:
                found[path.stem] = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, json.JSONDecodeError):
                continue  # replaced between listing and reading
        return found

    def in_use(self) -> bool:
        """Tell whether processes of ``testbed up`` still work here."""
        pids = self.statuses().get("supervisor", {}).get("pids", {})
        return isinstance(pids, dict) and any(_works_in(self.root, int(pid)) for pid in pids.values())

    def write_manifest(self, manifest: Manifest) -> None:
        """Write ``run.json`` in one step."""
        scratch = self.manifest_file.with_suffix(".part")
        scratch.write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
        scratch.replace(self.manifest_file)

    def manifest(self) -> Manifest:
        """Return the manifest; raises ConfigError where there is none."""
        try:
            return Manifest.model_validate_json(self.manifest_file.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ConfigError(str(self.manifest_file), "no such run", "start one with: testbed up") from error


def _works_in(folder: Path, pid: int) -> bool:
    """Tell whether a process lives and has a folder on its command line: numbers of processes come again."""
    try:
        return pid > 0 and str(folder) in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False


def new_run(data_dir: Path, scenario: str) -> RunFolder:
    """Create the folder of a new run below ``data_dir/runs`` and forget all but the last few runs."""
    stamp = datetime.fromtimestamp(wall_ns() / 1e9, UTC).strftime("%Y%m%d-%H%M%S")
    base, folder, n = data_dir / "runs", data_dir / "runs" / f"{stamp}-{scenario}", 2
    while folder.exists():
        folder, n = base / f"{stamp}-{scenario}-{n}", n + 1
    run = RunFolder(folder)
    run.make()
    for old in runs(data_dir)[:-KEEP]:
        if not old.in_use():
            shutil.rmtree(old.root, ignore_errors=True)
    return run


def runs(data_dir: Path) -> list[RunFolder]:
    """Return all runs below a data folder, oldest first."""
    base = data_dir / "runs"
    return [RunFolder(p) for p in sorted(base.iterdir()) if p.is_dir()] if base.is_dir() else []


def latest(data_dir: Path) -> RunFolder:
    """Return the newest run; raises ConfigError where there is none."""
    found = [run for run in runs(data_dir) if run.manifest_file.exists()]
    if not found:
        raise ConfigError(str(data_dir), "no run here yet", "start one with: testbed up")
    return found[-1]
