"""A gateway or a drain in a process of its own, to be killed. Usage: victim.py gateway|drain FOLDER.

The gateway's source stands for a broker: a journal of messages on disk and a file with the number of those
acknowledged. Whatever is not acknowledged is delivered again after a start.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from core.catalog import Catalog
from core.command import Command
from core.errors import EndOfStream
from gateway.drain import Drain, DrainConfig
from gateway.kinds import GatewayConfig
from gateway.service import Gateway
from gateway.stages.downsample import Downsample, DownsampleConfig
from gateway.stores.duck import DuckConfig, DuckStore
from tests.unit.gateway.world import MAX, arrival, device, rows

MESSAGES = 3_000
ROWS = 3
STREAMS = 4
RULE = {
    "name": "hot",
    "when": {"kind": "pump", "channel": "temp", "op": ">", "value": 80},
    "then": {"command": "stop"},
}


class JournalSource:
    """Message i has rows 3i..3i+2 of every stream; every 100th is hot and moves the rule."""

    def __init__(self, folder: Path, catalog: Catalog) -> None:
        self.acks, self.moved, self.catalog = folder / "acks", folder / "moved", catalog
        self.next = 0

    async def connect(self) -> None:
        for name in range(STREAMS):
            self.catalog.add(device(f"p{name}"))
        self.next = int(self.acks.read_text() or 0) if self.acks.exists() else 0

    async def read(self):
        if self.next >= MESSAGES:
            raise EndOfStream("all")
        await asyncio.sleep(0)
        i, self.next = self.next, self.next + 1
        temp = 90.0 if i % 100 == 0 else 20.0
        batches = [rows(range(i * ROWS, (i + 1) * ROWS), stream=s, temp=temp) for s in range(STREAMS)]

        async def ack() -> None:
            scratch = self.acks.with_suffix(".part")
            scratch.write_text(str(i + 1))
            scratch.replace(self.acks)

        births = [device(f"p{name}") for name in range(STREAMS)]
        return [arrival(*batches, births=births)], ack

    async def close(self) -> None:
        return

    async def send(self, command: Command) -> None:
        with self.moved.open("a") as file:
            file.write(f"{command.id} {command.cause.seq}\n")


async def gateway(folder: Path) -> None:
    catalog = Catalog()
    config = GatewayConfig.model_validate(
        {"rules": [RULE], "buffer": {"snapshot_every": "50ms"}, "commands": {"per_minute": 100_000}}
    )
    await Gateway(config, folder, catalog, {"mqtt": JournalSource(folder, catalog)}, MAX).run()


async def drain(folder: Path) -> None:
    catalog = Catalog()
    store = DuckStore(DuckConfig(), folder / "store" / "test.duckdb", catalog)
    store.open()
    config = DrainConfig.model_validate({"commit_every": "20ms", "commit_records": 200})
    stages = {"duck": [Downsample(DownsampleConfig(), catalog)]}
    made = Drain(config, folder / "buffer", catalog, {"duck": store}, stages)
    task = asyncio.create_task(made.run())
    while sum(made.stored().values()) < MESSAGES * ROWS * STREAMS:
        await asyncio.sleep(0.01)
        if task.done():
            await task
    await made.finish()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    store.close()


if __name__ == "__main__":
    asyncio.run({"gateway": gateway, "drain": drain}[sys.argv[1]](Path(sys.argv[2])))
    print("finished", flush=True)
