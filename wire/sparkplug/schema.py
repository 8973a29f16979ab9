"""The messages of a Sparkplug B payload, described to protobuf in Python instead of in a compiled file.

Field numbers and types are those that the specification publishes (Sparkplug 3.0.0, chapter 6, "Google Protocol
Buffer Schema"); on the wire nothing else counts. Extension ranges are left out: unknown fields are kept aside by
protobuf either way.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from core.errors import DecodeError

_PACKAGE = "testbed.sparkplug"
_SCALARS = ("bool", "bytes", "double", "float", "string", "uint32", "uint64")
_SIMPLE = (
    ("int_value", "uint32"),
    ("long_value", "uint64"),
    ("float_value", "float"),
    ("double_value", "double"),
    ("boolean_value", "bool"),
    ("string_value", "string"),
)


def _oneof(first: int, *more: tuple[str, str]) -> tuple[str, ...]:
    """Return the fields of a ``value`` choice, numbered from ``first``."""
    return tuple(f"{kind}| {name} {first + i}" for i, (name, kind) in enumerate((*_SIMPLE, *more)))


#: message -> fields as "type name number"; ``*`` repeated, ``|`` part of the oneof ``value``
_MESSAGES: dict[str, tuple[str, ...]] = {
    "Payload": ("uint64 timestamp 1", "Metric* metrics 2", "uint64 seq 3", "string uuid 4", "bytes body 5"),
    "Metric": (
        "string name 1",
        "uint64 alias 2",
        "uint64 timestamp 3",
        "uint32 datatype 4",
        "bool is_historical 5",
        "bool is_transient 6",
        "bool is_null 7",
        "MetaData metadata 8",
        "PropertySet properties 9",
        *_oneof(10, ("bytes_value", "bytes"), ("dataset_value", "DataSet"), ("template_value", "Template")),
    ),
    "MetaData": (
        "bool is_multi_part 1",
        "string content_type 2",
        "uint64 size 3",
        "uint64 seq 4",
        "string file_name 5",
        "string file_type 6",
        "string md5 7",
        "string description 8",
    ),
    "PropertySet": ("string* keys 1", "PropertyValue* values 2"),
    "PropertySetList": ("PropertySet* propertyset 1",),
    "PropertyValue": (
        "uint32 type 1",
        "bool is_null 2",
        *_oneof(3, ("propertyset_value", "PropertySet"), ("propertysets_value", "PropertySetList")),
    ),
    "DataSet": ("uint64 num_of_columns 1", "string* columns 2", "uint32* types 3", "Row* rows 4"),
    "Row": ("DataSetValue* elements 1",),
    "DataSetValue": _oneof(1),
    "Template": (
        "string version 1",
        "Metric* metrics 2",
        "Parameter* parameters 3",
        "string template_ref 4",
        "bool is_definition 5",
    ),
    "Parameter": ("string name 1", "uint32 type 2", *_oneof(3)),
}


@cache
def message_class() -> Any:
    """Return the message class of a whole payload; the others are made through its fields.

    protobuf is imported here, since most processes never meet a payload.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="testbed/sparkplug.proto", package=_PACKAGE, syntax="editions")
    file.edition = descriptor_pb2.EDITION_2023  # proto2 on the wire, and texts that are no UTF-8 are refused
    file.options.features.repeated_field_encoding = descriptor_pb2.FeatureSet.EXPANDED
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        if any("|" in field for field in fields):
            message.oneof_decl.add(name="value")
        for text in fields:
            _describe(message.field.add(), *text.split())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Payload"))


def _describe(field: Any, kind: str, name: str, number: str) -> None:
    bare = kind.rstrip("*|")
    field.name, field.number = name, int(number)
    field.label = field.LABEL_REPEATED if kind.endswith("*") else field.LABEL_OPTIONAL
    if kind.endswith("|"):
        field.oneof_index = 0
    if bare in _SCALARS:
        field.type = getattr(field, f"TYPE_{bare.upper()}")
    else:
        field.type, field.type_name = field.TYPE_MESSAGE, f".{_PACKAGE}.{bare}"


def parse(data: bytes) -> Any:
    """Return a payload message; raises DecodeError ``bad-protobuf``."""
    from google.protobuf.message import DecodeError as ProtobufError

    try:
        return message_class().FromString(data)
    except ProtobufError as error:
        raise DecodeError("bad-protobuf", str(error)[:200]) from error
