from __future__ import annotations

from collections.abc import Callable

import pytest

from simulator.world import World
from tests.sim_worlds import build


@pytest.fixture
def make_world() -> Callable[..., World]:
    return build
