"""Sparkplug payloads survive the way there and back; broken ones never break anything."""

import math
import random
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.batch import NO_SEQ, Batch, concat
from core.catalog import Catalog
from core.clock import MS
from core.errors import DecodeError
from core.quality import BAD, CODES, GOOD, MAJOR
from core.spec import ChannelSpec, CommandSpec, DeviceSpec, Identity, LayoutSpec, StreamSpec
from gateway.sources.sparkplug import SparkplugSource, SparkplugSourceConfig
from gateway.sources.sparkplug_intake import Intake
from wire.memory import MemoryBroker
from wire.session import Message
from wire.sparkplug.births import read_birth
from wire.sparkplug.datatypes import ARRAYS, BITS, DataType, from_wire, to_wire
from wire.sparkplug.form import DeviceForm
from wire.sparkplug.life import bdseq_metric
from wire.sparkplug.names import SparkplugTopic, parse
from wire.sparkplug.payload import DataSet, MetaData, Metric, Payload, Template, decode, encode, resolve
from wire.sparkplug.rows import RowReader, Rows

SLOW = LayoutSpec("pump.main", (ChannelSpec("flow", "flow", "L/min"), ChannelSpec("temp", "temperature", "Cel")))
FAST = LayoutSpec("pump.wave", (ChannelSpec("ax", "acceleration", "m/s2"), ChannelSpec("ay", "acceleration", "m/s2")))
STREAMS = (StreamSpec("main", SLOW), StreamSpec("wave", FAST, MS))
DEVICE = DeviceSpec(
    "s", "a", "p1", "pump", "factory", "n", Identity("M", "1", "urn:1"), STREAMS, (CommandSpec("stop"),),
    protocols=("sparkplug",),
)  # fmt: skip
CATALOG = Catalog([DEVICE])
TOPIC = parse("spBv1.0/s:a/DBIRTH/n/p1")
T0 = 1_763_791_200_000 * MS

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
finite = st.floats(allow_nan=False, allow_infinity=False)
plain = st.one_of(
    st.tuples(st.just(DataType.DOUBLE), finite),
    st.tuples(st.just(DataType.FLOAT), st.floats(allow_nan=False, allow_infinity=False, width=32)),
    st.tuples(st.just(DataType.BOOLEAN), st.booleans()),
    st.tuples(st.sampled_from([DataType.STRING, DataType.TEXT, DataType.UUID]), texts),
    st.tuples(st.sampled_from([DataType.BYTES, DataType.FILE]), st.binary(max_size=20)),
    *(
        st.tuples(st.just(DataType(kind)), st.integers(-(2 ** (-b - 1)), 2 ** (-b - 1) - 1))
        if b < 0
        else st.tuples(st.just(DataType(kind)), st.integers(0, 2**b - 1))
        for kind, b in BITS.items()
    ),
)
values = st.one_of(finite, st.booleans(), st.integers(-(2**63), 2**63 - 1), texts, st.none())
properties = st.recursive(
    st.dictionaries(texts, values, max_size=3),
    lambda inner: st.dictionaries(texts, st.one_of(values, inner, st.lists(inner, max_size=2)), max_size=3),
    max_leaves=4,
)
metrics = st.builds(
    lambda pair, **rest: Metric(datatype=pair[0], value=pair[1], **rest),
    pair=st.one_of(plain, st.tuples(st.just(DataType.DOUBLE), st.none())),
    name=texts,
    timestamp=st.none() | st.integers(0, 2**63),
    alias=st.none() | st.integers(0, 2**63),
    properties=properties,
    historical=st.booleans(),
    transient=st.booleans(),
    metadata=st.none() | st.builds(MetaData, content_type=texts, size=st.integers(0, 2**40), md5=texts),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(metrics, max_size=4), st.none() | st.integers(0, 255), st.none() | st.integers(0, 2**60))
def test_payloads_come_back(found, seq, timestamp):
    payload = Payload(timestamp, seq, found)
    assert decode(encode(payload)) == payload


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(ARRAYS)), st.data())
def test_arrays_come_back(kind, data):
    dtype = np.dtype(ARRAYS[kind])
    numbers = (
        finite if dtype.kind == "f" else st.integers(*(int(v) for v in (np.iinfo(dtype).min, np.iinfo(dtype).max)))
    )
    if dtype.itemsize == 4 and dtype.kind == "f":
        numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
    array = np.array(data.draw(st.lists(numbers, max_size=20)), dtype)
    assert np.array_equal(from_wire(kind, to_wire(kind, array)), array)


