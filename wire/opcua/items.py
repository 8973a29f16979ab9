"""Monitored items and sessions as we want them, in asyncua's own places for them.

What differs from asyncua: values go to subscriptions without being copied or encoded again; deadband compares
with the last value *reported* and knows percent; IndexRange on reads is honoured; history is read from our
rings; publishing intervals and lifetimes have sane bounds, so a client that went silent costs bounded memory.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from asyncua import ua
from asyncua.server.address_space import AttributeValue, NodeData
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession
from asyncua.server.monitored_item_service import MonitoredItemData, MonitoredItemService
from asyncua.ua.ua_binary import struct_to_binary

from core.clock import MS, NS
from wire.opcua.config import Persona
from wire.opcua.sample import Sample

LIFETIME_MS = 60_000.0
_HANDLE = struct.Struct("<I")
_COUNT = struct.Struct("<i")
_NO_DIAGNOSTICS = _COUNT.pack(-1)
_DATA_CHANGE = ua.NodeId(ua.ObjectIds.DataChangeNotification_Encoding_DefaultBinary)
_HISTORY_DATA = ua.NodeId(ua.ObjectIds.HistoryData_Encoding_DefaultBinary)


class Notification:
    """What a subscription queues: the fields of ua.MonitoredItemNotification, without its costly defaults."""

    __slots__ = ("ClientHandle", "Value")

    def __init__(self, handle: int, value: Any) -> None:
        self.ClientHandle = handle
        self.Value = value


class Items(MonitoredItemService):  # type: ignore[misc]
    """Monitored items of one subscription."""

    def offer(self, handle: int, value: Any) -> None:
        """Queue a new value if the item's filter lets it pass; publishing is the subscription's timer's."""
        mid = self._monitored_datachange[handle]
        item = self._monitored_items[mid]
        if item.mode == ua.MonitoringMode.Disabled or not self._passes(item, value):
            return
        queues = self.isub._triggered_datachanges
        queue = queues.get(mid)
        if queue is None:
            queues[mid] = [Notification(item.client_handle, value)]
            return
        if item.queue_size and len(queue) >= item.queue_size:
            del queue[0]
        queue.append(Notification(item.client_handle, value))

    async def datachange_callback(self, handle: int, value: Any, error: Any = None) -> None:
        """Take a change that asyncua itself makes."""
        if error:
            await self.trigger_statuschange(error)
        else:
            self.offer(handle, value)

    def _passes(self, item: MonitoredItemData, value: Any) -> bool:
        trigger, deadband = _filter(item.filter)
        if trigger == ua.DataChangeTrigger.StatusValueTimestamp and not deadband:
            return True
        old = item.mvalue.current_dvalue
        if old is not None and old.StatusCode == value.StatusCode:
            if trigger == ua.DataChangeTrigger.Status:
                return False
            same = old.Value == value.Value
            moved = trigger == ua.DataChangeTrigger.StatusValueTimestamp and (
                old.SourceTimestamp != value.SourceTimestamp
            )
            if (same and not moved) or (deadband and self._within(item, old, value, deadband)):
                return False
        item.mvalue.current_dvalue = value
        return True

    def _within(self, item: MonitoredItemData, old: Any, value: Any, deadband: float) -> bool:
        before, now = old.Value.Value, value.Value.Value
        if not isinstance(before, (int, float)) or not isinstance(now, (int, float)):
            return False
        if item.filter.DeadbandType == ua.DeadbandType.Percent:
            deadband *= self._span(item) / 100
        return bool(abs(now - before) <= deadband)

    def _span(self, item: MonitoredItemData) -> float:
        """Return the width of the item's EURange, 0 where it has none."""
        node = self.aspace.get(item.read_value_id.NodeId)
        for reference in node.references if node else ():
            if reference.BrowseName.Name == "EURange":
                limits = self.aspace.read_attribute_value(reference.NodeId, ua.AttributeIds.Value).Value.Value
                return float(limits.High - limits.Low)
        return 0.0


