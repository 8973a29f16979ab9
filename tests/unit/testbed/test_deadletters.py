"""Dead letters are sent again as the messages that they were, once each."""

import json

import pytest

from core.errors import ConfigError
from gateway.deadletters import FILE, DeadLetterConfig, DeadLetters
from testbed.deadletters import filed, send_again
from testbed.runfolder import Manifest, RunFolder
from wire.memory import MemoryBroker
from wire.session import MqttConfig

ROWS = "iiot/v1/s/a/d/data/main"


@pytest.fixture
def run(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.make()
    write(folder)
    return folder


def write(folder, **changes):
    numbers = dict.fromkeys(("start", "anchor", "launched", "seed", "speed"), 1)
    texts = {"scenario": "x.yaml", "digest": "", "mqtt": "mqtt://127.0.0.1:1", "opcua": ""}
    manifest = {"name": {"ko": "x", "en": "x"}, **numbers, **texts, **changes}
    folder.write_manifest(Manifest.model_validate(manifest))


def bury(folder, *letters):
    made = DeadLetters(DeadLetterConfig(), folder.buffer)
    made.open()
    for letter in letters:
        made.add(*letter)
        made.flush()
    made.close()


async def heard(broker, run, chosen):
    listener = broker.open(MqttConfig(client_id="listener"), None)
    await listener.connect()
    await listener.subscribe(["iiot/#"])
    sent = await send_again(run, chosen, broker.open)
    messages = await listener.read(0.05)
    await listener.close()
    return sent, [(m.topic, m.payload) for m in messages]


async def test_letters_go_out_on_their_topics_and_are_marked(run):
    bury(
        run, ("mqtt", ROWS, "unknown-channel: v", b'{"t":1,"v":{"x":1}}'), ("mqtt", "iiot/v1/s/a/d/birth", "bad", b"{}")
    )
    assert await heard(MemoryBroker(), run, filed(run)) == (
        2,
        [(ROWS, b'{"t":1,"v":{"x":1}}'), ("iiot/v1/s/a/d/birth", b"{}")],
    )
    assert all(f.sent_again for f in filed(run))


async def test_a_row_that_lay_ahead_becomes_a_message_again(run):
    row = {"t": 5, "ahead_s": 9.0, "sid": 7, "seq": 3, "v": {"x": 1.5, "y": None}}
    bury(run, ("mqtt", "s/a/d/main", "future", json.dumps(row).encode()))
    _, [(topic, payload)] = await heard(MemoryBroker(), run, filed(run))
    assert topic == ROWS
    assert json.loads(payload) == {"t": "5", "sid": 7, "seq": 3, "v": {"x": 1.5, "y": None}, "q": {"y": [0, "sensor"]}}


def test_what_cannot_be_sent_again_says_why(run):
    bury(
        run,
        ("mqtt", ROWS, "too-large", b"x" * 9000),
        ("store:main", "m@4", "refused: no", b""),
        ("sparkplug", "spBv1.0/G/NDATA/N", "bad-payload", b"\x01"),
        ("mqtt", "s/a/d/main", "unjudgeable", b"ValueError()"),
    )
    said = [f.hindrance for f in filed(run)]
    for text, words in zip(said, ("is no row", "sparkplug", "refused by the store", "first 4096 of 9000"), strict=True):
        assert words in text
    assert [f.letter.reason for f in filed(run, reason="refused")] == ["refused: no"]


async def test_a_secured_broker_is_not_spoken_to_under_other_names(run):
    write(run, secure=True)
    with pytest.raises(ConfigError, match="let the device send its rows again"):
        await send_again(run, [], MemoryBroker().open)


def test_a_full_waiting_room_only_counts(tmp_path):
    made = DeadLetters(DeadLetterConfig(rate=10**9), tmp_path)  # never opened: the disk is full
    for _ in range(3000):
        made.add("mqtt", "t", "not-json", b"{")
    assert (made.counts["not-json"], made.unkept) == (3000, 2000)


def test_letters_beyond_the_limit_are_forgotten_aloud(tmp_path, caplog):
    made = DeadLetters(DeadLetterConfig(keep=3), tmp_path)
    made.open()
    for _ in range(5):
        made.add("mqtt", "t", "not-json", b"{")
        made.flush()
    assert made.forgotten == 2
    assert "1 are forgotten" in caplog.text
    made.close()
    assert (tmp_path / FILE).exists()
