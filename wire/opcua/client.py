"""OPC UA client session: connect, read, subscribe, read history, call. Lost or silent is NotConnected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from asyncua import Client, ua

from core.clock import MS, NS, wall_ns
from core.errors import DecodeError, NotConnected, WireError
from wire.opcua import names
from wire.opcua.config import OpcuaClientConfig
from wire.opcua.nodeids import find, variant
from wire.opcua.packing import Notices, join, read_history
from wire.opcua.quiet import quieten
from wire.opcua.security import secure_client
from wire.opcua.session import PublishSession
from wire.opcua.trust import Rejected

_LOST = (OSError, ua.UaError, asyncio.IncompleteReadError)
_REQUESTS = 3
#: what servers say that do not have the service at all
_NO_HISTORY = (
    ua.uaerrors.BadServiceUnsupported, ua.uaerrors.BadHistoryOperationUnsupported, ua.uaerrors.BadNotImplemented,
    ua.uaerrors.BadNotSupported, ua.uaerrors.BadUserAccessDenied, ua.uaerrors.BadInternalError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Heard:
    """One publish response: when it came and what it holds (nothing: a keep-alive)."""

    arrived: int
    notices: Notices


class OpcuaClient:
    """One session. Every method raises NotConnected when the server is not there (any more)."""

    def __init__(self, config: OpcuaClientConfig) -> None:
        self.config = config
        self._client: Client | None = None
        self._session: PublishSession | None = None
        self._heard: asyncio.Queue[Heard | None] = asyncio.Queue(maxsize=64)
        self._tasks: list[asyncio.Task[None]] = []
        self._subscription = 0
        self._expected = 1
        self._acks: list[tuple[int, int]] = []
        self._ns = 0
        self._uris: list[str] = []
        self._why = ""

    @property
    def connected(self) -> bool:
        """Tell whether the session is open and nothing was lost."""
        return self._session is not None and not self._why

    async def connect(self, *, own: bool = True) -> None:
        """Open the session; of a server of ours (``own``) find our namespace. Raises NotConnected, WireError."""
        quieten()
        config = self.config
        client = Client(config.url, timeout=config.timeout / NS, watchdog_intervall=max(config.silence / NS, 1.0))
        client.session_timeout = 60_000
        client.uaclient.session = self._session = PublishSession(client.uaclient)
        client.nodes = type(client.nodes)(client.uaclient.session)
        self._heard, self._why, self._subscription, self._acks = asyncio.Queue(maxsize=64), "", 0, []
        try:
            await secure_client(client, config.security, config.url)
            await client.connect()
        except (*_LOST, ValueError) as error:
            self._session = None
            raise NotConnected(f"{config.url}: {_text(error)}{_hint(error, config)}") from error
        self._client = client
        async with self._lasting():
            uris = await client.get_namespace_array()
        self._uris = uris
        if not own:
            return
        if names.NAMESPACE not in uris:
            raise WireError(f"{config.url} has no testbed devices (no namespace {names.NAMESPACE})")
        self._ns = uris.index(names.NAMESPACE)

    async def close(self) -> None:
        """End the session; safe at any time."""
        client, self._client, self._session = self._client, None, None
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if client is not None:
            with suppress(*_LOST):
                await client.disconnect()

    async def devices(self) -> list[str]:
        """Return the paths of the devices in the Machines folder."""
        description = ua.BrowseDescription(
            NodeId=self._id(names.MACHINES),
            BrowseDirection=ua.BrowseDirection.Forward,
            ReferenceTypeId=ua.NodeId(ua.ObjectIds.HasComponent),
            IncludeSubtypes=True,
            NodeClassMask=ua.NodeClass.Object,
            ResultMask=ua.BrowseResultMask.BrowseName,
        )
        async with self._lasting():
            (result,) = await self._live().browse(ua.BrowseParameters(NodesToBrowse=[description]))
        return [r.NodeId.Identifier for r in result.References if isinstance(r.NodeId.Identifier, str)]

    async def texts(self, ids: Sequence[str]) -> list[str | None]:
        """Return string variables' values, None where there is none."""
        found: list[str | None] = []
        async with self._lasting():
            for i in range(0, len(ids), self.config.batch):
                nodes = [self._id(name) for name in ids[i : i + self.config.batch]]
                values = await self._live().read_attributes(nodes, ua.AttributeIds.Value)
                found += [v.Value.Value if v.Value and isinstance(v.Value.Value, str) else None for v in values]
        return found

    async def find(self, texts: Sequence[str]) -> list[Any]:
        """Return the node ids that texts mean (see :func:`wire.opcua.nodeids.parse`), None where there is none."""
        async with self._lasting():
            return [await find(self._live(), text, self._uris) for text in texts]

    async def values(self, nodes: Sequence[Any]) -> list[Any]:
        """Return the nodes' present DataValues."""
        found: list[Any] = []
        async with self._lasting():
            for i in range(0, len(nodes), self.config.batch):
                part = list(nodes[i : i + self.config.batch])
                found += await self._live().read_attributes(part, ua.AttributeIds.Value)
        return found

    async def write(self, node: Any, value: float, kind: str) -> None:
        """Write a number of a built-in type such as ``Float``; raises WireError if the server refuses."""
        item = ua.WriteValue(NodeId=node, AttributeId=ua.AttributeIds.Value, Value=ua.DataValue(variant(value, kind)))
        async with self._lasting():
            (status,) = await self._live().write(ua.WriteParameters(NodesToWrite=[item]))
        if not status.is_good():
            raise WireError(f"writing {node.to_string()}: {status.name}")

    async def subscribe(self, items: Sequence[tuple[Any, int]]) -> list[tuple[Any, str]]:
        """Watch (node id, handle): every write is heard, also of equal values; returns (node id, why not)."""
        refused: list[tuple[Any, str]] = []
        async with self._lasting():
            if not self._subscription:
                await self._open_subscription()
            for i in range(0, len(items), self.config.batch):
                part = items[i : i + self.config.batch]
                params = ua.CreateMonitoredItemsParameters(
                    SubscriptionId=self._subscription,
                    TimestampsToReturn=ua.TimestampsToReturn.Both,
                    ItemsToCreate=[self._item(name, handle) for name, handle in part],
                )
                results = await self._live().create_monitored_items(params)
                refused += [
                    (name, result.StatusCode.name)
                    for (name, _), result in zip(part, results, strict=True)
                    if not result.StatusCode.is_good()
                ]
        return refused

    async def next(self, timeout_s: float | None = None) -> Heard | None:
        """Return what the server says next, None after ``timeout_s``; raises NotConnected when it fell silent."""
        silence = self.config.silence / NS
        if self._why and self._heard.empty():
            raise NotConnected(self._why)
        wait = silence if timeout_s is None else min(timeout_s, silence)
        try:
            async with asyncio.timeout(wait):  # wait_for may swallow a cancellation before Python 3.12
                heard = await self._heard.get()
        except TimeoutError:
            if timeout_s is not None and timeout_s < silence:
                return None
            self._why = f"{self.config.url} said nothing for {silence:g} s"
            raise NotConnected(self._why) from None
        if heard is None:
            raise NotConnected(self._why)
        return heard

    def wake(self) -> None:
        """Let a waiting :meth:`next` return with nothing."""
        with suppress(asyncio.QueueFull):
            self._heard.put_nowait(Heard(wall_ns(), join([])))

    async def history(self, nodes: Sequence[tuple[Any, int]], start: int, end: int = 0) -> Notices | None:
        """Return what was written to (node id, handle) in [start, end); None if a node keeps no history."""
        parts: list[Notices] = []
        open_points: list[tuple[Any, int, bytes | None]] = [(name, handle, None) for name, handle in nodes]
        async with self._lasting():
            while open_points:
                now, open_points = open_points[: self.config.batch], open_points[self.config.batch :]
                ids = [(self._id(name), point) for name, _, point in now]
                try:
                    results = await self._live().history_raw(ids, start, end)
                except _NO_HISTORY:
                    return None
                for (name, handle, _), result in zip(now, results, strict=True):
                    if not result.kept:
                        return None
                    parts.append(read_history(result.body, handle))
                    if result.point:
                        open_points.append((name, handle, result.point))
        return join(parts)

    async def call(self, parent: Any, method: Any, *args: Any) -> list[Any]:
        """Call a method and return its outputs; raises WireError if the server refuses the call."""
        request = ua.CallMethodRequest(
            ObjectId=self._id(parent),
            MethodId=self._id(method),
            InputArguments=[a if isinstance(a, ua.Variant) else ua.Variant(a) for a in args],
        )
        async with self._lasting():
            (result,) = await self._live().call([request])
        if not result.StatusCode.is_good():
            raise WireError(f"{method}: {result.StatusCode.name}")
        return [output.Value for output in result.OutputArguments]

    def _id(self, name: Any) -> Any:
        return name if isinstance(name, ua.NodeId) else ua.NodeId(name, self._ns, ua.NodeIdType.String)

    def _live(self) -> PublishSession:
        if self._session is None or self._why:
            raise NotConnected(self._why or f"{self.config.url}: not connected")
        return self._session

    @asynccontextmanager
    async def _lasting(self) -> AsyncIterator[None]:
        """Turn whatever a lost connection raises into NotConnected."""
        try:
            yield
        except _LOST as error:
            self._why = self._why or f"{self.config.url}: {_text(error)}"
            raise NotConnected(self._why) from error

    def _item(self, name: Any, handle: int) -> Any:
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=self._id(name), AttributeId=ua.AttributeIds.Value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=handle,
                SamplingInterval=0.0,
                Filter=ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp),
                QueueSize=self.config.queue,
                DiscardOldest=True,
            ),
        )

    async def _open_subscription(self) -> None:
        interval = self.config.publishing / MS
        keep_alive = max(int(self.config.silence / 4 / self.config.publishing), 1)
        params = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=interval,
            RequestedLifetimeCount=max(int(60_000 / interval), 3 * keep_alive),
            RequestedMaxKeepAliveCount=keep_alive,
            MaxNotificationsPerPublish=0,
            PublishingEnabled=True,
            Priority=0,
        )
        self._subscription = await self._live().open_subscription(params)
        self._expected = 1
        self._tasks = [asyncio.create_task(self._listen(), name=f"opcua-{i}") for i in range(_REQUESTS)]

    async def _listen(self) -> None:
        """Keep one publish request at the server; several of these keep several there."""
        session = self._live()
        try:
            while not self._why:
                acks, self._acks = self._acks, []
                published = await session.publish_raw(acks)
                if published.subscription != self._subscription:
                    continue
                if published.notices is None:
                    await self._hear(join([]))
                    continue
                if published.sequence != self._expected:
                    raise WireError(f"message {self._expected} is missing, got {published.sequence}")
                self._expected = published.sequence % 0xFFFFFFFF + 1
                self._acks.append((self._subscription, published.sequence))
                await self._hear(published.notices)
        except (*_LOST, WireError, DecodeError) as error:
            self._why = self._why or f"{self.config.url}: {_text(error)}"
            with suppress(asyncio.QueueFull):
                self._heard.put_nowait(None)

    async def _hear(self, notices: Notices) -> None:
        # a full queue holds back the next publish request: the server then keeps what we cannot take
        await self._heard.put(Heard(wall_ns(), notices))


def _text(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _hint(error: BaseException, config: OpcuaClientConfig) -> str:
    """Return what a person can do about a server that turns us away."""
    if isinstance(error, Rejected):
        return ""
    if isinstance(error, (ua.uaerrors.BadCertificateUntrusted, ua.uaerrors.BadSecurityChecksFailed)):
        return f" (the server does not trust {config.security.certificate}: move it to its trusted certificates there)"
    if isinstance(error, (ua.uaerrors.BadUserAccessDenied, ua.uaerrors.BadIdentityTokenRejected)):
        return f" (the server does not take security.user {config.security.user!r}: check name, password, its rights)"
    return ""
