"""Notes as JSON and back, by the name of their kind."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter

from core.command import Command, CommandResult, Event
from core.finding import Finding, Prognosis, WorkOrder
from core.ports import Note

#: name of a kind (also its table in a store) -> class
KINDS: dict[str, type[Note]] = {
    "events": Event,
    "commands": Command,
    "results": CommandResult,
    "findings": Finding,
    "prognoses": Prognosis,
    "work_orders": WorkOrder,
}
NAME_OF: dict[type, str] = {kind: name for name, kind in KINDS.items()}
_ADAPTERS: dict[str, TypeAdapter[Any]] = {name: TypeAdapter(kind) for name, kind in KINDS.items()}


def to_json(note: Note) -> str:
    """Return the fields of a note as one JSON object."""
    return json.dumps(asdict(note), ensure_ascii=False, allow_nan=True)


def from_json(name: str, text: str | bytes) -> Note:
    """Return the note of :func:`to_json`; raises pydantic.ValidationError on anything else."""
    note: Note = _ADAPTERS[name].validate_python(json.loads(text))
    return note


def pack(notes: list[Note]) -> bytes:
    """Return notes as JSON lines, each ``[kind, fields]``."""
    return "\n".join(f'["{NAME_OF[type(n)]}",{to_json(n)}]' for n in notes).encode()


def unpack(data: bytes) -> list[Note]:
    """Return the notes of :func:`pack`."""
    found = (json.loads(line) for line in data.split(b"\n") if line)
    return [_ADAPTERS[name].validate_python(fields) for name, fields in found]
