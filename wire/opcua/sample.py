"""A value that is already encoded: what the server keeps on a node and hands to its subscriptions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from asyncua import ua

from wire.opcua.packing import _read_variant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(t: int) -> datetime:
    """Return ns UTC as a datetime (microseconds)."""
    return _EPOCH + timedelta(microseconds=t // 1000)


class Sample(ua.DataValue):  # type: ignore[misc]
    """A DataValue that carries its own encoding and decodes itself only when someone reads it.

    asyncua copies every value deeply for every subscription and encodes it field by field; a Sample never
    changes, so its copy is itself and its bytes are sent as they are.
    """

    __slots__ = ("_status", "_t", "raw", "server_ns")

    def __init__(self, raw: bytes, t: int, status: int, server_ns: int) -> None:
        self.raw = raw
        self._t = t
        self._status = status
        self.server_ns = server_ns

    def __deepcopy__(self, memo: dict[int, Any]) -> Sample:
        return self

    @property
    def Encoding(self) -> int:  # noqa: N802
        """Field of ua.DataValue, computed by its encoder."""
        return 0

    @property
    def Value(self) -> Any:  # noqa: N802
        """Field of ua.DataValue."""
        if not self.raw[0] & 1:
            return ua.Variant()
        kind = self.raw[1]
        value = _read_variant(self.raw, 1)[0]
        if kind & 0x80:
            return ua.Variant(value.tolist(), ua.VariantType(kind & 0x3F), is_array=True)
        return ua.Variant(value, ua.VariantType(kind))

    @property
    def StatusCode(self) -> Any:  # noqa: N802
        """Field of ua.DataValue."""
        return ua.StatusCode(self._status)

    @property
    def SourceTimestamp(self) -> datetime:  # noqa: N802
        """Field of ua.DataValue."""
        return moment(self._t)

    @property
    def ServerTimestamp(self) -> datetime:  # noqa: N802
        """Field of ua.DataValue."""
        return moment(self.server_ns)

    @property
    def SourcePicoseconds(self) -> None:  # noqa: N802
        """Field of ua.DataValue; only in ``raw``, where asyncua cannot put it out of order."""
        return

    @property
    def ServerPicoseconds(self) -> None:  # noqa: N802
        """Field of ua.DataValue."""
        return
