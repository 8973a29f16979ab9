import hashlib

from gateway.deadletters import FILE, DeadLetterConfig, DeadLetters, read, replayable


def letters(tmp_path, **config) -> DeadLetters:
    made = DeadLetters(DeadLetterConfig(**config), tmp_path)
    made.open()
    return made


def test_a_letter_keeps_the_first_4_kb_the_size_and_the_digest(tmp_path):
    made = letters(tmp_path)
    payload = b"x" * 2_000_000
    made.add("mqtt", "iiot/v1/s/a/d/data/x", "too-large", payload)
    made.add("mqtt", "t", "not-json", b"{")
    made.close()
    small, large = read(tmp_path / FILE)
    assert (large.size, len(large.head), large.sha256) == (2_000_000, 4096, hashlib.sha256(payload).hexdigest())
    assert (large.reason, large.topic, large.source, large.whole) == (
        "too-large",
        "iiot/v1/s/a/d/data/x",
        "mqtt",
        False,
    )
    assert (small.head, small.whole) == (b"{", True)
    assert [x.reason for x in read(tmp_path / FILE, reason="not-json")] == ["not-json"]
    assert replayable(tmp_path / FILE, [small.id, large.id]) == [("t", b"{")]


def test_a_flood_is_counted_but_not_kept(tmp_path):
    made = letters(tmp_path, rate=5)
    for i in range(1000):
        made.add("mqtt", f"t{i}", "not-json", b"{")
    made.flush()
    assert made.counts["not-json"] == 1000
    assert len(made.list(2000)) + made.unkept == 1000
    assert len(made.list(2000)) <= 15
    made.close()


def test_only_the_newest_are_kept_and_counts_survive(tmp_path):
    made = letters(tmp_path, keep=3)
    for i in range(8):
        made.add("mqtt", f"t{i}", "future", b"")
        made.flush()
    assert [x.topic for x in made.list()] == ["t7", "t6", "t5"]
    made.close()
    again = letters(tmp_path)
    assert again.counts["future"] == 8
    again.close()


def test_a_missing_file_reads_as_empty(tmp_path):
    assert read(tmp_path / "none.sqlite") == []
