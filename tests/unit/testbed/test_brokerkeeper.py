import asyncio
import os
import signal
from pathlib import Path

import pytest

from core.errors import WireError
from testbed.brokerkeeper import BrokerKeeper
from wire.broker import Broker, find_mosquitto
from wire.broker_config import BrokerConfig
from wire.ports import free_port


class Fragile:
    """A broker that ends when told and starts as often as it is allowed to."""

    url = "mqtt://here:1"

    def __init__(self, starts: int) -> None:
        self.left = starts
        self.gone = asyncio.Event()
        self.up = asyncio.Event()

    async def ended(self) -> None:
        await self.gone.wait()

    async def start(self) -> None:
        if not self.left:
            raise WireError("mosquitto ended at once with code 1")
        self.left -= 1
        self.gone.clear()
        self.up.set()


async def test_it_comes_back_and_people_hear_of_it() -> None:
    broker, heard, lost = Fragile(2), list[str](), list[str]()
    keeper = BrokerKeeper(broker, heard.append, lost.append, pauses=(0.0, 0.0, 0.0))
    task = asyncio.create_task(keeper.run())
    for _ in range(2):
        broker.up.clear()
        broker.gone.set()
        await asyncio.wait_for(broker.up.wait(), 5)
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert keeper.restarts == 2
    assert len(heard) == 2
    assert "mqtt://here:1" in heard[0]
    assert lost == []


async def test_it_gives_up_with_one_clear_line() -> None:
    broker, lost = Fragile(0), list[str]()
    broker.gone.set()
    await asyncio.wait_for(BrokerKeeper(broker, lambda _: None, lost.append, pauses=(0.0, 0.0)).run(), 5)
    assert lost == [
        "the broker at mqtt://here:1 ended and cannot be started again: mosquitto ended at once with code 1"
    ]


async def test_a_broker_that_always_ends_is_given_up() -> None:
    broker, lost = Fragile(100), list[str]()
    broker.gone = asyncio.Event()
    broker.gone.set()
    broker.gone.clear = lambda: None  # type: ignore[method-assign]
    await asyncio.wait_for(BrokerKeeper(broker, lambda _: None, lost.append, pauses=(0.0, 0.0)).run(), 5)
    assert "again and again" in lost[0]


@pytest.mark.parametrize("kind", ["mosquitto", "rumqttd"])
async def test_a_killed_broker_serves_on_the_same_port(kind: str, tmp_path: Path) -> None:
    if kind == "mosquitto" and find_mosquitto() is None:
        pytest.skip("mosquitto is not installed on this machine")
    async with Broker(BrokerConfig.model_validate({"kind": kind}), tmp_path) as broker:
        heard: list[str] = []
        back = asyncio.Event()

        def told(text: str) -> None:
            heard.append(text)
            back.set()

        url, pid = broker.url, broker.pid
        task = asyncio.create_task(BrokerKeeper(broker, told, heard.append, pauses=(0.05,) * 5).run())
        await asyncio.sleep(0)
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        await asyncio.wait_for(back.wait(), 20)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert broker.running
        assert broker.url == url
        assert broker.pid != pid


async def test_an_external_broker_is_never_restarted(tmp_path: Path) -> None:
    async with Broker(BrokerConfig(kind="external", url=f"mqtt://127.0.0.1:{free_port()}"), tmp_path) as broker:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(broker.ended(), 0.05)
