import asyncio
import os
import signal
from pathlib import Path

import psutil
import pytest

from core.errors import TestbedError
from testbed.children import Child
from testbed.runfolder import RunFolder
from testbed.supervisor import Supervisor

PACKAGE = "tests.unit.testbed.roles"


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.make()
    return folder


def supervisor(run: RunFolder, *roles: str, told: list[tuple[str, dict[str, object]]] | None = None) -> Supervisor:
    heard = told if told is not None else []
    return Supervisor(run, roles, lambda role, message: heard.append((role, message)), PACKAGE)


async def test_orders_are_followed_and_counts_come_back(run: RunFolder) -> None:
    boss = supervisor(run, "simulator", "gateway")
    await boss.start()
    try:
        await boss.ready()
        await boss.drain()
    finally:
        await boss.stop()
    assert boss.statuses["simulator"]["emitted"] == {"s/a/d/x": 3}
    assert [child.code for child in boss.children.values()] == [0, 0]
    assert "a library prints" in (run.logs / "simulator.log").read_text()


async def test_a_killed_gateway_is_started_again(run: RunFolder) -> None:
    told: list[tuple[str, dict[str, object]]] = []
    boss = supervisor(run, "gateway", told=told)
    await boss.start()
    try:
        await boss.ready()
        first = boss.children["gateway"].pid
        os.kill(first, signal.SIGKILL)
        for _ in range(200):
            await asyncio.sleep(0.05)
            if boss.children["gateway"].pid != first:
                break
        await boss.ready()
        assert boss.children["gateway"].pid != first
        assert boss.restarts == 1
        assert any(message["is"] == "restarted" for _, message in told)
    finally:
        await boss.stop()


async def test_a_role_that_refuses_ends_the_run_with_its_own_words(run: RunFolder) -> None:
    boss = supervisor(run, "platform")
    await boss.start()
    try:
        with pytest.raises(TestbedError, match=r"scenario.yaml:speed: not a number \(write 1 or max\)"):
            await boss.ready(20)
        assert boss.restarts == 0
    finally:
        await boss.stop()


async def test_a_deaf_role_is_killed(run: RunFolder) -> None:
    child = Child("history", run.root, lambda *_: None, PACKAGE)
    await child.start()
    assert await child.said("ready", 20)
    await child.stop(seconds=0.2)
    assert child.code == -signal.SIGKILL


async def test_a_child_ends_when_its_parent_is_gone(run: RunFolder) -> None:
    child = Child("gateway", run.root, lambda *_: None, PACKAGE)
    await child.start()
    assert await child.said("ready", 20)
    process = psutil.Process(child.pid)
    assert child._process is not None
    assert child._process.stdin is not None
    child._process.stdin.close()  # what the system does when the parent dies
    assert await asyncio.wait_for(child.ended(), 10) == 0
    assert not process.is_running()
