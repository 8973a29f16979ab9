"""Finds the processes of a run and ends them as a power cut would: SIGKILL, no farewell.

The store is embedded (DuckDB): the process that owns it is the platform, so killing the platform kills the store in the
midst of its transaction. The OPC UA server is a child of the simulator (``opcua_apart``), which stands for the
equipment and lives on.
"""

from __future__ import annotations

from collections.abc import Iterator

import psutil

from core.errors import RunError
from testbed.drill.plan import Target
from testbed.runfolder import RunFolder
from testbed.supervisor import Supervisor

_KEEPER = "wire.broker_child"
_OPCUA = "simulator.publish.opcua_process"


class Targets:
    """The processes of one run."""

    def __init__(self, run: RunFolder, supervisor: Supervisor) -> None:
        self._run, self._supervisor = run, supervisor

    def pid(self, target: Target) -> int:
        """Return the process id of a target, 0 while it is not there."""
        if target == "broker":
            return self._broker()
        if target == "opcua":
            return next((p.pid for p in self._below("simulator") if _OPCUA in _words(p)), 0)
        child = self._supervisor.children[target]
        return child.pid if child.code is None else 0

    def kill(self, target: Target) -> int:
        """Kill a target; returns the process id it had. Raises RunError where it is not there."""
        pid = self.pid(target)
        if not pid:
            raise RunError(f"the drill finds no process of the {target}")
        psutil.Process(pid).kill()
        return pid

    def back(self, target: Target, old: int) -> bool:
        """Tell whether a target was started again."""
        new = self.pid(target)
        if not new or new == old:
            return False
        return target in ("broker", "opcua") or self._supervisor.children[target].has_said("ready")

    def _broker(self) -> int:
        folder = str(self._run.broker)
        found = [p for p in psutil.Process().children(recursive=True) if folder in " ".join(_words(p))]
        # mosquitto is a child of the process that keeps it; rumqttd lives inside that process
        return next((p.pid for p in found if _KEEPER not in _words(p)), found[0].pid if found else 0)

    def _below(self, role: str) -> Iterator[psutil.Process]:
        try:
            yield from psutil.Process(self._supervisor.children[role].pid).children()
        except psutil.Error:
            return


def _words(process: psutil.Process) -> list[str]:
    try:
        return [] if process.status() == psutil.STATUS_ZOMBIE else process.cmdline()
    except psutil.Error:
        return []
