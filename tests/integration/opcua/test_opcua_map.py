"""A foreign server, mapped by configuration: a PLC in a process of its own that is killed and comes back changed."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from pydantic import ValidationError

from core.catalog import Catalog
from core.clock import MS, NS, wall_ns
from core.command import Command, CommandResult, Event
from core.errors import CommandRefused, NotConnected
from core.quality import GOOD
from gateway.sources.opcua import OpcuaSourceConfig
from gateway.sources.opcua_foreign import ForeignOpcuaSource
from tests.peers.opcua_plc import STEP, state, tenths
from wire.ports import free_port

MAP = {
    "device": {"site": "works", "area": "hall", "id": "press-01", "kind": "press", "manufacturer": "ACME"},
    "streams": {
        "main": {
            "every": "500ms",
            "channels": {
                "temperature": {"node": "nsu=urn:vendor:press;s=DB1.T10", "unit": "Cel", "scale": 0.1, "offset": -5},
                "mode": {"node": "/PLC/DB1/Mode", "states": {0: "idle", 1: "run", 2: "stop"}, "group": "status"},
            },
        }
    },
    "commands": {
        "start": {
            "object": "/PLC",
            "method": "nsu=urn:vendor:press;s=start",
            "args": {"speed": {"unit": "r/min", "type": "UInt16"}, "twice": {"type": "Boolean"}},
        },
        "set_target": {"args": {"target": {"unit": "Cel", "node": "/PLC/DB1/Target", "type": "Float"}}},
    },
}
PRESS, MAIN = "works/hall/press-01", "works/hall/press-01/main"


def config(port: int, mapped=MAP, **more) -> OpcuaSourceConfig:
    settings = {"url": f"opc.tcp://127.0.0.1:{port}/", "publishing": "50ms", "late": "300ms", "silence": "4s"}
    return OpcuaSourceConfig.model_validate({**settings, "map": [mapped], **more})


class Plc:
    """A PLC in a process, loaded and not yet switched on."""

    def __init__(self, port: int, name: str = "a", spaces: int = 0, keeps: str = "keeps") -> None:
        words = [sys.executable, "-m", "tests.peers.opcua_plc", str(port), name, str(spaces), keeps]
        self.port = port
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    async def on(self) -> Plc:
        """Switch it on; returns when it listens."""
        self._process.stdin.write(b"on\n")
        self._process.stdin.flush()
        async with asyncio.timeout(30):
            assert (await asyncio.to_thread(self._process.stdout.readline)).strip() == b"ready"
        return self

    def kill(self) -> None:
        """Pull the plug."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def plcs():
    """Return what makes PLCs; none is left behind."""
    made: list[Plc] = []

    def make(*args: object) -> Plc:
        made.append(Plc(*args))
        return made[-1]

    yield make
    for one in made:
        one.kill()


@pytest.fixture(scope="module")
def shared():
    """Return a PLC that several tests read and nobody kills."""
    one = Plc(free_port())
    asyncio.run(one.on())
    yield one
    one.kill()


