"""Bounds on what devices may send. Each refusal has a reason, is counted, and stops nobody else."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from core.catalog import Catalog
from core.clock import NS, mono_ns
from core.config import Config
from core.errors import RejectedError
from core.spec import DeviceSpec
from wire.json_depth import too_deep

log = logging.getLogger(__name__)

#: ns between two lines about one device that sends too much
_SAY_EVERY = 30 * NS


class Limits(Config):
    """Defaults are far above what a healthy device does.

    ``payload``: bytes a message. ``depth``: how deep its JSON may nest. ``rate``, ``burst``: messages a second of one
    device, and how many it may save up (``burst`` lets a device replay ten minutes at once). ``devices``, ``streams``,
    ``channels``: in the whole catalog; ``device_streams``, ``device_channels``, ``device_commands``: of one device.
    ``unborn``: devices that are asked for their birth at a time. ``text``: characters of an event or a result.
    """

    payload: int = 1 << 20
    depth: int = 8
    rate: float = 1_000.0
    burst: float = 30_000.0
    devices: int = 50_000
    streams: int = 200_000
    channels: int = 2_000_000
    device_streams: int = 100
    device_channels: int = 2_000
    device_commands: int = 100
    unborn: int = 10_000
    text: int = 2_000


@dataclass(slots=True)
class _Bucket:
    """Messages that a device may still send."""

    level: float
    at: int
    refused: int = 0
    said: int = field(default=-(2**62))


class Guard:
    """Judges messages and births of one source against the limits."""

    def __init__(self, limits: Limits, catalog: Catalog) -> None:
        self.limits, self.catalog = limits, catalog
        self._buckets: dict[str, _Bucket] = {}
        self._channels = 0
        self._counted: dict[str, int] = {}

    def message(self, device: str, payload: bytes) -> None:
        """Admit a JSON message of a device (by path); raises RejectedError ``rate``, ``too-large`` or ``too-deep``."""
        self.admit(device, len(payload))
        if too_deep(payload, self.limits.depth):
            raise RejectedError("too-deep", f"JSON nested deeper than {self.limits.depth}")

    def admit(self, device: str, size: int) -> None:
        """Admit a message of a device, whatever its form; raises RejectedError ``rate`` or ``too-large``."""
        limits = self.limits
        now = mono_ns()
        bucket = self._buckets.get(device)
        if bucket is None:
            bucket = self._bucket(device, now)
        bucket.level = min(limits.burst, bucket.level + (now - bucket.at) * limits.rate / NS)
        bucket.at = now
        if bucket.level < 1:
            bucket.refused += 1
            self._say(device, bucket, now)
            raise RejectedError("rate", f"more than {limits.rate:g} messages/s")
        bucket.level -= 1
        if size > limits.payload:
            raise RejectedError("too-large", f"{size} bytes, at most {limits.payload}")

    def birth(self, device: DeviceSpec) -> None:
        """Admit a device to the catalog; raises RejectedError ``catalog-full`` or ``device-too-big``."""
        limits = self.limits
        channels = sum(len(s.layout.channels) for s in device.streams)
        for what, n, most in (
            ("streams", len(device.streams), limits.device_streams),
            ("channels", channels, limits.device_channels),
            ("commands", len(device.commands), limits.device_commands),
        ):
            if n > most:
                raise RejectedError("device-too-big", f"{n} {what}, at most {most}")
        known = self.catalog.devices.get(device.path)
        if known is None and len(self.catalog.devices) >= limits.devices:
            raise RejectedError("catalog-full", f"{limits.devices} devices are known, which is the limit")
        new = sum(1 for s in device.streams if self.catalog.find(device.stream_path(s.name)) is None)
        if new and len(self.catalog.streams) + new > limits.streams:
            raise RejectedError("catalog-full", f"{limits.streams} streams are known, which is the limit")
        total = self._channels - self._counted.get(device.path, 0) + channels
        if total > limits.channels:
            raise RejectedError("catalog-full", f"{limits.channels} channels are known, which is the limit")
        self._channels, self._counted[device.path] = total, channels

    def _bucket(self, device: str, now: int) -> _Bucket:
        if len(self._buckets) >= self.limits.devices + self.limits.unborn:  # names cost nothing: forget the rested
            rate, full = self.limits.rate / NS, self.limits.burst - 1
            self._buckets = {d: b for d, b in self._buckets.items() if (now - b.at) * rate + b.level < full}
        bucket = self._buckets[device] = _Bucket(self.limits.burst, now)
        return bucket

    def _say(self, device: str, bucket: _Bucket, now: int) -> None:
        if now - bucket.said > _SAY_EVERY:
            bucket.said = now
            log.warning("%s sends more than %g messages/s: %d turned away", device, self.limits.rate, bucket.refused)
