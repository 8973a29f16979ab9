"""The streams of a scenario by what may be asked of them when a way breaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from simulator.domain import devices
from testbed.scenario import Scenario

#: kept: answers ``replay``; bare: keeps nothing; history: OPC UA; polled: Modbus registers
Group = Literal["kept", "bare", "history", "polled"]
#: groups that may lose nothing; the others must tell exactly what they lost
WHOLE: tuple[Group, ...] = ("kept", "history")


@dataclass(frozen=True, slots=True)
class Watched:
    """A stream: its group, the protocol it is read over, and whether it is stored row by row."""

    group: Group
    protocol: str
    fast: bool


def watched(scenario: Scenario, seed: int) -> dict[str, Watched]:
    """Return the streams of a scenario by path."""
    out: dict[str, Watched] = {}
    for domain in scenario.domains:
        for entry, device in devices(domain, seed):
            protocol = device.protocols[0]
            group: Group = "kept"
            if protocol == "opcua":
                group = "history"
            elif protocol == "modbus":
                group = "polled"
            elif entry.connection is not None and not entry.connection.replay:
                group = "bare"
            for stream in device.streams:
                out[device.stream_path(stream.name)] = Watched(group, protocol, stream.fast)
    return out