class Reading:
    """What a source has said."""

    def __init__(self, source: ForeignOpcuaSource) -> None:
        self.source = source
        self.rows: dict[int, tuple[float, float]] = {}
        self.notes: list = []
        self.rejects: list = []
        self.births: list = []

    async def until(self, done, timeout_s: float = 25.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not done():
                try:
                    arrivals, _ = await self.source.read()
                except NotConnected:
                    await self.reconnect()
                    continue
                for a in arrivals:
                    self.notes += a.notes
                    self.rejects += a.rejects
                    self.births += a.births
                    for batch in a.batches:
                        assert (batch.q == GOOD).all(), (batch.t, batch.q, batch.x)
                        for t, x in zip(batch.t.tolist(), batch.x.tolist(), strict=True):
                            assert t not in self.rows
                            self.rows[t] = tuple(x)

    async def reconnect(self) -> None:
        while True:
            try:
                return await self.source.connect()
            except NotConnected:
                await asyncio.sleep(0.1)

    def check(self, first: int, last: int) -> None:
        """Every point of the grid is there, and each row is what the machine was at that moment."""
        assert sorted(t for t in self.rows if first <= t <= last) == list(range(first, last + 1, 500 * MS))
        for t, (temperature, mode) in self.rows.items():
            k = t // STEP
            assert temperature == pytest.approx(tenths(k) * 0.1 - 5)
            assert mode == state(k)


async def test_a_killed_plc_comes_back_with_other_ids_and_no_row_is_missing(plcs):
    port = free_port()
    first, second = plcs(port), plcs(port, "b", 2)
    await first.on()
    reading = Reading(ForeignOpcuaSource(config(port), Catalog()))
    await reading.source.connect()
    await reading.until(lambda: len(reading.rows) >= 3)
    first.kill()
    await asyncio.sleep(1.0)
    await second.on()
    await reading.until(lambda: reading.source.metrics.counts["opcua.repaired"])
    await reading.until(lambda: max(reading.rows) > wall_ns() - 900 * MS)
    await reading.source.close()
    reading.check(min(reading.rows), max(reading.rows))
    assert reading.source.metrics.counts["opcua.repaired"] >= 2
    assert [n for n in reading.notes if isinstance(n, Event)] == []
    (device,) = reading.births
    assert (device.path, device.domain, device.protocols) == (PRESS, "third_party", ("opcua",))
    assert device.streams[0].layout.channels[0].unit == "Cel"


async def test_a_new_gateway_goes_on_from_the_last_stored_row(shared):
    port = shared.port
    source = ForeignOpcuaSource(config(port), Catalog())
    last = wall_ns() // NS * NS - 5 * NS
    source.resume({MAIN: last})
    reading = Reading(source)
    await source.connect()
    await reading.until(lambda: len(reading.rows) >= 12)
    await source.close()
    reading.check(last + 500 * MS, max(reading.rows))


async def test_without_history_the_gap_has_its_exact_range(plcs):
    port = free_port()
    first, second = plcs(port, "a", 0, "no"), plcs(port, "a", 0, "no")
    await first.on()
    reading = Reading(ForeignOpcuaSource(config(port), Catalog()))
    await reading.source.connect()
    await reading.until(lambda: len(reading.rows) >= 3)
    first.kill()
    await asyncio.sleep(0.6)
    await second.on()
    before = set(reading.rows)
    await reading.until(lambda: len(reading.rows) >= len(before) + 3)
    await reading.source.close()
    (gap,) = [n for n in reading.notes if isinstance(n, Event)]
    after = min(t for t in reading.rows if t not in before)
    assert gap.text == f"stream=main after={max(before)} before={after}"
    assert set(range(min(reading.rows), max(reading.rows) + 1, 500 * MS)) - set(reading.rows) == set(
        range(max(before) + 500 * MS, after, 500 * MS)
    )
    reading.check(min(before), max(before))
    reading.check(after, max(reading.rows))


def command(name: str, **args: float) -> Command:
    return Command(f"c-{name}-{len(args)}", PRESS, name, "user:kim", wall_ns(), wall_ns() + NS, dict(args))


async def test_commands_call_methods_and_write_nodes(shared):
    port = shared.port
    reading = Reading(ForeignOpcuaSource(config(port), Catalog()))
    await reading.source.connect()
    await reading.source.send(command("start", speed=50.0, twice=1.0))
    await reading.source.send(command("start", speed=500.0, twice=0.0))
    await reading.source.send(command("start", speed=0.5, twice=0.0))
    await reading.source.send(command("set_target", target=21.5))
    for wrong in (command("start", speed=1.0), command("dance")):
        with pytest.raises(CommandRefused):
            await reading.source.send(wrong)
    await reading.until(lambda: len(reading.notes) >= 4)
    assert [n.status for n in reading.notes if isinstance(n, CommandResult)] == ["done", "failed", "failed", "done"]
    assert "whole" in reading.notes[2].detail
    (node,) = await reading.source._client.find(["/PLC/DB1/Target"])
    (value,) = await reading.source._client.values([node])
    assert (value.Value.Value, value.Value.VariantType.name) == (21.5, "Float")
    await reading.source.close()


async def test_nodes_that_are_not_there_or_no_numbers_are_told_once_and_stop_nobody(shared):
    port = shared.port
    channels = {**MAP["streams"]["main"]["channels"], "label": {"node": "/PLC/DB1/Label"}, "gone": {"node": "/PLC/No"}}
    mapped = {**MAP, "streams": {"main": MAP["streams"]["main"], "odd": {"every": "1s", "channels": channels}}}
    source = ForeignOpcuaSource(config(port, mapped), Catalog())
    await source.connect()
    rejects, odd = [], []
    async with asyncio.timeout(15):
        while len(odd) < 2:
            arrivals, _ = await source.read()
            rejects += [r for a in arrivals for r in a.rejects]
            odd += [b for a in arrivals for b in a.batches if len(b.layout.channels) == 4]
    await source.close()
    assert [r[:2] for r in rejects] == [
        (f"{PRESS}/odd/gone", "/PLC/No: the server has no such node"),
        (f"{PRESS}/odd/label", "/PLC/DB1/Label: a text where a number is wanted"),
    ]
    assert [(q >= GOOD) for q in odd[-1].q[-1].tolist()] == [True, True, False, False]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"node": "DB1.T10"}, "is no node"),
        ({"node": "/PLC//T"}, "empty name"),
        ({"node": "ns=x;s=1"}, "is no node"),
    ],
)
def test_a_bad_map_is_one_clear_line(change, words):
    mapped = {**MAP, "streams": {"main": {"channels": {"t": change}}}}
    with pytest.raises(ValidationError, match=words):
        config(1, mapped)
