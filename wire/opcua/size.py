"""How many bytes a value takes in an OPC UA notification, by encoding one."""

from __future__ import annotations

from datetime import UTC, datetime


def notification_bytes() -> int:
    """Return the bytes of one monitored item's notification with a good Double, its status and both timestamps."""
    from asyncua import ua
    from asyncua.ua.ua_binary import struct_to_binary

    now = datetime(2026, 3, 2, 8, 0, 0, 123_000, tzinfo=UTC)
    value = ua.DataValue(ua.Variant(17.25, ua.VariantType.Double), SourceTimestamp=now, ServerTimestamp=now)
    return len(struct_to_binary(ua.MonitoredItemNotification(1, value)))
