"""What the handlers of a request work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import Response

from core.command import Command
from core.spec import DeviceSpec
from portal.config import PortalConfig
from portal.errors import ApiError
from portal.history import History
from portal.live import LiveState
from portal.render import clean, encode
from portal.stream import Pulse

Send = Callable[[Command], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Context:
    """State, store and command link of one portal."""

    live: LiveState
    history: History
    pulse: Pulse
    send: Send | None
    config: PortalConfig

    def device(self, path: str) -> DeviceSpec:
        """Return a catalogued device."""
        found = self.live.catalog.devices.get(path)
        if found is None:
            raise ApiError(404, f"no such device: {path[:120]!r} (see /api/v1/catalog)")
        return found


def context(request: Request) -> Context:
    """Return the context of a request's application."""
    found = request.app.state.context
    assert isinstance(found, Context)
    return found


Ctx = Annotated[Context, Depends(context)]


def reply(value: Any) -> Response:
    """Return compact JSON; numbers that are not finite become null."""
    return Response(encode(clean(value)), media_type="application/json", headers={"cache-control": "no-store"})
