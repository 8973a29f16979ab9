"""A device behind a Modbus unit id: what server and poller both know of it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from core.errors import TestbedError
from core.spec import DeviceSpec
from wire.modbus.config import RegisterMap

#: unit that tells the world's time (input registers 0 to 3: run time in ns, high word first); no device has it.
#: Only a run at speed ``max``, where no clock knows the time, needs it.
CLOCK_UNIT = 247


@dataclass(frozen=True, slots=True)
class Station:
    """``every`` is the poll interval in ns of run time; ``line`` the number of the server (port) it is behind."""

    unit: int
    device: DeviceSpec
    plan: RegisterMap
    every: int
    line: int = 0


def endpoint(url: str) -> tuple[str, int]:
    """Return host and port of a URL; raises TestbedError with what is wrong with it."""
    place = urlsplit(url)
    try:
        if place.scheme in ("tcp", "modbus") and place.hostname:
            return place.hostname, place.port or 502
    except ValueError:
        pass
    raise TestbedError(f"not a Modbus server: {url!r} (write tcp://host:502)")


def of_line(url: str, line: int) -> str:
    """Return the URL of a line: lines lie on ports that follow each other."""
    host, port = endpoint(url)
    return f"tcp://{f'[{host}]' if ':' in host else host}:{port + line}"
