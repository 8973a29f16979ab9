"""Registers: numbers to words and back, saturation, missing values, maps that are wrong, grouped reads."""

from __future__ import annotations

import math
from typing import Any

import pytest

from core.config import parse
from core.errors import ConfigError
from core.quality import BAD_COMM, BAD_DEVICE, BAD_SENSOR, GOOD, UNCERTAIN_LAST_USABLE, UNCERTAIN_RANGE
from core.spec import ChannelSpec, CommandSpec, DeviceSpec, Identity, LayoutSpec, StreamSpec
from wire.modbus.config import Overrides, Register, RegisterMap
from wire.modbus.maker import make_map
from wire.modbus.plan import Read, Span, group, parts
from wire.modbus.unit import AddressError, Unit
from wire.modbus.words import decode, encode, encode_argument, pack_status, unpack_status, worst


def register(**fields: Any) -> Register:
    return Register(address=0, **fields)


@pytest.mark.parametrize(
    ("value", "fields", "words"),
    [
        (-12.3, {"type": "int16", "scale": 0.1}, [0xFF85]),
        (60.4, {"type": "uint16", "scale": 0.1}, [604]),
        (305419896.0, {"type": "uint32"}, [0x1234, 0x5678]),
        (305419896.0, {"type": "uint32", "order": "little"}, [0x5678, 0x1234]),
        (-2.0, {"type": "int32", "scale": 0.5}, [0xFFFF, 0xFFFC]),
        (1.0, {"type": "float32"}, [0x3F80, 0x0000]),
        (25.0, {"type": "int16", "scale": 0.5, "offset": -40.0}, [130]),
        (1.0, {"type": "bool", "table": "coil"}, [1]),
        (65_537.0, {"type": "uint16", "counter": True}, [1]),
    ],
)
def test_values_take_the_form_that_the_map_says(value: float, fields: dict[str, Any], words: list[int]) -> None:
    assert encode(value, GOOD, register(**fields)) == (words, GOOD)
    if "counter" not in fields:
        assert decode(words, register(**fields)) == (value, GOOD)


def test_a_value_is_the_nearest_step() -> None:
    assert decode(encode(7.26, GOOD, register(scale=0.1))[0], register(scale=0.1)) == (7.3, GOOD)


@pytest.mark.parametrize("value", [1e9, -1e9, math.inf, -math.inf])
@pytest.mark.parametrize("kind", ["int16", "uint16", "int32", "float32"])
def test_what_does_not_fit_saturates_and_says_so(value: float, kind: Any) -> None:
    r = register(type=kind, scale=1e-3 if kind != "float32" else 1e-31)
    words, quality = encode(value, GOOD, r)
    assert quality == UNCERTAIN_RANGE
    got, _ = decode(words, r)
    assert math.isfinite(got)
    assert got * value >= 0 or kind == "uint16"


@pytest.mark.parametrize("kind", ["int16", "uint16", "int32", "uint32", "float32"])
def test_a_missing_value_is_a_number_that_no_value_takes(kind: Any) -> None:
    r = register(type=kind)
    words, quality = encode(math.nan, BAD_SENSOR, r)
    assert quality == BAD_SENSOR
    value, q = decode(words, r)
    assert math.isnan(value)
    assert q == BAD_SENSOR
    for extreme in (-1e30, 0.0, 1e30):
        assert encode(extreme, GOOD, r)[0] != words


def test_registers_never_hold_nan() -> None:
    words, _ = encode(math.nan, BAD_SENSOR, register(type="float32"))
    assert words == [0xFF7F, 0xFFFF]
    value, q = decode([0x7FC0, 0], register(type="float32"))  # a foreign device that does
    assert math.isnan(value)
    assert q == BAD_SENSOR


def test_status_words_carry_two_bits_a_channel() -> None:
    told = [GOOD, UNCERTAIN_RANGE, BAD_SENSOR, BAD_COMM, GOOD, GOOD, GOOD, GOOD, BAD_SENSOR]
    words = pack_status(told)
    assert words == [0b11_10_01_00, 0b10]
    assert unpack_status(words, 9) == [GOOD, UNCERTAIN_RANGE, BAD_SENSOR, BAD_DEVICE, *[GOOD] * 4, BAD_SENSOR]
    assert pack_status([UNCERTAIN_LAST_USABLE]) == [1]


