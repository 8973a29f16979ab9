"""Subscriptions on their way: asked for, and answered or given up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from paho.mqtt.subscribeoptions import SubscribeOptions

from core.errors import NotConnected

if TYPE_CHECKING:
    import paho.mqtt.client as paho
    from paho.mqtt.reasoncodes import ReasonCode

Codes = list["ReasonCode"]


class Subscriptions:
    """What the broker has not answered yet. Used from the event loop only."""

    def __init__(self) -> None:
        self._waiting: dict[int, asyncio.Future[Codes]] = {}

    def ask(self, client: paho.Client, version: int, filters: Sequence[str], qos: int) -> asyncio.Future[Codes]:
        """Send SUBSCRIBE; the future brings the broker's codes, or NotConnected."""
        wanted: Any = [(f, SubscribeOptions(qos=qos) if version == 5 else qos) for f in filters]
        _, mid = client.subscribe(wanted)
        assert mid is not None
        waiting: asyncio.Future[Codes] = asyncio.get_running_loop().create_future()
        self._waiting[mid] = waiting
        return waiting

    def answered(self, mid: int, codes: Codes) -> None:
        """Pass the broker's answer on."""
        waiting = self._waiting.pop(mid, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(codes)

    def fail(self, why: str) -> None:
        """Give up all of them."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(NotConnected(why))
                waiting.exception()  # seen: not everyone waits
        self._waiting.clear()
