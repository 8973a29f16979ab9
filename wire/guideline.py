"""The guideline as JSON Schema, and a checker for single messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from core.catalog import StreamEntry
from core.errors import DecodeError
from core.spec import ChannelSpec, LayoutSpec, StreamSpec
from wire import topics
from wire.codec_birth import BirthJson, decode_birth
from wire.codec_command import (
    CommandPayload,
    EventPayload,
    ResultPayload,
    StatePayload,
    decode_command,
    decode_event,
    decode_result,
    decode_state,
)
from wire.codec_rows import RowsJson, decode_rows, probe
from wire.topics import Topic

SCHEMA_FILE = Path(__file__).with_name("guideline_v1.schema.json")
_NODE = f"{topics.ROOT}/{{site}}/{{area}}/{{node}}"
_DEVICE = f"{topics.ROOT}/{{site}}/{{area}}/{{device}}"
_PAYLOADS: dict[str, tuple[str, type[msgspec.Struct]]] = {
    f"{_DEVICE}/birth": ("retained, at every start and on `rebirth`", BirthJson),
    f"{_DEVICE}/data/{{stream}}": ("one row or many rows of one stream", RowsJson),
    f"{_NODE}/state": ("retained; also the will, with online false", StatePayload),
    f"{_DEVICE}/command": ("gateway to device; every device answers `rebirth`", CommandPayload),
    f"{_DEVICE}/request": ("platform to gateway: please command this device", CommandPayload),
    f"{_DEVICE}/result": ("what the device did about a command", ResultPayload),
    f"{_DEVICE}/event": ("something that happened, in words", EventPayload),
}
_RULES = """\
Identifiers: ASCII letters, digits, '.', '_', '-', 1 to 64 characters. QoS 1. Payloads: UTF-8 JSON up to 1 MiB.
Times: ms since the epoch as a number, ns since the epoch as a string, or ISO 8601 with a zone.
Rows: one row has 't' and one value for each channel; many rows have 't0' and 'dt' (ns), or a list 't', and a list
of values for each channel. Every announced channel is present; a missing value is null and BAD.
Quality 'q': a channel maps to [code, reason] (0 BAD, 64 UNCERTAIN, 192 GOOD) for all rows of the message, or, with
many rows, to runs [[first row, number of rows, code, reason], ...]; what is not listed is GOOD.
'sid' is drawn at every start of a device and announced in the birth and the state; rows should carry it, then rows
that arrive late or again are never taken for those of another start. 'seq' counts rows from that start, it is the
number of the first row of a message or a list of numbers; without a sid it is passed over, and rows are identified
by their time. 'sent' is the wall clock of the sender in ms.
'replay' {stream, from, to, sid}: send the rows with these numbers (both included) again; for devices that keep rows.
A state may carry 'last' {device/stream: last row number}, so that a gap at the end shows."""


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of all payloads; ``topics`` maps topics to definitions."""
    types = list(dict.fromkeys(kind for _, kind in _PAYLOADS.values()))
    refs, parts = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    ref_of = dict(zip(types, refs, strict=True))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Platform guideline v1: JSON over MQTT",
        "description": _RULES,
        "topics": {t: {"description": note, **ref_of[kind]} for t, (note, kind) in _PAYLOADS.items()},
        "anyOf": list(refs),
        "$defs": dict(sorted(parts.items())),
    }


def schema_text() -> str:
    """Return the schema as it is published in :data:`SCHEMA_FILE`."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def check(topic: str, payload: bytes) -> list[str]:
    """Return what is wrong with a message, each fault as ``reason: detail``; empty where it conforms.

    Rows are judged without their birth: whether their channels were announced is not known here.
    """
    try:
        _read(topics.parse(topic), payload)
    except DecodeError as error:
        return [str(error)]
    return []


def _read(topic: Topic, payload: bytes) -> None:
    if topic.kind == "data":
        layout = LayoutSpec("check", tuple(ChannelSpec(c, "") for c in probe(payload)[1]))
        decode_rows(payload, StreamEntry(0, topic.stream_path, topic.path, StreamSpec(topic.stream, layout)))
    elif topic.kind == "birth":
        decode_birth(topic, payload)
    elif topic.kind == "state":
        decode_state(topic, payload)
    elif topic.kind == "result":
        decode_result(topic, payload)
    elif topic.kind == "event":
        decode_event(topic, payload)
    else:
        decode_command(topic, payload)


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
