import asyncio

import numpy as np
import pytest

from core.batch import Batch
from core.catalog import Catalog
from core.command import Command, CommandResult, Event
from core.spec import ChannelSpec, DeviceSpec, Identity, LayoutSpec, StreamSpec
from simulator.publish.mqtt import MqttPublisher, MqttPublisherConfig
from simulator.publish.ring import Ring
from wire import topics
from wire.codec_birth import decode_birth
from wire.codec_command import decode_event, decode_result, decode_state, encode_command
from wire.codec_rows import decode_rows
from wire.codec_rows_out import Outgoing
from wire.memory import MemoryBroker
from wire.session import MqttConfig

LAYOUT = LayoutSpec("air.a", (ChannelSpec("pm25", "pm25", "ug/m3"), ChannelSpec("temp", "temperature", "Cel")))
T = 1_763_791_200_000_000_000


def make(area, name):
    who = Identity("M", name, f"urn:{name}")
    return DeviceSpec("seoul", area, name, "air", "urban", name, who, (StreamSpec("a", LAYOUT),))


DEVICES = [make("north", "n1"), make("north", "n2"), make("south", "s1")]


def rows(streams, seq):
    n = len(streams)
    return Batch(
        LAYOUT,
        np.array(streams, np.int32),
        np.zeros(n, np.int64),
        np.full(n, seq, np.int64),
        np.full(n, T + seq * 10**9, np.int64),
        np.ones((n, 2)),
        np.full((n, 2), 192, np.uint8),
    )


class Bench:
    """A broker in memory, a publisher on it, and someone who hears everything."""

    def __init__(self, **config):
        self.broker = MemoryBroker()
        self.catalog = Catalog(DEVICES)
        self.commands = []
        self.publisher = MqttPublisher(
            MqttPublisherConfig(**config), self.catalog, self.commands.append, open_session=self.broker.open, sid=77
        )
        self.ear = self.broker.open(MqttConfig(client_id="ear"), None)

    async def __aenter__(self):
        await self.ear.connect()
        await self.ear.subscribe(["iiot/v1/#"])
        await self.publisher.__aenter__()
        await self.publisher.announce(DEVICES)
        await self.settle()
        return self

    async def __aexit__(self, *exc):
        await self.publisher.__aexit__(*exc)

    async def settle(self):
        async with asyncio.timeout(5):
            while not self.publisher.connected:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            await self.publisher.flush()

    async def heard(self, kind):
        await asyncio.sleep(0.02)
        await self.publisher.flush()
        out = [(topics.parse(m.topic), m.payload) for m in await self.ear.read(0.05)]
        return [(topic, payload) for topic, payload in out if topic.kind == kind]

    async def command(self, device, name, **args):
        command = Command(f"c-{name}", device, name, "rule:x", T, T, args)
        await self.ear.publish(topics.of_device(device, "command"), encode_command(command))


async def test_births_and_states_are_retained_and_nodes_follow_the_connection():
    async with Bench() as bench:
        assert set(bench.publisher.links) == {"seoul/north/north-node", "seoul/south/s1"}
        births = [decode_birth(*b) for b in await bench.heard("birth")]
        assert {(d.device, d.node, sid) for d, sid in births} == {
            ("n1", "north-node", 77),
            ("n2", "north-node", 77),
            ("s1", "s1", 77),
        }
        kept = {topics.parse(t).kind for t in bench.broker.retained}
        assert kept == {"birth", "state"}


@pytest.mark.parametrize(("mode", "links"), [("own", 3), ("node", 3), ("area", 2)])
async def test_connections(mode, links):
    async with Bench(connection=mode) as bench:
        assert len(bench.publisher.links) == links


async def test_rows_go_by_stream_with_sid_and_sent():
    async with Bench() as bench:
        await bench.publisher.publish([rows([0, 1, 2], 5)])
        heard = await bench.heard("data")
        assert [topic.stream_path for topic, _ in heard] == [e.path for e in bench.catalog.streams]
        batch, sent = decode_rows(heard[1][1], bench.catalog.streams[1])
        assert (batch.sid[0], batch.seq[0], batch.t[0]) == (77, 5, T + 5 * 10**9)
        assert sent > 0
        assert bench.publisher.metrics.counts["rows_emitted"] == 3


