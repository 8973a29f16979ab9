import asyncio
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from core.errors import WireError
from wire.broker import Broker, find_mosquitto
from wire.broker_config import BrokerConfig
from wire.mqtt import MqttSession
from wire.ports import free_port
from wire.session import MqttConfig

ROOT = Path(__file__).parents[3]


async def gone(pid):
    async with asyncio.timeout(5):
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_it_keeps_port_and_ends_with_stop(broker):
    url, pid = broker.url, broker.pid
    assert psutil.pid_exists(pid)
    await broker.kill()
    assert not broker.running
    await broker.start()
    assert broker.url == url
    assert broker.pid != pid
    await broker.stop()
    await gone(pid)


async def test_mosquitto_keeps_sessions_over_an_orderly_restart(mosquitto):
    client = MqttSession(MqttConfig(url=mosquitto.url, client_id="a"))
    await client.connect()
    await client.subscribe(["x"])
    await client.close()
    await mosquitto.stop()
    await mosquitto.start()
    assert await client.connect()
    await client.close()


@pytest.mark.skipif(os.name != "posix", reason="kills a process the POSIX way")
@pytest.mark.parametrize("kind", ["mosquitto", "rumqttd"])
async def test_no_orphan_when_the_parent_is_killed(kind, tmp_path):
    if kind == "mosquitto" and find_mosquitto() is None:
        pytest.skip("mosquitto is not installed on this machine")
    script = (
        "import asyncio, pathlib\n"
        "from wire.broker import Broker\n"
        "from wire.broker_config import BrokerConfig\n"
        "async def main():\n"
        f"    async with Broker(BrokerConfig(kind='{kind}'), pathlib.Path({str(tmp_path)!r})) as b:\n"
        "        print(b.pid, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=subprocess.PIPE, cwd=ROOT)
    pid = int(await parent.stdout.readline())
    assert psutil.pid_exists(pid)
    parent.kill()
    await parent.wait()
    await gone(pid)


async def test_auto_prefers_mosquitto(tmp_path):
    async with Broker(BrokerConfig(), tmp_path) as broker:
        assert broker.kind == ("mosquitto" if find_mosquitto() else "rumqttd")


async def test_an_external_broker_is_left_alone(tmp_path):
    async with Broker(BrokerConfig(kind="external", url="mqtt://example:1"), tmp_path / "none") as broker:
        assert (broker.url, broker.running, broker.pid) == ("mqtt://example:1", True, 0)
    assert not (tmp_path / "none").exists()


async def test_a_taken_port_is_said(tmp_path):
    port = free_port()
    async with Broker(BrokerConfig(kind="rumqttd", port=port), tmp_path / "a"):
        second = Broker(BrokerConfig(kind="rumqttd", port=port), tmp_path / "b")
        with pytest.raises(WireError, match="ended at once"):
            await second.start()


async def test_an_external_broker_needs_a_url(tmp_path):
    with pytest.raises(WireError, match="url"):
        await Broker(BrokerConfig(kind="external"), tmp_path).start()
