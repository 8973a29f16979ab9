"""Everything that a configuration can name can be built, opened, written to and closed."""

import asyncio
from pathlib import Path

import pytest
import yaml

import gateway.stages
import gateway.stores
from core.catalog import Catalog
from core.config import parse
from core.errors import ConfigError
from core.metrics import Metrics
from gateway.buffer import Buffer, BufferConfig, Entry
from gateway.build import make_drain, make_stores
from gateway.kinds import GatewayConfig
from tests.unit.gateway.world import device, rows

TEXT = """
rules:
  - name: crossing-extend
    when: {kind: crossing, channel: waiting, op: ">=", value: 1, for: 0s, hysteresis: 0}
    then: {command: extend_green, args: {seconds: 5}}
    interlock: [{channel: phase, op: "==", value: green}]
    cooldown: 30s
    max_age: 2s
stages: [{kind: units, only: ["[degF]"]}, {kind: downsample, window: 2s}]
store: {kind: duck, memory: 500MB}
also: [{kind: memory}]
raw: {kind: parquet, keep: 1d}
buffer: {synchronous: FULL, limit_mb: 100, full: drop_oldest}
validate: {future: 3s, gaps: {settle: 100ms, asks: 3}}
commands: {users: [kim], per_minute: 10}
dead_letters: {rate: 10}
supervise: {most: 2s}
drain: {commit_every: 500ms}
"""


def test_a_full_configuration_is_read():
    config = parse(yaml.safe_load(TEXT), GatewayConfig, "test.yaml")
    assert config.rules[0].when.for_ == 0
    assert config.stages[1].window == 2_000_000_000
    assert config.validate_.gaps.asks == 3
    assert parse(None, GatewayConfig, "x").store.kind == "duck"
    assert GatewayConfig().model_dump_json()


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("rules: [{name: a, then: {command: x}, when: {kind: k, channel: c, op: '~', value: 1}}]", "rules.0.when.op"),
        ("store: {kind: duck, memroy: 1GB}", "memroy"),
        ("buffer: {synchronous: never}", "buffer.synchronous"),
    ],
)
def test_a_fault_is_named_with_its_place(text, where):
    with pytest.raises(ConfigError) as caught:
        parse(yaml.safe_load(text), GatewayConfig, "test.yaml")
    assert where in str(caught.value)


async def test_configured_stores_take_in_what_the_buffer_holds(tmp_path):
    config = parse(yaml.safe_load(TEXT), GatewayConfig, "test.yaml")
    buffer = Buffer(BufferConfig(), tmp_path / "buffer", Catalog([device()]), Metrics())
    buffer.open()
    buffer.start()
    await buffer.put([Entry(rows(range(5)), 0, 0)], True).done
    await buffer.close()
    catalog = Catalog()
    stores = make_stores(config, tmp_path, catalog)
    assert list(stores) == ["duck", "memory", "raw"]
    for store in stores.values():
        store.open()
    drain = make_drain(config, tmp_path, catalog, stores)
    task = asyncio.create_task(drain.run())
    report = await drain.finish()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    for store in stores.values():
        store.close()
    assert report["stored"] == {"s/a/p1/main": 5}
    assert drain.snapshot()["stored_values"] == 10
    assert not report["timed_out"]


@pytest.mark.parametrize("package", [gateway.stages, gateway.stores], ids=lambda p: p.__name__)
def test_every_kind_has_its_line(package):
    text = (Path(gateway.stores.__path__[0]).parent / "kinds.py").read_text(encoding="utf-8")
    for path in Path(package.__path__[0]).glob("*.py"):
        if 'kind: Literal["' in path.read_text(encoding="utf-8"):
            assert f"from {package.__name__}.{path.stem} import" in text
