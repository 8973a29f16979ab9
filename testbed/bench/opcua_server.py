"""The server's side of `testbed bench opcua`: a process that sends rows, then tells how many values they held."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import numpy as np

from core.batch import Batch, concat
from core.catalog import Catalog
from core.clock import MS, NS, mono_ns, wall_ns
from core.quality import GOOD
from core.spec import ChannelSpec, DeviceSpec, Identity, LayoutSpec, StreamSpec
from wire.ports import free_port

_COLUMNS = 10
_BURST = 40  # scalars of a node that are written before the client must have fetched them
_BLOCK = 1_000  # samples of a channel in one array


async def main(kind: str, variables: int, every: int, seconds: float) -> None:
    """Serve, wait for a line, send, tell, and wait to be ended."""
    if kind.startswith("bare"):
        await _bare(kind == "bare-arrays", variables, seconds)
    else:
        await _ours(kind, variables, every, seconds)


async def _ours(kind: str, variables: int, every: int, seconds: float) -> None:
    from simulator.publish.opcua import OpcuaPublisher, OpcuaPublisherConfig

    fast = kind == "arrays"
    layout = LayoutSpec("bench.main", tuple(ChannelSpec(f"c{i}", "value") for i in range(_COLUMNS)))
    stream = StreamSpec("main", layout, MS if fast else every or 100 * MS)
    devices = [
        DeviceSpec("bench", "hall", f"d{i}", "bench", "own", "node", Identity("bench", str(i), f"urn:bench:{i}"),
                   (stream,), protocols=("opcua",))
        for i in range(variables // _COLUMNS)
    ]  # fmt: skip
    catalog = Catalog(devices)
    async with OpcuaPublisher(OpcuaPublisherConfig(port=0), catalog, lambda command: None) as publisher:
        await publisher.announce(devices)
        await _ready(publisher.server.url)
        values, step, began = 0, 0, mono_ns()
        start = wall_ns() // NS * NS
        while mono_ns() - began < seconds * NS:
            if every:
                await _until(began + step * every)
            elif fast or step % _BURST == 0:
                await publisher.server.drained(10.0)  # the next when the last has been fetched: no queue overflows
            batch = _rows(catalog, layout, start, step, fast, every or 100 * MS)
            await publisher.publish(batch)
            values, step = values + sum(b.values for b in batch), step + 1
            await asyncio.sleep(0)
        await publisher.flush()
        await _done(values)


def _rows(catalog: Catalog, layout: LayoutSpec, start: int, step: int, fast: bool, every: int) -> list[Batch]:
    """Return a step's rows: one of each stream, or of fast streams a block each; of slow ones several steps at once."""
    n = _BLOCK if fast else 1
    span = MS if fast else every
    first = start + step * n * span
    parts = []
    for entry in catalog.streams:
        t = first + np.arange(n, dtype=np.int64) * span
        x = np.random.default_rng(step).normal(size=(n, _COLUMNS))
        seq = np.arange(step * n, step * n + n, dtype=np.int64)
        stream = np.full(n, entry.index, np.int32)
        parts.append(Batch(layout, stream, np.ones(n, np.int64), seq, t, x, np.full(x.shape, GOOD, np.uint8)))
    return [concat(parts)]


async def _bare(arrays: bool, variables: int, seconds: float) -> None:
    """The same with asyncua as it comes, written the quickest way that it documents."""
    import logging

    from asyncua import Server, ua

    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    server, url = Server(), f"opc.tcp://127.0.0.1:{free_port()}/bare"
    await server.init()
    server.set_endpoint(url)
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("urn:bench")
    empty: Any = [0.0] if arrays else 0.0
    nodes = [
        (await server.nodes.objects.add_variable(ua.NodeId(i + 1, index), f"v{i}", empty)).nodeid
        for i in range(variables)
    ]
    async with server:
        await _ready(url)
        values, began, step = 0, mono_ns(), 0
        while mono_ns() - began < seconds * NS:
            step += 1
            content: Any = (np.arange(_BLOCK) + float(step)).tolist() if arrays else float(step)
            for node in nodes:
                value = ua.DataValue(ua.Variant(content, ua.VariantType.Double))
                await server.write_attribute_value(node, value)
                values += _BLOCK if arrays else 1
            while (arrays or step % _BURST == 0) and _unfetched(server):  # noqa: ASYNC110 - asyncua tells nobody when a client has fetched
                await asyncio.sleep(0.001)
        await _done(values)


def _unfetched(server: Any) -> bool:
    return any(s._triggered_datachanges for s in server.iserver.subscription_service.subscriptions.values())


async def _until(due: int) -> None:
    await asyncio.sleep(max(due - mono_ns(), 0) / NS)


async def _ready(url: str) -> None:
    sys.stdout.write(json.dumps({"url": url}) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)


async def _done(values: int) -> None:
    sys.stdout.write(json.dumps({"values": values}) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