async def test_commands_results_and_events():
    async with Bench() as bench:
        await bench.command("seoul/north/n1", "fan", speed=3.0)
        await bench.command("seoul/north/stranger", "fan")
        await asyncio.sleep(0.02)
        assert [(c.device, c.name, c.args) for c in bench.commands] == [("seoul/north/n1", "fan", {"speed": 3.0})]
        result, event = CommandResult("c", "seoul/north/n1", "done", "", T), Event("seoul/south/s1", "x", "y", T)
        await bench.publisher.tell([result, event])
        await bench.publisher.flush()
        heard = [(topics.parse(m.topic), m.payload) for m in await bench.ear.read(0.05)]
        assert [decode_result(*h) for h in heard if h[0].kind == "result"] == [result]
        assert [decode_event(*h) for h in heard if h[0].kind == "event"] == [event]


async def test_replay_sends_kept_rows_again():
    async with Bench() as bench:
        for seq in range(6):
            await bench.publisher.publish([rows([0, 1], seq)])
        await bench.heard("data")
        await bench.command("seoul/north/n1", "replay", stream="a", **{"from": 2.0, "to": 4.0})
        heard = await bench.heard("data")
        assert [decode_rows(p, bench.catalog.streams[0])[0].seq[0] for _, p in heard] == [2, 3, 4]
        await bench.command("seoul/north/n1", "replay", stream="a", **{"from": 90.0, "to": 91.0})
        assert [decode_result(*h).status for h in await bench.heard("result")] == ["failed"]
        await bench.command("seoul/north/n1", "replay", stream="a", **{"from": "x"})
        assert [decode_result(*h).status for h in await bench.heard("result")] == ["refused"]


async def test_rebirth_is_answered():
    async with Bench() as bench:
        await bench.heard("birth")
        await bench.command("seoul/south/s1", "rebirth")
        assert [topic.device for topic, _ in await bench.heard("birth")] == ["s1"]


async def test_the_goodbye_tells_the_last_rows():
    async with Bench() as bench:
        await bench.publisher.publish([rows([0, 1, 2], 9)])
        await bench.publisher.flush()
        states = [decode_state(*h) for h in await bench.heard("state")]
        assert states[-1].online
        assert states[-1].last
    states = [decode_state(topics.parse(m.topic), m.payload) for m in await bench.ear.read(0.05)]
    assert {s.node: (s.online, s.last) for s in states} == {
        "seoul/north/north-node": (False, {"seoul/north/n1/a": 9, "seoul/north/n2/a": 9}),
        "seoul/south/s1": (False, {"seoul/south/s1/a": 9}),
    }


async def test_an_outage_delays_and_loses_nothing():
    async with Bench() as bench:
        await bench.heard("birth")
        bench.broker.stop(forget=True)
        await bench.publisher.publish([rows([0, 1, 2], 0)])
        await bench.publisher.publish([rows([0, 1, 2], 1)])
        bench.broker.start()
        await bench.ear.connect()
        await bench.ear.subscribe(["iiot/v1/#"])
        await bench.settle()
        kinds = [topics.parse(m.topic) for m in await bench.ear.read(0.5)]
        north = [t.kind for t in kinds if t.area == "north"]
        assert north == ["state", "birth", "birth", "data", "data", "data", "data", "state"]


async def test_a_lost_connection_speaks_the_will():
    async with Bench() as bench:
        await bench.heard("state")
        bench.broker.cut("simulator-seoul.south.s1")
        states = [decode_state(*h) for h in await bench.heard("state")]
        assert (states[0].online, states[0].sid) == (False, 77)


async def test_a_full_backlog_makes_the_world_wait():
    async with Bench(backlog=500) as bench:
        bench.broker.stop()
        publishing = asyncio.create_task(publish_many(bench.publisher))
        assert not (await asyncio.wait([publishing], timeout=0.2))[0]
        assert max(link.queued_bytes for link in bench.publisher.links.values()) < 1500
        bench.broker.start()
        await publishing
        await bench.settle()


async def publish_many(publisher):
    for seq in range(100):
        await publisher.publish([rows([0, 1, 2], seq)])


def test_the_ring_forgets_the_oldest():
    ring = Ring(span_ns=100, max_bytes=25)
    for i in range(5):
        ring.add(i * 10, "p" if i % 2 else "q", Outgoing(0, 1, i, i, b"x" * 10))
    assert ring.bytes == 20
    assert [m.first for m in ring.find("p", 0, 99) + ring.find("q", 0, 99)] == [3, 4]
    assert ring.find("p", 0, 99, sid=2) == []
    ring.add(500, "p", Outgoing(0, 1, 9, 9, b"x"))
    assert [m.first for m in ring.find("p", 0, 99)] == [9]
    assert ring.find("q", 0, 99) == []
