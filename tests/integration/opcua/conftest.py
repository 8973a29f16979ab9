from __future__ import annotations

from opcua_rig import rig

__all__ = ["rig"]
