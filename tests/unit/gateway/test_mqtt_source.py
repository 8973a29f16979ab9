import asyncio
import json

import numpy as np
import pytest

from core.batch import NO_SEQ
from core.catalog import Catalog
from core.command import Command, CommandResult, Event
from core.errors import NotConnected
from gateway.sources.mqtt import MqttSource, MqttSourceConfig
from wire.memory import MemoryBroker
from wire.session import MqttConfig

BIRTH = {
    "manufacturer": "Startup",
    "serialNumber": "1",
    "productInstanceUri": "urn:startup:1",
    "sid": 5,
    "streams": [{"name": "air", "channels": [{"name": "pm25", "quantity": "pm25", "unit": "ug/m3"}]}],
}
P = "iiot/v1/s/a/d"


class Bench:
    def __init__(self, catalog=None, **config):
        self.broker = MemoryBroker()
        self.source = MqttSource(MqttSourceConfig(**config), catalog or Catalog(), open_session=self.broker.open)
        self.device = self.broker.open(MqttConfig(client_id="device"), None)

    async def __aenter__(self):
        await self.device.connect()
        await self.device.subscribe([f"{P}/command"])
        await self.source.connect()
        return self

    async def __aexit__(self, *exc):
        await self.source.close()
        await self.device.close()

    async def say(self, kind, value, device=P):
        payload = value if isinstance(value, bytes) else json.dumps(value).encode()
        await self.device.publish(f"{device}/{kind}", payload)

    async def row(self, t, **more):
        await self.say("data/air", {"t": t, "v": {"pm25": t}} | more)

    async def read(self):
        arrivals, ack = await asyncio.wait_for(self.source.read(), 5)
        await ack()
        return arrivals

    async def asked(self):
        return [json.loads(m.payload)["name"] for m in await self.device.read(0.05)]


def values(arrivals):
    return [float(v) for a in arrivals for b in a.batches for v in b.x[:, 0]]


async def test_births_rows_and_the_catalog():
    async with Bench() as bench:
        await bench.say("birth", BIRTH)
        await bench.row(1, seq=0, sent=2000.0)
        await bench.row(2, seq=1, sent=2000.25)
        arrivals = await bench.read()
        assert [d.path for d in arrivals[0].births] == ["s/a/d"]
        assert bench.source.catalog.find("s/a/d/air").index == 0
        (batch,) = arrivals[1].batches
        assert np.array_equal(batch.sid, [5, 5])
        assert np.array_equal(batch.seq, [0, 1])
        assert arrivals[1].sent == 2_000_000_000
        assert arrivals[1].arrived > 0


async def test_an_unchanged_birth_is_no_news():
    async with Bench() as bench:
        await bench.say("birth", BIRTH)
        await bench.read()
        await bench.say("birth", BIRTH | {"sid": 6})
        await bench.row(1, seq=0)
        (arrival,) = await bench.read()
        assert not arrival.births
        assert arrival.batches[0].sid[0] == 6


async def test_a_restart_announced_by_the_state():
    async with Bench() as bench:
        await bench.say("birth", BIRTH)
        await bench.say("state", {"online": True, "sid": 9})
        await bench.row(1, seq=0)
        arrivals = await bench.read()
        assert (arrivals[0].states[0].online, arrivals[0].states[0].sid) == (True, 9)
        assert arrivals[1].batches[0].sid[0] == 9


async def test_rows_wait_for_their_birth():
    async with Bench() as bench:
        await bench.row(1, seq=0)
        await bench.row(2, seq=1)
        reading = asyncio.create_task(bench.read())
        async with asyncio.timeout(2):
            while not (asked := await bench.asked()):
                pass
        assert asked == ["rebirth"]
        await bench.say("birth", BIRTH)
        arrivals = await reading
        assert values(arrivals) == [1.0, 2.0]
        assert len(bench.source._parking) == bench.source._parking.bytes == 0


async def test_rows_without_a_birth_go_to_the_dead_letters():
    async with Bench(park=0.05) as bench:
        await bench.row(1)
        (arrival,) = await bench.read()
        assert [(topic, why.partition(":")[0]) for topic, why, _ in arrival.rejects] == [(f"{P}/data/air", "no-birth")]


async def test_the_parking_is_bounded():
    async with Bench(park_bytes=50) as bench:
        await bench.row(1)
        await bench.row(2)
        (arrival,) = await bench.read()
        assert "full" in arrival.rejects[0][1]


