"""Sparkplug B over real brokers: our edge node with our host, and each with one by somebody else (npm)."""

import asyncio

import numpy as np
import pytest

from core.batch import Batch
from core.catalog import Catalog
from core.clock import MS, NS, wall_ns
from core.command import Command, CommandResult, Event
from core.errors import NotConnected
from core.spec import ChannelSpec, CommandSpec, DeviceSpec, Identity, LayoutSpec, StreamSpec
from gateway.sources.sparkplug import SparkplugSource, SparkplugSourceConfig
from simulator.publish.sparkplug import SparkplugPublisher, SparkplugPublisherConfig
from tests.peers.node import need_node
from tests.peers.talker import Talker

MAIN = LayoutSpec(
    "pump.main", (ChannelSpec("flow", "flow", "L/min", 0, 100), ChannelSpec("temp", "temperature", "Cel"))
)
WAVE = LayoutSpec("pump.wave", (ChannelSpec("ax", "acceleration", "m/s2"),))
STREAMS = (StreamSpec("main", MAIN), StreamSpec("wave", WAVE, MS))
DEVICES = [
    DeviceSpec(
        "s", "hall", f"p{i}", "pump", "factory", "n", Identity("M", str(i), f"urn:{i}"), STREAMS,
        (CommandSpec("stop"), CommandSpec("set_speed", {"factor": "1"})), protocols=("sparkplug",),
    )
    for i in range(3)
]  # fmt: skip
WORLD = Catalog(DEVICES)
T0 = wall_ns() // NS * NS
SID = 77


def rows(seq: int) -> list[Batch]:
    """One row of every slow stream, ten of every fast one."""
    n = len(DEVICES)
    main = Batch(
        MAIN, np.arange(n, dtype=np.int32) * 2, np.zeros(n, np.int64), np.full(n, seq),
        np.full(n, T0 + seq * 100 * MS + 7),
        np.full((n, 2), seq + 0.25), np.full((n, 2), 192 if seq % 3 else 68, np.uint8),
    )  # fmt: skip
    k = np.arange(10)
    wave = [
        Batch(
            WAVE, np.full(10, 2 * d + 1, np.int32), np.zeros(10, np.int64), seq * 10 + k, T0 + (seq * 10 + k) * MS,
            (seq * 10.0 + k)[:, None], np.full((10, 1), 192, np.uint8),
        )
        for d in range(n)
    ]  # fmt: skip
    return [main, *wave]


class Host:
    """Reads a source in the background, reconnecting as the supervisor would; keeps what the dedup would."""

    def __init__(self, url, catalog=None, **config):
        self.catalog = catalog or Catalog()
        self.source = SparkplugSource(SparkplugSourceConfig(url=url, reorder="0.2s", **config), self.catalog)
        self.rows, self.twice, self.notes, self.rejects, self.states = {}, [], [], [], []

    async def __aenter__(self):
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *exc):
        await self.end()

    async def end(self, kill=False):
        if self._task.done():
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await (self.source._session._drop() if kill else self.source.close())

    async def _run(self):
        while True:
            try:
                await self.source.connect()
                while True:
                    arrivals, ack = await self.source.read()
                    for arrival in arrivals:
                        self._take(arrival)
                    await ack()
            except NotConnected:
                await asyncio.sleep(0.05)

    def _take(self, arrival):
        self.notes += arrival.notes
        self.rejects += arrival.rejects
        self.states += arrival.states
        for batch in arrival.batches:
            paths = [self.catalog.streams[i].path for i in batch.stream]
            for path, sid, seq, t, x, q in zip(
                paths, *(getattr(batch, c).tolist() for c in ("sid", "seq", "t", "x", "q")), strict=True
            ):
                key = (path, sid, seq) if seq >= 0 else (path, t)
                self.twice += [key] if key in self.rows else []
                self.rows[key] = (t, x, q)

    async def until(self, what, condition, limit=20):
        try:
            async with asyncio.timeout(limit):
                while not condition():  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"waiting until {what}: {len(self.rows)} rows, rejected {self.rejects[:3]}") from None

    def missing(self, count):
        wanted = {(f"s/hall/p{d}/main", SID, n) for d in range(3) for n in range(count)}
        wanted |= {(f"s/hall/p{d}/wave", SID, n) for d in range(3) for n in range(count * 10)}
        return wanted - set(self.rows)


