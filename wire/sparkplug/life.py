"""Small payloads of the life cycle: deaths, requests for a birth, and the state of a host application."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from core.errors import RejectedError
from wire.json_text import read
from wire.sparkplug.births import BDSEQ, REBIRTH
from wire.sparkplug.datatypes import DataType
from wire.sparkplug.payload import Metric, Payload, encode

SEQ_WRAP = 256


class HostState(Struct, frozen=True):
    """Payload of STATE: JSON, retained; ``timestamp`` is ms UTC, that of a will the same as of the birth after it."""

    online: bool
    timestamp: int


_ENCODER = msgspec.json.Encoder()
_STATE = msgspec.json.Decoder(HostState)


def encode_state(online: bool, timestamp: int) -> bytes:
    """Return the payload of a host's STATE."""
    return _ENCODER.encode(HostState(online, timestamp))


def decode_state(payload: bytes) -> HostState:
    """Return a host's STATE; raises DecodeError or RejectedError."""
    return read(_STATE, payload)


def encode_death(bdseq: int, now: int) -> bytes:
    """Return the payload of NDEATH: the number of the connection it ends, no sequence number. ``now`` is ms."""
    return encode(Payload(now, None, [bdseq_metric(bdseq, now)]))


def bdseq_metric(bdseq: int, now: int) -> Metric:
    """Return the metric that ties a birth to its death."""
    return Metric(BDSEQ, DataType.INT64, bdseq, now)


def encode_rebirth(now: int) -> bytes:
    """Return the payload of an NCMD that asks an edge node for its births."""
    return encode(Payload(now, None, [Metric(REBIRTH, DataType.BOOLEAN, True, now)]))


def read_bdseq(payload: Payload) -> int:
    """Return the connection number of a birth or death; raises RejectedError ``no-bdseq``."""
    for metric in payload.metrics:
        if metric.name == BDSEQ and isinstance(metric.value, int) and not isinstance(metric.value, bool):
            return metric.value
    raise RejectedError("no-bdseq", "an NBIRTH or NDEATH needs the metric bdSeq")
