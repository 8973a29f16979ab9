"""A plan over a real broker: good passes, biased fails, and a foreign device is recorded like our own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest

from chamber.instruments import instruments
from chamber.plan import TestPlan, read_plan
from chamber.players import Player
from chamber.recording import RecordingError
from chamber.rig import EXTERNAL, RigOptions
from chamber.service import check, report, run_plan
from core.clock import NS
from core.errors import ConfigError, NotConnected
from wire.broker import Broker
from wire.broker_config import BrokerConfig
from wire.mqtt import open_mqtt
from wire.session import MqttConfig

ROOT = Path(__file__).parents[3]
HOUR = 3600 * NS


@pytest.fixture(scope="session")
def plan() -> TestPlan:
    return read_plan(ROOT / "configs" / "chamber" / "dust.yaml")


@pytest.fixture
def short(plan: TestPlan) -> TestPlan:
    """The chamber phase and 8 hours beside the reference, judged from 6 hours on."""
    need = plan.check.min_hours.model_copy(update={"value": 6})
    phases = (plan.phases[0], plan.phases[1].model_copy(update={"duration": 8 * HOUR}))
    return plan.model_copy(update={"phases": phases, "check": plan.check.model_copy(update={"min_hours": need})})


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    async with Broker(BrokerConfig(), tmp_path / "broker") as broker:
        yield broker.url


@pytest.mark.parametrize(("device", "outcome"), [("good", "PASS"), ("biased", "FAIL")])
@pytest.mark.parametrize("kind", ["auto", "rumqttd"])
async def test_the_whole_plan_over_a_real_broker(
    plan: TestPlan, tmp_path: Path, device: str, outcome: str, kind: Literal["auto", "rumqttd"]
) -> None:
    done: list[float] = []
    async with Broker(BrokerConfig(kind=kind), tmp_path / "broker") as broker:
        found = await run_plan(plan, tmp_path / "run", RigOptions(device), broker.url, done.append)
    assert found.outcome == outcome
    rows = plan.duration // plan.period
    for transport in found.recording.facts.transport.values():
        assert (transport.rows, transport.lost, transport.doubled) == (rows, 0, 0)
    assert found.recording.facts.rejected == 0
    assert done[-1] == 1.0
    assert check(tmp_path / "run").outcome == outcome
    assert report(tmp_path / "run").stat().st_size > 50_000


async def test_a_tampered_recording_is_refused(short: TestPlan, url: str, tmp_path: Path) -> None:
    await run_plan(short, tmp_path / "run", RigOptions("biased"), url)
    path = tmp_path / "run" / "plan.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"value": 80.0', '"value": 10.0'), encoding="utf-8")
    with pytest.raises(RecordingError, match=r"plan\.json was changed"):
        check(tmp_path / "run")


async def test_the_rig_brings_its_own_broker(short: TestPlan, tmp_path: Path) -> None:
    told: list[str] = []
    found = await run_plan(short, tmp_path / "run", RigOptions("good"), ready=told.append)
    assert found.outcome == "PASS"
    assert told
    assert told[0].startswith("mqtt://127.0.0.1:")


async def test_a_foreign_device_is_waited_for_and_recorded(short: TestPlan, url: str, tmp_path: Path) -> None:
    """Three foreign units start before the test, miss it, and are found by ``rebirth``; noise is rejected."""
    units = instruments(short, short.start_ns, short.simulated["good"])[:3]
    players = [Player(unit, url) for unit in units]
    watch = open_mqtt(MqttConfig(url=url, client_id="watch", persistent=False), None)
    try:
        await watch.connect()
        await watch.subscribe([f"iiot/v1/{short.reference.device}/data/+"])
        for player in players:
            await player.open()
        answering = [asyncio.create_task(player.listen()) for player in players]
        test = asyncio.create_task(run_plan(short, tmp_path / "run", RigOptions(EXTERNAL, speed=0.0), url))
        assert await watch.read(10.0), "the chamber plays once the units are born"
        for player in players:
            await player.play(short.duration // short.period)
        await players[0].session.publish("iiot/v1/lab/chamber/pm-1/data/air", b'{"t": NaN}')
        for player in players:
            await player.finish()
        found = await test
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)
    finally:
        for player in players:
            await player.close()
        await watch.close()
    assert found.outcome == "PASS"
    assert found.recording.facts.device == EXTERNAL
    assert found.recording.facts.rejected == 1
    assert found.recording.facts.transport["lab/chamber/pm-2"].rows == short.duration // short.period


async def test_a_device_that_never_comes_ends_the_test_with_its_name(short: TestPlan, url: str, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"no birth within 0\.2 s from lab/chamber/pm-1, lab/chamber/pm-2"):
        await run_plan(short, tmp_path / "run", RigOptions(EXTERNAL, births_s=0.2), url)
    assert not (tmp_path / "run").exists()


async def test_an_unknown_device_is_named(short: TestPlan, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it has: good, biased, external"):
        await run_plan(short, tmp_path / "run", RigOptions("bad"), "mqtt://127.0.0.1:1")


async def test_the_pace_follows_the_speed(short: TestPlan, url: str, tmp_path: Path) -> None:
    """Eleven hours at 72,000 times real time take at least 0.55 s."""
    found = await run_plan(short, tmp_path / "run", RigOptions("good", speed=72_000.0), url)
    assert found.recording.facts.ended - found.recording.facts.began >= 0.55 * NS


async def test_a_broker_that_dies_ends_the_test(short: TestPlan, tmp_path: Path) -> None:
    async with Broker(BrokerConfig(), tmp_path / "broker") as broker:
        half = asyncio.Event()

        def progress(share: float) -> None:
            if share > 0.2:
                half.set()

        options = RigOptions("good", speed=20_000.0)
        test = asyncio.create_task(run_plan(short, tmp_path / "run", options, broker.url, progress))
        await half.wait()
        await broker.kill()
        with pytest.raises(NotConnected):
            await test
    assert not (tmp_path / "run").exists()
