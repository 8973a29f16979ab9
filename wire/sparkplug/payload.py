"""Sparkplug B payloads: bytes to plain objects and back."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from core.errors import DecodeError, RejectedError
from wire.sparkplug.datatypes import FIELD, DataType, from_wire, to_wire
from wire.sparkplug.schema import message_class, parse

MAX_BYTES = 8 << 20
MAX_METRICS = 100_000
COMPRESSED = "SPBV1.0_COMPRESSED"  # uuid of a payload whose body is a compressed payload (Eclipse Tahu)
_INT32 = range(-(1 << 31), 1 << 31)
Properties = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DataSet:
    """A table: names and types of its columns, rows of values (None: missing)."""

    columns: tuple[str, ...]
    types: tuple[int, ...]
    rows: tuple[tuple[Any, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """A definition or an instance (of ``ref``) of a structure; ``parameters`` are (name, type, value)."""

    metrics: tuple[Metric, ...] = ()
    parameters: tuple[tuple[str, int, Any], ...] = ()
    ref: str = ""
    version: str = ""
    definition: bool = False


@dataclass(frozen=True, slots=True)
class MetaData:
    """What a file or text value is; a part of many has its ``seq``."""

    content_type: str = ""
    size: int = 0
    seq: int = 0
    multi_part: bool = False
    file_name: str = ""
    file_type: str = ""
    md5: str = ""
    description: str = ""


@dataclass(slots=True)
class Metric:
    """One value with its name or alias. ``timestamp`` is ms UTC; ``value`` None is null.

    ``datatype`` 0 is not said: ``value`` is then as it stood in its field, and :func:`resolve` reads it. Values are
    Python numbers, texts, bytes, numpy arrays (array types), :class:`DataSet` or :class:`Template`. Properties are
    plain values; dicts are property sets, lists are lists of them.
    """

    name: str = ""
    datatype: int = 0
    value: Any = None
    timestamp: int | None = None
    alias: int | None = None
    properties: Properties = field(default_factory=dict)
    historical: bool = False
    transient: bool = False
    metadata: MetaData | None = None


@dataclass(slots=True)
class Payload:
    """What a message carries; times are ms UTC."""

    timestamp: int | None = None
    seq: int | None = None
    metrics: Sequence[Metric] = ()
    uuid: str = ""
    body: bytes = b""


# --- out --------------------------------------------------------------------------------------------------


def encode(payload: Payload) -> bytes:
    """Return the bytes of a payload; raises RejectedError ``bad-value`` for a value that does not fit its type."""
    out = message_class()()
    if payload.timestamp is not None:
        out.timestamp = payload.timestamp
    if payload.seq is not None:
        out.seq = payload.seq
    for metric in payload.metrics:
        _write(out.metrics.add(), metric)
    if payload.uuid:
        out.uuid = payload.uuid
    if payload.body:
        out.body = payload.body
    return bytes(out.SerializeToString())


def _write(out: Any, metric: Metric) -> None:
    if metric.alias is not None:
        out.alias = metric.alias
    if metric.name:
        out.name = metric.name
    if metric.timestamp is not None:
        out.timestamp = metric.timestamp
    datatype, value = metric.datatype, metric.value
    if datatype:
        out.datatype = datatype
    if metric.historical:
        out.is_historical = True
    if metric.transient:
        out.is_transient = True
    if metric.metadata is not None:
        _write_metadata(out.metadata, metric.metadata)
    if metric.properties:
        _write_properties(out.properties, metric.properties)
    if value is None:
        out.is_null = True
    elif datatype == DataType.DOUBLE:
        out.double_value = value
    elif isinstance(value, DataSet):
        _write_dataset(out.dataset_value, value)
    elif isinstance(value, Template):
        _write_template(out.template_value, value)
    else:
        kind = datatype or _type_of(value)
        setattr(out, _field(kind), to_wire(kind, value))


def _field(datatype: int) -> str:
    name = FIELD.get(datatype)
    if name is None:
        raise RejectedError("bad-type", f"no value can be of type {datatype}")
    return name


def _write_metadata(out: Any, data: MetaData) -> None:
    out.SetInParent()
    for name, value in (
        ("is_multi_part", data.multi_part), ("content_type", data.content_type), ("size", data.size),
        ("seq", data.seq), ("file_name", data.file_name), ("file_type", data.file_type), ("md5", data.md5),
        ("description", data.description),
    ):  # fmt: skip
        if value:
            setattr(out, name, value)


def _write_properties(out: Any, properties: Properties) -> None:
    for key, value in properties.items():
        out.keys.append(key)
        place = out.values.add()
        if value is None:
            place.type, place.is_null = DataType.STRING, True
        elif isinstance(value, dict):
            place.type = DataType.PROPERTYSET
            place.propertyset_value.SetInParent()
            _write_properties(place.propertyset_value, value)
        elif isinstance(value, list):
            place.type = DataType.PROPERTYSETLIST
            place.propertysets_value.SetInParent()
            for item in value:
                _write_properties(place.propertysets_value.propertyset.add(), item)
        else:
            place.type = datatype = _type_of(value)
            setattr(place, _field(datatype), to_wire(datatype, value))


def _type_of(value: object) -> DataType:
    """Return the type of a property's value; ``Quality`` has to be an Int32, and so are all whole numbers that fit."""
    if isinstance(value, bool):
        return DataType.BOOLEAN
    if isinstance(value, int):
        return DataType.INT32 if value in _INT32 else DataType.INT64
    return DataType.DOUBLE if isinstance(value, float) else DataType.STRING


