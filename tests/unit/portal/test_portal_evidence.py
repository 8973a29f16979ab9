"""The plot of a work order: the right quantity, a valid picture, in both languages."""

from __future__ import annotations

import math
from dataclasses import replace
from xml.etree import ElementTree

import httpx
import pytest

from core.clock import NS
from core.finding import Finding, WorkOrder
from core.spec import ChannelSpec, DeviceSpec, Identity, LayoutSpec, Name, StreamSpec
from portal.evidence import Exhibit, exhibit, plot

V1 = "/api/v1"
NAME = Name("구동측 <진동>", "Drive <end>")
LAYOUT = LayoutSpec(
    "m",
    (
        ChannelSpec("power", "power", "kW"),
        ChannelSpec(
            "drive_end", "vibration-velocity", "mm/s", group="health", label=Name("구동측 <진동>", "Drive <end>")
        ),
        ChannelSpec("fan_end", "vibration-velocity", "mm/s", group="health"),
    ),
)
DEVICE = DeviceSpec("s", "a", "m-1", "pump", "factory", "n", Identity("a", "b", "c"), (StreamSpec("h", LAYOUT),))
ORDER = WorkOrder("w", DEVICE.path, "maintain", "predictive", 1000 * NS, 2000 * NS, "likely to fail")
FOUND = Finding("f", DEVICE.path, "drift", 900 * NS, 9.0, 3.0, "alarm", "x")


def test_the_finding_before_the_order_says_what_to_show() -> None:
    evidence = {"vibration-velocity#2.level": 6.0, "vibration-velocity#2.base": 1.5, "drift_sigma": 9.0}
    shown = exhibit(ORDER, DEVICE, [replace(FOUND, evidence=evidence)])
    assert shown is not None
    assert (shown.channel.name, shown.base) == ("fan_end", 1.5)
    later = exhibit(ORDER, DEVICE, [replace(FOUND, t=1001 * NS, evidence=evidence)])
    assert later is not None
    assert later.channel.name == "drive_end"  # what came after does not count; health channels come first
    bare = replace(DEVICE, streams=())
    assert exhibit(ORDER, bare, []) is None


@pytest.mark.parametrize("values", [[1.0, None, 3.0], [2.0, 2.0, 2.0], [None, None, None], []])
@pytest.mark.parametrize("base", [1.5, math.nan])
def test_the_picture_is_valid_whatever_was_measured(values: list[float | None], base: float) -> None:
    t = [(k + 1) * 100 * NS for k in range(len(values))]
    for lang, word in (("ko", "작업 지시"), ("en", "work order")):
        svg = plot(ORDER, Exhibit(LAYOUT.channels[1], base), t, values, (0, 1200 * NS), lang)  # type: ignore[arg-type]
        text = "".join(ElementTree.fromstring(svg).itertext())  # our own
        assert ("Drive <end>" if lang == "en" else "구동측 <진동>") in text
        assert (word in text) == any(v is not None for v in values)
        assert "nan" not in svg
        assert "style=" not in svg  # pages run under a policy that refuses inline styles


async def test_the_api_serves_it(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{V1}/workorders/w1/evidence.svg?lang=ko")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "작업 지시" in answer.text
    missing = await client.get(f"{V1}/workorders/none/evidence.svg")
    assert missing.status_code == 404
    assert "no such work order" in missing.json()["error"]
