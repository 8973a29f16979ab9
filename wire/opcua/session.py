"""asyncua's client session with our reading of publish responses and history, where its own is slow."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary

from core.errors import DecodeError, NotConnected
from wire.opcua.packing import Notices, join, read_notifications
from wire.opcua.sample import moment

_U32, _I32 = struct.Struct("<I"), struct.Struct("<i")
_DATA_CHANGE = ua.ObjectIds.DataChangeNotification_Encoding_DefaultBinary
_STATUS_CHANGE = ua.ObjectIds.StatusChangeNotification_Encoding_DefaultBinary
_TOO_MANY = ua.uaerrors.BadTooManyPublishRequests


@dataclass(frozen=True, slots=True)
class Published:
    """A publish response; ``notices`` None is a keep-alive."""

    subscription: int
    sequence: int
    notices: Notices | None


@dataclass(frozen=True, slots=True)
class HistoryPart:
    """History of one node: the body of a HistoryData and where to go on."""

    kept: bool
    body: bytes
    point: bytes | None


class PublishSession(UaSession):  # type: ignore[misc]
    """A session whose publish requests are sent by its owner."""

    def ensure_publish_loop(self) -> None:
        """Start nothing: asyncua's own loop swallows errors and keeps a single request open."""

    async def open_subscription(self, params: Any) -> int:
        """Create a subscription and return its id."""
        request = ua.CreateSubscriptionRequest()
        request.Parameters = params
        response = struct_from_binary(ua.CreateSubscriptionResponse, await self._send_request(request))
        response.ResponseHeader.ServiceResult.check()
        return int(response.Parameters.SubscriptionId)

    async def publish_raw(self, acks: Sequence[tuple[int, int]]) -> Published:
        """Send a publish request and return its response."""
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = [ua.SubscriptionAcknowledgement(*ack) for ack in acks]
        try:
            buffer = await self._send_request(request, timeout=0)
        except _TOO_MANY:
            return Published(0, 0, None)
        return _published(_body(buffer))

    async def history_raw(self, nodes: Sequence[tuple[Any, bytes | None]], start: int, end: int) -> list[HistoryPart]:
        """Read raw history of (node, continuation point) in [start, end) ns, ``end`` 0: up to now."""
        request = ua.HistoryReadRequest()
        request.Parameters.HistoryReadDetails = ua.ReadRawModifiedDetails(
            IsReadModified=False,
            StartTime=moment(start),
            EndTime=moment(end + 999) if end else ua.get_win_epoch(),
            NumValuesPerNode=2_000,
            ReturnBounds=False,
        )
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        request.Parameters.NodesToRead = [
            ua.HistoryReadValueId(NodeId=node, ContinuationPoint=point) for node, point in nodes
        ]
        buffer = await self._send_request(request)
        return _history(_body(buffer))


def _body(buffer: Any) -> bytes:
    """Return a response's bytes behind its header; raises where the header tells of an error."""
    nodeid_from_binary(buffer)
    header = struct_from_binary(ua.ResponseHeader, buffer)
    header.ServiceResult.check()
    return bytes(buffer)


def _published(data: bytes) -> Published:
    try:
        subscription, available = struct.unpack_from("<Ii", data)
        at = 8 + 4 * max(available, 0) + 1  # sequence numbers at hand, more notifications
        sequence, _, parts = struct.unpack_from("<Iqi", data, at)
        at += 16
        found: list[Notices] = []
        for _ in range(max(parts, 0)):
            kind, body, at = _extension(data, at)
            if kind == _DATA_CHANGE:
                found.append(read_notifications(body))
            elif kind == _STATUS_CHANGE:
                raise NotConnected(f"the server ends the subscription: {ua.StatusCode(_U32.unpack_from(body)[0]).name}")
    except struct.error as error:
        raise DecodeError("opcua-publish", str(error)) from error
    return Published(subscription, sequence, join(found) if parts > 0 else None)


def _history(data: bytes) -> list[HistoryPart]:
    try:
        count, at = _I32.unpack_from(data)[0], 4
        found = []
        for _ in range(max(count, 0)):
            status, size = struct.unpack_from("<Ii", data, at)
            at += 8
            point = data[at : at + size] if size > 0 else None
            at += max(size, 0)
            _, body, at = _extension(data, at)
            found.append(HistoryPart(status < 0x80000000, body or _I32.pack(0), point))
    except struct.error as error:
        raise DecodeError("opcua-history", str(error)) from error
    return found


def _extension(data: bytes, at: int) -> tuple[int, bytes, int]:
    """Return type, body and end of an extension object."""
    form = data[at] & 0x3F
    if form == 0:
        kind, at = data[at + 1], at + 2
    elif form == 1:
        kind, at = struct.unpack_from("<H", data, at + 2)[0], at + 4
    elif form == 2:
        kind, at = _U32.unpack_from(data, at + 3)[0], at + 7
    else:
        size = _I32.unpack_from(data, at + 3)[0]
        kind, at = 0, at + 7 + size
    encoding, at = data[at], at + 1
    if not encoding & 1:
        return kind, b"", at
    size = max(_I32.unpack_from(data, at)[0], 0)
    at += 4
    return kind, data[at : at + size], at + size
