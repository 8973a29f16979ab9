"""Topics of guideline v1: build and parse.

iiot/v1/{site}/{area}/{device}/birth | command | result | event | request
iiot/v1/{site}/{area}/{device}/data/{stream}
iiot/v1/{site}/{area}/{node}/state
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

from core.errors import RejectedError

Kind = Literal["birth", "data", "state", "command", "result", "event", "request"]
ROOT = "iiot/v1"
ID_PATTERN = r"[A-Za-z0-9._-]{1,64}"
_ID = re.compile(ID_PATTERN, re.ASCII)
_KINDS: frozenset[str] = frozenset(get_args(Kind))


def check_id(text: str, what: str = "id") -> str:
    """Return an identifier; raises RejectedError ``bad-id`` unless it is ASCII letters, digits, ``. _ -``, 1 to 64."""
    if _ID.fullmatch(text) is None:
        raise RejectedError("bad-id", f"{what} {text[:80]!r}: ASCII letters, digits, '.', '_', '-', 1 to 64 characters")
    return text


@dataclass(frozen=True, slots=True)
class Topic:
    """A parsed topic. ``device`` holds the node's name where ``kind`` is ``state``; ``stream`` only with ``data``."""

    kind: Kind
    site: str
    area: str
    device: str
    stream: str = ""

    @property
    def path(self) -> str:
        """``site/area/device``."""
        return f"{self.site}/{self.area}/{self.device}"

    @property
    def stream_path(self) -> str:
        """``site/area/device/stream``."""
        return f"{self.path}/{self.stream}"

    def __str__(self) -> str:
        tail = f"data/{self.stream}" if self.kind == "data" else self.kind
        return f"{ROOT}/{self.path}/{tail}"


def of_device(path: str, kind: Kind, stream: str = "") -> str:
    """Return the topic of a device (or node) path ``site/area/device``."""
    return f"{ROOT}/{path}/data/{stream}" if kind == "data" else f"{ROOT}/{path}/{kind}"


@lru_cache(maxsize=65_536)
def parse(text: str) -> Topic:
    """Return the parts of a topic.

    Raises
    ------
    RejectedError
        ``bad-topic`` where the shape is not the guideline's, ``bad-id`` where a name is not allowed.
    """
    parts = text.split("/")
    if len(parts) not in (6, 7) or "/".join(parts[:2]) != ROOT:
        raise RejectedError("bad-topic", text[:200])
    site, area, device, kind = parts[2:6]
    if kind not in _KINDS or (kind == "data") != (len(parts) == 7):
        raise RejectedError("bad-topic", text[:200])
    for name, what in ((site, "site"), (area, "area"), (device, "device")):
        check_id(name, what)
    stream = check_id(parts[6], "stream") if kind == "data" else ""
    return Topic(kind, site, area, device, stream)  # type: ignore[arg-type]
