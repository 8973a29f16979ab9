"""Child processes of a bench: started, heard, told to go, ended for certain."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

from core.errors import RunError
from testbed.children import environment

_END_S = 10.0


class Worker:
    """One process of :mod:`testbed.bench.workers`."""

    def __init__(self, role: str, job: Mapping[str, Any]) -> None:
        self.role = role
        self._process: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, "-m", "testbed.bench.workers", role, json.dumps(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )

    def hear(self, what: str) -> dict[str, Any]:
        """Wait for a statement; raises RunError where the process ends instead."""
        for line in self._out:
            said: dict[str, Any] = json.loads(line)
            if said["is"] == what:
                return said
        raise RunError(f"the bench's {self.role} process ended without a word of {what!r} (its error is above)")

    def go(self) -> None:
        """Give the word."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def end(self) -> None:
        """Close its input and wait; kill it if it does not end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._out.close()

    @property
    def _out(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout


class Crew:
    """The processes of one measurement."""

    def __init__(self) -> None:
        self.workers: list[Worker] = []

    def add(self, role: str, **job: Any) -> Worker:
        """Start a process."""
        worker = Worker(role, job)
        self.workers.append(worker)
        return worker


@contextmanager
def crew() -> Iterator[Crew]:
    """Give a crew whose processes are ended in any case."""
    members = Crew()
    try:
        yield members
    finally:
        for worker in members.workers:
            worker.end()
