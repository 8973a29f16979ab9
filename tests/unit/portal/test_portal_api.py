from __future__ import annotations

import csv
import io
from dataclasses import replace

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.clock import NS
from core.errors import StoreUnavailable
from core.finding import Finding
from core.spec import Name
from portal import export
from portal.app import create_app
from portal.config import PortalConfig
from portal.times import parse_every, parse_time
from tests.unit.portal.fake_world import FakeWorld

PUMP = "seoul/guro/rotating-03"
V1 = "/api/v1"
SERIES = f"{V1}/series?device={PUMP}&channel=vibration"


async def get(client: httpx.AsyncClient, path: str, status: int = 200) -> httpx.Response:
    response = await client.get(path)
    assert response.status_code == status, response.text
    return response


async def refused(client: httpx.AsyncClient, path: str, status: int, part: str) -> None:
    error = (await get(client, path, status)).json()
    assert set(error) == {"error"}
    assert part in error["error"]
    assert "\n" not in error["error"]


async def test_run_pulse_report_health(client: httpx.AsyncClient, world: FakeWorld) -> None:
    run = (await get(client, f"{V1}/run")).json()
    assert run["name"] == {"ko": "서울 시연", "en": "Seoul demonstration"}
    assert (run["seed"], run["speed"], run["commands"]) == (42, 1.0, True)
    pulse = (await get(client, f"{V1}/pulse")).json()
    assert [h["hop"] for h in pulse["hops"]] == ["sensor", "network", "gateway", "store", "analysis", "feedback"]
    assert pulse["rows"]["under_way"] == 410
    report = (await get(client, f"{V1}/report")).json()
    assert report["devices"] == {"factory": 11, "logistics": 10, "urban": 24, "own": 0, "third_party": 3}
    assert report["latency_ms"]["edge_loop_p99"] == 8.9
    assert report["rows"]["emitted"] == pulse["rows"]["emitted"]
    assert (await get(client, f"{V1}/health")).json()["status"] == "ok"


async def test_catalog_filters_and_pages(client: httpx.AsyncClient) -> None:
    everything = (await get(client, f"{V1}/catalog")).json()
    assert everything["total"] == len(everything["devices"]) == 48
    urban = (await get(client, f"{V1}/catalog?domain=urban&kind=crossing&area=city&limit=2&offset=1")).json()
    assert (urban["total"], len(urban["devices"])) == (6, 2)
    assert (await get(client, f"{V1}/catalog?q=냉각수")).json()["total"] == 4
    assert everything["layouts"]["air_station.main"][0]["unit"] == "ug/m3"
    await refused(client, f"{V1}/catalog?domain=space", 422, "query.domain")
    await refused(client, f"{V1}/catalog?limit=0", 422, "query.limit")


async def test_device_and_latest(client: httpx.AsyncClient) -> None:
    device = (await get(client, f"{V1}/devices/{PUMP}")).json()
    assert device["prognosis"]["p_failure"] == 0.83
    assert device["findings"][0]["detector"] == "zones"
    assert device["latest"][0]["values"]["vibration"]["unit"] == "mm/s"
    assert len(device["recent"][0]["values"]["vibration"]) == 20
    latest = (await get(client, f"{V1}/latest?kind=crossing")).json()
    state = latest["devices"][0]["streams"][0]["values"]["signal"]
    assert state["state"] in ("red", "green")
    await refused(client, f"{V1}/devices/no/such/device", 404, "no such device")


async def test_series_as_json_and_csv(client: httpx.AsyncClient) -> None:
    series = (await get(client, f"{SERIES}&start=-10m&every=10s")).json()
    assert series["every_ms"] == 10_000
    assert len(series["t"]) == len(series["mean"]) == 60
    assert None in series["mean"]  # a gap, not NaN
    table = list(csv.DictReader(io.StringIO((await get(client, f"{SERIES}&start=-10m&every=10s&format=csv")).text)))
    assert len(table) == 60
    assert table[0]["time"].endswith("Z")
    assert "" in [row["mean"] for row in table]
    automatic = (await get(client, f"{SERIES}&start=-30d")).json()
    assert 300 <= len(automatic["t"]) <= 500


@pytest.mark.parametrize(
    ("query", "status", "part"),
    [
        ("start=-30d&every=1s", 400, "at most 10000"),
        ("start=-30d&every=raw", 400, "at most 10000"),
        ("start=yesterday", 400, "not a time"),
        ("start=now&end=-5m", 400, "before"),
        ("every=0s", 400, "positive"),
        ("every=often", 400, "every"),
        ("format=xml", 422, "query.format"),
        ("start=" + "1" * 60, 422, "query.start"),
    ],
)
async def test_series_limits(client: httpx.AsyncClient, query: str, status: int, part: str) -> None:
    await refused(client, f"{SERIES}&{query}", status, part)


