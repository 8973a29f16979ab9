"""Health and figures as a plain HTTP client sees them."""

import asyncio
import json
import urllib.error
import urllib.request

import pytest

from core.catalog import Catalog
from gateway.endpoint import Endpoint, EndpointConfig
from gateway.kinds import GatewayConfig
from gateway.service import Gateway
from gateway.sources.memory import MemorySource, MemorySourceConfig
from tests.unit.gateway.world import MAX, arrival, device, rows

WELL = {"sources": {"mqtt": {"state": "connected", "error": ""}}, "buffer": {"over_limit": False, "bytes": 7}}


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


async def ask(status, path: str) -> tuple[int, str]:
    async with Endpoint(EndpointConfig(), lambda: status) as endpoint:
        return await asyncio.to_thread(get, endpoint.port, path)


async def test_figures_of_a_gateway_that_runs(tmp_path):
    catalog = Catalog()
    source = MemorySource(MemorySourceConfig(), catalog)
    gateway = Gateway(GatewayConfig(), tmp_path, catalog, {"memory": source}, MAX)
    serving = asyncio.create_task(gateway.run())
    async with Endpoint(EndpointConfig(), gateway.snapshot) as endpoint:
        await source.feed(arrival(rows(range(5)), births=[device()]))
        async with asyncio.timeout(20):
            while source.acked < 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        code, text = await asyncio.to_thread(get, endpoint.port, "/metrics")
        health = await asyncio.to_thread(get, endpoint.port, "/health")
    gateway.stop()
    await serving
    assert code == 200
    assert "iiot_gateway_received 5\n" in text
    assert "iiot_gateway_sources_memory_connected 1\n" in text
    assert all(line.startswith("# TYPE ") or len(line.split()) == 2 for line in text.splitlines())
    assert (health[0], json.loads(health[1])) == (200, {"healthy": True, "ailments": []})


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 200),
        ({"buffer": {"over_limit": True}}, 503),
        ({"sources": {"mqtt": {"state": "waiting", "error": "refused"}}}, 503),
        ({"sources": {"a": {"state": "waiting", "error": "x"}, "b": {"state": "connected", "error": ""}}}, 200),
    ],
)
async def test_who_is_ill(changes, code):
    found, body = await ask(WELL | changes, "/health")
    assert found == code
    assert bool(json.loads(body)["ailments"]) == bool(changes)


async def test_nothing_else_is_served():
    assert (await ask(WELL, "/../etc/passwd"))[0] == 404
    async with Endpoint(EndpointConfig(), lambda: WELL) as endpoint:
        for said, answer in ((b"POST /health HTTP/1.1\r\n\r\n", b"HTTP/1.1 405"), (b"x" * 10_000 + b"\r\n", b"")):
            reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port)
            writer.write(said)
            heard = b""
            try:
                heard = await asyncio.wait_for(reader.read(12), 10)
            except ConnectionError:
                assert answer == b""
            assert heard == answer
            writer.close()
