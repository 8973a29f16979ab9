"""What a simulator says to a server of its own that runs in another process: frames over a pipe.

A frame is one letter, the length of its content (4 bytes, big-endian) and the content.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Literal

from core.batch import Batch
from core.catalog import Catalog
from core.spec import DeviceSpec, dump, load

#: settings, catalog, rows, event, result, listen (what came before is history), flush
Kind = Literal["s", "c", "b", "e", "r", "l", "f"]
HEAD = struct.Struct(">cI")


def frame(kind: Kind, content: bytes = b"") -> bytes:
    """Return a frame."""
    return HEAD.pack(kind.encode(), len(content)) + content


def catalog_frame(catalog: Catalog, devices: Sequence[DeviceSpec]) -> bytes:
    """Return the frame that makes the other end number its streams as ``catalog`` does."""
    paths = [entry.path for entry in catalog.streams]
    every = dump([*catalog.devices.values()])
    content = {"paths": paths, "devices": every, "served": [device.path for device in devices]}
    return frame("c", json.dumps(content, ensure_ascii=False).encode())


def read_catalog(content: bytes, catalog: Catalog) -> list[DeviceSpec]:
    """Fill ``catalog`` from a frame; return the devices to serve."""
    value = json.loads(content)
    catalog.extend(value["paths"], load(value["devices"]))
    return [catalog.devices[path] for path in value["served"]]


def rows_frame(batch: Batch) -> bytes:
    """Return the frame of rows."""
    return frame("b", batch.pack())