def test_the_worse_quality_counts() -> None:
    assert worst(GOOD, UNCERTAIN_RANGE) == UNCERTAIN_RANGE
    assert worst(BAD_SENSOR, UNCERTAIN_RANGE) == BAD_SENSOR


def test_an_argument_that_does_not_fit_is_not_cut() -> None:
    assert encode_argument(7.5, register(scale=0.1)) == [75]
    assert encode_argument(1e6, register(scale=0.1)) is None
    assert encode_argument(math.nan, register()) is None


@pytest.mark.parametrize(
    ("value", "where", "what"),
    [
        ({"a": {"address": 0, "type": "uint32"}, "b": {"address": 1}}, "map.yaml", "overlap at input 1"),
        ({"a": {"address": 0, "type": "int24"}}, "map.yaml:registers.a.type", "'int16'"),
        ({"a": {"address": 0, "scale": 0}}, "map.yaml:registers.a.scale", "other than 0"),
        ({"a": {"address": 65_536}}, "map.yaml:registers.a.address", "65535"),
        ({"a": {"address": 65_535, "type": "int32"}}, "map.yaml:registers.a", "ends behind"),
        ({"a": {"address": -1}}, "map.yaml:registers.a.address", "greater than or equal to 0"),
        ({"a": {"address": 0, "access": "rw"}}, "map.yaml:registers.a", "cannot be written"),
        ({"a": {"address": 0, "table": "coil"}}, "map.yaml:registers.a", "hold bool"),
        ({"a": {"address": 0, "counter": True}}, "map.yaml:registers.a", "counter is uint16 or uint32"),
        ({}, "map.yaml:registers", "at least 1"),
    ],
)
def test_a_wrong_map_gives_one_line_with_its_path(value: Any, where: str, what: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse({"registers": value}, RegisterMap, "map.yaml")
    assert error.value.where == where
    assert what in str(error.value)
    assert "\n" not in str(error.value)


def test_neighbours_are_read_together() -> None:
    wanted = [Span("input", 0, 2), Span("input", 2, 1), Span("input", 10, 1), Span("input", 40, 2), Span("coil", 0, 1)]
    assert group(wanted, bridge=8) == [Read("coil", 0, 1), Read("input", 0, 11), Read("input", 40, 2)]
    assert group(wanted, bridge=0) == [
        Read("coil", 0, 1), Read("input", 0, 3), Read("input", 10, 1), Read("input", 40, 2),
    ]  # fmt: skip
    assert parts(Read("input", 0, 11), wanted) == [Read("input", 0, 2), Read("input", 2, 1), Read("input", 10, 1)]


def test_no_request_asks_for_more_than_125_registers_nor_cuts_a_number() -> None:
    wanted = [Span("holding", 2 * i, 2) for i in range(200)]
    reads = group(wanted, bridge=8)
    assert max(r.count for r in reads) <= 125
    assert all(r.count % 2 == 0 for r in reads)
    assert sum(r.count for r in reads) == 400


CHANNELS = (
    ChannelSpec("state", "state", states={0: "off", 1: "on"}, group="status"),
    ChannelSpec("shots", "count", low=0.0, group="consumption"),
    ChannelSpec("energy", "energy", "kW.h", low=0.0, group="consumption"),
    ChannelSpec("temp", "temperature", "Cel", -20.0, 400.0, resolution=0.1),
    ChannelSpec("pressure", "pressure", "bar", 0.0, 2500.0, resolution=0.01),
)
COMMANDS = (
    CommandSpec("start"), CommandSpec("maintain", {"duration": "s", "parts": "1"}), CommandSpec("set", {"bar": "bar"}),
)  # fmt: skip


def press(period: int = 1_000_000_000) -> DeviceSpec:
    stream = StreamSpec("main", LayoutSpec("press.main", CHANNELS), period)
    who = Identity("m", "1", "urn:x")
    return DeviceSpec("s", "a", "press", "press", "factory", "n", who, (stream,), COMMANDS, protocols=("modbus",))


CODES = {"parts": {"all": 0, "seal": 1}}


def test_a_map_is_made_from_channels() -> None:
    made = make_map(press(), Overrides(), CODES, "f.yaml")
    kinds = {name: (r.address, r.type, r.scale, r.counter) for name, r in made.registers.items()}
    assert kinds == {
        "state": (0, "uint16", 1.0, False),
        "shots": (1, "uint16", 1.0, True),
        "energy": (2, "uint32", 0.1, True),
        "temp": (4, "int16", 0.1, False),
        "pressure": (5, "int32", 0.01, False),
    }
    assert made.commands["set"].table == "holding"
    assert made.commands["start"].table == "coil"
    assert made.commands["maintain"].args["parts"].codes == CODES["parts"]


def test_an_entry_overrides_what_a_manual_prescribes() -> None:
    said = {"order": "little", "registers": {"temp": {"address": 0, "scale": 0.5}, "state": {"table": "discrete"}}}
    made = make_map(press(), parse(said, Overrides, "f.yaml"), CODES, "f.yaml")
    assert (made.registers["temp"].address, made.registers["temp"].scale) == (0, 0.5)
    assert (made.registers["state"].table, made.registers["state"].type) == ("discrete", "bool")
    assert made.registers["energy"].order == "little"
    assert made.registers["shots"].address == 1


@pytest.mark.parametrize(
    ("said", "where", "what"),
    [
        ({"registers": {"tmp": {"scale": 1}}}, "f.yaml:equipment.0.modbus.registers.tmp", "no such entry"),
        ({"registers": {"temp": {"address": 2}, "shots": {"address": 2}}}, "f.yaml:equipment.0.modbus", "overlap"),
        ({"commands": {"stop": {"address": 2}}}, "f.yaml:equipment.0.modbus.commands.stop", "no such entry"),
    ],
)
def test_a_wrong_override_gives_one_line(said: Any, where: str, what: str) -> None:
    with pytest.raises(ConfigError) as error:
        make_map(press(), parse(said, Overrides, "f.yaml"), CODES, "f.yaml:equipment.0")
    assert error.value.where == where
    assert what in error.value.what


def test_a_waveform_has_no_place_in_registers() -> None:
    with pytest.raises(ConfigError, match="too fast"):
        make_map(press(period=10_000_000), Overrides(), CODES, "f.yaml:equipment.0")


def unit() -> tuple[Unit, list[tuple[str, dict[str, Any]]]]:
    told: list[tuple[str, dict[str, Any]]] = []
    return Unit(make_map(press(), Overrides(), CODES, "f"), lambda name, args: told.append((name, args))), told


def test_before_the_first_row_every_value_is_missing() -> None:
    registers, _ = unit()
    status = registers.plan.status
    assert status is not None
    assert unpack_status(registers.read("input", status.address, 1), 5) == [BAD_DEVICE] * 5
    assert registers.read("input", 4, 1) == [0x8000]


def test_writes_become_commands_and_results_are_shown() -> None:
    registers, told = unit()
    commands = registers.plan.commands
    registers.write("coil", commands["start"].address, [1])
    registers.write("holding", commands["set"].address, [75])
    registers.write("holding", commands["maintain"].args["duration"].address, [0, 90])
    registers.write("holding", commands["maintain"].args["parts"].address, [1])
    registers.write("coil", commands["maintain"].address, [1])
    assert told == [("start", {}), ("set", {"bar": 7.5}), ("maintain", {"duration": 90.0, "parts": "seal"})]
    assert registers.read("coil", commands["start"].address, 1) == [0]  # a push button comes back
    result = commands["start"].result
    assert result is not None
    assert registers.read("input", result, 1) == [0x0100]
    registers.answer("start", "refused")
    assert registers.read("input", result, 1) == [0x0103]


def test_what_may_not_be_written_is_refused_as_a_whole() -> None:
    registers, told = unit()
    with pytest.raises(AddressError):
        registers.write("holding", 0, [1] * 50)
    with pytest.raises(AddressError):
        registers.write("coil", 60_000, [1])
    with pytest.raises(AddressError):
        registers.read("input", 0, 100)
    assert told == []