def publisher(url, heard=None, **config):
    settings = SparkplugPublisherConfig(url=url, **config)
    return SparkplugPublisher(settings, WORLD, (heard if heard is not None else []).append, sid=SID)


async def test_rows_arrive_as_they_were_made_and_the_numbering_wraps(broker):
    async with Host(broker.url) as host, publisher(broker.url) as edge:
        await edge.announce(DEVICES)
        for seq in range(120):  # a message for each device: 360, over the wrap at 256
            await edge.publish(rows(seq))
            await edge.edges["s/hall/n"].flush()
        await host.until("all rows came", lambda: not host.missing(120))
        assert (host.twice, host.rejects) == ([], [])
        assert host.rows["s/hall/p1/main", SID, 3] == (T0 + 300 * MS + 7, [3.25, 3.25], [68, 68])
        assert host.rows["s/hall/p2/wave", SID, 1199][1] == [1199.0]
        assert [d.kind for d in host.catalog.devices.values()] == ["pump"] * 3
        assert host.source.metrics.counts["sparkplug_gaps"] == 0
        await edge.flush()
        await host.until("the last numbers are told", lambda: len({p for s in host.states for p in s.last}) == 6)


async def test_what_is_made_while_the_host_is_away_comes_later_and_once(broker):
    """Store and forward: rows are held while the primary host is offline; a row keeps its identity."""
    catalog = Catalog()
    async with publisher(broker.url, overlap="0s") as edge:
        await edge.announce(DEVICES)
        for seq in range(5):
            await edge.publish(rows(seq))
        async with Host(broker.url, catalog) as host:
            await host.until("the first rows came", lambda: not host.missing(5))
        await asyncio.sleep(0.2)
        for seq in range(5, 10):
            await edge.publish(rows(seq))
        assert not edge.connected
        async with Host(broker.url, catalog) as again:
            again.rows = host.rows
            await again.until("the others came", lambda: not again.missing(10))
            # a birth tells present values: the last row of each slow stream, which the dedup knows again
            assert set(again.twice) <= {(f"s/hall/p{d}/main", SID, 4) for d in range(3)}


async def test_replay_repairs_what_a_killed_host_had_taken(broker):
    catalog = Catalog()
    async with publisher(broker.url, overlap="0s") as edge:
        await edge.announce(DEVICES)
        async with Host(broker.url, catalog) as host:
            await edge.publish(rows(0))
            await host.until("the first rows came", lambda: not host.missing(1))
            await host.end(kill=True)
        await asyncio.sleep(0.1)
        async with Host(broker.url, catalog) as again:
            await again.until("it is born again", lambda: len(again.source.nodes) == 1 and edge.connected)
            await again.until("births came", lambda: len(again.rows) >= 3)
            await again.source.ask_replay("s/hall/p1", "wave", SID, 3, 5)
            await again.until("rows came again", lambda: ("s/hall/p1/wave", SID, 4) in again.rows)
            results = lambda: [n for n in again.notes if isinstance(n, CommandResult)]  # noqa: E731
            await again.until("it says so", lambda: any(r.status == "done" for r in results()))


async def test_commands_reach_the_inbox_whole_and_results_come_back(broker):
    heard = []
    async with Host(broker.url) as host, publisher(broker.url, heard) as edge:
        await edge.announce(DEVICES)
        await host.until("it is born", lambda: edge.connected and len(host.catalog.devices) == 3)
        asked = Command("c1", "s/hall/p2", "set_speed", "policy:x", T0, T0 + NS, {"factor": 0.8})
        await host.source.send(asked)
        await host.until("the command came", lambda: heard)
        assert heard == [asked]
        done = CommandResult("c1", "s/hall/p2", "done", "slower", T0 + 5 * MS)
        event = Event("s/hall/p2", "failure", "bearing", T0 + 6 * MS, "alarm")
        await edge.tell([done, event])
        await host.until("both came", lambda: done in host.notes and event in host.notes)


