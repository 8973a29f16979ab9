"""Dead letters of a run: looked at, and sent again once their cause is mended.

A letter is sent again on its own topic, so it takes the way of any message: the gateway judges it anew and knows rows
that it has by number or time, so sending twice stores once. A letter that was sent is marked; one that fails again
comes back as a new letter.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import ConfigError, DecodeError, WireError
from gateway.deadletters import FILE, DeadLetter, note_replayed, read, replayed
from testbed.credentials import credentials
from testbed.runfolder import RunFolder
from wire import topics
from wire.mqtt import open_mqtt
from wire.session import MqttConfig, OpenSession

ALL = 2**31
_ROLE = "platform"


@dataclass(frozen=True, slots=True)
class Filed:
    """A letter and what became of it: wall ns at which it was sent again (0: it was not), and why it cannot be."""

    letter: DeadLetter
    sent_again: int
    hindrance: str


def filed(run: RunFolder, limit: int = ALL, reason: str = "") -> list[Filed]:
    """Return letters of a run, newest first; ``reason`` is the code before the colon."""
    out: list[Filed] = []
    for folder in (run.buffer, run.store):
        again = replayed(folder / FILE)
        out += [
            Filed(letter, again.get(letter.id, 0), hindrance(letter))
            for letter in read(folder / FILE, ALL)
            if reason in ("", letter.reason.partition(":")[0])
        ]
    return sorted(out, key=lambda f: f.letter.at, reverse=True)[:limit]


def hindrance(letter: DeadLetter) -> str:
    """Return why a letter cannot be sent again, empty where it can."""
    try:
        message(letter)
    except DecodeError as error:
        return error.detail
    return ""


def message(letter: DeadLetter) -> tuple[str, bytes]:
    """Return (topic, payload) with which a letter is sent again; raises DecodeError where it cannot be."""
    if letter.source.startswith("store:"):
        raise DecodeError("letter", "refused by the store: the gateway knows its rows and would pass them over")
    if not letter.source.startswith("mqtt"):
        raise DecodeError("letter", f"came over {letter.source}: only single MQTT messages stand for themselves")
    if not letter.whole:
        raise DecodeError("letter", f"only the first {len(letter.head)} of {letter.size} bytes are kept")
    if letter.topic.startswith(f"{topics.ROOT}/"):
        return letter.topic, letter.head
    return _row(letter)


def _row(letter: DeadLetter) -> tuple[str, bytes]:
    """Return a row that was turned away after it was read (its time lay ahead) as the message that carries it."""
    device, _, stream = letter.topic.rpartition("/")
    try:
        row: dict[str, Any] = json.loads(letter.head)
        body: dict[str, Any] = {"t": str(row["t"]), "v": row["v"]}
        if row["seq"] >= 0:
            body |= {"seq": row["seq"], "sid": row["sid"]}
    except (ValueError, KeyError, TypeError) as error:
        raise DecodeError("letter", f"is no row: {error!r}") from error
    # a missing value is null, and must be marked so
    gone = {name: [0, "sensor"] for name, value in row["v"].items() if value is None}
    if gone:
        body["q"] = gone
    return topics.of_device(device, "data", stream), json.dumps(body).encode()


async def send_again(run: RunFolder, chosen: Sequence[Filed], open_session: OpenSession = open_mqtt) -> int:
    """Send letters again, oldest first, and mark them; returns how many. Raises WireError without a broker."""
    manifest = run.manifest()
    if manifest.secure:
        raise ConfigError(
            str(run.root), "the broker lets only a device speak under its name", "let the device send its rows again"
        )
    proof = credentials(run.secrets, _ROLE)
    session = open_session(
        proof.connect(MqttConfig(url=manifest.mqtt, client_id="deadletters", persistent=False)), None
    )
    letters = sorted((f.letter for f in chosen), key=lambda letter: letter.at)
    try:
        await session.connect()
        for letter in letters:
            topic, payload = message(letter)
            await session.publish(topic, payload, retain=topic.endswith("/birth"))
        await session.flush()
    except WireError as error:
        raise WireError(f"the run's broker {manifest.mqtt} is out of reach ({error}): is the run going on?") from error
    finally:
        await session.close()
    note_replayed(run.buffer / FILE, [letter.id for letter in letters])
    return len(letters)