@given(st.lists(st.booleans(), max_size=20), st.lists(texts, max_size=5))
def test_arrays_of_booleans_and_texts_come_back(bits, words):
    assert from_wire(DataType.BOOLEAN_ARRAY, to_wire(DataType.BOOLEAN_ARRAY, bits)).tolist() == bits
    assert from_wire(DataType.STRING_ARRAY, to_wire(DataType.STRING_ARRAY, words)) == words


def test_tables_and_templates_come_back():
    table = DataSet(
        ("a", "b", "c"), (DataType.DOUBLE, DataType.STRING, DataType.INT32), ((1.5, "x", -3), (2.5, None, 4))
    )
    instance = Template((Metric("x", DataType.INT16, -5, 1),), (("limit", DataType.DOUBLE, 2.5),), "Motor", "1")
    found = [Metric("t", DataType.DATASET, table), Metric("m", DataType.TEMPLATE, instance)]
    assert decode(encode(Payload(1, 2, found))).metrics == found


def test_booleans_in_an_array_lie_as_the_specification_draws_them():
    """Sparkplug 3.0.0, 6.4.17, BooleanArray: twelve values in two bytes behind the count, the first bit highest."""
    bits = [False, False, True, True, False, True, False, False, True, True, False, True]
    assert to_wire(DataType.BOOLEAN_ARRAY, bits) == bytes([0x0C, 0, 0, 0, 0x34, 0xD0])


@st.composite
def batches(draw):
    stream = draw(st.sampled_from([0, 1]))
    n = draw(st.integers(1, 6))
    t = T0 + np.cumsum(np.array(draw(st.lists(st.integers(1, 10**10), min_size=n, max_size=n)), np.int64))
    x = np.array([[draw(finite | st.just(math.nan)) for _ in range(2)] for _ in range(n)])
    q = np.array([[draw(st.sampled_from(CODES)) for _ in range(2)] for _ in range(n)], np.uint8)
    first, sid = draw(st.integers(0, 2**50)), draw(st.integers(1, 2**50))
    layout = STREAMS[stream].layout
    return Batch(layout, np.full(n, stream, np.int32), np.full(n, sid), first + np.arange(n), t, x, q)


@settings(max_examples=150, deadline=None)
@given(batches(), st.booleans(), st.booleans())
def test_rows_come_back_bit_for_bit(batch, historical, own_start):
    """Identity, ns, value and quality; missing values are BAD on the other side."""
    form = DeviceForm(DEVICE, int(batch.sid[0]) if own_start else 99, 10)
    stream = STREAMS[int(batch.stream[0])].name
    sent = decode(encode(Payload(1, 0, form.rows(stream, batch, historical))))
    born = read_birth(TOPIC, decode(encode(Payload(1, 0, form.birth(1, {})))).metrics)
    aliases = {slot.alias: slot for slot in born.slots.values()}
    reader, rows = RowReader({s.name: CATALOG.find(DEVICE.stream_path(s.name)) for s in STREAMS}, form.sid), Rows()
    for metric in sent.metrics:
        assert metric.historical == historical
        slot = aliases[metric.alias]
        reader.take(slot, metric, resolve(metric, slot.datatype), metric.timestamp)
    reader.finish(rows)
    back = concat(rows.batches())
    assert back.layout == batch.layout
    for name in ("stream", "sid", "seq", "t"):
        assert np.array_equal(getattr(back, name), getattr(batch, name)), name
    assert np.array_equal(back.x, batch.x, equal_nan=True)
    missing = np.isnan(batch.x)
    assert ((back.q[missing] & MAJOR) == BAD).all() if stream == "main" else True
    assert np.array_equal(back.q[~missing], batch.q[~missing])
    assert reader.marks == {}
    assert not (back.seq == NO_SEQ).any()


# --- fuzz ----------------------------------------------------------------------------------------------------


