from __future__ import annotations

import contextlib
import struct

import numpy as np
import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from core.batch import Batch
from core.errors import DecodeError
from core.spec import ChannelSpec, LayoutSpec
from wire.opcua.packing import pack_array, pack_bytes, pack_scalars, read_history, read_notifications
from wire.opcua.sample import Sample, moment
from wire.opcua.slots import block_times, describe_block
from wire.opcua.units import display, unit_id

T = 1_763_791_200_123_456_000
STATUS = [0, 0x40940000, 0x808C0000]


def scalars(x, status, integer, t=None, server=T):
    n = len(x)
    times = np.full(n, T) if t is None else np.array(t, np.int64)
    return pack_scalars(
        times, np.array(x, float), np.array(status, np.uint32), np.array(integer, bool), np.full(n, server)
    )


def body(raws, handles=None):
    parts = [struct.pack("<I", h) + raw for h, raw in zip(handles or [], raws, strict=True)] if handles else raws
    return struct.pack("<i", len(raws)) + b"".join(parts)


@pytest.mark.parametrize(("x", "integer"), [(21.5, False), (3.0, True), (-0.0, False)])
@pytest.mark.parametrize("status", STATUS)
def test_bytes_are_those_of_asyncua(x, integer, status):
    (raw,) = scalars([x], [status], [integer])
    kind = ua.VariantType.Int32 if integer else ua.VariantType.Double
    value = None if status >= 0x80000000 else ua.Variant(int(x) if integer else x, kind)
    theirs = ua.DataValue(value, ua.StatusCode(status), moment(T), moment(T))
    if value is None:
        assert struct_from_binary(ua.DataValue, Buffer(raw)).Value.Value is None
    else:
        assert raw == struct_to_binary(theirs)
    assert struct_to_binary(Sample(raw, T, status, T))[-20:] == raw[-20:]


@given(
    st.lists(
        st.tuples(
            st.floats(width=64),
            st.sampled_from(STATUS),
            st.booleans(),
            st.integers(0, 4_000_000_000_000_000_000),
            st.integers(0, 2**32 - 1),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_what_is_packed_is_read(values):
    x, status, integer, t, handles = (list(column) for column in zip(*values, strict=True))
    x = [float(int(v) % 100) if i and np.isfinite(v) else (0.0 if i else v) for v, i in zip(x, integer, strict=True)]
    raws = scalars(x, status, integer, t)
    read = read_notifications(body(raws, handles))
    bad = np.array(status) >= 0x80000000
    assert read.handle.tolist() == handles
    assert read.t.tolist() == t
    assert read.status.tolist() == status
    assert np.array_equal(read.x, np.where(bad, np.nan, x), equal_nan=True)
    assert set(read.sent.tolist()) == {T}
    assert read_history(body(raws), 7).handle.tolist() == [7] * len(raws)


def test_long_runs_of_both_forms_are_read():
    t = [T + i * (100 if i < 1500 else 1) for i in range(3000)]
    read = read_notifications(body(scalars(np.arange(3000.0), [0] * 3000, [False] * 3000, t), list(range(3000))))
    assert read.t.tolist() == t
    assert read.x.tolist() == read.handle.tolist() == list(range(3000))


def test_arrays_and_texts_are_read():
    values = np.array([1.5, np.nan, -2.0])
    texts = [pack_bytes("먼지", T, T), pack_bytes(b"\x00\xc0", T, T)]
    raws = [pack_array(values, T + 7, 0, T), pack_array(np.array([1, 2]), T, 0, T), *texts]
    read = read_notifications(body(raws, [1, 2, 3, 4]))
    assert len(read.handle) == 0
    array, numbers, words, raw = read.items
    assert np.array_equal(array.value, values, equal_nan=True)
    assert array.t == T + 7
    assert numbers.value.tolist() == [1, 2]
    assert (words.value, raw.value) == ("먼지", b"\x00\xc0")


def test_what_only_asyncua_knows_is_left_to_it():
    theirs = struct_to_binary(ua.DataValue(ua.Variant(ua.LocalizedText("on", "en")), ua.StatusCode(0), moment(T)))
    (item,) = read_notifications(body([theirs], [9])).items
    assert (item.value.Text, item.t, item.sent) == ("on", T, 0)


@given(st.binary(max_size=200), st.integers(0, 300))
def test_broken_bytes_are_a_decode_error(noise, cut):
    raws = scalars([1.0] * 6, [0] * 6, [False] * 6)
    for data in (noise, body(raws, [1] * 6)[:cut], body([noise], [1])):
        with contextlib.suppress(DecodeError):
            read_notifications(data)


LAYOUT = LayoutSpec("a.b", (ChannelSpec("v", "velocity"),))


@given(st.lists(st.integers(1, 10**9), min_size=0, max_size=20), st.booleans())
def test_blocks_keep_their_times(steps, even):
    t = T + np.cumsum([0, *([steps[0]] * len(steps) if even and steps else steps)])
    n = len(t)
    x, q = np.zeros((n, 1)), np.zeros((n, 1), np.uint8)
    batch = Batch(LAYOUT, np.zeros(n, np.int32), np.full(n, 5), np.arange(3, 3 + n), t, x, q)
    block = describe_block(batch)
    assert block[:3].tolist() == [5, 3, n]
    assert block_times(block).tolist() == t.tolist()


@pytest.mark.parametrize("block", [[], [0, 0, 0, 0, 0], [1, 2, 9, 4, 5, 6]])
def test_a_wrong_block_is_refused(block):
    with pytest.raises(ValueError, match="block"):
        block_times(np.array(block, np.int64))


def test_units_have_their_common_codes():
    assert unit_id("Cel") == 0x43454C
    assert unit_id("%") == int.from_bytes(b"P1", "big")
    assert unit_id("furlong") == -1
    assert (display("ug/m3"), display("kPa")) == ("µg/m³", "kPa")
