"""Bounds on what devices send: each refusal is counted with its reason and stops nobody else."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from core.catalog import Catalog
from core.errors import RejectedError
from core.spec import DeviceSpec
from gateway.limits import Guard, Limits
from tests.unit.gateway.test_mqtt_source import BIRTH, Bench, P, values
from tests.unit.gateway.world import device


def guard(catalog: Catalog | None = None, **limits: Any) -> Guard:
    return Guard(Limits(**limits), catalog or Catalog())


def reason(judge: Guard, spec: DeviceSpec) -> str:
    try:
        judge.birth(spec)
    except RejectedError as error:
        return error.reason
    judge.catalog.add(spec)
    return ""


def test_a_device_that_floods_is_turned_away_and_said_so_once(caplog: pytest.LogCaptureFixture) -> None:
    judge, refused = guard(rate=0.001, burst=10), 0
    with caplog.at_level(logging.WARNING):
        for _ in range(1000):
            try:
                judge.message("s/a/loud", b"{}")
            except RejectedError as error:
                refused += error.reason == "rate"
    assert refused == 990
    assert len([r for r in caplog.records if "s/a/loud" in r.getMessage()]) == 1
    judge.message("s/a/quiet", b"{}")


def test_the_memory_of_names_is_bounded() -> None:
    judge = guard(devices=50, unborn=50, rate=1e9)
    for n in range(10_000):
        judge.message(f"s/a/d{n}", b"{}")
    assert len(judge._buckets) <= 101


@pytest.mark.parametrize(
    ("limits", "reasons"),
    [
        ({"devices": 2}, ["", "", "catalog-full", "catalog-full"]),
        ({"streams": 3}, ["", "", "", "catalog-full"]),
        ({"channels": 5}, ["", "", "catalog-full", "catalog-full"]),
        ({"device_streams": 0}, ["device-too-big"] * 4),
        ({"device_channels": 1}, ["device-too-big"] * 4),
        ({"device_commands": 1}, ["device-too-big"] * 4),
    ],
)
def test_the_catalog_is_bounded(limits: dict[str, int], reasons: list[str]) -> None:
    judge = guard(**limits)
    assert [reason(judge, device(f"p{n}")) for n in range(4)] == reasons
    known = list(judge.catalog.devices.values())
    assert [reason(judge, replace(d, kind="fan")) for d in known] == [""] * len(known)  # a new birth takes no more room


@pytest.mark.parametrize(
    ("limits", "payload", "code"),
    [
        ({"payload": 100}, json.dumps({"t": 1, "v": {"pm25": 1.0}, "x": "y" * 100}), "too-large"),
        ({}, json.dumps({"t": 1, "v": {"pm25": 1.0}, "q": {"pm25": [[[[[[[[[1]]]]]]]]]}}), "too-deep"),
        ({"burst": 2, "rate": 0.001}, json.dumps({"t": 2, "v": {"pm25": 2.0}}), "rate"),
    ],
)
async def test_a_refused_message_is_counted_and_the_neighbour_goes_on(
    limits: dict[str, Any], payload: str, code: str
) -> None:
    async with Bench(limits=Limits(**limits)) as bench:
        if "payload" in limits:  # the birth itself is larger
            bench.source._guard.limits = Limits()
        await bench.say("birth", BIRTH)
        await bench.say("birth", BIRTH, "iiot/v1/s/a/neighbour")
        await bench.read()
        bench.source._guard.limits = Limits(**limits)
        for _ in range(3):
            await bench.say("data/air", payload.encode())
        await bench.say("data/air", {"t": 7, "v": {"pm25": 7.0}}, "iiot/v1/s/a/neighbour")
        arrivals = await bench.read()
    codes = [why.partition(":")[0] for a in arrivals for _, why, _ in a.rejects]
    assert set(codes) == {code}
    assert len(codes) >= 2
    assert values(arrivals)[-1] == 7.0
    assert bench.source.metrics.counts["messages_rejected"] == len(codes)


async def test_devices_that_nobody_knows_are_asked_up_to_a_bound() -> None:
    async with Bench(limits=Limits(unborn=20)) as bench:
        for n in range(200):
            await bench.say("data/air", {"t": 1, "v": {"pm25": 1.0}}, f"iiot/v1/s/a/ghost{n}")
        await bench.say("birth", BIRTH)
        await bench.read()
        assert len(bench.source._asked) <= 21
        assert bench.source.metrics.counts["births_not_asked"] >= 179


def test_replicas_share_the_devices_out() -> None:
    from gateway.sources.mqtt import MqttSourceConfig

    parts = [MqttSourceConfig(part=f"{k}/3") for k in (1, 2, 3)]
    owners = [[p.part for p in parts if p.mine(f"s/a/d{n}")] for n in range(300)]
    assert all(len(owner) == 1 for owner in owners)
    assert len({owner[0] for owner in owners}) == 3
    assert P.startswith("iiot/v1")


@pytest.mark.parametrize(
    "bad", [{"part": "3/2"}, {"part": "x"}, {"share": "g"}, {"share": "g", "version": 5, "part": "1/2"}]
)
def test_a_replica_that_cannot_be_is_refused(bad: dict[str, Any]) -> None:
    from gateway.sources.mqtt import MqttSourceConfig

    with pytest.raises(ValueError, match=r"part|share|version"):
        MqttSourceConfig(**bad)
