"""An InfluxDB server of our own, from an ``influxd`` program of this machine (1.8, which speaks Flux and v2 writes)."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import RunError
from wire.ports import free_ports

_START_S = 60  # other work may hold the machine
_STEP_S = 0.05
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


def find_influxd() -> str | None:
    """Return the path of an influxd program, None where there is none."""
    cached = Path.home() / ".cache" / "iiot-testbed" / "bin" / "influxd"
    return os.environ.get("IIOT_INFLUXD") or shutil.which("influxd") or (str(cached) if cached.exists() else None)


@contextmanager
def influxd(program: str, folder: Path) -> Iterator[str]:
    """Run a server on free ports of this machine and give its URL. Raises RunError if it does not start."""
    http = free_ports(2)
    file, log = folder / "influx.toml", folder / "influxd.log"
    file.write_text(_CONFIG.format(folder=(folder / "influxd").as_posix(), http=http, rpc=http + 1), encoding="utf-8")
    with log.open("wb") as out:
        child = subprocess.Popen([program, "-config", str(file)], stdout=out, stderr=out)
    url = f"http://127.0.0.1:{http}"
    try:
        if not _started(url, child):
            raise RunError(f"influxd did not start: {log.read_text(errors='replace')[-2000:]}")
        yield url
    finally:
        child.terminate()
        child.wait(10)


def _started(url: str, child: subprocess.Popen[bytes]) -> bool:
    for _ in range(round(_START_S / _STEP_S)):
        try:
            with urllib.request.urlopen(f"{url}/ping", timeout=1):
                return True
        except OSError:
            if child.poll() is not None:
                return False
            time.sleep(_STEP_S)
    return False
