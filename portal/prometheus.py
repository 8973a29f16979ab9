"""The figures of a run in the Prometheus text format."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from portal.live import LiveState

_NAME = re.compile(r"[^a-zA-Z0-9_]")


def text(live: LiveState, pages: int) -> str:
    """Return one gauge a figure: what roles report, and what the portal counts."""
    with live.lock:
        lines = [*_roles(live), *_own(live, pages)]
    return "\n".join(lines) + "\n"


def _roles(live: LiveState) -> Iterable[str]:
    figures: dict[str, list[tuple[str, float]]] = {}
    for role, flat in live.loop.status.items():
        for name, value in flat.items():
            figures.setdefault(_NAME.sub("_", name), []).append((role, value))
    for name, told in sorted(figures.items()):
        yield f"# TYPE iiot_{name} gauge"
        for role, value in told:
            yield f'iiot_{name}{{role="{_escape(role)}"}} {value!r}'


def _own(live: LiveState, pages: int) -> Iterable[str]:
    yield "# TYPE iiot_portal_rows_seen counter"
    yield f"iiot_portal_rows_seen {live.rows}"
    yield "# TYPE iiot_portal_pages gauge"
    yield f"iiot_portal_pages {pages}"
    yield "# TYPE iiot_portal_count gauge"
    for name, count in live.totals().items():
        yield f'iiot_portal_count{{of="{_escape(name)}"}} {count}'
    yield "# TYPE iiot_device_health gauge"
    for health, count in sorted(Counter(live.health().values()).items()):
        yield f'iiot_device_health{{health="{health}"}} {count}'


def _escape(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
