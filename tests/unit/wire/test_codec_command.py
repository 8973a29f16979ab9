import pytest

from core.command import Cause, Command, CommandResult, Event, NodeState
from core.errors import DecodeError
from wire import topics
from wire.codec_command import (
    decode_command,
    decode_event,
    decode_result,
    decode_state,
    encode_command,
    encode_event,
    encode_result,
    encode_state,
)

PATH = "seoul/north/air-1"


def topic(kind):
    return topics.parse(topics.of_device(PATH, kind))


@pytest.mark.parametrize("cause", [None, Cause("seoul/north/air-1/air", 3, 4, 5)])
def test_a_command_reads_back(cause):
    command = Command("c1", PATH, "fan", "rule:x", 1_000_001, 2_000_000, {"speed": 40.5, "mode": "auto"}, cause)
    assert decode_command(topic("command"), encode_command(command)) == command
    assert decode_command(topic("request"), encode_command(command)) == command


def test_the_rest_reads_back():
    result = CommandResult("c1", PATH, "done", "now 40 %", 7)
    event = Event(PATH, "failure", "bearing seized", 8, "alarm")
    state = NodeState(PATH, True, 9, {"seoul/north/air-1/air": 12, "seoul/north/other/x": 3})
    assert decode_result(topic("result"), encode_result(result)) == result
    assert decode_event(topic("event"), encode_event(event)) == event
    assert decode_state(topic("state"), encode_state(state)) == state


def test_a_device_that_is_its_node_may_name_streams_alone():
    assert decode_state(topic("state"), b'{"online":false,"sid":1,"last":{"air":5}}').last == {f"{PATH}/air": 5}


@pytest.mark.parametrize(
    ("decode", "text", "reason"),
    [
        (decode_command, '{"id":"1","name":"x","issuer":"a"}', "bad-shape"),
        (decode_command, '{"id":"","name":"x","issuer":"a","expires":1}', "bad-shape"),
        (decode_command, '{"id":"1","name":"x","issuer":"a","expires":"soon"}', "bad-time"),
        (decode_command, '{"id":"1","name":"x","issuer":"a","expires":1,"args":{"a":[1]}}', "bad-shape"),
        (decode_result, '{"id":"1","status":"maybe","t":1}', "bad-shape"),
        (decode_event, '{"t":1,"name":"x","severity":"panic"}', "bad-shape"),
        (decode_state, '{"online":"yes"}', "bad-shape"),
        (decode_state, '{"online":true,"last":{"a/b/c":1}}', "bad-id"),
        (decode_state, '{"online":true,"last":{"a b":1}}', "bad-id"),
    ],
)
def test_wrong_ones_say_why(decode, text, reason):
    with pytest.raises(DecodeError) as error:
        decode(topic("command"), text.encode())
    assert error.value.reason == reason