def _good_messages() -> list[tuple[str, bytes]]:
    form = DeviceForm(DEVICE, 7, 1)
    n = 4
    numbers = np.arange(n, dtype=np.int64)
    x, q = np.ones((n, 2)), np.full((n, 2), GOOD, np.uint8)
    slow = Batch(SLOW, np.zeros(n, np.int32), np.full(n, 7), numbers, T0 + numbers * 1000 * MS, x, q)
    fast = Batch(FAST, np.ones(n, np.int32), np.full(n, 7), numbers, T0 + numbers * MS, x, q)
    tree = Template((Metric("inner", DataType.TEMPLATE, Template((Metric("x", DataType.DOUBLE, 1.0),), ref="r")),))
    odd = [
        Metric("pressure", DataType.FLOAT, 1.5, 1, properties={"engUnit": "kPa", "Quality": 192}),
        Metric("tree", DataType.TEMPLATE, tree),
        Metric("table", DataType.DATASET, DataSet(("a",), (DataType.DOUBLE,), ((1.0,),))),
        Metric("words", DataType.STRING_ARRAY, ["a", "b"]),
    ]
    node = "spBv1.0/s:a/{}/n"
    return [
        (node.format("NBIRTH"), encode(Payload(1, 0, [bdseq_metric(0, 1), *odd]))),
        (node.format("NDATA"), encode(Payload(1, 1, odd))),
        (node.format("NDEATH"), encode(Payload(1, None, [bdseq_metric(0, 1)]))),
        (node.format("DBIRTH") + "/p1", encode(Payload(1, 1, form.birth(1, {})))),
        (node.format("DDATA") + "/p1", encode(Payload(1, 2, form.rows("main", slow)))),
        (node.format("DDATA") + "/p1", encode(Payload(1, 3, form.rows("wave", fast)))),
        (node.format("DDEATH") + "/p1", encode(Payload(1, 4, []))),
        ("spBv1.0/STATE/testbed", b'{"online": true, "timestamp": 5}'),
    ]


def _mutated(data: bytes, chance: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(chance.randint(0, 6)):
        at = chance.randrange(len(out) + 1)
        kind = chance.randrange(4)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            out[at:at] = chance.randbytes(chance.randint(1, 8))
        elif kind == 2:
            del out[at : at + chance.randint(1, 20)]
        else:
            out[at : at + 4] = b"\xff\xff\xff\xff"
    return bytes(out)


def test_mutated_messages_never_break_the_host(seed):
    """Thousands of broken messages: every one that is turned away has its reason, the good ones still get through."""
    chance = random.Random(seed)
    good = _good_messages()
    catalog = Catalog()
    source = SparkplugSource(SparkplugSourceConfig(), catalog, open_session=MemoryBroker().open)
    rejected = 0
    for _ in range(5000):
        topic, payload = chance.choice(good)
        intake = Intake()
        source._reader.take(Message(topic, _mutated(payload, chance), T0), intake)
        source._reader.release(T0, 0, intake)
        for arrival in intake.arrivals():
            rejected += len(arrival.rejects)
            assert all(reason and ":" in reason for _, reason, _ in arrival.rejects)
            for batch in arrival.batches:
                assert len(batch.t) == len(batch.x) == len(batch.seq)
                batch.pack()
    assert source.metrics.counts["messages_rejected"] == rejected > 1000
    rows = 0
    source._reader.forget()
    for topic, payload in good[:1] + good[3:6]:
        intake = Intake()
        source._reader.take(Message(topic, payload, T0), intake)
        # what was parked before the state was forgotten may be given up now, the good message is not
        assert payload not in [turned_away for _, _, turned_away in intake.rejects]
        rows += sum(len(b) for a in intake.arrivals() for b in a.batches)
    assert rows == 4 + 4 + 2  # slow, fast, and the two numbers of the node's birth


def test_mutated_payloads_end_in_one_kind_of_error(seed):
    chance = random.Random(seed)
    good = [payload for _, payload in _good_messages()[:-1]]
    broken = 0
    for _ in range(5000):
        with suppress(DecodeError):
            decode(_mutated(chance.choice(good), chance))
            continue
        broken += 1
    assert broken > 500


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xff\xff", "bad-protobuf"),
        (b"\x0a\xff\xff\xff\xff\x0f", "bad-protobuf"),
        (encode(Payload(uuid="SPBV1.0_COMPRESSED", body=b"nothing")), "bad-compression"),
        (b"\x12\x04\x20\x0a\x7a\x00", "bad-type"),
        (b"\x12\x03\x0a\x01\xff", "bad-protobuf"),  # a name that is no UTF-8
    ],
)
def test_broken_payloads_say_why(payload, reason):
    with pytest.raises(DecodeError) as caught:
        decode(payload)
    assert caught.value.reason == reason


def test_a_compressed_payload_is_bounded():
    import zlib

    bomb = zlib.compress(b"\0" * 50_000_000)
    with pytest.raises(DecodeError, match="bad-compression"):
        decode(encode(Payload(uuid="SPBV1.0_COMPRESSED", body=bomb)), 1 << 20)


def test_topics():
    assert parse("spBv1.0/g/DDATA/n/d") == SparkplugTopic("DDATA", "g", "n", "d")
    assert str(parse("spBv1.0/STATE/h")) == "spBv1.0/STATE/h"
    for wrong in (
        "spBv1.0/g/DDATA/n",
        "spBv1.0/g/NDATA/n/d",
        "spAv1.0/g/NDATA/n",
        "spBv1.0/g/XDATA/n",
        "spBv1.0//NDATA/n",
    ):
        with pytest.raises(DecodeError):
            parse(wrong)
