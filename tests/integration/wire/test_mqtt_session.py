import asyncio
import socket
import ssl
import subprocess

import pytest

from core.errors import NotConnected, WireError
from wire.broker import Broker, find_mosquitto
from wire.broker_config import BrokerConfig, BrokerTls, BrokerUser, device_user
from wire.certs import issue, make_ca
from wire.mqtt import MqttSession
from wire.session import MqttConfig, Will

FORMS = [(311, False), (5, False), (311, True)]


def session(broker, name, version=311, will=None, **more):
    url = broker.url5 if version == 5 else broker.url
    return MqttSession(MqttConfig(url=url, client_id=name, version=version, **more), will)


async def collect(reader, count, ack=True, limit=10):
    out = []
    async with asyncio.timeout(limit):
        while len(out) < count:
            messages = await reader.read()
            out += messages
            if ack:
                await reader.ack(messages)
    return out


@pytest.mark.parametrize(("version", "threaded"), FORMS)
async def test_many_messages_arrive_once_and_in_order(broker, version, threaded):
    sender = session(broker, "a", version, threaded=threaded, window=100)
    reader = session(broker, "b", version, threaded=threaded)
    await reader.connect()
    await reader.subscribe(["x/#"])
    await sender.connect()
    task = asyncio.create_task(collect(reader, 1000))
    for i in range(1000):
        await sender.publish("x/y", str(i).encode())
        assert sender.unacked <= 100
    await sender.flush()
    assert sender.unacked == 0
    messages = await task
    assert [int(m.payload) for m in messages] == list(range(1000))
    assert all(m.arrived > 0 for m in messages)
    await sender.close()
    await reader.close()


@pytest.mark.parametrize(("version", "threaded"), FORMS)
async def test_what_is_not_acknowledged_comes_again(broker, version, threaded):
    sender, reader = session(broker, "a", version), session(broker, "b", version, threaded=threaded)
    await sender.connect()
    assert not await reader.connect()
    await reader.subscribe(["x"])
    for i in range(10):
        await sender.publish("x", str(i).encode())
    await sender.flush()
    messages = await collect(reader, 10, ack=False)
    await reader.ack(messages[5:])  # waits for those before it
    await reader.ack(messages[:3])
    await asyncio.sleep(0.1)
    await reader.close()
    assert await reader.connect()
    again = await collect(reader, 7)
    assert [int(m.payload) for m in again] == list(range(3, 10))
    await reader.close()
    await sender.close()


async def test_retained_messages_and_wills(broker):
    sender, reader = session(broker, "a", will=Will("n/state", b"gone")), session(broker, "b")
    await sender.connect()
    await sender.publish("n/birth", b"here", retain=True)
    await sender.flush()
    await reader.connect()
    await reader.subscribe(["n/#"])
    assert [(m.payload, m.retained) for m in await collect(reader, 1)] == [(b"here", True)]
    sender._client.socket().shutdown(socket.SHUT_RDWR)  # as a crash would
    assert [m.payload for m in await collect(reader, 1)] == [b"gone"]
    await sender.close()
    await reader.close()


async def test_loss_of_the_broker_is_noticed_and_mended(broker):
    sender, reader = session(broker, "a"), session(broker, "b")
    await sender.connect()
    await reader.connect()
    await reader.subscribe(["x"])
    waiting = asyncio.create_task(reader.read())
    await broker.kill()
    with pytest.raises(NotConnected):
        await asyncio.wait_for(waiting, 5)
    async with asyncio.timeout(5):
        while sender.connected:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    with pytest.raises(NotConnected):
        await sender.publish("x", b"1")
    with pytest.raises(NotConnected):
        await sender.connect()
    await broker.start()
    await reader.connect()
    await reader.subscribe(["x"])
    await sender.connect()
    await sender.publish("x", b"2")
    assert [m.payload for m in await collect(reader, 1)] == [b"2"]
    await sender.close()
    await reader.close()


async def test_unacknowledged_messages_go_out_again_first(mosquitto):
    """A broker that stops answering, then is replaced: nothing handed over is lost."""
    sender, reader = session(mosquitto, "a"), session(mosquitto, "b")
    await sender.connect()
    sender._client.loop_write = lambda: None  # what is published stays on this side
    for i in range(5):
        await sender.publish("x", str(i).encode())
    assert sender.unacked == 5
    await reader.connect()
    await reader.subscribe(["x"])
    await sender.connect()
    await sender.publish("x", b"5")
    assert [int(m.payload) for m in await collect(reader, 6)] == list(range(6))
    await sender.close()
    await reader.close()


async def test_connected_and_silent_is_noticed(mosquitto):
    import os
    import signal

    watching = session(mosquitto, "a", watchdog=1)
    await watching.connect()
    assert await watching.read(1.5) == []  # its own heartbeat keeps it from being silent, and is not shown
    os.kill(mosquitto.pid, signal.SIGSTOP)
    try:
        with pytest.raises(NotConnected, match="silent"):
            await asyncio.wait_for(watching.read(), 5)
    finally:
        os.kill(mosquitto.pid, signal.SIGCONT)
    await watching.connect()
    await watching.close()


async def test_the_watchdog_waits_for_our_own_acknowledgement(broker):
    reader = session(broker, "a", watchdog=0.5)
    await reader.connect()
    await reader.subscribe(["x"])
    await reader.publish("x", b"1")
    messages = await reader.read()
    assert await reader.read(1.0) == []
    assert reader.connected
    await reader.ack(messages)
    await reader.close()


