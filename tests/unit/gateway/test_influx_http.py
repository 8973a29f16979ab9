"""What the InfluxDB store does with the answers of a server: busy, away, refusing a part."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from core.catalog import Catalog
from core.clock import NS, wall_ns
from core.errors import StoreError, StoreUnavailable
from core.metrics import Metrics
from gateway.buffer import Buffer, BufferConfig
from gateway.buffer_file import Entry
from gateway.deadletters import read
from gateway.drain import Drain, DrainConfig
from gateway.stores import history
from gateway.stores.extra import Busy
from gateway.stores.influx import LONGEST_WAIT_S, InfluxConfig, InfluxStore, retry_after
from tests.unit.gateway.world import device, rows


class Server:
    """Answers writes with what is queued, then with 204; keeps the lines it took in."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.refuse = b""
        self.lines: list[bytes] = []
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                self._say(404, {}, b'{"code":"not found","message":"old server"}')

            def do_POST(self) -> None:
                import gzip

                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    server.asked.append("gzip")
                    body = gzip.decompress(body)
                code, head = server.answers.pop(0) if server.answers else (204, {})
                if code != 204:
                    return self._say(code, head, b'{"code":"x","message":"said no"}')
                bad = [line for line in body.splitlines() if server.refuse and server.refuse in line]
                server.lines += [line for line in body.splitlines() if line not in bad]
                return self._say(
                    400 if bad else 204, {}, b'{"code":"invalid","message":"partial write"}' if bad else b""
                )

            def _say(self, code: int, head: dict[str, str], body: bytes) -> None:
                self.send_response(code)
                for name, value in {
                    **head,
                    "Content-Length": str(len(body)),
                    "Content-Type": "application/json",
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


@pytest.fixture
def store(server, tmp_path):
    made = InfluxStore(InfluxConfig(url=server.url, token="t", gzip=True), tmp_path / "store", Catalog([device()]))
    made.open()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("answer", "kind", "wait"),
    [
        ((429, {"Retry-After": "7"}), Busy, 7.0),
        ((503, {"Retry-After": "0.5"}), Busy, 0.5),
        ((503, {}), StoreUnavailable, None),
        ((500, {}), StoreUnavailable, None),
        ((401, {}), StoreUnavailable, None),
        ((400, {}), StoreError, None),
        ((422, {}), StoreError, None),
        ((413, {}), StoreError, None),
    ],
)
def test_answers_are_told_apart_and_nothing_is_taken_as_stored(server, store, answer, kind, wait):
    server.answers.append(answer)
    with pytest.raises(kind) as caught:
        store.write([rows([0])], [], 3)
    assert type(caught.value) is kind
    assert wait is None or caught.value.wait_s == wait
    assert store.position() == 0
    store.write([rows([0])], [], 3)
    assert (store.position(), len(server.lines)) == (3, 1)
    assert "gzip" in server.asked


def test_a_server_without_the_bucket_call_is_taken_as_it_is(server, store):
    assert any(path.startswith("/api/v2/buckets") for path in server.asked)
    store.write([rows([0])], [], 1)
    assert len(server.lines) == 1


def test_retry_after_is_seconds_or_a_date_and_has_an_end():
    from email.utils import formatdate

    assert retry_after("12") == 12.0
    assert 25 < retry_after(formatdate(wall_ns() / NS + 30, usegmt=True)) <= 31
    assert retry_after(formatdate(wall_ns() / NS - 30, usegmt=True)) == 0.0
    assert retry_after("999999") == LONGEST_WAIT_S
    assert retry_after("") is None
    assert retry_after("soon") is None
    assert retry_after("nan") is None


async def test_a_partial_write_buries_the_record_that_is_refused_and_no_other(server, store, tmp_path):
    catalog = Catalog([device()])
    buffer = Buffer(BufferConfig(), tmp_path / "buffer", catalog, Metrics())
    buffer.open()
    buffer.start()
    await buffer.put([Entry(rows([n], flow=float(n)), 1, 1) for n in range(8)], births=True).done
    server.refuse = b"flow=5"
    server.answers = [(429, {"Retry-After": "0.1"})]
    drain = Drain(DrainConfig(), tmp_path / "buffer", store.catalog, {"main": store})
    running = asyncio.create_task(drain.run())
    async with asyncio.timeout(20):
        while store.position() < 8:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await buffer.close()
    flows = {float(line.split(b"flow=")[1].split(b",")[0]) for line in server.lines}
    assert flows == {0, 1, 2, 3, 4, 6, 7}
    (letter,) = read(drain.letters.path)
    assert letter.reason.startswith("refused")
    assert letter.topic.endswith("@6")


def test_a_history_waits_for_a_busy_server_and_goes_on_behind_what_is_refused(server, store, tmp_path, monkeypatch):
    monkeypatch.setattr(history, "_catalog", lambda _: Catalog([device()]))
    monkeypatch.setattr(history, "_batches", lambda *_: iter([rows([0, 1]), rows([2])]))
    waits: list[float] = []
    server.answers = [(429, {"Retry-After": "3"}), (503, {}), (204, {}), (422, {})]
    assert history.load_points(store, tmp_path, pause=waits.append) == 3
    assert len(server.lines) == 2
    assert 3 <= waits[0] <= 3.6
    assert 0.25 <= waits[1] <= 1.2
    assert json.loads((tmp_path / "store" / "influx.json").read_text())["history"] == str(tmp_path)
    assert history.load_points(store, tmp_path, pause=waits.append) == 0
    server.answers = [(503, {})] * 99
    with pytest.raises(StoreUnavailable):
        history.load_points(store, tmp_path / "other", pause=waits.append)
