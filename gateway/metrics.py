"""Figures of a role as Prometheus text (exposition format 0.0.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_BAD = re.compile(r"[^a-zA-Z0-9_]")


def prometheus(snapshot: Mapping[str, Any], role: str, prefix: str = "testbed") -> str:
    """Return every number of a snapshot as a gauge line.

    Nested keys join with ``_``; in ``streams`` and ``stored`` the key is a stream path and becomes a label.
    """
    lines: dict[str, list[str]] = {}
    for name, labels, value in _numbers(snapshot, ()):
        full = f"{prefix}_{_BAD.sub('_', name)}"
        pairs = ",".join(f'{k}="{_escape(v)}"' for k, v in (("role", role), *labels))
        lines.setdefault(full, [f"# TYPE {full} gauge"]).append(f"{full}{{{pairs}}} {value:g}")
    return "\n".join(line for group in lines.values() for line in group) + "\n"


def _numbers(
    values: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[str, tuple[tuple[str, str], ...], float]]:
    for key, value in values.items():
        labelled = path and path[0] in ("streams", "stored")
        names = (path[0], *path[2:], key) if labelled and len(path) > 1 else path if labelled else (*path, key)
        label = (("stream", path[1] if len(path) > 1 else key),) if labelled else ()
        if isinstance(value, Mapping):
            yield from _numbers(value, (*path, key))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield "_".join(names), label, float(value)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
