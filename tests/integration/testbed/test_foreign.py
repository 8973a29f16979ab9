"""A device of somebody else comes to the broker of a running testbed; so does everything that is wrong."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from core.clock import MS, wall_ns
from gateway.deadletters import read as read_letters
from tests.integration.testbed.harness import Foreign, Running, birth, row, start_up, write_scenario

DEVICE = "startup/lab/thermo"


@pytest.fixture(scope="module")
def taken() -> Iterator[int]:
    """A port that somebody else serves on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, taken: int) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("foreign")
    gateway = {"sources": [{"kind": "mqtt", "url": "run", "park": "1s"}, {"kind": "opcua", "url": "run"}]}
    with start_up(write_scenario(folder, gateway=gateway), folder, "--port", str(taken)) as running:
        running.wait("rows are stored", lambda: running.stored() > 0)
        yield running


@pytest.fixture(scope="module")
def foreign(up: Running) -> Foreign:
    return Foreign(up.manifest.mqtt)


def device(up: Running, path: str) -> dict[str, Any] | None:
    """Return a device of the catalogue."""
    found = up.get(f"/catalog?q={path}")["devices"]
    return next((d for d in found if d["device"] == path or d.get("path") == path), None)


def series(up: Running, path: str) -> list[float]:
    return list(up.get(f"/series?device={path}&channel=temperature&every=raw")["value"])


def letters(up: Running, topic: str) -> list[str]:
    """Return the reasons of a topic's dead letters, as far as the first colon."""
    found = read_letters(up.folder.buffer / "deadletters.sqlite")
    return [letter.reason.partition(":")[0] for letter in found if topic in letter.topic]


def test_the_page_takes_another_port_when_its_own_is_taken(up: Running, taken: int) -> None:
    assert up.page.startswith("http://127.0.0.1:")
    assert not up.page.endswith(f":{taken}")
    assert up.get("/run")


def test_a_device_of_somebody_else_is_in_catalogue_store_and_page(up: Running, foreign: Foreign) -> None:
    foreign.send("thermo", "birth", birth(7))
    foreign.send("thermo", "data/air", *(row(n, 20 + n) for n in range(3)))
    found = up.wait("the device is in the catalogue", lambda: device(up, DEVICE))
    assert found["domain"] == "third_party"
    up.wait("its rows are in the store", lambda: series(up, DEVICE) == [20, 21, 22])
    latest = up.get("/latest?area=lab")["devices"]
    assert '"temperature"' in json.dumps(latest)
    assert "22" in json.dumps(latest)


@pytest.mark.skipif(shutil.which("mosquitto_pub") is None, reason="mosquitto_pub is not installed here")
def test_mosquitto_pub_is_enough_to_take_part(up: Running, foreign: Foreign) -> None:
    for kind, payload in (("birth", birth(1)), ("data/air", row(0, 5.5))):
        command = ["mosquitto_pub", "-h", foreign.host, "-p", str(foreign.port), "-q", "1"]
        subprocess.run(
            [*command, "-t", foreign.topic("shell", kind), "-m", json.dumps(payload)], check=True, timeout=30
        )
    up.wait(
        "its row is in the store", lambda: device(up, "startup/lab/shell") and series(up, "startup/lab/shell") == [5.5]
    )


def test_a_device_that_counts_from_zero_again_loses_nothing(up: Running, foreign: Foreign) -> None:
    first = wall_ns() // MS
    foreign.send("again", "birth", birth(1))
    foreign.send("again", "data/air", *(row(n, n, first + n) for n in range(3)))
    foreign.send("again", "birth", birth(2))  # as the guideline wants it: a new start number
    foreign.send("again", "data/air", *(row(n, 10 + n, first + 10 + n) for n in range(3)))
    foreign.send("again", "data/air", *(row(n, 20 + n, first + 20 + n) for n in range(3)))  # without one
    expected = [0, 1, 2, 10, 11, 12, 20, 21, 22]
    up.wait(
        "all rows are stored",
        lambda: device(up, "startup/lab/again") and series(up, "startup/lab/again") == expected,
    )


@pytest.mark.parametrize(
    ("name", "kind", "payload", "reason"),
    [
        ("unborn", "data/air", row(0), "no-birth"),
        ("furlong", "birth", birth(1, unit="m"), "unit-mismatch"),
        ("nan", "data/air", b'{"t": 1, "seq": 0, "v": {"temperature": NaN}}', "nan"),
        ("broken", "data/air", b'{"t": 1, "seq":', "bad-json"),
        ("huge", "data/air", b'{"t": 1, "v": {"temperature": "' + b"x" * 2_000_000 + b'"}}', "too-large"),
        ("tomorrow", "data/air", row(0, t=wall_ns() // MS + 86_400_000), "future"),
        ("stranger", "data/rain", row(0), "unknown-stream"),
        ("naked", "data/air", row(0, None), "null-not-bad"),
    ],
)
def test_what_is_wrong_lands_in_dead_letters(
    up: Running, foreign: Foreign, name: str, kind: str, payload: object, reason: str
) -> None:
    if name not in ("unborn", "furlong"):
        foreign.send(name, "birth", birth(3))
    foreign.send(name, kind, payload)
    up.wait(f"the reason is {reason}", lambda: letters(up, name) == [reason])
    if name not in ("unborn", "furlong"):  # it can do better, and nobody holds the fault against it
        foreign.send(name, "data/air", row(1, 1.5))
        path = f"startup/lab/{name}"
        up.wait("a good row is stored", lambda: device(up, path) and series(up, path) == [1.5])


def test_one_ctrl_c_ends_the_run_with_its_summary(up: Running) -> None:
    """The last of this module: neighbours were not disturbed by anything above."""
    up.interrupt()
    report = up.finish()
    assert up.survivors(5) == []
    rows = report["rows"]
    assert rows["lost"] == rows["duplicated"] == 0
    assert rows["stored"] == rows["emitted"] > 0
    assert rows["third_party"] >= 3 + 9 + 6
    assert report["devices"]["third_party"] >= 8
    assert "every row accounted for" in up.stderr
    assert json.loads(up.folder.report.read_text(encoding="utf-8")) == report
    reasons = Counter(
        letter.reason.partition(":")[0] for letter in read_letters(up.folder.buffer / "deadletters.sqlite")
    )
    assert sum(reasons.values()) == rows["rejected"]
