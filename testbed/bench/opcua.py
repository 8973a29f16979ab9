"""`testbed bench opcua`: what our OPC UA server and client carry, beside bare asyncua in the same run.

Server and client are two processes. The client counts what reaches it decoded: rows of our source, values of asyncua's.
"""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from core.clock import MS, NS, mono_ns, wall_ns

Tell = Callable[[str], None]


def run(seconds: float, tell: Tell) -> dict[str, Any]:
    """Return all figures; each part takes about ``seconds``."""
    found: dict[str, Any] = {}
    for name, variables, every in (("250_at_100_ms", 250, 100 * MS), ("3000_at_1_s", 3_000, NS)):
        tell(f"{variables} variables each {every / MS:g} ms, {seconds:g} s")
        found[name] = _paced(variables, every, seconds)
    tell("scalars, as many as go through")
    found["scalars"] = _saturated("scalars", seconds)
    tell("the same with bare asyncua")
    found["scalars"]["floor"] = _saturated("bare-scalars", seconds)
    tell("arrays, as many as go through")
    found["arrays"] = _saturated("arrays", seconds)
    tell("the same with bare asyncua")
    found["arrays"]["floor"] = _saturated("bare-arrays", seconds)
    for part in ("scalars", "arrays"):
        found[part]["times_floor"] = round(found[part]["per_s"] / max(found[part]["floor"]["per_s"], 1), 2)
    return found


def _paced(variables: int, every: int, seconds: float) -> dict[str, Any]:
    with _Server("paced", variables, every, seconds) as server:
        heard = asyncio.run(_listen(server, seconds))
    sent = server.told["values"]
    return {"sent": sent, "delivered": heard["values"], "share": round(heard["values"] / max(sent, 1), 6)}


def _saturated(kind: str, seconds: float) -> dict[str, Any]:
    with _Server(kind, 100, 0, seconds) as server:
        read = _listen_bare if kind.startswith("bare") else _listen
        heard = asyncio.run(read(server, seconds))
    sent = server.told["values"]
    return {"sent": sent, "delivered": heard["values"], "per_s": round(heard["values"] / max(heard["seconds"], 1e-9))}


class _Server:
    """A server in a child process."""

    def __init__(self, kind: str, variables: int, every: int, seconds: float) -> None:
        self._words = [kind, str(variables), str(every), str(seconds)]
        self.told: dict[str, Any] = {}
        self.url = ""
        self.done = False

    def __enter__(self) -> _Server:
        words = [sys.executable, "-m", "testbed.bench.opcua_server", *self._words]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self._line()["url"]
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.communicate()

    def go(self) -> None:
        """Let it send."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def wait(self) -> None:
        """Wait until it has sent everything."""
        self.told = self._line()
        self.done = True

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found


async def _listen(server: _Server, seconds: float) -> dict[str, float]:
    from core.catalog import Catalog
    from gateway.sources.opcua import OpcuaSource, OpcuaSourceConfig

    source = OpcuaSource(OpcuaSourceConfig.model_validate({"url": server.url, "publishing": "50ms"}), Catalog())
    await source.connect()
    count, began, last = 0, mono_ns(), mono_ns()
    server.go()
    waiting = asyncio.create_task(asyncio.to_thread(server.wait))
    until = wall_ns() + round((seconds * 4 + 20) * NS)  # what is missing by then shows in the share
    while wall_ns() < until and not (server.done and count >= server.told["values"]):
        try:
            async with asyncio.timeout(0.5):
                arrivals, _ = await source.read()
        except TimeoutError:
            continue
        for arrival in arrivals:
            for batch in arrival.batches:
                count, last = count + batch.values, mono_ns()
    await waiting
    await source.close()
    return {"values": count, "seconds": (last - began) / NS}


async def _listen_bare(server: _Server, seconds: float) -> dict[str, float]:
    from asyncua import Client, ua

    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    count, last = 0, mono_ns()

    class Handler:
        def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
            nonlocal count, last
            count, last = count + (len(value) if isinstance(value, list) else 1), mono_ns()

    async with Client(server.url) as client:
        index = await client.get_namespace_index("urn:bench")
        nodes = [client.get_node(ua.NodeId(i, index)) for i in range(1, 101)]
        subscription = await client.create_subscription(50, Handler())
        await subscription.subscribe_data_change(nodes, queuesize=10_000)
        await asyncio.sleep(0.3)
        count, began = 0, mono_ns()
        server.go()
        waiting = asyncio.create_task(asyncio.to_thread(server.wait))
        until = wall_ns() + round((seconds * 4 + 20) * NS)

        def over() -> bool:
            return server.done and (count >= server.told["values"] or mono_ns() - last > 3 * NS)

        while wall_ns() < until and not over():  # noqa: ASYNC110 - the handler is asyncua's
            await asyncio.sleep(0.05)
        await waiting
    return {"values": count, "seconds": (last - began) / NS}
