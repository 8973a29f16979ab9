import pytest

from core.errors import RejectedError
from wire import topics
from wire.session import client_id, topic_matches
from wire.topics import Topic


@pytest.mark.parametrize("kind", ["birth", "state", "command", "result", "event", "request"])
def test_a_topic_reads_back(kind):
    topic = Topic(kind, "seoul", "north", "a-1.b_2")
    assert topics.parse(str(topic)) == topic
    assert topics.of_device(topic.path, kind) == str(topic)


def test_a_data_topic_names_its_stream():
    topic = topics.parse("iiot/v1/seoul/north/a1/data/air")
    assert (topic.kind, topic.path, topic.stream_path) == ("data", "seoul/north/a1", "seoul/north/a1/air")
    assert topics.of_device("seoul/north/a1", "data", "air") == str(topic)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("iiot/v1/seoul/north/a1", "bad-topic"),
        ("iiot/v2/seoul/north/a1/birth", "bad-topic"),
        ("iiot/v1/seoul/north/a1/data", "bad-topic"),
        ("iiot/v1/seoul/north/a1/birth/x", "bad-topic"),
        ("iiot/v1/seoul/north/a1/status", "bad-topic"),
        ("other", "bad-topic"),
        ("iiot/v1/seoul//a1/birth", "bad-id"),
        ("iiot/v1/서울/north/a1/birth", "bad-id"),
        (f"iiot/v1/seoul/north/{'a' * 65}/birth", "bad-id"),
        ("iiot/v1/seoul/north/a1/data/a b", "bad-id"),
        ("iiot/v1/seoul/north/a1\n/birth", "bad-id"),
    ],
)
def test_other_topics_are_rejected(text, reason):
    with pytest.raises(RejectedError) as error:
        topics.parse(text)
    assert error.value.reason == reason


@pytest.mark.parametrize(
    ("pattern", "topic", "covered"),
    [
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("a/+/c", "a/b/c", True),
        ("a/+", "a/b/c", False),
        ("#", "$SYS/x", False),
        ("a/b", "a/b", True),
        ("a/b/c", "a/b", False),
    ],
)
def test_topic_filters(pattern, topic, covered):
    assert topic_matches(pattern, topic) is covered


def test_client_ids_hold_plain_characters_only():
    assert client_id("simulator", "seoul/north/n:1") == "simulator-seoul.north.n.1"