async def test_unknown_names(client: httpx.AsyncClient) -> None:
    await refused(client, f"{V1}/series?device={PUMP}&channel=nix", 404, "vibration")
    await refused(client, f"{V1}/series?device=a/b/c&channel=x", 404, "no such device")
    await refused(client, f"{V1}/rows?layout=nix", 404, "no such layout")
    await refused(client, f"{V1}/rows", 422, "query.layout")
    await refused(client, f"{V1}/nix", 404, "/api")
    await refused(client, "/texts/fr.json", 404, "ko, en")


async def test_rows_in_every_form(client: httpx.AsyncClient) -> None:
    url = f"{V1}/rows?layout=cnc.main&start=-3s&device=seoul/guro/cnc-01"
    columns = (await get(client, url)).json()["columns"]
    assert columns["device"] == ["seoul/guro/cnc-01"] * 3
    assert set(columns) >= {"t", "spindle_load", "spindle_load__q"}
    rows = list(csv.DictReader(io.StringIO((await get(client, f"{url}&format=csv")).text)))
    assert float(rows[0]["spindle_load"]) == columns["spindle_load"][0]
    arrow = pa.ipc.open_stream((await get(client, f"{url}&format=arrow")).content).read_all()
    parquet = await get(client, f"{url}&format=parquet")
    assert pq.read_table(io.BytesIO(parquet.content)).num_rows == arrow.num_rows == 3
    assert 'filename="cnc.main.parquet"' in parquet.headers["content-disposition"]
    await refused(client, f"{V1}/rows?layout=cnc.main&start=-30d", 400, "at most 20000")


async def test_notes_from_memory_and_from_the_store(client: httpx.AsyncClient) -> None:
    assert [f["id"] for f in (await get(client, f"{V1}/findings")).json()] == ["f2", "f3", "f1"]
    assert [f["id"] for f in (await get(client, f"{V1}/findings?device={PUMP}&start=-1h")).json()] == ["f1"]
    assert (await get(client, f"{V1}/workorders")).json()[0]["parts"] == ["bearing 6205"]
    commands = (await get(client, f"{V1}/commands?device={PUMP}")).json()
    assert commands[0]["results"][0]["status"] == "accepted"
    assert len((await get(client, f"{V1}/prognoses?limit=1")).json()) == 1
    assert (await get(client, f"{V1}/events")).json() == []
    table = list(csv.DictReader(io.StringIO((await get(client, f"{V1}/findings?format=csv")).text)))
    assert [row["detector"] for row in table] == ["pca", "fleet", "zones"]
    assert {c["kind"] for c in (await get(client, f"{V1}/cases")).json()} == {"condition", "reaction"}


async def test_store_troubles_are_one_line(world: FakeWorld) -> None:
    def broken(*_: object, **__: object) -> pa.Table:
        raise StoreUnavailable("database is\nlocked")

    world.reader.series = broken  # type: ignore[method-assign]
    for reader, part in ((world.reader, "database is locked"), (None, "keeps no store")):
        app = create_app(world.live, reader)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            await refused(client, SERIES, 503, part)


async def test_metrics_are_prometheus_text(client: httpx.AsyncClient, world: FakeWorld) -> None:
    world.live.status('odd"role\n', {"queue depth": 3})
    text = (await get(client, f"{V1}/metrics")).text
    assert 'iiot_received{role="gateway"}' in text
    assert 'iiot_queue_depth{role="odd\\"role "} 3' in text
    assert 'iiot_device_health{health="alarm"} 1' in text
    for line in text.splitlines():
        assert line.startswith("# TYPE ") or float(line.rpartition(" ")[2]) >= 0


async def post(client: httpx.AsyncClient, body: object, **headers: str) -> httpx.Response:
    return await client.post(f"{V1}/commands", json=body, headers=headers)


GREEN = {"device": "seoul/city/crossing-02", "name": "extend_green", "args": {"seconds": 5}}


async def test_a_person_sends_a_command(client: httpx.AsyncClient, world: FakeWorld) -> None:
    response = await post(client, GREEN, origin="http://localhost:8080")
    assert response.status_code == 202
    (command,) = world.sent
    assert (command.id, command.issuer, command.args) == (response.json()["id"], "user:portal", {"seconds": 5.0})
    assert command.expires - command.t == 60 * NS