def _filter(given: Any) -> tuple[Any, float]:
    """Return trigger and deadband of a filter; the standard's default without one."""
    if not hasattr(given, "Trigger"):  # asyncua decodes to another class than ua.DataChangeFilter
        return ua.DataChangeTrigger.StatusValue, 0.0
    return given.Trigger, 0.0 if given.DeadbandType == ua.DeadbandType.None_ else float(given.DeadbandValue)


def _pack_changes(notifications: Sequence[Any]) -> bytes:
    parts = [_COUNT.pack(len(notifications))]
    for item in notifications:
        parts.append(_HANDLE.pack(item.ClientHandle))
        value = item.Value
        parts.append(value.raw if type(value) is Sample else struct_to_binary(value))
    parts.append(_NO_DIAGNOSTICS)
    return b"".join(parts)


def _pack_result(result: Any) -> None:
    message = result.NotificationMessage
    message.NotificationData = [
        ua.ExtensionObject(_DATA_CHANGE, Body=_pack_changes(part.MonitoredItems))
        if isinstance(part, ua.DataChangeNotification)
        else part
        for part in message.NotificationData
    ]


class HistoryKeeper(Protocol):
    """What answers HistoryRead: encoded values of a node in [start, end), and where to go on."""

    def read_history(self, node: Any, start: int, end: int, most: int) -> tuple[list[bytes], int] | None:
        """Return None for a node without history."""
        ...


class Session(InternalSession):  # type: ignore[misc]
    """A client's session."""

    async def create_subscription(
        self, params: Any, callback: Callable[..., Awaitable[None]], request_callback: Any = None
    ) -> Any:
        """Create a subscription with bounded interval and lifetime and our monitored items."""
        interval = max(float(params.RequestedPublishingInterval), self.iserver.limits.publishing / MS)
        params.RequestedPublishingInterval = interval
        lifetime = max(int(LIFETIME_MS / interval), 3)
        params.RequestedLifetimeCount = min(params.RequestedLifetimeCount or lifetime, lifetime)
        params.RequestedMaxKeepAliveCount = min(params.RequestedMaxKeepAliveCount or 10, max(lifetime // 3, 1))
        result = await super().create_subscription(params, _packing(callback), request_callback)
        subscription = self.subscription_service.subscriptions[result.SubscriptionId]
        subscription.monitored_item_srv = Items(subscription, self.aspace)
        return result

    async def create_monitored_items(self, params: Any) -> list[Any]:
        """Watch nodes, as many as the server takes and no faster than it can."""
        await self._strain(len(params.ItemsToCreate))
        services = [s.monitored_item_srv for s in self.subscription_service.subscriptions.values()]
        room = max(self.iserver.limits.items - sum(len(s._monitored_items) for s in services), 0)
        over = len(params.ItemsToCreate) - room
        params.ItemsToCreate = params.ItemsToCreate[:room]
        results: list[Any] = await super().create_monitored_items(params)
        full = ua.StatusCode(ua.StatusCodes.BadTooManyMonitoredItems)
        return results + [ua.MonitoredItemCreateResult(StatusCode=full) for _ in range(over)]

    async def _strain(self, nodes: int) -> None:
        limits = self.iserver.limits
        if limits.slow and nodes > limits.batch:
            await asyncio.sleep((nodes - limits.batch) * limits.slow / NS)

    async def transfer_subscriptions(self, params: Any, callback: Callable[..., Awaitable[None]]) -> Any:
        """Move subscriptions to this session's connection."""
        return await super().transfer_subscriptions(params, _packing(callback))

    async def read(self, params: Any) -> list[Any]:
        """Read attributes; cut arrays and texts to the IndexRange asked for."""
        await self._strain(len(params.NodesToRead))
        values = await super().read(params)
        return [_cut(v, r.IndexRange) if r.IndexRange else v for r, v in zip(params.NodesToRead, values, strict=True)]

    async def history_read(self, params: Any) -> list[Any]:
        """Read raw history from our rings."""
        details = params.HistoryReadDetails
        if not isinstance(details, ua.ReadRawModifiedDetails) or details.IsReadModified:
            bad = ua.StatusCode(ua.StatusCodes.BadHistoryOperationUnsupported)
            return [ua.HistoryReadResult(StatusCode=bad) for _ in params.NodesToRead]
        return [self._history_of(details, node) for node in params.NodesToRead]

    def _history_of(self, details: Any, node: Any) -> Any:
        keeper: HistoryKeeper = self.iserver.keeper
        start, end = _ns(details.StartTime), _ns(details.EndTime) or 1 << 62
        if node.ContinuationPoint:
            start = int.from_bytes(node.ContinuationPoint, "little", signed=True)
        found = keeper.read_history(node.NodeId, start, end, int(details.NumValuesPerNode) or 10_000)
        if found is None:
            return ua.HistoryReadResult(StatusCode=ua.StatusCode(ua.StatusCodes.BadHistoryOperationUnsupported))
        values, more = found
        body = _COUNT.pack(len(values)) + b"".join(values)
        return ua.HistoryReadResult(
            ContinuationPoint=more.to_bytes(8, "little", signed=True) if more else None,
            HistoryData=ua.ExtensionObject(_HISTORY_DATA, Body=body),
        )


def _packing(callback: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def packed(result: Any, *request: Any) -> None:
        _pack_result(result)
        await callback(result, *request)

    return packed


def _ns(when: Any) -> int:
    """Return a HistoryRead bound in ns UTC, 0 for "not given"."""
    filetime: int = ua.datetime_to_win_epoch(when) if when else 0
    return max(filetime - 116_444_736_000_000_000, 0) * 100


def _cut(value: Any, index_range: str) -> Any:
    content = value.Value.Value if value.Value is not None else None
    first, _, last = index_range.partition(":")
    if not isinstance(content, (list, str, bytes)) or "," in index_range or not first.isdigit():
        return ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadIndexRangeInvalid))
    part = content[int(first) : int(last or first) + 1]
    if not part:
        return ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadIndexRangeNoData))
    return ua.DataValue(
        ua.Variant(part, value.Value.VariantType),
        StatusCode=value.StatusCode,
        SourceTimestamp=value.SourceTimestamp,
        ServerTimestamp=value.ServerTimestamp,
    )


