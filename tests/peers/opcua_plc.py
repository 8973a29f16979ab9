"""A PLC that knows nothing of us: plain asyncua, its own structure, ids and types.

argv: port, name of its ids, further namespaces, ``keeps`` (history) or ``no``. It listens once a line comes in.

What a node was at a time is a formula of that time, so the history is there whenever somebody killed it.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import UTC, datetime, timedelta

from asyncua import Server, ua, uamethod
from asyncua.server.history import HistoryStorageInterface

STEP = 100_000_000  # ns
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(t: int) -> datetime:
    return EPOCH + timedelta(microseconds=t // 1000)


def tenths(k: int) -> int:
    """Temperature in tenths of a degree, another one each step."""
    return 200 + k % 97


def state(k: int) -> int:
    """State of the machine, another one each seven steps."""
    return k // 7 % 3


class Memory(HistoryStorageInterface):
    """History by formula."""

    def __init__(self) -> None:
        self.of = {}

    async def read_node_history(self, node_id, start, end, nb_values):
        if node_id not in self.of:
            return [], None
        formula, kind, every = self.of[node_id]
        first = -(-round(start.timestamp() * 1e9) // (STEP * every)) * every
        last = round((min(end, datetime.now(UTC)) if end.year > 1990 else datetime.now(UTC)).timestamp() * 1e9) // STEP
        values = [value(formula(k), kind, k) for k in range(first, last + 1, every)]
        return values, None

    async def init(self):
        pass

    async def new_historized_node(self, *args):
        pass

    async def save_node_value(self, *args):
        pass

    async def new_historized_event(self, *args):
        pass

    async def save_event(self, *args):
        pass

    async def read_event_history(self, *args):
        return [], None

    async def stop(self):
        pass


def value(x, kind, k: int):
    t = moment(k * STEP)
    return ua.DataValue(ua.Variant(x, kind), SourceTimestamp=t, ServerTimestamp=datetime.now(UTC))


async def main(port: int, name: str, spaces: int, keeps: bool) -> None:
    logging.disable(logging.CRITICAL)
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    for i in range(spaces):
        await server.register_namespace(f"urn:vendor:other{i}")
    ns = await server.register_namespace("urn:vendor:press")
    memory = Memory()
    server.iserver.history_manager.set_storage(memory)
    plc = await server.nodes.objects.add_object(ua.NodeId(f"{name}-plc", ns), ua.QualifiedName("PLC", ns))
    block = await plc.add_folder(ua.NodeId(f"{name}-db", ns), ua.QualifiedName("DB1", ns))
    temperature = await block.add_variable(ua.NodeId("DB1.T10", ns), "Temperature", 0, ua.VariantType.Int16)
    mode = await block.add_variable(ua.NodeId(f"{name}.mode", ns), "Mode", 0, ua.VariantType.Byte)
    target = await block.add_variable(ua.NodeId("DB1.Target", ns), "Target", 0.0, ua.VariantType.Float)
    await target.set_writable()

    @uamethod
    def start(parent, speed, twice):
        if speed > 100:
            raise ValueError("too fast")
        return speed * (2 if twice else 1)

    inputs = [ua.VariantType.UInt16, ua.VariantType.Boolean]
    await plc.add_method(ua.NodeId("start", ns), "Start", start, inputs, [ua.VariantType.Int64])
    if keeps:
        memory.of = {
            temperature.nodeid: (tenths, ua.VariantType.Int16, 1),
            mode.nodeid: (state, ua.VariantType.Byte, 7),
        }
    await block.add_variable(ua.NodeId("DB1.Label", ns), "Label", "press", ua.VariantType.String)
    await asyncio.to_thread(sys.stdin.readline)
    async with server:
        print("ready", flush=True)
        loop_k = round(datetime.now(UTC).timestamp() * 1e9) // STEP - 7
        while True:
            now = round(datetime.now(UTC).timestamp() * 1e9) // STEP
            for k in range(loop_k + 1, now + 1):
                await temperature.write_value(value(tenths(k), ua.VariantType.Int16, k))
                if k % 7 == 0:
                    await mode.write_value(value(state(k), ua.VariantType.Byte, k))
            loop_k = now
            await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] == "keeps"))
