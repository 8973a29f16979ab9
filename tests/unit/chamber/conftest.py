from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chamber.instruments import instruments, offline
from chamber.plan import TestPlan, read_plan
from chamber.recorder import record_offline
from chamber.recording import Recording, RunFacts

ROOT = Path(__file__).parents[3]
MakeRecording = Callable[..., Recording]


@pytest.fixture(scope="session")
def plan() -> TestPlan:
    return read_plan(ROOT / "configs" / "chamber" / "dust.yaml")


@pytest.fixture(scope="session")
def make_recording() -> MakeRecording:
    def make(plan: TestPlan, device: str = "good") -> Recording:
        found = instruments(plan, plan.start_ns, plan.simulated[device])
        facts = RunFacts(plan.start_ns, plan.start_ns, plan.start_ns, 0.0, device, {"python": "3"})
        return record_offline(plan, [i.spec for i in found], offline(plan, found, 7), facts)

    return make


@pytest.fixture(scope="session")
def good(plan: TestPlan, make_recording: MakeRecording) -> Recording:
    return make_recording(plan, "good")


@pytest.fixture(scope="session")
def biased(plan: TestPlan, make_recording: MakeRecording) -> Recording:
    return make_recording(plan, "biased")
