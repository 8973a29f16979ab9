import json

import numpy as np
import pytest

from core.batch import NO_SEQ, Batch, concat
from core.catalog import Catalog
from core.errors import DecodeError
from core.quality import BAD, BAD_SENSOR, GOOD, UNCERTAIN_RANGE
from wire.codec_rows import decode_rows, probe
from wire.codec_rows_out import encode_batch, encode_rows

FIELDS = ("stream", "sid", "seq", "t", "x", "q")
T = 1_763_791_200_123_000_000


def rows(entry, n=1, step=1_000_000, sid=7, seq=0):
    k = len(entry.spec.layout.channels)
    return Batch(
        entry.spec.layout,
        np.full(n, entry.index, np.int32),
        np.full(n, sid, np.int64),
        np.arange(seq, seq + n, dtype=np.int64),
        T + step * np.arange(n, dtype=np.int64),
        np.arange(n * k, dtype=np.float64).reshape(n, k) / 8,
        np.full((n, k), GOOD, np.uint8),
    )


def same(a, b):
    return a.layout == b.layout and all(
        np.array_equal(getattr(a, f), getattr(b, f), equal_nan=f == "x")
        for f in ("stream", "sid", "seq", "t", "x", "q")
    )


def test_one_row_has_the_form_of_the_guideline(entry):
    batch = rows(entry, seq=42)
    batch.x[0, 1], batch.q[0, 1] = np.nan, BAD_SENSOR
    assert json.loads(encode_rows(batch, 5.25)) == {
        "t": 1763791200123,
        "sid": 7,
        "seq": 42,
        "v": {"pm25": 0.0, "temp": None, "mode": 0.25},
        "q": {"temp": [0, "sensor"]},
        "sent": 5.25,
    }
    decoded, sent = decode_rows(encode_rows(batch, 5.25), entry)
    assert same(decoded, batch)
    assert sent == 5_250_000


def test_many_rows_have_the_form_of_the_guideline(entry):
    message = json.loads(encode_rows(rows(entry, 3)))
    assert message["t0"] == str(T)
    assert (message["dt"], message["seq"], message["v"]["pm25"]) == (1_000_000, 0, [0.0, 0.375, 0.75])
    assert "q" not in message


def test_quality_of_many_rows_goes_in_runs(entry):
    batch = rows(entry, 6)
    batch.x[2:4, 0], batch.q[2:4, 0] = np.nan, BAD_SENSOR
    batch.q[5, 0] = UNCERTAIN_RANGE
    batch.q[:, 2] = UNCERTAIN_RANGE
    message = json.loads(encode_rows(batch))
    assert message["q"] == {"pm25": [[2, 2, 0, "sensor"], [5, 1, 64, "range"]], "mode": [64, "range"]}
    assert same(decode_rows(encode_rows(batch), entry)[0], batch)


def test_uneven_times_and_missing_numbers(entry):
    batch = rows(entry, 4)
    batch.t[3] += 5
    batch.seq[2:] += 10
    assert same(decode_rows(encode_rows(batch), entry)[0], batch)


def test_not_finite_goes_as_bad(entry):
    batch = rows(entry, 2)
    batch.x[0, 0], batch.x[1, 1] = np.inf, np.nan
    back, _ = decode_rows(encode_rows(batch), entry)
    assert np.isnan(back.x[0, 0])
    assert back.q[0, 0] == back.q[1, 1] == BAD
    assert back.q[1, 0] == GOOD


def test_the_sid_of_the_message_wins(entry):
    assert decode_rows(encode_rows(rows(entry, sid=7)), entry, 9)[0].sid[0] == 7
    assert decode_rows(b'{"t":1,"seq":3,"v":{"pm25":1,"temp":1,"mode":1}}', entry, 9)[0].sid[0] == 9
    assert probe(encode_rows(rows(entry, sid=7))) == (7, ("pm25", "temp", "mode"))


def test_without_a_sid_rows_are_known_by_their_time(entry):
    batch, _ = decode_rows(b'{"t":1,"seq":3,"v":{"pm25":1,"temp":1,"mode":1}}', entry)
    assert (batch.sid[0], batch.seq[0]) == (0, NO_SEQ)


@pytest.mark.parametrize(
    "t",
    [
        "1763791200123",
        '"1763791200123000000"',
        '"2025-11-22T06:00:00.123Z"',
        '"2025-11-22T15:00:00.123000000+09:00"',
        "1763791200123.0",
    ],
)
def test_times_in_every_form(entry, t):
    batch, _ = decode_rows(f'{{"t":{t},"v":{{"mode":1,"pm25":1,"temp":1}}}}'.encode(), entry)
    assert batch.t[0] == T


