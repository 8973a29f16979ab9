"""What a configuration can name."""

from pathlib import Path

import pytest
import yaml

import gateway.sources
import gateway.stages
import gateway.stores
from core.config import parse
from core.errors import ConfigError
from gateway.kinds import GatewayConfig

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


@pytest.mark.parametrize("package", [gateway.sources, gateway.stages, gateway.stores], ids=lambda p: p.__name__)
def test_every_kind_has_its_line(package):
    text = (Path(gateway.stores.__path__[0]).parent / "kinds.py").read_text(encoding="utf-8")
    for path in Path(package.__path__[0]).glob("*.py"):
        if 'kind: Literal["' in path.read_text(encoding="utf-8"):
            assert f"from {package.__name__}.{path.stem} import" in text


def test_the_documented_modbus_device_is_read():
    text = (Path(__file__).parents[3] / "docs" / "modbus.md").read_text(encoding="utf-8")
    example = yaml.safe_load(text.split("```yaml")[1].split("```")[0])
    config = parse(example["gateway"], GatewayConfig, "docs/modbus.md")
    (unit,) = config.sources[1].units
    assert unit.station("n").device.stream_path("main") == "seoul/annex/oven-1/main"


@pytest.mark.parametrize(
    ("source", "where", "what"),
    [
        ({"url": "http://x"}, "t:sources.0.url", "not a Modbus server"),
        ({"url": "tcp://x", "most": 126}, "t:sources.0.most", "125"),
    ],
)
def test_a_wrong_modbus_source_gives_one_line(source, where, what):
    with pytest.raises(ConfigError) as error:
        parse({"sources": [{"kind": "modbus", **source}]}, GatewayConfig, "t")
    assert error.value.where == where
    assert what in str(error.value)