_STANDARD: dict[Any, NodeData] = {}


def _copies(nodes: dict[Any, NodeData]) -> dict[Any, NodeData]:
    """Return nodes that can change without the given ones; the values themselves are only ever replaced."""
    copies = {}
    for key, node in nodes.items():
        copy = copies[key] = NodeData(node.nodeid)
        copy.attributes = {name: AttributeValue(cell.value) for name, cell in node.attributes.items()}
        copy.references = list(node.references)
        copy.call = node.call
    return copies


class Core(InternalServer):  # type: ignore[misc]
    """asyncua's server core with our sessions; ``keeper`` answers HistoryRead."""

    def __init__(self, keeper: HistoryKeeper, limits: Persona) -> None:
        super().__init__()
        self.limits = limits
        self.time_task: asyncio.Task[None] | None
        self.keeper = keeper
        self.max_monitored_item_queue_size = 10_000
        self.max_session_timeout_ms = LIFETIME_MS

    def create_session(self, name: str, user: Any = None, external: bool = False) -> Session:
        """Return a session for a new connection."""
        given = {} if user is None else {"user": user}
        return Session(self, self.aspace, self.subscription_service, name, external=external, **given)

    async def load_standard_address_space(self, shelf_file: Any = None) -> None:
        """Load the standard's 6,000 nodes once a process (over a second) and copy them from then on."""
        if not _STANDARD:
            await super().load_standard_address_space(shelf_file)
            _STANDARD.update(await asyncio.to_thread(_copies, self.aspace._nodes))
        else:
            self.aspace._nodes.update(_copies(_STANDARD))

    async def stop(self) -> None:
        """Close what is left of sessions whose connection is gone, so that no task outlives the server."""
        clock: asyncio.Task[None] | None = self.time_task
        self.time_task = None
        if clock is not None:  # asyncua would wait out its second
            clock.cancel()
            await asyncio.gather(clock, return_exceptions=True)
        for session in list(self._external_sessions.values()):
            await session.close_session(True)
        await super().stop()


def waiting(core: InternalServer) -> bool:
    """Tell whether a client with an open connection has values to fetch."""
    return bool(core.asyncio_transports) and any(
        subscription._triggered_datachanges for subscription in core.subscription_service.subscriptions.values()
    )
