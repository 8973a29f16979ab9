"""Which devices share a connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core.spec import DeviceSpec

_NODE_SUFFIX = "-node"


def shared_nodes(devices: Sequence[DeviceSpec]) -> list[DeviceSpec]:
    """Return devices with the node that one connection for each area makes them part of."""
    nodes: dict[tuple[str, str], set[str]] = {}
    for device in devices:
        nodes.setdefault((device.site, device.area), set()).add(device.node)
    shared = {area: names.pop() if len(names) == 1 else area[1] + _NODE_SUFFIX for area, names in nodes.items()}
    return [replace(device, node=shared[device.site, device.area]) for device in devices]
