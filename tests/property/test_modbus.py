"""Modbus under anything: registers, protocol units, requests and answers of any content."""

from __future__ import annotations

import asyncio
import math
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.quality import BAD, GOOD, MAJOR
from gateway.sources.modbus_unit import Memory
from wire.modbus.config import Register, RegisterMap
from wire.modbus.server import ModbusServer, ModbusServerConfig
from wire.modbus.unit import Unit
from wire.modbus.words import decode, encode, limits, to_value

TYPES = ["int16", "uint16", "int32", "uint32", "float32"]
SCALES = st.sampled_from([1.0, 0.1, 0.01, 0.5, 2.0, -0.25, 1e-6, 1e6])
WORDS = st.lists(st.integers(0, 0xFFFF), min_size=2, max_size=2)


@given(st.sampled_from(TYPES[:4]), SCALES, st.floats(-1e6, 1e6), st.sampled_from(["big", "little"]), st.data())
def test_every_step_comes_back_as_it_went(
    kind: Any, scale: float, offset: float, order: Any, data: st.DataObject
) -> None:
    r = Register(address=0, type=kind, scale=scale, offset=round(offset), order=order)
    low, high = limits(r)
    raw = data.draw(st.integers(low + 1, high - 1))
    value = to_value(raw, r)
    words, quality = encode(value, GOOD, r)
    assert quality == GOOD
    got, _ = decode(words, r)
    assert got == pytest.approx(value, rel=1e-9, abs=abs(scale) * 1e-3)


@given(st.floats(allow_nan=True, allow_infinity=True), st.integers(0, 255), st.sampled_from(TYPES), SCALES)
def test_any_value_fits_somehow(value: float, quality: int, kind: Any, scale: float) -> None:
    r = Register(address=0, type=kind, scale=scale)
    words, told = encode(value, quality, r)
    assert len(words) == r.width
    assert all(0 <= w <= 0xFFFF for w in words)
    got, learnt = decode(words, r)
    if math.isnan(value) or quality & MAJOR == BAD:
        assert math.isnan(got)
        assert told & MAJOR == BAD
        assert learnt & MAJOR == BAD
    else:
        assert math.isfinite(got)


@given(WORDS, st.sampled_from(TYPES), SCALES, st.booleans())
def test_any_registers_can_be_read(words: list[int], kind: Any, scale: float, counter: bool) -> None:
    r = Register(address=0, type=kind, scale=scale, counter=counter and kind.startswith("uint"))
    value, quality = decode(words[: r.width], r)
    assert math.isnan(value) == (quality & MAJOR == BAD)
    assert not math.isinf(value)


@given(st.lists(st.integers(0, 30_000), max_size=60))
def test_a_counter_that_wraps_goes_on(steps: list[int]) -> None:
    memory, total = Memory(), 1000
    memory.carry("c", total, 65_536)
    for step in steps:
        total += step
        assert memory.carry("c", total % 65_536, 65_536) == (total, False)


def served() -> tuple[ModbusServer, list[str]]:
    told: list[str] = []
    plan = RegisterMap.model_validate(
        {
            "registers": {"a": {"address": 0}, "b": {"address": 3, "type": "float32"}},
            "status": {"address": 9},
            "commands": {
                "start": {"address": 0, "result": 20},
                "set": {"table": "holding", "address": 2, "arg": "x", "args": {"x": {"address": 2}}},
            },
        }
    )
    server = ModbusServer(ModbusServerConfig(port=0))
    server.units[1] = Unit(plan, lambda name, args: told.append(name))
    return server, told


REQUEST = st.one_of(
    st.binary(min_size=1, max_size=253),
    st.builds(
        lambda f, a, n, tail: bytes([f]) + struct.pack(">HH", a, n) + tail,
        st.integers(0, 255), st.integers(0, 40), st.integers(0, 200), st.binary(max_size=40),
    ),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), REQUEST), min_size=1, max_size=5))
def test_any_request_has_an_answer_and_refusals_are_counted(requests: list[tuple[int, bytes]]) -> None:
    server, _ = served()

    async def ask() -> list[bytes]:
        return [await server.answer(unit, request) for unit, request in requests]

    answers = asyncio.run(ask())
    refused = 0
    for (_, request), answer in zip(requests, answers, strict=True):
        assert 2 <= len(answer) <= 253
        assert answer[0] & 0x7F == request[0] & 0x7F
        refused += answer[0] >> 7
    counts = server.metrics.counts
    assert counts["refused"] == refused
    assert counts["requests"] == len(requests)


async def test_noise_on_the_line_ends_only_its_own_connection() -> None:
    server, _ = served()
    await server.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await asyncio.wait_for(reader.read(), 5) == b""
        good, out = await asyncio.open_connection("127.0.0.1", server.port)
        two = b"".join(struct.pack(">HHHBBHH", i, 0, 6, 1, 4, 0, i) for i in (1, 2))  # pipelined: one segment
        out.write(two)
        first = await asyncio.wait_for(good.readexactly(11), 5)
        second = await asyncio.wait_for(good.readexactly(13), 5)
        assert (first[:2], second[:2]) == (b"\0\1", b"\0\2")
        assert server.metrics.counts["rejected"] == 1
        out.close()
        writer.close()
    finally:
        await server.stop()
