"""A small share of ``testbed fuzz`` in every test run."""

from pathlib import Path

from testbed.fuzz import Fuzz, Outcome


async def test_nothing_that_a_device_sends_fells_the_gateway(tmp_path: Path) -> None:
    outcome = await Fuzz(5_000, 1, tmp_path).run()
    assert outcome.faults() == []
    assert sum(outcome.sent.values()) == 5_000
    assert outcome.received > 100
    assert outcome.rejected > 1_000
    assert {"bad-json", "bad-protobuf", "too-deep", "nan", "config-error", "null-not-bad"} <= set(outcome.refused)


def test_a_leak_a_stray_task_and_an_uncounted_payload_are_faults() -> None:
    outcome = Outcome(rss_mb=[100.0, 106.0], tasks=[5, 6], threads=[2, 2], rejected=3)
    assert [fault.split(":")[0] for fault in outcome.faults()] == [
        "memory grew by 6.0% in the second half",
        "tasks",
        "3 payloads rejected, reasons of 0",
    ]
