import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.batch import NO_SEQ, Batch
from core.catalog import Catalog
from core.errors import DecodeError
from core.quality import BAD, CODES, MAJOR
from core.spec import ChannelSpec, DeviceSpec, Identity, LayoutSpec, StreamSpec
from wire import topics
from wire.codec_birth import decode_birth, encode_birth
from wire.codec_rows import decode_rows
from wire.codec_rows_out import encode_batch, encode_rows
from wire.guideline import check

ID = st.text("abcdefgXYZ019._-", min_size=1, max_size=12)
LAYOUT = LayoutSpec("l.a", tuple(ChannelSpec(c, "") for c in "abc"))
DEVICE = DeviceSpec("s", "a", "d", "k", "factory", "n", Identity("m", "s", "u"), (StreamSpec("x", LAYOUT),))
FIELDS = ("stream", "sid", "seq", "t", "x", "q")
ENTRY = Catalog([DEVICE]).streams[0]


@st.composite
def batches(draw):
    n = draw(st.integers(1, 30))
    column = st.lists(st.floats(allow_nan=True, allow_infinity=False, width=64), min_size=n, max_size=n)
    x = np.array([draw(column) for _ in LAYOUT.channels]).T.copy()
    codes = st.lists(st.sampled_from(CODES), min_size=n, max_size=n)
    q = np.array([draw(codes) for _ in LAYOUT.channels], np.uint8).T.copy()
    q[np.isnan(x) & ((q & MAJOR) != BAD)] = BAD
    steps = draw(st.one_of(st.just([1_000_000] * n), st.lists(st.integers(0, 10**12), min_size=n, max_size=n)))
    t = draw(st.integers(0, 4 * 10**18)) + np.cumsum(steps)
    numbers = st.lists(st.integers(0, 1 << 40), min_size=n, max_size=n)
    first = draw(st.integers(0, 1 << 40))
    seq = draw(st.one_of(st.just(list(range(first, first + n))), numbers, st.just([NO_SEQ] * n)))
    sid = draw(st.integers(1, 1 << 52))
    return Batch(LAYOUT, np.zeros(n, np.int32), np.full(n, sid), np.array(seq), t.astype(np.int64), x, q)


def equal(a, b):
    return all(
        np.array_equal(getattr(a, f), getattr(b, f), equal_nan=f == "x")
        for f in ("stream", "sid", "seq", "t", "x", "q")
    )


@given(batches())
def test_rows_read_back_bit_by_bit(batch):
    assert equal(decode_rows(encode_rows(batch), ENTRY)[0], batch)


@given(batches())
def test_messages_of_a_batch_keep_the_order(batch):
    parts = [decode_rows(m.payload, ENTRY)[0] for m in encode_batch(batch, max_rows=7)]
    assert np.array_equal(np.concatenate([p.t for p in parts]), batch.t)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_decoders(payload):
    for kind in ("birth", "state", "command", "result", "event", "data/x"):
        check(f"iiot/v1/s/a/d/{kind}", payload)


@given(st.text(max_size=100))
def test_no_topic_breaks_the_parser(text):
    try:
        topic = topics.parse(text)
    except DecodeError:
        return
    assert str(topic) == text


@given(
    names=st.lists(ID, min_size=1, max_size=4, unique=True),
    period=st.one_of(st.just(0), st.integers(1_000, 10**14)),
    span=st.one_of(st.none(), st.tuples(st.floats(-1e6, 0), st.floats(1, 1e6))),
    sid=st.integers(0, (1 << 53) - 1),
)
def test_births_read_back(names, period, span, sid):
    low, high = span or (None, None)
    channels = tuple(ChannelSpec(n, "temperature", "Cel", low, high) for n in names)
    streams = tuple(StreamSpec(n, LayoutSpec(f"k.{n}", channels), period) for n in names)
    device = DeviceSpec("s", "a", "d", "k", "urban", "n", Identity("m", "s", "u"), streams)
    back, got = decode_birth(topics.parse("iiot/v1/s/a/d/birth"), encode_birth(device, sid))
    assert got == sid
    assert abs(back.streams[0].period_ns - period) <= 1 + period * 1e-15
    assert [s.layout for s in back.streams] == [s.layout for s in streams]
