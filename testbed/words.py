"""Notes as one line a person follows on a terminal."""

from __future__ import annotations

from core.catalog import Catalog
from core.command import Command, CommandResult, Event
from core.finding import Finding, WorkOrder
from core.ports import Note

_QUIET = frozenset({"rebirth", "replay"})


def in_words(note: Note, catalog: Catalog) -> str:
    """Return a line about a note, empty for what would only be noise."""
    device = catalog.devices.get(note.device)
    name = device.label.en if device and device.label else note.device
    if isinstance(note, Finding):
        return f"{name}: {note.text}" if note.active else f"{name}: back to normal ({note.detector})"
    if isinstance(note, WorkOrder):
        return f"{name}: work order, {note.action} ({note.reason})"
    if isinstance(note, Command) and note.name not in _QUIET:
        arguments = ", ".join(f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}" for k, v in note.args.items())
        return f"{name}: {note.issuer} commands {note.name}" + (f" ({arguments})" if arguments else "")
    if isinstance(note, CommandResult) and note.status != "accepted":
        return f"{name}: {note.status}" + (f", {note.detail}" if note.detail else "")
    if isinstance(note, Event) and note.severity != "info":
        return f"{name}: {note.text}"
    return ""
