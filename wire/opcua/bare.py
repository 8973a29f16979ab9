"""asyncua as it comes, without anything of ours: the floor that our OPC UA is measured beside."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from asyncua import Client, Server, ua

from core.clock import NS, mono_ns
from wire.opcua.quiet import quieten
from wire.ports import free_port

_NAMESPACE = "urn:bench"


async def serve(size: int, variables: int, seconds: float, burst: int, ready: Callable[[str], Awaitable[None]]) -> int:
    """Write variables (scalars, or arrays of ``size``) in the quickest documented way; returns the values written.

    ``ready`` is awaited with the address before it begins; after ``burst`` rounds it waits until they were fetched.
    """
    quieten()
    server, url = Server(), f"opc.tcp://127.0.0.1:{free_port()}/bare"
    await server.init()
    server.set_endpoint(url)
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace(_NAMESPACE)
    empty: Any = [0.0] if size else 0.0
    objects = server.nodes.objects
    nodes = [
        (await objects.add_variable(ua.NodeId(i + 1, index), f"v{i}", empty)).nodeid for i in range(variables)
    ]  # fmt: skip
    values = step = 0
    async with server:
        await ready(url)
        began = mono_ns()
        while mono_ns() - began < seconds * NS:
            step += 1
            content: Any = (np.arange(size) + float(step)).tolist() if size else float(step)
            for node in nodes:
                await server.write_attribute_value(node, ua.DataValue(ua.Variant(content, ua.VariantType.Double)))
            values += len(nodes) * (size or 1)
            while (size or step % burst == 0) and _unfetched(server):  # noqa: ASYNC110 - asyncua tells nobody
                await asyncio.sleep(0.001)
        while _unfetched(server):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.5)  # what is fetched is still on its way
    return values


def _unfetched(server: Any) -> bool:
    return any(s._triggered_datachanges for s in server.iserver.subscription_service.subscriptions.values())


async def listen(
    url: str, variables: int, begin: Callable[[], None], over: Callable[[int, int], bool]
) -> tuple[int, int]:
    """Count the values of a :func:`serve` from ``begin`` until ``over(count, idle ns)``; returns (count, ns)."""
    quieten()
    count, last = 0, mono_ns()

    class Handler:
        def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
            nonlocal count, last
            count, last = count + (len(value) if isinstance(value, list) else 1), mono_ns()

    async with Client(url) as client:
        index = await client.get_namespace_index(_NAMESPACE)
        nodes = [client.get_node(ua.NodeId(i, index)) for i in range(1, variables + 1)]
        subscription = await client.create_subscription(50, Handler())
        await subscription.subscribe_data_change(nodes, queuesize=10_000)
        await asyncio.sleep(0.3)
        count, began = 0, mono_ns()
        begin()
        while not over(count, mono_ns() - last):  # noqa: ASYNC110 - the caller's word, not an event
            await asyncio.sleep(0.05)
        return count, last - began