async def test_a_restarted_gateway_knows_rows_that_name_their_start():
    async with Bench() as first:
        await first.say("birth", BIRTH)
        await first.read()
    async with Bench(first.source.catalog) as bench:
        assert await bench.asked() == ["rebirth"]
        await bench.row(1, seq=3, sid=5)
        assert values(await bench.read()) == [1.0]
        await bench.row(2, seq=4)  # whose start? wait for the birth
        await bench.say("birth", BIRTH)
        arrivals = await bench.read()
        assert (values(arrivals), arrivals[-1].batches[0].seq[0]) == ([2.0], 4)


async def test_a_device_without_sid_is_known_by_time():
    async with Bench() as bench:
        await bench.say("birth", {k: v for k, v in BIRTH.items() if k != "sid"})
        await bench.row(1, seq=3)
        assert (await bench.read())[1].batches[0].seq[0] == NO_SEQ


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        ("data/air", b'{"t":1,"v":{"pm25":NaN}}', "nan"),
        ("data/air", b"{", "bad-json"),
        ("data/air", b" " * (2 << 20), "too-large"),
        ("data/air", b'{"t":1,"v":{"x":1}}', "unknown-channel"),
        ("data/other", b'{"t":1,"v":{"x":1}}', "unknown-stream"),
        ("birth", json.dumps(BIRTH).replace("ug/m3", "Cel").encode(), "unit-mismatch"),
        ("state", b"{}", "bad-shape"),
        ("nonsense", b"{}", "bad-topic"),
    ],
)
async def test_bad_input_is_set_aside_and_disturbs_nobody(kind, payload, reason):
    async with Bench() as bench:
        await bench.say("birth", BIRTH)
        await bench.say(kind, payload)
        await bench.row(1)
        arrivals = await bench.read()
        assert [(t, w.partition(":")[0], p) for t, w, p in arrivals[0].rejects] == [(f"{P}/{kind}", reason, payload)]
        assert values(arrivals) == [1.0]


async def test_broken_rows_of_a_stranger_are_not_parked():
    async with Bench() as bench:
        await bench.say("data/air", b"{")
        assert (await bench.read())[0].rejects[0][1].startswith("bad-json")


async def test_notes_and_requests():
    async with Bench() as bench:
        await bench.say("event", {"t": 1, "name": "failure"})
        await bench.say("result", {"id": "1", "status": "done", "t": 1})
        await bench.say("request", {"id": "2", "name": "stop", "issuer": "user:kim", "expires": 5})
        await bench.say("command", {"id": "3", "name": "stop", "issuer": "rule:x", "expires": 5})
        (arrival,) = await bench.read()
        assert [type(n) for n in arrival.notes] == [Event, CommandResult, Command]
        assert arrival.notes[2].issuer == "user:kim"


async def test_commands_replay_and_the_echo_of_results():
    async with Bench() as bench:
        await bench.source.send(Command("1", "s/a/d", "stop", "rule:x", 1, 2))
        await bench.source.ask_replay("s/a/d", "air", 5, 3, 7)
        sent = [json.loads(m.payload) for m in await bench.device.read(0.05)]
        assert [c["name"] for c in sent] == ["stop", "replay"]
        assert sent[1]["args"] == {"stream": "air", "sid": 5, "from": 3, "to": 7}
        await bench.source.publish_result(CommandResult("1", "s/a/d", "done", "", 1))
        await bench.say("result", {"id": "2", "status": "done", "t": 1})
        (arrival,) = await bench.read()
        assert [n.id for n in arrival.notes] == ["2"]


async def test_only_what_was_committed_is_acknowledged():
    async with Bench() as bench:
        await bench.say("birth", BIRTH)
        await bench.read()
        await bench.row(1)
        await bench.source.read()  # and dies before the commit
        bench.broker.cut("gateway")
        with pytest.raises(NotConnected):
            await bench.source.read()
        await bench.source.connect()
        assert values(await bench.read()) == [1.0]


async def test_a_reconnect_asks_who_is_there():
    async with Bench() as bench:
        await bench.say("birth", BIRTH)
        await bench.read()
        bench.broker.stop(forget=True)
        bench.broker.start()
        await bench.device.connect()
        await bench.device.subscribe([f"{P}/command"])
        await bench.source.connect()
        assert await bench.asked() == ["rebirth"]
        await bench.row(1)
        assert values(await bench.read()) == [1.0]


async def test_replayed_rows_and_fresh_ones_keep_their_own_sent():
    async with Bench() as bench:
        await bench.say("birth", BIRTH)
        await bench.row(1, sent=10.0)
        await bench.row(2, sent=20.0)
        await bench.row(3)
        arrivals = await bench.read()
        assert [(a.sent, values([a])) for a in arrivals[1:]] == [(10_000_000, [1.0]), (20_000_000, [2.0]), (0, [3.0])]
