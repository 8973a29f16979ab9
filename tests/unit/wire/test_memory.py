import asyncio

import pytest

from core.errors import NotConnected
from wire.memory import MemoryBroker
from wire.session import MqttConfig, Will


def config(name, **more):
    return MqttConfig(client_id=name, **more)


async def test_delivery_retained_and_wildcards():
    broker = MemoryBroker()
    a, b = broker.open(config("a")), broker.open(config("b"))
    await a.connect()
    await a.publish("x/1", b"kept", retain=True)
    await b.connect()
    await b.subscribe(["x/#"])
    await a.publish("x/2", b"new")
    messages = await b.read()
    assert [(m.topic, m.payload, m.retained) for m in messages] == [("x/1", b"kept", True), ("x/2", b"new", False)]
    assert await b.read(0) == []


async def test_what_is_not_acknowledged_comes_again():
    broker = MemoryBroker()
    a, b = broker.open(config("a")), broker.open(config("b"))
    await a.connect()
    assert not await b.connect()
    await b.subscribe(["#"])
    await a.publish("x", b"1")
    await a.publish("x", b"2")
    first = await b.read()
    await b.ack(first[:1])
    broker.cut("b")
    with pytest.raises(NotConnected):
        await b.read()
    assert await b.connect()
    await b.ack(first[1:])  # of the earlier connection: passed over
    assert [m.payload for m in await b.read()] == [b"2"]


async def test_the_will_speaks_only_without_a_goodbye():
    broker = MemoryBroker()
    a, b = broker.open(config("a"), Will("state", b"gone")), broker.open(config("b"))
    await a.connect()
    await b.connect()
    await b.subscribe(["#"])
    await a.close()
    assert await b.read(0) == []
    await a.connect()
    broker.cut("a")
    assert [m.payload for m in await b.read()] == [b"gone"]


async def test_a_broker_that_forgets():
    broker = MemoryBroker()
    a = broker.open(config("a"))
    await a.connect()
    await a.publish("x", b"1", retain=True)
    broker.stop(forget=True)
    with pytest.raises(NotConnected):
        await a.publish("x", b"2")
    with pytest.raises(NotConnected):
        await a.connect()
    broker.start()
    assert not await a.connect()
    await a.subscribe(["#"])
    assert await a.read(0) == []


@pytest.mark.parametrize("seed", [1, 2])
async def test_loss_and_duplication_are_drawn_from_the_seed(seed):
    async def run():
        broker = MemoryBroker(loss=0.3, duplication=0.3, seed=seed)
        a = broker.open(config("a"))
        await a.connect()
        await a.subscribe(["#"])
        for i in range(200):
            await a.publish("x", str(i).encode())
        return [m.payload for m in await a.read()], broker.lost

    first, lost = await run()
    assert (first, lost) == await run()
    assert 30 < lost < 90
    assert len(set(first)) == 200 - lost < len(first)


async def test_delay_lets_others_run_first():
    broker = MemoryBroker(delay_s=0.02)
    a = broker.open(config("a"))
    await a.connect()
    await a.subscribe(["#"])
    await a.publish("x", b"1")
    assert await a.read(0) == []
    assert len(await asyncio.wait_for(a.read(), 1)) == 1