async def test_a_lost_broker_costs_nothing(mosquitto, tmp_path):
    async with Host(mosquitto.url) as host, publisher(mosquitto.url) as edge:
        await edge.announce(DEVICES)
        for seq in range(20):
            await edge.publish(rows(seq))
            if seq == 10:
                await host.until("half of them came", lambda: not host.missing(5))
                await mosquitto.stop()
                await mosquitto.start()
        await host.until("all came", lambda: not host.missing(20), 30)
        assert edge.edges["s/hall/n"].bdseq >= 1


# --- with somebody else's --------------------------------------------------------------------------------------


@pytest.fixture
def foreign():
    need_node("sparkplug-client", "sparkplug-payload", "mqtt")


async def test_a_foreign_edge_node_takes_part(mosquitto, foreign):
    async with (
        Host(mosquitto.url) as host,
        Talker("sparkplug_edge.js", mosquitto.url, "Plant 1", "Edge-7", "Motor") as edge,
    ):
        await host.until("it is catalogued", lambda: host.catalog.devices)
        (device,) = host.catalog.devices.values()
        assert (device.area, device.device, device.domain) == ("Edge-7", "Motor", "third_party")
        assert device.identity.manufacturer == "Foreign Works"
        units = {s.name: s.layout.channels[0].unit for s in device.streams}
        assert units == {"Inputs.Temp": "Cel", "Outputs.Speed": "/min", "Running": "1"}

        await edge.tell("data Inputs/Temp 21.5 1763791200123")
        temp = device.stream_path("Inputs.Temp")
        await host.until("its value came", lambda: (temp, 1763791200123 * MS) in host.rows)
        assert host.rows[temp, 1763791200123 * MS][1:] == ([21.5], [192])

        await edge.tell("many 600")  # the numbering wraps more than twice
        await host.until(
            "all came", lambda: {x[0] for key, (_, x, _) in host.rows.items() if key[0] == temp} >= set(range(600))
        )
        assert host.source.metrics.counts["sparkplug_gaps"] == 0

        mark = len(edge.heard)
        await edge.tell("skip")
        await edge.tell("data Inputs/Temp 77")
        await edge.until("it is asked for its birth", lambda line: line["did"] == "rebirth asked", mark)
        await host.until("the value behind the gap is kept", lambda: any(x == [77.0] for _, x, _ in host.rows.values()))

        await host.source.send(Command("w1", device.path, "write", "user:x", T0, T0, {"Outputs.Speed": 1200.0}))
        written = await edge.until("the write comes", lambda line: line["did"] == "written")
        assert (written["device"], written["name"], written["value"], written["type"]) == (
            "Motor",
            "Outputs/Speed",
            1200,
            "Int32",
        )
        await host.until(
            "it is confirmed", lambda: any(isinstance(n, CommandResult) and n.status == "done" for n in host.notes)
        )

        await edge.tell("die")
        await host.until(
            "its death is told", lambda: any(isinstance(n, Event) and n.name == "offline" for n in host.notes)
        )
        assert host.rejects == []


async def test_a_compressed_foreign_birth_is_read(mosquitto, foreign, monkeypatch):
    monkeypatch.setenv("COMPRESS", "1")
    async with Host(mosquitto.url) as host, Talker("sparkplug_edge.js", mosquitto.url, "G", "N", "D"):
        await host.until("it is catalogued", lambda: host.catalog.devices)
        assert len(next(iter(host.catalog.devices.values())).streams) == 3
        assert host.rejects == []


