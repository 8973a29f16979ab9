"""Foreign peers written for Node: where they are installed, and how a test runs one of the scripts beside this file."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent
#: `.ci/run` installs tests/peers/package.json here; IIOT_NODE_PEERS names another folder
HOME = Path(os.environ.get("IIOT_NODE_PEERS", Path.home() / ".cache" / "iiot-testbed" / "node"))


def need_node(*packages: str) -> None:
    """Skip loudly when Node or one of the packages is missing."""
    missing = [] if shutil.which("node") else ["node"]
    missing += [f"npm package {name}" for name in packages if not (HOME / "node_modules" / name).is_dir()]
    if missing:
        pytest.skip(f"FOREIGN PEER MISSING: {', '.join(missing)} (run .ci/run, or npm install in {HOME})")


def run_node(script: str, *args: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run a script of tests/peers to its end; its output is text."""
    return subprocess.run(
        ["node", str(SCRIPTS / script), *args],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=node_env(),
        check=False,
    )


def node_env() -> dict[str, str]:
    """The environment in which `require` finds the installed packages."""
    return {**os.environ, "NODE_PATH": str(HOME / "node_modules")}
