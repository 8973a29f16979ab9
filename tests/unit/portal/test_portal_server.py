from __future__ import annotations

import asyncio
import signal
import socket

import httpx
import pytest

from core.errors import TestbedError
from portal.app import create_app
from portal.config import PortalConfig
from portal.server import Served, bind, serve
from tests.unit.portal.fake_world import FakeWorld


def app_of(world: FakeWorld, **limits: int):  # type: ignore[no-untyped-def]
    return create_app(world.live, world.reader, None, PortalConfig(**limits))


async def test_it_serves_leaves_signals_alone_and_stops_twice(world: FakeWorld) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    served = await serve(app_of(world), port=0)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    async with httpx.AsyncClient(base_url=served.url, trust_env=False) as client:
        assert (await client.get("/api/v1/health")).json()["status"] == "ok"
        assert (await client.get("/static/main.js")).headers["content-type"].startswith("text/javascript")
    await served.stop()
    await served.stop()
    with pytest.raises(OSError):
        socket.create_connection((served.host, served.port), timeout=1).close()


async def test_another_port_when_the_wanted_one_is_taken(world: FakeWorld) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        async with Served(app_of(world), bind("127.0.0.1", taken)) as served:
            assert served.port != taken
            assert str(served.port) in served.url
            async with httpx.AsyncClient(trust_env=False) as client:
                assert (await client.get(served.url)).status_code == 200


def test_an_address_of_another_machine_is_one_line() -> None:
    with pytest.raises(TestbedError, match="cannot serve on"):
        bind("192.0.2.1", 8080)


async def test_open_pages_do_not_hold_up_the_end(world: FakeWorld) -> None:
    served = await serve(app_of(world, max_clients=1), port=0)
    async with (
        httpx.AsyncClient(base_url=served.url, trust_env=False) as client,
        client.stream("GET", "/api/v1/stream") as page,
    ):
        lines = page.aiter_lines()
        assert await anext(lines) == "event: snapshot"
        assert (await client.get("/api/v1/stream")).status_code == 503
        stop = asyncio.create_task(served.stop())
        rest = [line async for line in lines]
        await asyncio.wait_for(stop, 3)
    assert "event: end" in rest
