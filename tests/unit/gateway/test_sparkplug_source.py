import asyncio

import pytest

from core.batch import NO_SEQ
from core.catalog import Catalog
from core.command import Command, CommandResult, Event
from core.errors import CommandRefused
from core.quality import BAD, UNCERTAIN_LAST_USABLE
from gateway.sources.sparkplug import SparkplugSource, SparkplugSourceConfig
from wire.memory import MemoryBroker
from wire.session import MqttConfig
from wire.sparkplug.births import REBIRTH
from wire.sparkplug.datatypes import DataType as D
from wire.sparkplug.life import bdseq_metric, decode_state, encode_death, encode_state
from wire.sparkplug.payload import Metric, Payload, Template, decode, encode

T = 1_763_791_200_000
NODE, DEVICE = "Plant 1", "Motor A"


def named(name, value, kind=D.DOUBLE, t=T, alias=None, **more):
    return Metric(name, kind, value, t, alias, more)


class Bench:
    """The host application and a foreign edge node that says what a test wants."""

    def __init__(self, catalog=None, **config):
        self.broker = MemoryBroker()
        settings = SparkplugSourceConfig(reorder="0.05s", **config)
        self.source = SparkplugSource(settings, catalog or Catalog(), open_session=self.broker.open)
        self.edge = self.broker.open(MqttConfig(client_id="edge"), None)

    async def __aenter__(self):
        await self.source.connect()
        await self.edge.connect()
        await self.edge.subscribe(["spBv1.0/G/NCMD/#", "spBv1.0/G/DCMD/#", "spBv1.0/STATE/#"])
        await self.edge.read(0.05)
        return self

    async def __aexit__(self, *exc):
        await self.source.close()
        await self.edge.close()

    async def say(self, kind, seq, *metrics, device="", t=T):
        tail = f"/{device}" if device else ""
        payload = metrics[0] if metrics and isinstance(metrics[0], bytes) else encode(Payload(t, seq, list(metrics)))
        await self.edge.publish(f"spBv1.0/G/{kind}/{NODE}{tail}", payload, qos=0)

    async def birth(self, *metrics, bdseq=0):
        await self.say("NBIRTH", 0, bdseq_metric(bdseq, T), named(REBIRTH, False, D.BOOLEAN))
        await self.say("DBIRTH", 1, *metrics, device=DEVICE)

    async def read(self):
        arrivals, ack = await asyncio.wait_for(self.source.read(), 5)
        await ack()
        return arrivals

    async def quiet(self):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(self.source.read(), 0.15)

    async def heard(self):
        """What the edge node hears: (topic, metrics)."""
        messages = await self.edge.read(0.05)
        return [(m.topic, decode(m.payload).metrics) for m in messages if "STATE" not in m.topic]

    async def rebirth_asked(self):
        return any("NCMD" in topic and metrics[0].name == REBIRTH for topic, metrics in await self.heard())