GOOD_V = '"v":{"pm25":1,"temp":1,"mode":1}'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "bad-json"),
        ('{"t":1,"v":{"pm25":NaN,"temp":1,"mode":1}}', "nan"),
        ('{"t":1,"v":{"pm25":1,"temp":-Infinity,"mode":1}}', "nan"),
        ('{"t":1,"v":{"pm25":1e999,"temp":1,"mode":1}}', "bad-shape"),
        ('{"t":1,"v":{"pm25":true,"temp":1,"mode":1}}', "bad-shape"),
        ('{"t":1,"v":{"pm25":"1","temp":1,"mode":1}}', "bad-shape"),
        ('{"t":1}', "bad-shape"),
        ('{"t":1,"v":{"pm25":1,"temp":1,"mode":1,"x":2}}', "unknown-channel"),
        ('{"t":1,"v":{"pm25":1,"temp":1}}', "missing-channel"),
        ('{"t":1,"v":{"pm25":null,"temp":1,"mode":1}}', "null-not-bad"),
        ('{"t":1,"v":{"pm25":null,"temp":1,"mode":1},"q":{"pm25":[64,"range"]}}', "null-not-bad"),
        ('{"t":1,"v":{"pm25":[1],"temp":1,"mode":1}}', "length-mismatch"),
        ('{"t":[1,2],"v":{"pm25":[1,2],"temp":[1],"mode":[1,2]}}', "length-mismatch"),
        ('{"t":[1],"v":{"pm25":[1,2],"temp":[1,2],"mode":[1,2]}}', "length-mismatch"),
        ('{"t":[],"v":{"pm25":[],"temp":[],"mode":[]}}', "length-mismatch"),
        ('{"t0":"1","dt":1,"seq":[1],"v":{"pm25":[1,2],"temp":[1,2],"mode":[1,2]}}', "length-mismatch"),
        ('{"t0":"1","dt":1,"v":{"pm25":[1,null],"temp":[1,2],"mode":[1,2]}}', "null-not-bad"),
        ('{"t0":"1","v":{"pm25":[1,2],"temp":[1,2],"mode":[1,2]}}', "bad-time"),
        ('{"t0":"1","dt":9223372036854775807,"v":{"pm25":[1,2],"temp":[1,2],"mode":[1,2]}}', "bad-time"),
        (f'{{"t":-5,{GOOD_V}}}', "bad-time"),
        (f'{{"t":"yesterday",{GOOD_V}}}', "bad-time"),
        (f'{{"t":"2025-11-22T06:00:00",{GOOD_V}}}', "bad-time"),
        (f'{{"t":"2025-13-22T06:00:00Z",{GOOD_V}}}', "bad-time"),
        (f'{{"t":1e300,{GOOD_V}}}', "bad-time"),
        (f'{{"t":1,{GOOD_V},"q":{{"pm25":[192,"x","y"]}}}}', "bad-quality"),
        (f'{{"t":1,{GOOD_V},"q":{{"pm25":[]}}}}', "bad-quality"),
        (f'{{"t":1,{GOOD_V},"q":{{"pm25":[130]}}}}', "bad-quality"),
        (f'{{"t":1,{GOOD_V},"q":{{"pm25":[-1]}}}}', "bad-quality"),
        (f'{{"t":1,{GOOD_V},"q":{{"x":[0]}}}}', "unknown-channel"),
        (f'{{"t":1,{GOOD_V},"seq":-1}}', "bad-shape"),
        ('{"t0":"1","dt":1,"v":{"pm25":[1,2],"temp":[1,2],"mode":[1,2]},"q":{"temp":[[1,2,0]]}}', "bad-quality"),
        ('{"t0":"1","dt":1,"v":{"pm25":[1,2],"temp":[1,2],"mode":[1,2]},"q":{"temp":[[0,1,0],5]}}', "bad-quality"),
        (" " * (2 << 20), "too-large"),
    ],
)
def test_wrong_rows_say_why(entry, text, reason):
    with pytest.raises(DecodeError) as error:
        decode_rows(text.encode(), entry, 1)
    assert error.value.reason == reason


def test_a_batch_of_many_streams_goes_in_one_message_for_each(device):
    from dataclasses import replace

    catalog = Catalog([replace(device, device=f"air-{i}") for i in range(3)])
    parts = [rows(entry, n) for entry, n in zip(catalog.streams, (1, 3, 2), strict=True)]
    shuffled = concat(parts).take(np.array([1, 4, 0, 2, 5, 3]))
    messages = encode_batch(shuffled)
    assert [(m.stream, m.first, m.last) for m in messages] == [(0, 0, 0), (1, 0, 2), (2, 0, 1)]
    for message, part in zip(messages, parts, strict=True):
        assert same(decode_rows(message.payload, catalog.streams[message.stream])[0], part)


def test_two_starts_of_a_device_are_never_mixed(entry):
    mixed = concat([rows(entry, 2, sid=7, seq=8), rows(entry, 2, sid=9)])
    assert [(m.sid, m.first, m.last) for m in encode_batch(mixed)] == [(7, 8, 9), (9, 0, 1)]


def test_long_batches_are_cut(entry):
    messages = encode_batch(rows(entry, 10), max_rows=4)
    assert [(m.first, m.last) for m in messages] == [(0, 3), (4, 7), (8, 9)]
    assert same(concat([decode_rows(m.payload, entry)[0] for m in messages]), rows(entry, 10))
