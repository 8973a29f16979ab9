"""The edge node's side: sessions, births, deaths, the primary host, commands."""

import asyncio

import numpy as np
import pytest

from core.batch import Batch
from core.catalog import Catalog
from core.clock import NS
from core.command import CommandResult
from core.spec import ChannelSpec, CommandSpec, DeviceSpec, Identity, LayoutSpec, StreamSpec
from simulator.publish.sparkplug import SparkplugPublisher, SparkplugPublisherConfig
from wire.memory import MemoryBroker
from wire.session import MqttConfig
from wire.sparkplug.datatypes import DataType as D
from wire.sparkplug.life import encode_rebirth, encode_state
from wire.sparkplug.names import parse
from wire.sparkplug.payload import Metric, Payload, decode, encode

LAYOUT = LayoutSpec("pump.main", (ChannelSpec("flow", "flow", "L/min"),))
DEVICES = [
    DeviceSpec(
        "s", "a", f"d{i}", "pump", "factory", "n", Identity("M", str(i), "u"), (StreamSpec("main", LAYOUT),),
        (CommandSpec("stop"), CommandSpec("set_speed", {"factor": "1"})), protocols=("sparkplug",),
    )
    for i in range(2)
]  # fmt: skip
T0 = 1_763_791_200 * NS
STATE = "spBv1.0/STATE/scada"


def rows(*seqs, device=0):
    n = len(seqs)
    seq = np.array(seqs, np.int64)
    return Batch(
        LAYOUT, np.full(n, device, np.int32), np.zeros(n, np.int64), seq, T0 + seq * NS, seq[:, None] + 0.5,
        np.full((n, 1), 192, np.uint8),
    )  # fmt: skip


class Rig:
    """A publisher on a broker in memory, and a host that listens."""

    def __init__(self, host="", **config):
        self.broker, self.commands = MemoryBroker(), []
        settings = SparkplugPublisherConfig(primary_host=host, overlap="0s", close_timeout_s=1.0, **config)
        self.edge = SparkplugPublisher(
            settings, Catalog(DEVICES), self.commands.append, open_session=self.broker.open, sid=7, now=lambda: T0
        )
        self.host = self.broker.open(MqttConfig(client_id="host"), None)
        self.aliases = {}

    async def __aenter__(self):
        await self.host.connect()
        await self.host.subscribe(["spBv1.0/s:a/#"])
        await self.edge.__aenter__()
        return self

    async def __aexit__(self, *exc):
        await self.edge.__aexit__()
        await self.host.close()

    async def said(self, count):
        """The next messages as (kind, device, seq, payload), commands left out."""
        out = []
        async with asyncio.timeout(5):
            while len(out) < count:
                for message in await self.host.read():
                    topic = parse(message.topic)
                    if topic.kind not in ("NCMD", "DCMD"):
                        payload = decode(message.payload)
                        self.aliases |= {m.name: m.alias for m in payload.metrics if m.name}
                        out.append((topic.kind, topic.device, payload.seq, payload))
        return out

    async def silent(self):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await self.said(1)

    async def command(self, *metrics, device="d0", t=1):
        await self.host.publish(f"spBv1.0/s:a/DCMD/n/{device}", encode(Payload(t, None, list(metrics))), qos=0)
        await asyncio.sleep(0.02)

    async def state(self, online, t):
        await self.host.publish(STATE, encode_state(online, t), retain=True)

    @property
    def client(self):
        return "simulator-sparkplug-s.a.n"


def kinds(said):
    return [(kind, device, seq) for kind, device, seq, _ in said]


def bdseq(payload):
    return next(m.value for m in payload.metrics if m.name == "bdSeq")


