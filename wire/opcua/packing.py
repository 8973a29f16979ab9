"""DataValues as bytes, many at once (OPC 10000-6, 5.2.2.17 and 5.2.2.16).

asyncua encodes and decodes a value in some 50 µs of generic Python. Here a whole quantum is packed, and a whole
publish response read, with a few numpy calls. It also keeps nanoseconds: SourceTimestamp holds the multiples
of 100 ns and SourcePicoseconds the rest, where asyncua's datetimes stop at microseconds.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import variant_from_binary
from numpy.typing import NDArray

from core.errors import DecodeError

FILETIME_EPOCH = 116_444_736_000_000_000  # 1601-01-01 to 1970-01-01 in units of 100 ns
_VALUE, _STATUS, _SOURCE, _SERVER, _SOURCE_PICO, _SERVER_PICO = 1, 2, 4, 8, 16, 32
_INT32, _INT64, _DOUBLE, _STRING, _BYTES, _ARRAY = 6, 8, 11, 12, 15, 0x80
_RECORD = np.dtype(
    [
        ("mask", "u1"),
        ("type", "u1"),
        ("value", "<f8"),
        ("status", "<u4"),
        ("source", "<i8"),
        ("pico", "<u2"),
        ("server", "<i8"),
    ]
)
_FULL = _VALUE | _STATUS | _SOURCE | _SERVER
_HEAD = [("mask", "u1"), ("type", "u1"), ("value", "<f8"), ("status", "<u4"), ("source", "<i8")]
_PICO = [*_HEAD, ("pico", "<u2")]
_HANDLE, _SERVED = ("handle", "<u4"), ("server", "<i8")
#: (mask, with handle) -> the form of a Double that comes in runs
_RUNS = {
    (_FULL, False): np.dtype([*_HEAD, _SERVED]),
    (_FULL, True): np.dtype([_HANDLE, *_HEAD, _SERVED]),
    (_FULL | _SOURCE_PICO, False): np.dtype([*_PICO, _SERVED]),
    (_FULL | _SOURCE_PICO, True): np.dtype([_HANDLE, *_PICO, _SERVED]),
}
_FORMS = {1: "<?", 2: "<b", 3: "<B", 4: "<h", 5: "<H", 6: "<i", 7: "<I", 8: "<q", 9: "<Q", 10: "<f", 11: "<d"}
_SCALARS = {kind: struct.Struct(form) for kind, form in _FORMS.items()}
_ARRAYS = {6: "<i4", 7: "<u4", 8: "<i8", 10: "<f4", 11: "<f8"}
_LATEST = 2**63 // 100 - 1  # 2262, the last time that ns UTC can say
_BROKEN = (
    struct.error, ua.UaError, IndexError, KeyError, ValueError, TypeError, AttributeError, OverflowError,
    RecursionError,
)  # fmt: skip
#: left to asyncua; not arrays of Null, Variant and structures, where a few bytes can ask for endless work
_SAFE = frozenset(range(1, 22))
_U16, _I32, _U32, _I64 = struct.Struct("<H"), struct.Struct("<i"), struct.Struct("<I"), struct.Struct("<q")
_TAIL = struct.Struct("<IqHq")
_RUN = 512


def pack_scalars(
    t: NDArray[np.int64],
    x: NDArray[np.float64],
    status: NDArray[np.uint32],
    integer: NDArray[np.bool_],
    server: NDArray[np.int64],
) -> list[bytes]:
    """Return each value as an encoded DataValue.

    Parameters
    ----------
    t, server : int64[n]
        Source and server time, ns UTC.
    x : float64[n]
        Values; written as Double, or as Int32 where ``integer``. A bad status leaves the value out.
    status : uint32[n]
        OPC UA status codes.
    """
    n = len(t)
    record = np.empty(n, dtype=_RECORD)
    keep = np.ones((n, _RECORD.itemsize), dtype=np.bool_)
    raw = record.view(np.uint8).reshape(n, _RECORD.itemsize)
    bad = status >= 0x80000000
    whole = integer & ~bad
    rest = t % 100
    record["mask"] = _FULL - _VALUE * bad + _SOURCE_PICO * (rest != 0)
    record["type"] = np.where(integer, _INT32, _DOUBLE)
    record["value"] = x
    record["status"] = status
    record["source"] = t // 100 + FILETIME_EPOCH
    record["pico"] = rest * 100
    record["server"] = server // 100 + FILETIME_EPOCH
    if whole.any():
        codes = np.nan_to_num(x[whole]).astype("<i4")
        raw[whole, 2:6] = codes.view(np.uint8).reshape(-1, 4)
        keep[whole, 6:10] = False
    keep[bad, 1:10] = False
    keep[rest == 0, 22:24] = False
    ends = np.cumsum(keep.sum(axis=1)).tolist()
    blob = raw[keep].tobytes()
    return [blob[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def pack_array(values: NDArray[np.float64] | NDArray[np.int64], t: int, status: int, server: int) -> bytes:
    """Return a Double[] or Int64[] as an encoded DataValue."""
    kind, form = (_DOUBLE, "<f8") if values.dtype == np.float64 else (_INT64, "<i8")
    head = bytes([_FULL | _SOURCE_PICO * bool(t % 100), kind | _ARRAY]) + _I32.pack(len(values))
    return head + values.astype(form, copy=False).tobytes() + _tail(t, status, server)


def pack_bytes(value: bytes | str, t: int, server: int) -> bytes:
    """Return a ByteString or String as an encoded DataValue of Good status."""
    kind, data = (_STRING, value.encode()) if isinstance(value, str) else (_BYTES, value)
    head = bytes([_FULL | _SOURCE_PICO * bool(t % 100), kind]) + _I32.pack(len(data))
    return head + data + _tail(t, 0, server)


def _tail(t: int, status: int, server: int) -> bytes:
    source, stamp = t // 100 + FILETIME_EPOCH, server // 100 + FILETIME_EPOCH
    if t % 100:
        return _TAIL.pack(status, source, t % 100 * 100, stamp)
    return _U32.pack(status) + _I64.pack(source) + _I64.pack(stamp)


@dataclass(frozen=True, slots=True)
class Item:
    """A value that is no number: text, bytes, array (numpy where numeric), anything else as asyncua reads it."""

    handle: int
    value: Any
    t: int
    status: int
    sent: int


@dataclass(frozen=True, slots=True, eq=False)
class Notices:
    """Values read from the wire, in order of arrival.

    Attributes
    ----------
    handle, t, sent : int64[n]
        Client handle, source time and server time (ns UTC; 0 where the server gave none).
    x : float64[n]
        Scalars, NaN where the server sent none.
    status : uint32[n]
        OPC UA status codes.
    items
        What is not a scalar number.
    """

    handle: NDArray[np.int64]
    t: NDArray[np.int64]
    x: NDArray[np.float64]
    status: NDArray[np.uint32]
    sent: NDArray[np.int64]
    items: Sequence[Item] = ()

    def __len__(self) -> int:
        return len(self.handle) + len(self.items)


@dataclass(slots=True)
class _Sink:
    runs: list[Notices] = field(default_factory=list)
    rows: list[tuple[int, int, float, int, int]] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)

    def settle(self) -> None:
        """Turn single rows into a run, so that runs stay in order."""
        if self.rows:
            handle, t, x, status, sent = zip(*self.rows, strict=True)
            self.runs.append(
                Notices(
                    np.array(handle, np.int64),
                    np.array(t, np.int64),
                    np.array(x, np.float64),
                    np.array(status, np.uint32),
                    np.array(sent, np.int64),
                )
            )
            self.rows = []

    def notices(self) -> Notices:
        self.settle()
        return join(self.runs, self.items)


def join(parts: Sequence[Notices], items: Sequence[Item] = ()) -> Notices:
    """Return several notices as one."""
    if not parts:
        none = np.empty(0, np.int64)
        return Notices(none, none, np.empty(0), np.empty(0, np.uint32), none, tuple(items))
    more = [item for part in parts for item in part.items]
    if len(parts) == 1 and not items:
        return parts[0]
    return Notices(
        np.concatenate([p.handle for p in parts]),
        np.concatenate([p.t for p in parts]),
        np.concatenate([p.x for p in parts]),
        np.concatenate([p.status for p in parts]),
        np.concatenate([p.sent for p in parts]),
        (*more, *items),
    )


def read_notifications(data: bytes) -> Notices:
    """Return the body of a DataChangeNotification; raises DecodeError if it is cut short."""
    return _read(data, None)


def read_history(data: bytes, handle: int) -> Notices:
    """Return the body of a HistoryData, every value under ``handle``; raises DecodeError if it is cut short."""
    return _read(data, handle)


def _read(data: bytes, handle: int | None) -> Notices:
    sink = _Sink()
    try:
        left, at = max(_I32.unpack_from(data)[0], 0), 4
        while left:
            done, at = _read_run(data, at, left, handle, sink)
            left -= done
            for _ in range(min(left, 8)):
                at = _read_one(data, at, handle, sink)
                left -= 1
    except _BROKEN as error:  # asyncua raises what it stumbles over
        raise DecodeError("opcua-value", str(error)) from error
    return sink.notices()


def _read_run(data: bytes, at: int, left: int, handle: int | None, sink: _Sink) -> tuple[int, int]:
    """Read the Doubles of one form that follow each other from ``at``."""
    mask = data[at] if handle is not None else data[at + 4]
    form = _RUNS.get((mask, handle is None))
    count = min(left, (len(data) - at) // form.itemsize, _RUN) if form else 0
    if form is None or count < 4:
        return 0, at
    rows = np.frombuffer(data, dtype=form, count=count, offset=at)
    other = (rows["mask"] != mask) | (rows["type"] != _DOUBLE)
    run = int(other.argmax()) if other.any() else count
    if run:
        rows = rows[:run]
        t = _times(rows["source"])
        sink.settle()
        sink.runs.append(
            Notices(
                rows["handle"].astype(np.int64) if handle is None else np.full(run, handle, np.int64),
                t + np.minimum(rows["pico"], 9999) // 100 if mask & _SOURCE_PICO else t,
                rows["value"].astype(np.float64),
                rows["status"].astype(np.uint32),
                _times(rows["server"]),
            )
        )
    return run, at + run * form.itemsize


def _time(filetime: int) -> int:
    """Return ns UTC of units of 100 ns since 1601; 0 for what lies before 1970, as servers write "none"."""
    return min(max(filetime - FILETIME_EPOCH, 0), _LATEST - 1) * 100


def _times(filetime: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return :func:`_time` of each."""
    return (np.clip(filetime, FILETIME_EPOCH, FILETIME_EPOCH + _LATEST - 1) - FILETIME_EPOCH) * 100


