"""Which requests read a map: registers that lie near each other come in one request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wire.modbus.config import BITS, MOST_BITS, MOST_REGISTERS, RegisterMap, Table


@dataclass(frozen=True, slots=True)
class Read:
    """One request."""

    table: Table
    address: int
    count: int


@dataclass(frozen=True, slots=True)
class Span:
    """Registers that must be read together."""

    table: Table
    address: int
    count: int


def spans(plan: RegisterMap) -> list[Span]:
    """Return what a poll must read of a map."""
    out = [Span(r.table, r.address, r.width) for r in plan.registers.values()]
    if plan.status:
        out.append(Span(plan.status.table, plan.status.address, plan.status_words))
    if plan.heartbeat:
        out.append(Span(plan.heartbeat.table, plan.heartbeat.address, 1))
    out += [Span("input", c.result, 1) for c in plan.commands.values() if c.result is not None]
    return out


def group(wanted: Sequence[Span], bridge: int, most: int = MOST_REGISTERS) -> list[Read]:
    """Return the requests that read all spans.

    Gaps of up to ``bridge`` registers are read along; a request has at most ``most`` registers (bits: 2,000), and a
    span is never cut.
    """
    reads: list[Read] = []
    for span in sorted(wanted, key=lambda s: (s.table, s.address, s.count)):
        limit = MOST_BITS if span.table in BITS else most
        last = reads[-1] if reads else None
        if last is not None and last.table == span.table:
            end = max(last.address + last.count, span.address + span.count)
            if span.address - (last.address + last.count) <= bridge and end - last.address <= limit:
                reads[-1] = Read(last.table, last.address, end - last.address)
                continue
        reads.append(Read(span.table, span.address, span.count))
    return reads


def parts(read: Read, wanted: Sequence[Span]) -> list[Read]:
    """Return the requests for the spans inside a request, each on its own (a device refused the gaps between)."""
    inside = {
        (s.address, s.count)
        for s in wanted
        if s.table == read.table and read.address <= s.address and s.address + s.count <= read.address + read.count
    }
    return [Read(read.table, address, count) for address, count in sorted(inside)]