def _write_dataset(out: Any, data: DataSet) -> None:
    out.num_of_columns = len(data.columns)
    out.columns.extend(data.columns)
    out.types.extend(data.types)
    for row in data.rows:
        elements = out.rows.add().elements
        for datatype, value in zip(data.types, row, strict=True):
            place = elements.add()
            if value is not None:
                setattr(place, _field(datatype), to_wire(datatype, value))


def _write_template(out: Any, template: Template) -> None:
    out.is_definition = template.definition
    if template.version:
        out.version = template.version
    if template.ref:
        out.template_ref = template.ref
    for metric in template.metrics:
        _write(out.metrics.add(), metric)
    for name, datatype, value in template.parameters:
        place = out.parameters.add(name=name, type=datatype)
        if value is not None:
            setattr(place, _field(datatype), to_wire(datatype, value))


# --- in ---------------------------------------------------------------------------------------------------


def decode(data: bytes, max_bytes: int = MAX_BYTES) -> Payload:
    """Return the payload of a message; compressed ones are opened.

    Raises
    ------
    DecodeError
        ``bad-protobuf`` for bytes that are no payload.
    RejectedError
        ``too-large``, ``bad-type``, ``bad-array``, ``bad-properties``, ``bad-dataset``, ``bad-compression``.
    """
    payload = _decode(data, max_bytes)
    if payload.uuid != COMPRESSED:
        return payload
    inner = _decode(_inflate(payload.body, max_bytes), max_bytes)
    inner.seq = payload.seq if inner.seq is None else inner.seq
    return inner


def _decode(data: bytes, max_bytes: int) -> Payload:
    if len(data) > max_bytes:
        raise RejectedError("too-large", f"{len(data)} bytes, at most {max_bytes}")
    try:
        message = parse(data)
        if len(message.metrics) > MAX_METRICS:
            raise RejectedError("too-large", f"{len(message.metrics)} metrics, at most {MAX_METRICS}")
        return Payload(
            message.timestamp if message.HasField("timestamp") else None,
            message.seq if message.HasField("seq") else None,
            [_read(metric) for metric in message.metrics],
            message.uuid,
            message.body,
        )
    except (UnicodeDecodeError, RecursionError) as error:
        raise DecodeError("bad-protobuf", str(error)[:200]) from error


def _inflate(body: bytes, max_bytes: int) -> bytes:
    try:
        opener = zlib.decompressobj(wbits=47)  # zlib or gzip, by its head
        out = opener.decompress(body, max_bytes)
    except zlib.error as error:
        raise RejectedError("bad-compression", str(error)) from error
    if opener.unconsumed_tail or not opener.eof:
        raise RejectedError("bad-compression", f"cut short, or more than {max_bytes} bytes")
    return out


def _read(message: Any) -> Metric:
    datatype, t, alias = message.datatype, message.timestamp, message.alias
    return Metric(
        message.name,
        datatype,
        None if message.is_null else _value(message, datatype),
        t if t or message.HasField("timestamp") else None,  # asking for presence costs: only where it matters
        alias if alias or message.HasField("alias") else None,
        _properties(message.properties) if message.HasField("properties") else {},
        message.is_historical,
        message.is_transient,
        _metadata(message.metadata) if message.HasField("metadata") else None,
    )


def _value(message: Any, datatype: int) -> Any:
    which = message.WhichOneof("value")
    if which is None:
        return None
    raw = getattr(message, which)
    if which == "double_value" and datatype == DataType.DOUBLE:
        return raw
    if which == "dataset_value":
        return _dataset(raw)
    if which == "template_value":
        return _template(raw)
    return from_wire(datatype, raw) if datatype else raw


def resolve(metric: Metric, datatype: int) -> Any:
    """Return the value of a metric that did not say its type, read as the type its birth gave.

    Raises RejectedError ``bad-type``, also where a said type contradicts the birth.
    """
    if metric.datatype not in (0, datatype):
        raise RejectedError("bad-type", f"type {metric.datatype}, its birth said {datatype}")
    if metric.datatype or metric.value is None or isinstance(metric.value, (DataSet, Template)):
        return metric.value
    return from_wire(datatype, metric.value)


def _metadata(message: Any) -> MetaData:
    return MetaData(
        message.content_type, message.size, message.seq, message.is_multi_part, message.file_name, message.file_type,
        message.md5, message.description,
    )  # fmt: skip


def _properties(message: Any) -> Properties:
    keys, values = message.keys, message.values
    if len(keys) != len(values):
        raise RejectedError("bad-properties", f"{len(keys)} keys, {len(values)} values")
    return {key: _property(value) for key, value in zip(keys, values, strict=True)}


def _property(message: Any) -> Any:
    which = message.WhichOneof("value")
    if message.is_null or which is None:
        return None
    raw = getattr(message, which)
    if which == "propertyset_value":
        return _properties(raw)
    if which == "propertysets_value":
        return [_properties(item) for item in raw.propertyset]
    return from_wire(message.type, raw) if message.type else raw


def _dataset(message: Any) -> DataSet:
    columns, types = tuple(message.columns), tuple(message.types)
    if len(columns) != len(types) or message.num_of_columns not in (0, len(columns)):
        raise RejectedError("bad-dataset", f"{len(columns)} columns, {len(types)} types")
    rows = []
    for row in message.rows:
        if len(row.elements) != len(types):
            raise RejectedError("bad-dataset", f"{len(row.elements)} elements in a row of {len(types)}")
        rows.append(tuple(_value(item, kind) for item, kind in zip(row.elements, types, strict=True)))
    return DataSet(columns, types, tuple(rows))


def _template(message: Any) -> Template:
    return Template(
        tuple(_read(metric) for metric in message.metrics),
        tuple((p.name, p.type, _value(p, p.type)) for p in message.parameters),
        message.template_ref,
        message.version,
        message.is_definition,
    )
