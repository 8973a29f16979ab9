"""Signed commands: who may command what, and what a restart makes of commands."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.catalog import Catalog
from core.clock import NS
from core.command import Cause, Command, CommandResult, Event
from core.ports import Note
from gateway.sources.memory import MemorySource
from tests.unit.gateway.test_service import RULE, gateway, records, running, source, until
from tests.unit.gateway.world import arrival, device, rows, wall_clock
from wire.signing import key_pair, sign

PRIVATE, PUBLIC = key_pair()
STRANGER, _ = key_pair()


def signed(ident: str = "c1", key: str = PRIVATE, key_id: str = "k", **over: Any) -> Command:
    now = wall_clock().now() or 0
    fields = {"id": ident, "device": "s/a/p1", "name": "set_speed", "issuer": "user:kim", "t": now,
              "expires": now + 60 * NS, "args": {"speed": 1.0}}  # fmt: skip
    return sign(Command(**{**fields, **over}), key_id, "ed25519", key)


def config(**scope: list[str]) -> dict[str, Any]:
    return {"commands": {"signed": True, "keys": [{"id": "k", "issuer": "user:*", "key": PUBLIC, **scope}]}}


def notes(folder: Path) -> list[Note]:
    return [note for r in records(folder) if isinstance(r.content, list) for note in r.content]


async def said(folder: Path, *commands: Command, **scope: list[str]) -> tuple[MemorySource, list[Note]]:
    """Let a gateway take requests; returns its source and what it has committed."""
    catalog = Catalog([device()])
    src = source(catalog)
    async with running(gateway(folder, catalog, {"mqtt": src}, wall_clock(), **config(**scope))):
        for command in commands:
            await src.feed(arrival(notes=[command]))
        await until(lambda: src.acked >= len(commands), 5)
        await asyncio.sleep(0.02)
    return src, notes(folder)


def outcome(found: list[Note], ident: str = "c1") -> str:
    return next((n.detail for n in found if isinstance(n, CommandResult) and n.id == ident), "")


async def test_a_signed_command_goes_and_its_audit_line_says_who(tmp_path: Path) -> None:
    src, found = await said(tmp_path, signed())
    assert [c.id for c in src.sent] == ["c1"]
    audit = next(n for n in found if isinstance(n, Command))
    assert (audit.issuer, audit.signature.partition(":")[0], bool(audit.trace)) == ("user:kim", "k", True)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (replace(signed(), signature=""), "unsigned"),
        (replace(signed(), args={"speed": 9.0}), "bad signature"),
        (signed(key=STRANGER), "bad signature"),
        (signed(key_id="other"), "unknown key"),
        (signed(issuer="policy:saver"), "wrong issuer"),
        (signed(issuer="rule:hot"), "wrong issuer"),
        (signed(expires=0), "expires too late"),
        (signed(expires=(wall_clock().now() or 0) + 7200 * NS), "expires too late"),
        (signed(expires=(wall_clock().now() or 0) - NS), "expired"),
    ],
)
async def test_what_is_not_its_issuers_or_not_in_time_is_refused_and_logged(
    tmp_path: Path, command: Command, reason: str
) -> None:
    src, found = await said(tmp_path, command)
    assert src.sent == []
    assert command in [replace(n, trace="") for n in found if isinstance(n, Command)]
    assert reason in outcome(found)


@pytest.mark.parametrize(
    "scope", [{"kinds": ["fan"]}, {"areas": ["s/b", "t/*"]}, {"commands": ["stop"]}], ids=["kind", "area", "command"]
)
async def test_a_key_commands_within_its_scope_only(tmp_path: Path, scope: dict[str, list[str]]) -> None:
    src, found = await said(tmp_path, signed(), **scope)
    assert src.sent == []
    assert "out of scope" in outcome(found)
    src, _ = await said(tmp_path / "wide", signed(), kinds=["pu*"], areas=["s/*"], commands=["set_speed"])
    assert len(src.sent) == 1


async def test_a_forged_command_does_not_take_the_place_of_the_true_one(tmp_path: Path) -> None:
    src, _ = await said(tmp_path, replace(signed(), signature=""), signed())
    assert [c.id for c in src.sent] == ["c1"]


async def test_a_replayed_command_moves_nothing_also_after_a_restart(tmp_path: Path) -> None:
    command = signed()
    src, found = await said(tmp_path, command, command)
    assert len(src.sent) == 1
    assert [n.name for n in found if isinstance(n, Event)] == ["command-repeated"]
    catalog = Catalog()
    again = source(catalog)
    async with running(gateway(tmp_path, catalog, {"mqtt": again}, wall_clock(), **config())) as made:
        made.router.heard(CommandResult("c1", "s/a/p1", "done", "", 0))
        await again.feed(arrival(notes=[command]))
        await until(lambda: again.acked >= 1, 5)
    assert [c.id for c in again.sent if c.id == "c1"] == []


async def test_rules_of_the_gateway_itself_need_no_signature(tmp_path: Path) -> None:
    catalog, clock = Catalog([device()]), wall_clock()
    src = source(catalog)
    async with running(gateway(tmp_path, catalog, {"mqtt": src}, clock, rules=[RULE], **config())):
        await src.feed(arrival(rows([0], temp=95.0, t0=clock.now() or 0)))
        await until(lambda: len(src.sent) == 1, 5)
    assert src.sent[0].trace == (src.sent[0].cause or Cause("", 0, 0, 0)).trace()


async def test_a_row_that_came_with_a_trace_hands_it_to_command_and_result(tmp_path: Path) -> None:
    catalog, clock = Catalog([device()]), wall_clock()
    src = source(catalog)
    async with running(gateway(tmp_path, catalog, {"mqtt": src}, clock, rules=[RULE])):
        came = arrival(rows([0], temp=95.0, t0=clock.now() or 0))
        await src.feed(replace(came, traces={("s/a/p1/main", 7, 0): "ab" * 16}))
        await until(lambda: len(src.sent) == 1, 5)
        await src.feed(arrival(notes=[CommandResult(src.sent[0].id, "s/a/p1", "done", "", 0)]))
        await until(lambda: src.acked >= 2, 5)
    assert src.sent[0].trace == "ab" * 16
    assert [n.trace for n in notes(tmp_path) if isinstance(n, CommandResult)] == ["ab" * 16]


# --- committed, and then the process died ----------------------------------------------------------------------------


class Unplugged(MemorySource):
    """A source whose link never gets a command out: what a process that is killed at this moment leaves behind."""

    async def send(self, command: Command) -> None:
        await asyncio.Event().wait()


async def committed(folder: Path, life: int, *, snapshot: str = "2s") -> Command:
    """Leave a command in the buffer that was never sent."""
    catalog = Catalog([device()])
    src = Unplugged(source(catalog).config, catalog)
    now = wall_clock().now() or 0
    command = signed(t=now, expires=now + life)
    made = gateway(folder, catalog, {"mqtt": src}, wall_clock(), buffer={"snapshot_every": snapshot}, **config())
    async with running(made):
        await src.feed(arrival(births=[device()], notes=[command]))
        await until(lambda: src.acked >= 1, 5)
    assert any(isinstance(n, Command) for n in notes(folder))
    return command


@pytest.mark.parametrize("snapshot", ["2s", "0s"])
async def test_what_was_committed_and_not_sent_is_sent_after_a_restart(tmp_path: Path, snapshot: str) -> None:
    command = await committed(tmp_path, 60 * NS, snapshot=snapshot)
    catalog = Catalog()
    src = source(catalog)
    async with running(gateway(tmp_path, catalog, {"mqtt": src}, wall_clock(), **config())) as made:
        await until(lambda: len(src.sent) == 1, 5)
        await src.feed(arrival(notes=[CommandResult(command.id, "s/a/p1", "done", "", 0)]))
        await until(lambda: src.acked >= 1, 5)
        assert made.metrics.counts["commands_resumed"] == 1
    assert (src.sent[0].id, src.sent[0].args, src.sent[0].signature) == (command.id, command.args, command.signature)
    third = source(Catalog())
    async with running(gateway(tmp_path, third.catalog, {"mqtt": third}, wall_clock(), **config())):
        await asyncio.sleep(0.3)
    assert third.sent == []


async def test_what_has_expired_meanwhile_is_not_sent_and_says_so(tmp_path: Path) -> None:
    await committed(tmp_path, NS // 5)
    await asyncio.sleep(0.25)
    catalog = Catalog()
    src = source(catalog)
    async with running(gateway(tmp_path, catalog, {"mqtt": src}, wall_clock(), **config())):
        await until(lambda: outcome(notes(tmp_path)) != "", 5)
    assert src.sent == []
    assert "expired" in outcome(notes(tmp_path))
