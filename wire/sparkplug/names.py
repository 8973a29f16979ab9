"""Topics of Sparkplug B, and where its names lie in our catalogue.

spBv1.0/{group}/{NBIRTH|NDATA|NDEATH|NCMD}/{edge node}
spBv1.0/{group}/{DBIRTH|DDATA|DDEATH|DCMD}/{edge node}/{device}
spBv1.0/STATE/{host}

A group ``site:area`` is that area of ours. Any other group becomes a site, its edge node an area: foreign names
hold what our identifiers do not, so they are spelled anew, with a digest where something was lost.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

from core.errors import RejectedError
from wire.topics import ID_PATTERN

NodeKind = Literal["NBIRTH", "NDATA", "NDEATH", "NCMD"]
DeviceKind = Literal["DBIRTH", "DDATA", "DDEATH", "DCMD"]
ROOT = "spBv1.0"
_NODE, _DEVICE = frozenset(get_args(NodeKind)), frozenset(get_args(DeviceKind))
_ID = re.compile(ID_PATTERN, re.ASCII)
_STRANGE = re.compile(r"[^A-Za-z0-9._-]+")
_MAX = 255


@dataclass(frozen=True, slots=True)
class SparkplugTopic:
    """A parsed topic; ``device`` is empty for messages of the edge node. STATE has its host in ``node``."""

    kind: str
    group: str
    node: str
    device: str = ""

    def __str__(self) -> str:
        if self.kind == "STATE":
            return f"{ROOT}/STATE/{self.node}"
        return "/".join([ROOT, self.group, self.kind, self.node, *([self.device] if self.device else [])])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device (or an edge node as a device) lies in the catalogue."""

    site: str
    area: str
    node: str
    device: str

    @property
    def path(self) -> str:
        """``site/area/device``."""
        return f"{self.site}/{self.area}/{self.device}"

    @property
    def node_path(self) -> str:
        """``site/area/node``."""
        return f"{self.site}/{self.area}/{self.node}"


@lru_cache(maxsize=65_536)
def parse(text: str) -> SparkplugTopic:
    """Return the parts of a topic; raises RejectedError ``bad-topic``."""
    parts = text.split("/")
    if parts[0] == ROOT and all(0 < len(part) <= _MAX for part in parts):
        if len(parts) == 3 and parts[1] == "STATE":
            return SparkplugTopic("STATE", "", parts[2])
        if len(parts) == 4 and parts[2] in _NODE:
            return SparkplugTopic(parts[2], parts[1], parts[3])
        if len(parts) == 5 and parts[2] in _DEVICE:
            return SparkplugTopic(parts[2], parts[1], parts[3], parts[4])
    raise RejectedError("bad-topic", f"not a Sparkplug topic: {text[:200]}")


def of_node(kind: NodeKind, group: str, node: str) -> str:
    """Return the topic of an edge node's message."""
    return f"{ROOT}/{group}/{kind}/{node}"


def of_device(kind: DeviceKind, group: str, node: str, device: str) -> str:
    """Return the topic of a device's message."""
    return f"{ROOT}/{group}/{kind}/{node}/{device}"


def of_host(host: str) -> str:
    """Return the topic of a host application's state."""
    return f"{ROOT}/STATE/{host}"


def group_of(site: str, area: str) -> str:
    """Return the group of an area of ours."""
    return f"{site}:{area}"


@lru_cache(maxsize=65_536)
def place(group: str, node: str, device: str = "") -> Place:
    """Return where a device lies; without one, the edge node as a device of its own."""
    site, mark, area = group.partition(":")
    if mark and _ID.fullmatch(site) and _ID.fullmatch(area):
        return Place(site, area, spell(node), spell(device or node))
    return Place(spell(group), spell(node), spell(node), spell(device or node))


@lru_cache(maxsize=65_536)
def spell(name: str) -> str:
    """Return a name as an identifier; a digest keeps apart what would fall together."""
    if _ID.fullmatch(name):
        return name
    plain = _STRANGE.sub("_", name).strip("_")[:48]
    digest = hashlib.blake2b(name.encode(errors="replace"), digest_size=3).hexdigest()
    return f"{plain}.{digest}" if plain else digest
