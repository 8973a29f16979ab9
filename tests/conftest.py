"""Shared by all tests: real brokers, one root seed, and a guard against what a test leaves behind."""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from core.seed import key
from wire.broker import Broker, find_mosquitto
from wire.broker_config import BrokerConfig

_SEED = int(os.environ.get("TESTBED_SEED", "0")) or int.from_bytes(os.urandom(4), "little") | 1
_GRACE_S = 3.0
#: daemon threads that are ours to end all the same
_OURS = ("paho-mqtt", "mqtt", "link", "testbed", "opcua")
#: the loop's worker threads end with the loop; they are idle meanwhile
_POOLS = ("asyncio_", "ThreadPoolExecutor-", "AnyIO worker")


# --- seed --------------------------------------------------------------------------------------------------


def pytest_report_header() -> str:
    return f"root seed: {_SEED} (repeat with TESTBED_SEED={_SEED})"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed and "seed" in getattr(item, "fixturenames", ()):
        report.sections.append(("root seed", f"TESTBED_SEED={_SEED}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.write_line(
            f"!!! {len(skipped)} tests did not run; see the reasons above", yellow=True, bold=True
        )


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A seed of this test, drawn from the root seed that the header and every failure print."""
    return key(_SEED, request.node.nodeid)


# --- brokers -----------------------------------------------------------------------------------------------


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[Broker]:
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed on this machine")
    async with Broker(BrokerConfig(kind="mosquitto"), tmp_path / "mosquitto") as broker:
        yield broker


@pytest.fixture
async def rumqttd(tmp_path: Path) -> AsyncIterator[Broker]:
    async with Broker(BrokerConfig(kind="rumqttd"), tmp_path / "rumqttd") as broker:
        yield broker


@pytest.fixture(params=["mosquitto", "rumqttd"])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    """Each of the brokers we start, on free ports of the loopback."""
    if request.param == "mosquitto" and find_mosquitto() is None:
        pytest.skip("mosquitto is not installed on this machine")
    async with Broker(BrokerConfig(kind=request.param), tmp_path / "broker") as running:
        yield running


# --- what a test leaves behind -------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a task, a thread or a child process."""
    threads, children = set(_threads()), {p.pid for p in _children()}
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("no_task_left")
    yield
    left = _settle(lambda: [t.name for t in _threads() if t not in threads])
    if left:
        pytest.fail(f"threads left behind: {', '.join(left)}")
    orphans = _settle(lambda: [f"{p.pid} {_title(p)}" for p in _children() if p.pid not in children])
    if orphans:
        for process in _children():
            if process.pid not in children:
                process.kill()
        pytest.fail(f"processes left behind: {'; '.join(orphans)}")


@pytest.fixture
async def no_task_left() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    left: list[asyncio.Task[object]] = []
    for _ in range(100):
        left = [t for t in asyncio.all_tasks() - before if t is not asyncio.current_task()]
        if not left:
            break
        await asyncio.sleep(_GRACE_S / 100)
    if left:
        pytest.fail(f"tasks left behind: {', '.join(repr(t) for t in left)}")


def _threads() -> list[threading.Thread]:
    return [
        t for t in threading.enumerate() if (not t.daemon or t.name.startswith(_OURS)) and not t.name.startswith(_POOLS)
    ]


def _children() -> list[psutil.Process]:
    return [p for p in psutil.Process().children(recursive=True) if "resource_tracker" not in _title(p)]


def _title(process: psutil.Process) -> str:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return "resource_tracker (ended)"
        return " ".join(process.cmdline())[:200]
    except psutil.Error:
        return "resource_tracker (ended)"


def _settle(left: object) -> list[str]:
    """Return what is left once it had time to end."""
    assert callable(left)
    deadline = time.monotonic() + _GRACE_S
    while found := left():
        if time.monotonic() > deadline:
            return list(found)
        time.sleep(0.01)
    return []
