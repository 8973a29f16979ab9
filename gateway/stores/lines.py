"""InfluxDB line protocol, built by column: names are escaped once a layout, values become text a column at a time."""

from __future__ import annotations

import numpy as np

from core.batch import Batch
from core.catalog import Catalog
from core.ports import Note
from core.quality import GOOD

_TAG = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", "\n": " "})
_NAME = str.maketrans({",": r"\,", " ": r"\ ", "\n": " "})


def row_lines(batch: Batch, catalog: Catalog, tags: dict[int, str]) -> list[str]:
    """Return one line a row; ``tags`` caches the tag text of each stream."""
    head = batch.layout.name.translate(_NAME)
    for index in set(batch.stream.tolist()) - tags.keys():
        tags[index] = _tags(catalog, index)
    fields = [_number_fields("sid", batch.sid.tolist()), _number_fields("seq", batch.seq.tolist())]
    finite = np.isfinite(batch.x)
    for j, channel in enumerate(batch.layout.columns):
        name = channel.translate(_TAG)
        values = zip(batch.x[:, j].tolist(), finite[:, j].tolist(), strict=True)
        fields.append([f",{name}={x!r}" if ok else "" for x, ok in values])
        if (batch.q[:, j] != GOOD).any():
            fields.append([f",{name}__q={q}i" if q != GOOD else "" for q in batch.q[:, j].tolist()])
    starts = [f"{head}{tags[index]} " for index in batch.stream.tolist()]
    ends = [f" {t}" for t in batch.t.tolist()]
    return [a + "".join(parts)[1:] + z for a, *parts, z in zip(starts, *fields, ends, strict=True)]


def note_line(note: Note, measurement: str, body: str) -> str:
    """Return the line of a note; ``name`` or ``id`` is a tag, so that notes of one moment stay apart."""
    ident = str(getattr(note, "id", "") or getattr(note, "name", "") or getattr(note, "model", ""))
    tags = f"device={note.device.translate(_TAG) or '-'},id={ident.translate(_TAG) or '-'}"
    text = body.replace("\\", "\\\\").replace('"', '\\"')
    return f'{measurement},{tags} body="{text}" {note.t}'


def _tags(catalog: Catalog, index: int) -> str:
    entry = catalog.streams[index]
    device = catalog.devices[entry.device]
    pairs = (("site", device.site), ("area", device.area), ("device", device.device), ("stream", entry.spec.name))
    return "".join(f",{key}={value.translate(_TAG)}" for key, value in pairs)


def _number_fields(name: str, values: list[int]) -> list[str]:
    return [f",{name}={v}i" for v in values]