async def test_a_full_inbox_holds_the_broker_back(broker):
    sender, reader = session(broker, "a"), session(broker, "b", queue=500)
    await reader.connect()
    await reader.subscribe(["x"])
    await sender.connect()
    for i in range(3000):
        await sender.publish("x", str(i).encode())
    await sender.flush()
    await asyncio.sleep(0.2)
    assert len(reader._inbox) < 800
    assert [int(m.payload) for m in await collect(reader, 3000)] == list(range(3000))
    await sender.close()
    await reader.close()


async def test_big_messages_pass(broker):
    a = session(broker, "a")
    await a.connect()
    await a.subscribe(["x"])
    await a.publish("x", b"z" * (2 << 20))
    assert [len(m.payload) for m in await collect(a, 1)] == [2 << 20]
    await a.close()


async def test_nobody_there():
    lonely = MqttSession(MqttConfig(url="mqtt://127.0.0.1:1", client_id="a"))
    with pytest.raises(NotConnected):
        await lonely.connect()
    with pytest.raises(NotConnected):
        await lonely.read()
    await lonely.close()


@pytest.mark.parametrize("url", ["http://x", "mqtt://", "mqtt://x:nope", "x"])
async def test_urls_that_are_none(url):
    with pytest.raises(WireError, match="mqtt://"):
        await MqttSession(MqttConfig(url=url)).connect()


async def test_a_server_that_says_nothing():
    async def silent(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = MqttSession(MqttConfig(url=f"mqtt://127.0.0.1:{port}", connect_timeout=0.2))
    with pytest.raises(NotConnected, match="no answer"):
        await client.connect()
    server.close()
    await server.wait_closed()


async def test_foreign_clients_hear_and_are_heard(broker):
    if find_mosquitto() is None:
        pytest.skip("mosquitto clients are not installed on this machine")
    port = broker.url.rpartition(":")[2]
    ours = session(broker, "a")
    await ours.connect()
    await ours.subscribe(["to/us"])
    listener = await asyncio.create_subprocess_exec(
        *("mosquitto_sub", "-h", "127.0.0.1", "-p", port, "-t", "to/them", "-C", "1", "-q", "1", "-W", "10"),
        stdout=subprocess.PIPE,
    )
    speaker = await asyncio.create_subprocess_exec(
        *("mosquitto_pub", "-h", "127.0.0.1", "-p", port, "-t", "to/us", "-m", '{"a":1}', "-q", "1")
    )
    assert await speaker.wait() == 0
    assert (await collect(ours, 1))[0].payload == b'{"a":1}'
    heard = asyncio.create_task(listener.communicate())
    while not heard.done():  # the subscription may still be on its way
        await ours.publish("to/them", b"hello")
        await asyncio.wait([heard], timeout=0.2)
    assert heard.result()[0] == b"hello\n"
    await ours.close()


@pytest.mark.parametrize("kind", ["mosquitto", "rumqttd"])
async def test_users_and_tls(kind, tmp_path):
    if kind == "mosquitto" and find_mosquitto() is None:
        pytest.skip("mosquitto is not installed on this machine")
    pair = issue(tmp_path / "certs", "broker", hosts=["localhost", "127.0.0.1"])
    ca = make_ca(tmp_path / "certs").cert
    users = {"gateway": BrokerUser(password="p w:1")}
    config = BrokerConfig(kind=kind, users=users, tls=BrokerTls(cert=pair.cert, key=pair.key))
    async with Broker(config, tmp_path / "b") as broker:
        assert broker.url.startswith("mqtts://")
        good = MqttConfig(url=broker.url, client_id="a", username="gateway", password="p w:1", ca=ca)
        client = MqttSession(good)
        await client.connect()
        await client.subscribe(["x"])
        await client.publish("x", b"1")
        assert len(await collect(client, 1)) == 1
        await client.close()
        for bad in (good.model_copy(update={"password": "no"}), good.model_copy(update={"ca": None})):
            stranger = MqttSession(bad)
            with pytest.raises((NotConnected, ssl.SSLError)):
                await stranger.connect()
            await stranger.close()


async def test_a_device_may_use_its_own_topics_only(tmp_path):
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed on this machine")
    users = {"gateway": BrokerUser(password="g"), "d1": device_user("d", "s/a/d1")}
    async with Broker(BrokerConfig(kind="mosquitto", users=users), tmp_path / "b") as broker:
        gateway = session(broker, "g", username="gateway", password="g")
        device = session(broker, "d", username="d1", password="d")
        await gateway.connect()
        await gateway.subscribe(["iiot/v1/#"])
        await device.connect()
        await device.publish("iiot/v1/s/a/d1/data/x", b"{}")
        await device.flush()
        await device.publish("iiot/v1/s/a/d2/data/x", b"{}")  # mosquitto hangs up on this one
        assert [m.topic for m in await collect(gateway, 1)] == ["iiot/v1/s/a/d1/data/x"]
        assert await gateway.read(0.2) == []
        await device.close()
        device = session(broker, "d", username="d1", password="d")
        await device.connect()
        await device.subscribe(["iiot/v1/s/a/d1/command"])
        await gateway.publish("iiot/v1/s/a/d1/command", b"{}")
        assert len(await collect(device, 1)) == 1
        await gateway.close()
        await device.close()
