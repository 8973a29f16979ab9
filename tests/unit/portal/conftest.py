from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from portal.app import create_app
from tests.unit.portal.fake_world import FakeWorld


@pytest.fixture
def world() -> FakeWorld:
    made = FakeWorld()
    made.warm(20)
    return made


@pytest.fixture
async def client(world: FakeWorld) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(world.live, world.reader, world.send)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8080") as made:
        yield made
