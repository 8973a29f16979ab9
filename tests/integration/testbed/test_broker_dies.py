"""``kill -9`` of the broker while rows flow: it comes back on its port, and the ends repair what it forgot."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.testbed.harness import assert_every_row, start_up, write_scenario
from tests.integration.testbed.test_up import ONE_AT_FIRST


@pytest.mark.parametrize("broker", ONE_AT_FIRST)
def test_a_killed_broker_comes_back_and_nothing_is_missing(tmp_path: Path, broker: str) -> None:
    with start_up(write_scenario(tmp_path), tmp_path, "--no-portal", "--broker", broker) as up:
        up.wait("rows are stored", lambda: up.stored() > 20)
        url, before = up.manifest.mqtt, up.stored()
        up.broker().kill()
        up.said(f"the broker had ended and was started again at {url}")
        up.wait("rows are stored again", lambda: up.stored() > before + 40)
        up.interrupt()
        report = up.finish()
        assert up.survivors(5) == []
    assert report["restarts"] == 1
    assert_every_row(report)