@pytest.mark.parametrize(
    ("body", "headers", "status", "part"),
    [
        ({**GREEN, "name": "explode"}, {}, 400, "extend_green"),
        ({**GREEN, "args": {}}, {}, 400, "seconds"),
        ({**GREEN, "device": "a/b/c"}, {}, 404, "no such device"),
        ({**GREEN, "extra": 1}, {}, 422, "extra"),
        (GREEN, {"origin": "http://evil.example"}, 403, "other web pages"),
        (GREEN, {"host": "evil.example:8080", "origin": "http://evil.example:8080"}, 403, "portal.hosts"),
        (GREEN, {"content-type": "text/plain"}, 422, "body"),
    ],
)
async def test_commands_are_refused(
    client: httpx.AsyncClient, world: FakeWorld, body: object, headers: dict[str, str], status: int, part: str
) -> None:
    response = await post(client, body, **headers)
    assert response.status_code == status
    assert part in response.json()["error"]
    assert world.sent == []


async def test_commands_need_the_token_and_the_permission(world: FakeWorld) -> None:
    for config, header, status in (
        (PortalConfig(token="s3cret"), "", 401),
        (PortalConfig(token="s3cret"), "Bearer wrong", 401),
        (PortalConfig(token="s3cret"), "Bearer s3cret", 202),
        (PortalConfig(commands=False), "", 403),
    ):
        app = create_app(world.live, world.reader, world.send, config)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            assert (await post(client, GREEN, authorization=header)).status_code == status


async def test_a_hostile_birth_stays_data(client: httpx.AsyncClient, world: FakeWorld) -> None:
    evil = "<script>window.hacked=1</script>"
    spec = world.catalog.devices[PUMP]
    world.live.announce([replace(spec, device="evil", label=Name(evil, evil), domain="third_party")])
    response = await get(client, f"{V1}/catalog?q=script")
    assert response.headers["content-type"] == "application/json"
    assert response.json()["devices"][0]["label"]["en"] == evil
    page = await get(client, "/")
    assert evil not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"


def test_csv_cells_are_no_formulas() -> None:
    table = pa.table({"=cmd()": [1.0], "plain": [float("nan")]})
    assert export.to_bytes(table, "csv").decode().splitlines() == ['"\'=cmd()","plain"', "1,"]
    assert "'=1+1" in export.notes_csv([{"text": "=1+1"}]).decode()


async def test_everything_is_described_and_offline(client: httpx.AsyncClient) -> None:
    document = (await get(client, f"{V1}/openapi.json")).json()
    names = [spec["operationId"] for methods in document["paths"].values() for spec in methods.values()]
    assert len(names) == len(set(names)) >= 18
    for path in ("/", "/api", "/static/main.js", "/static/portal.css"):
        text = (await get(client, path)).text
        assert "http://" not in text.replace("http://www.w3.org/", "")
        assert "https://" not in text


async def test_the_language_is_the_readers(client: httpx.AsyncClient) -> None:
    async def language(path: str = "/", **headers: str) -> str:
        text = (await client.get(path, headers=headers)).text
        return text.split('<html lang="')[1][:2]

    assert await language() == "ko"
    assert await language(**{"accept-language": "en-GB,en;q=0.9,ko;q=0.8"}) == "en"
    assert await language(**{"accept-language": "de,ko;q=0.5"}) == "ko"
    assert await language(**{"accept-language": "de"}) == "en"
    assert await language("/?lang=en", **{"accept-language": "ko"}) == "en"
    assert await language(**{"accept-language": "ko"}) == "en"  # remembered
    assert await language("/?lang=xx", **{"cookie": ""}) in ("ko", "en")


def test_times_as_people_write_them() -> None:
    now = 1_800_000_000 * NS
    assert parse_time("2026-03-01T09:00:00+09:00", now) == parse_time("2026-03-01T00:00:00Z", now)
    assert parse_time("2026-03-01T09:00:00 09:00", now) == parse_time("2026-03-01T00:00:00", now)
    assert parse_time("1772323200123", now) == 1_772_323_200_123 * 1_000_000
    assert parse_time("1772323200123456789", now) == 1_772_323_200_123_456_789
    assert parse_time("2026-03-01T00:00:00.000001Z", now) % NS == 1_000
    assert parse_time("-90s", now) == now - 90 * NS
    assert parse_time("now", now) == now
    assert parse_every("", 900 * NS, 500) == 2 * NS
    assert parse_every("raw", 1, 500) == 0


async def test_a_finding_with_infinite_score_is_still_json(client: httpx.AsyncClient, world: FakeWorld) -> None:
    world.live.tell([Finding("inf", PUMP, "x", world.live.now(), float("inf"), 1.0, "alarm", "")])
    assert (await get(client, f"{V1}/findings?limit=1")).json()[0]["score"] is None
