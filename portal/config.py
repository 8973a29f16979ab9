"""How the portal is served."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.config import Config


class PortalConfig(Config):
    """Address and limits of the portal.

    ``commands`` lets the page send commands; it works from names in ``hosts``, from ``localhost`` and from plain
    addresses only, so that no foreign web page can reach it under another name. ``token`` is asked for as
    ``Authorization: Bearer`` with every command when set.
    """

    kind: Literal["portal"] = "portal"
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    commands: bool = True
    hosts: tuple[str, ...] = ()
    token: str = ""
    max_points: int = Field(10_000, ge=100)
    max_rows: int = Field(500_000, ge=1_000)
    max_clients: int = Field(100, ge=1)