async def test_a_foreign_host_understands_our_edge_node(mosquitto, foreign):
    heard = []
    async with (
        Talker("sparkplug_host.js", mosquitto.url) as host,
        publisher(mosquitto.url, heard, primary_host="") as edge,
    ):
        await host.until("it listens", lambda line: line.get("did") == "listening")
        await edge.announce(DEVICES[:1])
        node = await host.until("NBIRTH", lambda line: line.get("kind") == "NBIRTH")
        named = {m["name"]: m for m in node["metrics"]}
        assert (node["seq"], node["group"], node["node"], node["qos"], node["retain"]) == (0, "s:hall", "n", 0, False)
        assert (named["bdSeq"]["value"], named["Node Control/Rebirth"]["value"]) == (0, False)
        birth = await host.until("DBIRTH", lambda line: line.get("kind") == "DBIRTH")
        metrics = {m["name"]: m for m in birth["metrics"]}
        flow = metrics["main/flow"]
        assert (birth["seq"], birth["device"], flow["type"], flow["value"]) == (1, "p0", "Double", None)
        assert flow["properties"]["engUnit"] == {"type": "String", "value": "L/min"}
        assert len({m["alias"] for m in birth["metrics"]}) == len(birth["metrics"])
        assert metrics["Properties/Serial"]["value"] == "0"

        await edge.publish([rows(3)[0].take(slice(0, 1))])
        data = await host.until("DDATA", lambda line: line.get("kind") == "DDATA")
        value = {m["alias"]: m for m in data["metrics"]}[flow["alias"]]
        assert (data["seq"], value["value"], value["timestamp"]) == (2, 3.25, T0 // MS + 300)
        assert "name" not in value or not value["name"]
        assert value["properties"]["Quality"] == {"type": "Int32", "value": 500}

        await host.tell(f"write s:hall n p0 {metrics['Commands/stop']['alias']} Boolean true")
        async with asyncio.timeout(10):
            while not heard:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert (heard[0].name, heard[0].device, heard[0].issuer) == ("stop", "s/hall/p0", "sparkplug")

        mark = len(host.heard)
        await host.tell("rebirth s:hall n")
        again = await host.until("the birth comes again", lambda line: line.get("kind") == "NBIRTH", mark)
        assert again["seq"] == 0
        assert {m["name"]: m["value"] for m in again["metrics"]}["bdSeq"] == 0
        reborn = await host.until("and the device's", lambda line: line.get("kind") == "DBIRTH", mark)
        assert {m["name"]: m for m in reborn["metrics"]}["main/flow"]["value"] == 3.25
        mark = len(host.heard)
        edge.edges["s/hall/n"]._session._client.socket().shutdown(2)  # pulled out: the will speaks
        death = await host.until("NDEATH", lambda line: line.get("kind") == "NDEATH", mark)
        assert (death["seq"], [(m["name"], m["value"]) for m in death["metrics"]]) == (None, [("bdSeq", 0)])
        back = await host.until("it comes back", lambda line: line.get("kind") == "NBIRTH", mark)
        assert {m["name"]: m["value"] for m in back["metrics"]}["bdSeq"] == 1


async def test_our_host_speaks_state_to_foreign_ears(mosquitto, foreign):
    async with Talker("sparkplug_host.js", mosquitto.url) as ears:
        await ears.until("it listens", lambda line: line.get("did") == "listening")
        host = Host(mosquitto.url)
        async with host:
            online = await ears.until("the host is online", lambda line: line.get("kind") == "STATE")
            assert (online["node"], online["qos"], online["state"]["online"]) == ("testbed", 1, True)
            sock = host.source._session._client.socket()
            mark = len(ears.heard)
            sock.shutdown(2)
            dead = await ears.until("its will", lambda line: line.get("kind") == "STATE", mark)
            assert dead["state"] == {"online": False, "timestamp": online["state"]["timestamp"]}
            await ears.until("it is back", lambda line: line.get("state", {}).get("online"), mark)