def _read_one(data: bytes, at: int, handle: int | None, sink: _Sink) -> int:
    if handle is None:
        handle, at = _U32.unpack_from(data, at)[0], at + 4
    mask, at = data[at], at + 1
    value: Any = None
    if mask & _VALUE:
        value, at = _read_variant(data, at)
    status = t = sent = 0
    if mask & _STATUS:
        status, at = _U32.unpack_from(data, at)[0], at + 4
    if mask & _SOURCE:
        t, at = _time(_I64.unpack_from(data, at)[0]), at + 8
    if mask & _SOURCE_PICO:
        t, at = t + min(_U16.unpack_from(data, at)[0], 9999) // 100, at + 2
    if mask & _SERVER:
        sent, at = _time(_I64.unpack_from(data, at)[0]), at + 8
    if mask & _SERVER_PICO:
        at += 2
    if value is None or isinstance(value, (int, float)):
        sink.rows.append((handle, t, float("nan") if value is None else float(value), status, sent))
    else:
        sink.items.append(Item(handle, value, t, status, sent))
    return at


def _read_variant(data: bytes, at: int) -> tuple[Any, int]:
    kind = data[at]
    scalar = _SCALARS.get(kind)
    if scalar is not None:
        return scalar.unpack_from(data, at + 1)[0], at + 1 + scalar.size
    if kind == 0:
        return None, at + 1
    if kind in (_STRING, _BYTES) or (kind & ~_ARRAY in _ARRAYS and kind & _ARRAY):
        size = max(_I32.unpack_from(data, at + 1)[0], 0)
        at += 5
        if kind & _ARRAY:
            values = np.frombuffer(data, dtype=_ARRAYS[kind & ~_ARRAY], count=size, offset=at)
            return values, at + values.nbytes
        if at + size > len(data):
            raise DecodeError("opcua-value", "text is cut short")
        text = data[at : at + size]
        return (text.decode("utf-8", "replace") if kind == _STRING else text), at + size
    if kind & 0x3F not in _SAFE:
        raise DecodeError("opcua-value", f"type {kind & 0x3F} is not read here")
    buffer = Buffer(data, at)
    value = variant_from_binary(buffer).Value
    return value, buffer.cur_pos
