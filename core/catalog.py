"""The catalog: every device, stream and layout the run knows, extended by births at run time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.spec import DeviceSpec, LayoutSpec, StreamSpec, dump, dump_layouts, load, load_layouts


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """A stream with its place in the catalog."""

    index: int
    path: str
    device: str
    spec: StreamSpec


class Catalog:
    """Devices by path, streams by index and path, layouts by name.

    An index, once given, always means the same stream path. A device that is born again with other
    channels keeps its paths; the changed stream gets a layout of another name. Streams and layouts that no
    device has any more stay: rows that lie in a buffer still name them.
    """

    def __init__(self, devices: Iterable[DeviceSpec] = ()) -> None:
        self.devices: dict[str, DeviceSpec] = {}
        self.streams: list[StreamEntry] = []
        self.layouts: dict[str, LayoutSpec] = {}
        self._index: dict[str, int] = {}
        for device in devices:
            self.add(device)

    def add(self, device: DeviceSpec) -> DeviceSpec:
        """Add or replace a device; returns it as catalogued (layouts of clashing names are renamed)."""
        streams = tuple(replace(s, layout=self._settle(s.layout)) for s in device.streams)
        settled = replace(device, streams=streams)
        self.devices[settled.path] = settled
        for spec in streams:
            path = settled.stream_path(spec.name)
            index = self._index.get(path)
            if index is None:
                index = self._index[path] = len(self.streams)
                self.streams.append(StreamEntry(index, path, settled.path, spec))
            else:
                self.streams[index] = StreamEntry(index, path, settled.path, spec)
        return settled

    def extend(self, paths: Sequence[str], devices: Sequence[DeviceSpec]) -> None:
        """Add devices so that the streams get the places they have in another catalog.

        ``paths`` are all stream paths of that catalog in order of their index; those known here must be the
        same. ``devices`` may hold several versions of one device, the newest last. Raises ValueError where the
        two catalogs do not agree.
        """
        known = [entry.path for entry in self.streams]
        if list(paths[: len(known)]) != known[: len(paths)]:
            raise ValueError("the catalogs number their streams differently")
        specs = {d.stream_path(s.name): (d.path, s) for d in devices for s in d.streams}
        for path in paths[len(known) :]:
            device, spec = specs[path]
            self._index[path] = len(self.streams)
            self.streams.append(StreamEntry(len(self.streams), path, device, spec))
        for spec_of_device in devices:
            self.add(spec_of_device)

    def index(self, stream_path: str) -> int:
        """Return the index of a stream path; raises KeyError where there is none."""
        return self._index[stream_path]

    def find(self, stream_path: str) -> StreamEntry | None:
        """Return a stream by path, or None."""
        index = self._index.get(stream_path)
        return None if index is None else self.streams[index]

    def layout(self, name: str) -> LayoutSpec:
        """Return a layout by name; raises KeyError where there is none."""
        return self.layouts[name]

    def save(self, path: Path) -> None:
        """Write the catalog as JSON; :meth:`read` restores the same indices and layouts."""
        value = {
            "streams": [
                {
                    "path": entry.path,
                    "device": entry.device,
                    "layout": entry.spec.layout.name,
                    "period_ns": entry.spec.period_ns,
                }
                for entry in self.streams
            ],
            "layouts": dump_layouts(list(self.layouts.values())),
            "devices": dump(list(self.devices.values())),
        }
        text = json.dumps(value, ensure_ascii=False)
        scratch = path.with_suffix(path.suffix + ".part")
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(path)

    @classmethod
    def read(cls, path: Path) -> Catalog:
        """Return the catalog of :meth:`save`."""
        value = json.loads(path.read_text(encoding="utf-8"))
        catalog = cls()
        catalog.layouts = {layout.name: layout for layout in load_layouts(value["layouts"])}
        for index, stream in enumerate(value["streams"]):
            where, layout = stream["path"], catalog.layouts[stream["layout"]]
            spec = StreamSpec(where.rpartition("/")[2], layout, stream["period_ns"])
            catalog._index[where] = index
            catalog.streams.append(StreamEntry(index, where, stream["device"], spec))
        for device in load(value["devices"]):
            catalog.add(device)
        return catalog

    def _settle(self, layout: LayoutSpec) -> LayoutSpec:
        known = self.layouts.get(layout.name)
        if known is None:
            self.layouts[layout.name] = layout
            return layout
        if known.channels == layout.channels:
            return known
        digest = hashlib.blake2b(repr(layout.channels).encode(), digest_size=4).hexdigest()
        base = layout.name.partition("~")[0]
        return self._settle(LayoutSpec(f"{base}~{digest}", layout.channels))