async def test_births_come_first_and_are_numbered():
    async with Rig() as rig:
        await rig.edge.announce(DEVICES)
        await rig.edge.publish([rows(0), rows(0, device=1)])
        said = await rig.said(5)
        assert kinds(said) == [
            ("NBIRTH", "", 0), ("DBIRTH", "d0", 1), ("DBIRTH", "d1", 2), ("DDATA", "d0", 3), ("DDATA", "d1", 4),
        ]  # fmt: skip
        flow = next(m for m in said[3][3].metrics if m.alias == rig.aliases["main/flow"] or m.datatype == D.DOUBLE)
        assert (flow.name, flow.value, flow.timestamp) == ("", 0.5, T0 // 10**6)
        births = [m for _, _, _, p in said[:3] for m in p.metrics]
        aliases = [m.alias for m in births if m.alias is not None]
        assert len(set(aliases)) == len(aliases)
        assert all(m.timestamp is not None and m.datatype for m in births)


async def test_a_rebirth_repeats_the_connection_number_and_tells_present_values():
    async with Rig() as rig:
        await rig.edge.announce(DEVICES[:1])
        await rig.edge.publish([rows(0, 1)])
        first = await rig.said(3)
        await rig.host.publish("spBv1.0/s:a/NCMD/n", encode_rebirth(1), qos=0)
        again = await rig.said(2)
        assert kinds(again) == [("NBIRTH", "", 0), ("DBIRTH", "d0", 1)]
        assert bdseq(first[0][3]) == bdseq(again[0][3]) == 0
        values = {m.name: m.value for m in again[1][3].metrics}
        assert (values["main/_row"], values["main/flow"]) == (1, 1.5)
        assert values["Commands/stop"] is False
        await rig.edge.publish([rows(2)])
        assert kinds(await rig.said(1)) == [("DDATA", "d0", 2)]


async def test_a_pulled_cable_is_a_death_and_a_new_connection_number():
    async with Rig() as rig:
        await rig.edge.announce(DEVICES[:1])
        born = await rig.said(2)
        await rig.edge.publish([rows(0)])
        await rig.said(1)
        rig.broker.cut(rig.client)
        await rig.edge.publish([rows(1)])
        death, birth, device, data = await rig.said(4)
        assert kinds([death, birth, device, data])[:3] == [("NDEATH", "", None), ("NBIRTH", "", 0), ("DBIRTH", "d0", 1)]
        assert [bdseq(p) for *_, p in (born[0], death, birth)] == [0, 0, 1]
        assert all(m.historical for m in data[3].metrics)
        assert "spBv1.0/s:a/NDEATH/n" not in rig.broker.retained


async def test_a_goodbye_is_a_death_certificate():
    async with Rig() as rig:
        await rig.edge.announce(DEVICES[:1])
        await rig.said(2)
        await rig.edge.__aexit__()
        assert kinds(await rig.said(1)) == [("NDEATH", "", None)]


async def test_nothing_is_said_before_the_primary_host_is_there():
    async with Rig("scada") as rig:
        await rig.edge.announce(DEVICES[:1])
        await rig.edge.publish([rows(0)])
        await rig.silent()
        await rig.state(True, 100)
        said = await rig.said(3)
        assert kinds(said) == [("NBIRTH", "", 0), ("DBIRTH", "d0", 1), ("DDATA", "d0", 2)]
        await rig.edge.publish([rows(1)])
        live = (await rig.said(1))[0]
        assert not any(m.historical for m in live[3].metrics)


async def test_an_absent_host_ends_the_session_and_rows_are_held():
    async with Rig("scada") as rig:
        await rig.state(True, 100)
        await rig.edge.announce(DEVICES[:1])
        await rig.said(2)
        await rig.state(False, 99)  # the will of an earlier life of the host
        await rig.silent()
        await rig.state(False, 100)
        assert kinds(await rig.said(1)) == [("NDEATH", "", None)]
        await rig.edge.publish([rows(0)])
        await rig.edge.publish([rows(1)])
        await rig.silent()
        assert not rig.edge.connected
        await rig.state(True, 200)
        said = await rig.said(3)
        assert kinds(said) == [("NBIRTH", "", 0), ("DBIRTH", "d0", 1), ("DDATA", "d0", 2)]
        assert [m.value for m in said[2][3].metrics if m.datatype == D.DOUBLE] == [0.5, 1.5]
        assert bdseq(said[0][3]) == 1


async def test_a_foreign_command_gets_what_it_leaves_unsaid():
    async with Rig() as rig:
        await rig.edge.announce(DEVICES[:1])
        await rig.said(2)
        order = (
            Metric("", D.BOOLEAN, True, 5, rig.aliases["Commands/set_speed"]),
            Metric("", D.DOUBLE, 0.5, 5, rig.aliases["Commands/set_speed/factor"]),
        )
        for _ in range(2):
            await rig.command(*order)
        first, second = rig.commands
        assert (first.device, first.name, first.args, first.issuer) == (
            "s/a/d0",
            "set_speed",
            {"factor": 0.5},
            "sparkplug",
        )
        assert first.expires == T0 + 30 * NS
        assert first.id == second.id  # delivered twice: the inbox knows it again
        await rig.command(Metric("Commands/stop", D.BOOLEAN, False, 5), t=6)
        await rig.command(Metric("Commands/stop", D.BOOLEAN, True, 5), device="unknown")
        await rig.host.publish("spBv1.0/s:a/DCMD/n/d0", b"\xff\xff", qos=0)
        await asyncio.sleep(0.02)
        assert len(rig.commands) == 2


async def test_a_result_is_a_metric_and_stays_in_the_birth():
    async with Rig() as rig:
        await rig.edge.announce(DEVICES[:1])
        await rig.said(2)
        await rig.edge.tell([CommandResult("c1", "s/a/d0", "done", "ok", T0)])
        (_, _, _, payload) = (await rig.said(1))[0]
        (metric,) = payload.metrics
        assert (metric.alias, '"c1"' in metric.value) == (rig.aliases["Command/Result"], True)
        await rig.host.publish("spBv1.0/s:a/NCMD/n", encode_rebirth(1), qos=0)
        birth = (await rig.said(2))[1]
        assert {m.name: m.value for m in birth[3].metrics}["Command/Result"] == metric.value


@pytest.mark.parametrize(
    ("args", "rows_again", "status"),
    [
        ({"from": 1, "to": 2}, [1, 2], "done"),
        ({"from": 1, "to": 2, "sid": 8}, [], "failed"),
        ({"from": "x"}, [], "refused"),
    ],
)
async def test_kept_rows_are_sent_again_as_historical(args, rows_again, status):
    async with Rig() as rig:
        await rig.edge.announce(DEVICES[:1])
        for seq in range(4):
            await rig.edge.publish([rows(seq)])
        await rig.edge.flush()
        while (await rig.said(1))[-1][3].metrics[-1].value != 3:
            pass
        order = [Metric("Commands/replay", D.BOOLEAN, True, 5, properties={"id": "replay-1"})]
        for name, value in ({"stream": "main"} | args).items():
            kind = D.STRING if isinstance(value, str) else D.INT64
            order.append(Metric(f"Commands/replay/{name}", kind, value, 5))
        await rig.command(*order)
        ((_, _, _, payload),) = await rig.said(1)
        again = [m for m in payload.metrics if m.alias == rig.aliases["main/_row"]]
        assert [m.value for m in again] == rows_again
        assert all(m.historical for m in again)
        assert f'"{status}"' in payload.metrics[-1].value


async def test_a_device_may_come_late_and_go_early():
    async with Rig() as rig:
        await rig.edge.announce(DEVICES[:1])
        await rig.said(2)
        await rig.edge.announce(DEVICES[1:])
        assert kinds(await rig.said(1)) == [("DBIRTH", "d1", 2)]
        rig.edge.edges["s/a/n"].remove("d0")
        assert kinds(await rig.said(1)) == [("DDEATH", "d0", 3)]


async def test_the_world_waits_when_too_much_is_held():
    async with Rig("scada", backlog=200) as rig:
        await rig.edge.announce(DEVICES[:1])
        too_much = asyncio.create_task(rig.edge.publish([rows(seq) for seq in range(100)]))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(too_much), 0.2)
        await rig.state(True, 1)
        await rig.said(3)
        await asyncio.wait_for(too_much, 5)
