"""A world on bad links, over a real broker, into the gateway: every row is stored once, or known to be lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from core.batch import Batch
from core.catalog import Catalog
from core.clock import MS, NS
from core.command import Event, NodeState
from gateway.kinds import GatewayConfig
from gateway.reader import BufferReader
from gateway.service import Gateway
from gateway.sources.mqtt import MqttSource, MqttSourceConfig
from simulator.pacer import Pace, Pacer
from simulator.publish.mqtt import MqttPublisher, MqttPublisherConfig
from tests.sim_worlds import build
from tests.unit.gateway.world import MAX
from wire.broker import Broker

LOSSY = {"loss_good": 0.05, "duplicate": 0.1, "reorder": 0.1, "reorder_by": "2s", "delay": "300ms", "spread": 0.8}
SECONDS = 40


@dataclass
class Outcome:
    """What came of a run."""

    emitted: dict[str, int]
    stored: Counter[tuple[str, int]]
    gateway: dict[str, Any]
    links: dict[str, float]
    lost_by_link: dict[str, int]
    gaps: list[str]
    states: list[NodeState] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(self.emitted.values())


class Listening(MqttSource):
    """A source that remembers which connections came and went."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.states: list[NodeState] = []

    async def read(self) -> Any:
        arrivals, ack = await super().read()
        self.states += [state for arrival in arrivals for state in arrival.states]
        return arrivals, ack


def noises(**connection: Any) -> dict[str, Any]:
    entry = {"kind": "noise_node", "area": "a", "count": 2, "connection": connection}
    still = {"kind": "parking", "area": "a"}
    return {"domain": "urban", "site": "s", "equipment": [entry, still]}


def stored(folder: Path, catalog: Catalog) -> tuple[Counter[tuple[str, int]], list[str]]:
    reader = BufferReader(folder / "buffer")
    rows: Counter[tuple[str, int]] = Counter()
    gaps: list[str] = []
    for record in reader.read(0, 100_000):
        if isinstance(record.content, Batch):
            paths = [catalog.streams[s].path for s in record.content.stream.tolist()]
            rows.update(zip(paths, record.content.seq.tolist(), strict=True))
        else:
            gaps += [n.text for n in record.content if isinstance(n, Event) and n.name == "gap"]
    reader.close()
    return rows, gaps


async def run(broker: Broker, folder: Path, connection: dict[str, Any], faults: Any = (), speed: float = 0) -> Outcome:
    world = build(noises(**connection), faults=faults)
    catalog = Catalog()
    source = Listening(MqttSourceConfig(url=broker.url), catalog)
    gateway = Gateway(GatewayConfig(), folder, catalog, {"mqtt": source}, MAX)
    serving = asyncio.create_task(gateway.run())
    config = MqttPublisherConfig(url=broker.url)
    try:
        async with asyncio.timeout(10):
            while gateway.states["mqtt"].state != "connected":  # noqa: ASYNC110 - a state has no event
                await asyncio.sleep(0.01)
        async with MqttPublisher(config, world.catalog, lambda _: None, sid=77, network=world.network) as publisher:
            pacer = Pacer(world, {"mqtt": publisher}, Pace(speed, round(max(speed, 1) * 500 * MS), SECONDS * NS))
            async with asyncio.timeout(30):
                await pacer.run()
                final = await gateway.drain(20, 0.3, pacer.emitted_by_stream())
            assert not final["timed_out"]
            links, lost = pacer.links(), pacer.lost_by_link()
    finally:
        gateway.stop()
        await serving
    rows, gaps = stored(folder, catalog)
    return Outcome(pacer.emitted_by_stream(), rows, gateway.snapshot(), links, lost, gaps, source.states)


def all_home(outcome: Outcome) -> bool:
    wanted = {(path, n) for path, count in outcome.emitted.items() for n in range(count)}
    return set(outcome.stored) == wanted and set(outcome.stored.values()) == {1}


async def test_loss_doubles_and_overtaking_leave_no_trace(broker: Broker, tmp_path: Path) -> None:
    outcome = await run(broker, tmp_path, {"link": LOSSY})
    assert min(outcome.links[n] for n in ("lost", "duplicated", "reordered")) > 0
    assert outcome.gateway["duplicated"] > 0  # they did come twice, and were known
    assert all_home(outcome)
    assert outcome.gaps == []


OUTAGE = {"at": 10, "lasts": 5, "device": "noise_node-01", "fault": "link_outage"}


@pytest.mark.parametrize("store", [True, False])
async def test_an_outage_is_noticed_and_its_rows_come_home(mosquitto: Broker, tmp_path: Path, store: bool) -> None:
    """Stored rows come late; those that a device only keeps for replay are asked for."""
    outcome = await run(mosquitto, tmp_path, {"link": "ethernet", "store": store}, [OUTAGE], speed=20)
    assert outcome.links["outages"] == 1
    seen = [state.online for state in outcome.states if state.node == "s/a/noise_node-01"]
    assert seen[:3] == [True, False, True]  # the will spoke
    assert all(s.online for s in outcome.states if s.node == "s/a/noise_node-02" and not s.last)
    assert all_home(outcome)


async def test_what_nobody_keeps_is_lost_with_its_exact_range(mosquitto: Broker, tmp_path: Path) -> None:
    outcome = await run(mosquitto, tmp_path, {"store": False, "replay": False}, [OUTAGE])
    path = "s/a/noise_node-01/noise"
    missing = [n for n in range(outcome.emitted[path]) if (path, n) not in outcome.stored]
    assert missing == [*range(missing[0], missing[0] + 5)]
    assert outcome.lost_by_link[path] == 5
    assert len(outcome.gaps) == 1, outcome.gaps
    (gap,) = [text for text in outcome.gaps if path in text]
    assert gap.endswith(f"5 rows are lost: {missing[0]}..{missing[-1]}")
    assert outcome.rows - sum(outcome.stored.values()) == sum(outcome.lost_by_link.values())
    assert outcome.gateway["lost"] == sum(outcome.lost_by_link.values())


async def test_rows_lost_before_the_first_contact_do_not_hold_up_the_end(mosquitto: Broker, tmp_path: Path) -> None:
    at_once = {**OUTAGE, "at": 0, "lasts": 3}
    outcome = await run(mosquitto, tmp_path, {"store": False, "replay": False}, [at_once])
    assert outcome.lost_by_link["s/a/noise_node-01/noise"] == 3
    assert outcome.rows - sum(outcome.stored.values()) == sum(outcome.lost_by_link.values())