def rows(arrivals, source):
    """(stream, t in ms, value) of everything that came."""
    return [
        (source.catalog.streams[s].spec.name, t // 10**6 - T, x)
        for a in arrivals
        for b in a.batches
        for s, t, x in zip(b.stream.tolist(), b.t.tolist(), b.x[:, 0].tolist(), strict=True)
    ]


def reasons(arrivals):
    return [reason.partition(":")[0] for a in arrivals for _, reason, _ in a.rejects]


def notes(arrivals, kind):
    return [n for a in arrivals for n in a.notes if isinstance(n, kind)]


async def test_a_foreign_birth_becomes_a_catalogued_device():
    async with Bench() as bench:
        await bench.birth(
            named("Inputs/Temp", 21.5, alias=1, engUnit="°C", engLow=-10.0, engHigh=80.0),
            named("Running", True, D.BOOLEAN, alias=2),
            named("Properties/Hardware Make", "Acme", D.STRING),
            named("mood", 3.0, engUnit="furlong/fortnight"),
        )
        arrivals = await bench.read()
        (device,) = [d for a in arrivals for d in a.births]
        assert (device.domain, device.protocols, device.identity.manufacturer) == (
            "third_party",
            ("sparkplug",),
            "Acme",
        )
        assert device.path.startswith("G/Plant_1.")
        assert device.label.en == "Motor A"
        by_name = {s.name: s.layout.channels[0] for s in device.streams}
        assert (by_name["Inputs.Temp"].unit, by_name["Inputs.Temp"].low) == ("Cel", -10.0)
        assert by_name["Running"].states == {0: "false", 1: "true"}
        assert (by_name["mood"].unit, by_name["mood"].label.en) == ("1", "mood [furlong/fortnight]")
        assert sorted(rows(arrivals, bench.source)) == [("Inputs.Temp", 0, 21.5), ("Running", 0, 1.0), ("mood", 0, 3.0)]


async def test_data_by_alias_with_quality_and_null():
    async with Bench() as bench:
        await bench.birth(named("a", 1.0, alias=1), named("n", -5, D.INT16, alias=2))
        await bench.read()
        await bench.say(
            "DDATA", 2, Metric("", 0, 2.5, T + 1, 1, {"Quality": 500}), Metric("", D.INT16, -7, T + 2, 2),
            Metric("", D.DOUBLE, None, T + 3, 1), device=DEVICE,
        )  # fmt: skip
        arrivals = await bench.read()
        assert rows(arrivals, bench.source)[0] == ("a", 1, 2.5)
        assert ("n", 2, -7.0) in rows(arrivals, bench.source)
        codes = {(b.t[i] // 10**6 - T): b.q[i, 0] for a in arrivals for b in a.batches for i in range(len(b))}
        assert codes == {1: UNCERTAIN_LAST_USABLE, 2: 192, 3: BAD}
        assert all((b.seq == NO_SEQ).all() for a in arrivals for b in a.batches)
        assert arrivals[0].sent == T * 10**6


async def test_messages_out_of_order_wait_for_each_other():
    async with Bench() as bench:
        await bench.birth(named("a", None))
        await bench.read()
        await bench.say("DDATA", 3, named("a", 3.0, t=T + 3), device=DEVICE)
        await bench.say("DDATA", 2, named("a", 2.0, t=T + 2), device=DEVICE)
        assert [t for _, t, _ in rows(await bench.read(), bench.source)] == [2, 3]
        assert not await bench.rebirth_asked()


async def test_a_gap_is_waited_for_then_a_birth_is_asked_and_nothing_is_thrown_away():
    async with Bench() as bench:
        await bench.birth(named("a", None))
        await bench.read()
        for seq in (4, 5):
            await bench.say("DDATA", seq, named("a", float(seq), t=T + seq), device=DEVICE)
        assert [t for _, t, _ in rows(await bench.read(), bench.source)] == [4, 5]
        assert await bench.rebirth_asked()
        assert bench.source.metrics.counts["sparkplug_gaps"] == 1
        await bench.say("DDATA", 6, named("a", 6.0, t=T + 6), device=DEVICE)  # the numbering goes on behind the gap
        assert [t for _, t, _ in rows(await bench.read(), bench.source)] == [6]


async def test_the_numbering_wraps():
    async with Bench() as bench:
        await bench.birth(named("a", None))
        await bench.read()
        seen = []
        for n in range(2, 602):
            await bench.say("DDATA", n % 256, named("a", float(n), t=T + n), device=DEVICE)
            seen += rows(await bench.read(), bench.source)
        assert [x for _, _, x in seen] == list(range(2, 602))
        assert bench.source.metrics.counts["sparkplug_gaps"] == 0


async def test_a_message_delivered_twice_is_the_same_rows_twice():
    """The session takes it; dedup knows the row by its identity."""
    async with Bench() as bench:
        await bench.birth(named("a", None))
        await bench.read()
        for _ in range(2):
            await bench.say("DDATA", 2, named("a", 1.0, t=T + 1), device=DEVICE)
        assert rows(await bench.read(), bench.source) == [("a", 1, 1.0)] * 2
        await bench.say("DDATA", 3, named("a", 1.0, t=T + 2), device=DEVICE)
        assert len(rows(await bench.read(), bench.source)) == 1
        assert not await bench.rebirth_asked()


async def test_a_death_counts_only_for_its_own_birth():
    async with Bench() as bench:
        await bench.birth(named("a", 1.0), bdseq=4)
        await bench.read()
        await bench.say("NDEATH", None, encode_death(3, T))
        await bench.quiet()
        await bench.say("NDEATH", None, encode_death(4, T))
        arrivals = await bench.read()
        (event,) = notes(arrivals, Event)
        assert (event.name, event.severity, event.t) == ("offline", "warning", T * 10**6)
        assert [(s.online, s.node.rpartition("/")[0]) for a in arrivals for s in a.states] == [
            (False, event.device.rpartition("/")[0])
        ]
        await bench.birth(named("a", 1.0), bdseq=5)
        assert [e.name for e in notes(await bench.read(), Event)] == ["online"]


async def test_data_of_a_node_without_birth_ask_for_one():
    async with Bench() as bench:
        await bench.say("DDATA", 7, Metric("", D.DOUBLE, 1.0, T, 3), device=DEVICE)
        await bench.quiet()
        assert await bench.rebirth_asked()
        await bench.say("DDATA", 8, Metric("", D.DOUBLE, 1.0, T, 3), device=DEVICE)
        await bench.quiet()
        assert not await bench.rebirth_asked()  # not too often
        await bench.birth(named("a", 1.0, alias=3))
        arrivals = await bench.read()
        assert reasons(arrivals) == ["no-birth"] * 2  # never read with aliases that came later
        assert rows(arrivals, bench.source) == [("a", 0, 1.0)]


async def test_data_without_any_birth_are_turned_away_in_the_end():
    async with Bench(park="0.1s") as bench:
        await bench.say("DDATA", 7, Metric("", D.DOUBLE, 1.0, T, 3), device=DEVICE)
        assert reasons(await bench.read()) == ["no-birth"]


async def test_a_device_death_is_not_its_nodes():
    async with Bench() as bench:
        await bench.birth(named("a", 1.0))
        await bench.read()
        await bench.say("DDEATH", 2, device=DEVICE)
        assert [e.name for e in notes(await bench.read(), Event)] == ["offline"]
        await bench.say("DDATA", 3, named("a", 1.0), device=DEVICE)
        await bench.say("DBIRTH", 4, named("a", 2.0, t=T + 9), device=DEVICE)
        arrivals = await bench.read()
        assert (rows(arrivals, bench.source), reasons(arrivals)) == ([("a", 9, 2.0)], ["no-birth"])
        assert [e.name for e in notes(arrivals, Event)] == ["online"]


@pytest.mark.parametrize(
    ("kind", "seq", "metrics", "reason"),
    [
        ("DDATA", 2, [Metric("", D.DOUBLE, 1.0, T, 99)], "unknown-metric"),
        ("DDATA", 2, [named("b", 1.0)], "unknown-metric"),
        ("DDATA", 2, [named("a", "high", D.STRING)], "bad-type"),
        ("DDATA", 2, [named("a", 1.0, t=1 << 60)], "bad-time"),
        ("DDATA", 2, [b"\xff\xff"], "bad-protobuf"),
        ("DBIRTH", 2, [Metric("", D.DOUBLE, 1.0, T)], "bad-birth"),
        ("DBIRTH", 2, [named("a", 1.0), named("a", 2.0)], "duplicate-name"),
        ("DBIRTH", 2, [named("a", 1.0, alias=3), named("b", 2.0, alias=3)], "duplicate-alias"),
        ("DBIRTH", 2, [named(str(n), 1.0) for n in range(600)], "too-large"),
        ("DBIRTH", 2, [named("Properties/Guideline", "{}", D.STRING)], "bad-shape"),
        ("NBIRTH", 0, [named("a", 1.0)], "no-bdseq"),
        ("NBIRTH", None, [bdseq_metric(0, T)], "bad-seq"),
    ],
)
async def test_what_is_wrong_is_turned_away_with_its_reason(kind, seq, metrics, reason):
    async with Bench() as bench:
        await bench.birth(named("a", None))
        await bench.read()
        await bench.say(kind, seq, *metrics, device="" if kind == "NBIRTH" else DEVICE)
        assert reasons(await bench.read()) == [reason]


async def test_neighbours_of_a_bad_metric_are_kept():
    async with Bench() as bench:
        await bench.birth(named("a", None), named("b", None))
        await bench.read()
        await bench.say("DDATA", 2, named("a", 1.0), named("zzz", 1.0), named("b", 2.0), device=DEVICE)
        arrivals = await bench.read()
        assert reasons(arrivals) == ["unknown-metric"]
        assert sorted(x for _, _, x in rows(arrivals, bench.source)) == [1.0, 2.0]


async def test_members_of_a_template_are_metrics_of_their_own():
    async with Bench() as bench:
        motor = Template((Metric("rpm", D.DOUBLE, 1500.0, properties={"engUnit": "rpm"}),), ref="Motor")
        await bench.birth(Metric("m1", D.TEMPLATE, motor, T, 5))
        assert rows(await bench.read(), bench.source) == [("m1.rpm", 0, 1500.0)]
        await bench.say(
            "DDATA", 2, Metric("", D.TEMPLATE, Template((Metric("rpm", D.DOUBLE, 9.0),), ref="Motor"), T + 1, 5),
            device=DEVICE,
        )  # fmt: skip
        assert rows(await bench.read(), bench.source) == [("m1.rpm", 1, 9.0)]


async def test_texts_are_events_when_they_change():
    async with Bench() as bench:
        await bench.birth(named("a", 1.0), named("mode", "auto", D.STRING))
        await bench.read()
        await bench.say("DDATA", 2, named("mode", "auto", D.STRING), named("a", 1.0, t=T + 1), device=DEVICE)
        assert not notes(await bench.read(), Event)
        await bench.say("DDATA", 3, named("mode", "manual", D.STRING), device=DEVICE)
        assert [e.text for e in notes(await bench.read(), Event)] == ["mode: manual"]


async def test_a_write_is_done_when_the_device_reports_the_value():
    async with Bench() as bench:
        await bench.birth(named("setpoint", 1, D.INT32, alias=8), named("a", 1.0, alias=9))
        device = next(d for a in await bench.read() for d in a.births)
        await bench.source.send(Command("c1", device.path, "write", "user:x", T, T, {"setpoint": 5}))
        ((topic, (metric,)),) = await bench.heard()
        assert topic == f"spBv1.0/G/DCMD/{NODE}/{DEVICE}"
        assert (metric.name, metric.alias, metric.value) == ("", 8, 5)
        await bench.say("DDATA", 2, Metric("", D.INT32, 4, T + 1, 8), device=DEVICE)
        assert not notes(await bench.read(), CommandResult)
        await bench.say("DDATA", 3, Metric("", D.INT32, 5, T + 2, 8), device=DEVICE)
        assert [(r.id, r.status) for r in notes(await bench.read(), CommandResult)] == [("c1", "done")]
        for args in ({"setpoint": 5.5}, {"zzz": 1.0}, {"setpoint": 1e30}, {}):
            with pytest.raises(CommandRefused):
                await bench.source.send(Command("c2", device.path, "write", "user:x", T, T, args))


async def test_a_rebirth_is_a_command_like_others():
    async with Bench() as bench:
        await bench.birth(named("a", 1.0))
        device = next(d for a in await bench.read() for d in a.births)
        await bench.source.send(Command("c1", device.path, "rebirth", "user:x", T, T))
        assert await bench.rebirth_asked()
        await bench.birth(named("a", 1.0))
        assert [(r.id, r.status) for r in notes(await bench.read(), CommandResult)] == [("c1", "done")]


async def test_nobody_takes_another_nodes_device():
    async with Bench() as bench:
        for node, seq in (("n1", 0), ("n2", 0)):
            for kind, metrics in (("NBIRTH", [bdseq_metric(0, T)]), ("DBIRTH", [named("a", 1.0)])):
                tail = "/d" if kind == "DBIRTH" else ""
                payload = encode(Payload(T, seq + bool(tail), metrics))
                await bench.edge.publish(f"spBv1.0/s:a/{kind}/{node}{tail}", payload)
        arrivals = await bench.read()
        assert [d.path for a in arrivals for d in a.births] == ["s/a/d"]
        assert reasons(arrivals) == ["device-taken"]


async def test_the_host_says_that_it_is_there_and_that_it_goes():
    broker = MemoryBroker()
    source = SparkplugSource(SparkplugSourceConfig(), Catalog(), open_session=broker.open)
    await source.connect()
    topic = "spBv1.0/STATE/testbed"
    online = decode_state(broker.retained[topic])
    assert online.online
    assert decode_state(source._session.will.payload) == type(online)(False, online.timestamp)
    await source._session.publish(topic, encode_state(False, online.timestamp), retain=True)  # a will that came late
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(source.read(), 0.1)
    assert decode_state(broker.retained[topic]).online
    await source.close()
    assert not decode_state(broker.retained[topic]).online


async def test_a_host_that_comes_back_asks_the_nodes_it_knows():
    catalog = Catalog()
    async with Bench(catalog) as bench:
        await bench.birth(named("a", 1.0))
        await bench.read()
    async with Bench(catalog) as again:
        await again.edge.close()
        await again.edge.connect()
        await again.edge.subscribe(["spBv1.0/G/NCMD/#"])
        await again.source.close()
        await again.source.connect()
        again.source._roll_call = 1  # the second in which they come by themselves is over
        await again.quiet()
        assert await again.rebirth_asked()
        await again.birth(named("a", 1.0))  # whoever was told offline in the last life of this host is told online
        assert [e.name for e in notes(await again.read(), Event)] == ["online"]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [({"payload": 150}, "too-large"), ({"device_channels": 1}, "device-too-big"), ({"devices": 1}, "catalog-full")],
)
async def test_limits_hold_over_sparkplug_too(limits, reason):
    catalog = Catalog()
    async with Bench(catalog, limits=limits) as bench:
        await bench.birth(named("a", 1.0))
        await bench.read()
        known = [*catalog.devices]
        many = [named(f"a channel with a long name, number {n}", 1.0) for n in range(3)]
        await bench.say("DBIRTH", 2, *many, device="Motor B")
        rejects = [reject for a in await bench.read() for reject in a.rejects]
        assert [why.partition(":")[0] for _, why, _ in rejects] == [reason]
        assert len(known) == 1
        assert [*catalog.devices] == known


async def test_a_sparkplug_device_that_sends_too_much_is_turned_away_alone():
    async with Bench(limits={"rate": 0.001, "burst": 2}) as bench:
        await bench.birth(named("a", 1.0))
        await bench.say("DDATA", 2, named("a", 2.0, t=T + 2), device=DEVICE)
        await bench.say("DDATA", 3, named("a", 3.0, t=T + 3), device=DEVICE)
        await bench.say("NDATA", 4)  # the edge node itself has sent only its birth
        rejects = [reject for a in await bench.read() for reject in a.rejects]
        assert [(topic.split("/")[2], why.partition(":")[0]) for topic, why, _ in rejects] == [("DDATA", "rate")]
