"""Who may say what on the broker: roles, and the topics that each of them comes down to.

A device writes under its own topics and hears its own commands; nobody but the gateway commands; the platform and
operators ask for commands (``request``), viewers only look.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, get_args

from core.errors import TestbedError
from wire.broker_config import BrokerUser
from wire.topics import ROOT

Role = Literal["device", "gateway", "platform", "operator", "viewer"]
ROLES: tuple[Role, ...] = get_args(Role)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_SCOPE = re.compile(r"[A-Za-z0-9._-]{1,64}(/[A-Za-z0-9._-]{1,64}){1,2}", re.ASCII)
_EDGE = ("BIRTH", "DATA", "DEATH")
_OWN = ("birth", "data/#", "state", "result", "event")
SPARKPLUG = "spBv1.0"


def check_account(name: str, role: str, scope: Sequence[str]) -> None:
    """Raise TestbedError where an account's name, role or scope cannot be."""
    if _NAME.fullmatch(name) is None:
        raise TestbedError(f"account {name[:80]!r}: ASCII letters, digits, '.', '_', '-', 1 to 64 characters")
    if role not in ROLES:
        raise TestbedError(f"role {role!r}: write one of {', '.join(ROLES)}")
    if role == "device" and not scope:
        raise TestbedError(f"account {name}: a device needs its path: --path site/area/device (or site/area)")
    for path in scope:
        if _SCOPE.fullmatch(path) is None:
            raise TestbedError(f"account {name}: {path[:80]!r} is not site/area/device or site/area")


def rights(role: Role, scope: Sequence[str] = (), hashed: str = "", password: str = "") -> BrokerUser:
    """Return the account of a role on the broker. ``scope`` are paths ``site/area/device`` or ``site/area``."""
    read, write = _topics(role, scope)
    return BrokerUser(password=password, hashed=hashed, read=read, write=write)


def _topics(role: Role, scope: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    everything = (f"{ROOT}/#", f"{SPARKPLUG}/#")
    if role == "device":
        return _device(scope)
    if role == "gateway":
        beats = "testbed/heartbeat/#"
        commands = (f"{ROOT}/+/+/+/command", f"{ROOT}/+/+/+/result")
        sparkplug = (f"{SPARKPLUG}/+/NCMD/+", f"{SPARKPLUG}/+/DCMD/+/+", f"{SPARKPLUG}/STATE/+")
        return (*everything, beats), (*commands, *sparkplug, beats)
    if role == "viewer":
        return everything, ()
    return everything, (f"{ROOT}/+/+/+/request",)


def _device(scope: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the topics of devices, or of all devices of an area.

    On Sparkplug the area is the group ``site:area`` and the device an edge node in it, with devices of its own.
    """
    read: list[str] = []
    write: list[str] = []
    for path in scope:
        site, area, *device = path.split("/")
        own = f"{ROOT}/{site}/{area}/{device[0] if device else '+'}"
        read.append(f"{own}/command")
        write += [f"{own}/{kind}" for kind in _OWN]
        group, node = f"{SPARKPLUG}/{site}:{area}", device[0] if device else "+"
        read += [f"{group}/NCMD/{node}", f"{group}/DCMD/{node}/+"]
        write += [f"{group}/N{kind}/{node}" for kind in _EDGE] + [f"{group}/D{kind}/{node}/+" for kind in _EDGE]
    read.append(f"{SPARKPLUG}/STATE/+")
    return tuple(read), tuple(write)
