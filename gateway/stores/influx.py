"""InfluxDB 2.x: measurement = layout, tags site, area, device, stream, fields = channels, ns precision.

Equal points overwrite each other, so writing again after a kill doubles nothing. A value's quality is written as
``<channel>__q`` only where it is not GOOD; ``sid`` and ``seq`` are integer fields. Notes are points of the
measurements ``events``, ``commands``, ... with the whole note as JSON in ``body``.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from core.batch import Batch
from core.catalog import Catalog
from core.clock import NS, wall_ns
from core.config import Config
from core.errors import ConfigError, StoreError, StoreUnavailable
from core.ports import Note
from core.spec import DeviceSpec
from gateway import notes as notes_json
from gateway.stores.ahead import ahead
from gateway.stores.extra import NOTHING, Busy, Extra
from gateway.stores.lines import note_line, row_lines

if TYPE_CHECKING:
    from gateway.stores.influx_reader import InfluxReader

log = logging.getLogger(__name__)
#: s that a server may keep us waiting at a time, whatever it says
LONGEST_WAIT_S = 300.0


class InfluxConfig(Config):
    """``token`` may be ``${ENV_NAME}``, read from the environment; ``batch``: lines a request; ``gzip``: None
    compresses unless the server is on this machine, where it would cost more time than the wire.
    """

    kind: Literal["influx"] = "influx"
    url: str = "http://127.0.0.1:8086"
    token: str = "${INFLUXDB_TOKEN}"
    org: str = "testbed"
    bucket: str = "testbed"
    batch: int = 5_000
    timeout_s: float = 10.0
    retention_s: int = 0
    gzip: bool | None = None


class InfluxStore:
    """Writes over the synchronous API: one request at a time, in the drain's thread.

    The position lies in a small file: it is renewed after the writes, so a kill in between writes equal points again.
    """

    def __init__(self, config: InfluxConfig, folder: Path, catalog: Catalog) -> None:
        self.config, self.folder, self.catalog = config, folder, catalog
        self._client: Any = None
        self._api: Any = None
        self._kept: dict[str, Any] = {"position": 0, "counts": {}, "stages": ""}
        self._tags: dict[int, str] = {}
        self._lock = threading.Lock()

    def open(self) -> None:
        """Connect and make the bucket if the server has none of its name and can make one."""
        from influxdb_client.client.influxdb_client import InfluxDBClient
        from influxdb_client.client.write_api import SYNCHRONOUS

        self.folder.mkdir(parents=True, exist_ok=True)
        if self._file.exists():
            self._kept = json.loads(self._file.read_text(encoding="utf-8"))
        self._client = InfluxDBClient(
            url=self.config.url,
            token=_token(self.config.token),
            org=self.config.org,
            timeout=round(self.config.timeout_s * 1000),
            enable_gzip=self.config.gzip if self.config.gzip is not None else not _is_here(self.config.url),
        )
        self._api = self._client.write_api(write_options=SYNCHRONOUS)
        self._make_bucket()

    def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            self._api.close()
            self._client.close()
            self._client = None

    def position(self) -> int:
        """Return the position of the last confirmed write."""
        return int(self._kept["position"])

    def counts(self) -> dict[str, int]:
        """Return rows taken in by stream path."""
        return dict(self._kept["counts"])

    def state(self) -> str:
        """Return the stages' state as of the position."""
        return str(self._kept["stages"])

    def flush(self) -> None:
        """Nothing is held back."""

    def catalogue(self, devices: Sequence[DeviceSpec]) -> None:
        """Add devices to the shared catalog and save it beside the position; points carry it as tags."""
        for device in devices:
            if self.catalog.devices.get(device.path) != device:
                self.catalog.add(device)
        if devices:
            self._tags.clear()
            self.catalog.save(self.folder / "catalog.json")

    def write(self, batches: Sequence[Batch], notes: Sequence[Note], position: int, extra: Extra = NOTHING) -> None:
        """Write rows and notes, then keep the position. Raises StoreUnavailable, Busy or StoreError."""
        for lines in ahead("\n".join(chunk) for chunk in self._chunks(batches, notes)):
            self._post(lines)
        counts = self._kept["counts"]
        for index, rows in extra.counts.items():
            path = self.catalog.streams[index].path
            counts[path] = counts.get(path, 0) + rows
        self._keep({"position": position, "counts": counts, "stages": extra.state})

    def history(self) -> str:
        """Return which history is loaded, empty for none."""
        return str(self._kept.get("history", ""))

    def load(self, batches: Sequence[Batch], notes: Sequence[Note], mark: str = "") -> None:
        """Write rows that did not come through the buffer; ``mark`` says that a history is whole.

        Raises StoreUnavailable, Busy or StoreError.
        """
        for chunk in self._chunks(batches, notes):
            self._post("\n".join(chunk))
        if mark:
            self._keep({"history": mark})

    def _keep(self, changes: dict[str, Any]) -> None:
        with self._lock:  # the drain and the load of the history keep theirs in one file
            self._kept = {**self._kept, **changes}
            scratch = self._file.with_suffix(".part")
            scratch.write_text(json.dumps(self._kept), encoding="utf-8")
            scratch.replace(self._file)

    def keep(self, notes: Sequence[Note]) -> None:
        """Write notes. Raises StoreUnavailable, Busy or StoreError."""
        for chunk in self._chunks((), notes):
            self._post("\n".join(chunk))

    def reader(self) -> InfluxReader:
        """Return a HistoryReader."""
        from gateway.stores.influx_reader import InfluxReader

        return InfluxReader(self)

    def query(self, flux: str) -> list[Any]:
        """Return the records of a Flux query. Raises StoreUnavailable or StoreError."""
        from influxdb_client.rest import ApiException
        from urllib3.exceptions import HTTPError

        try:
            tables = self._client.query_api().query(flux)
        except ApiException as error:
            raise _judged(error, self.config.url) from error
        except HTTPError as error:
            raise StoreUnavailable(f"{self.config.url}: {error}") from error
        return [record for table in tables for record in table.records]

    @property
    def _file(self) -> Path:
        return self.folder / "influx.json"

    def _chunks(self, batches: Sequence[Batch], notes: Sequence[Note]) -> Iterator[list[str]]:
        lines: list[str] = []
        for batch in batches:
            lines += row_lines(batch, self.catalog, self._tags)
            while len(lines) >= self.config.batch:  # what is full can go while the rest is made
                yield lines[: self.config.batch]
                del lines[: self.config.batch]
        lines += [note_line(note, notes_json.NAME_OF[type(note)], notes_json.to_json(note)) for note in notes]
        for start in range(0, len(lines), self.config.batch):
            yield lines[start : start + self.config.batch]

    def _post(self, lines: str) -> None:
        from influxdb_client.rest import ApiException
        from urllib3.exceptions import HTTPError

        try:
            self._api.write(bucket=self.config.bucket, record=lines.encode(), write_precision="ns")
        except ApiException as error:
            raise _judged(error, self.config.url) from error
        except HTTPError as error:
            raise StoreUnavailable(f"{self.config.url}: {error}") from error

    def _make_bucket(self) -> None:
        from influxdb_client.rest import ApiException
        from urllib3.exceptions import HTTPError

        buckets = self._client.buckets_api()
        try:
            if buckets.find_bucket_by_name(self.config.bucket) is None:
                rules = [{"type": "expire", "everySeconds": self.config.retention_s}] if self.config.retention_s else []
                buckets.create_bucket(bucket_name=self.config.bucket, org=self.config.org, retention_rules=rules)
        except ApiException as error:
            # servers before 2.0 have no such call; a token may also be allowed only to write
            log.info("bucket %s is taken as it is (%s %s)", self.config.bucket, error.status, error.reason)
        except HTTPError as error:
            log.warning("%s is out of reach: %s", self.config.url, error)


def _judged(error: Any, url: str) -> StoreError:
    """Return the error to raise for an answer of the server."""
    text = f"{url}: {error.status} {error.reason}: {str(error.body or '')[:300]}".strip()
    if error.status in (400, 413, 422):
        return StoreError(text)
    wait = retry_after(str((error.headers or {}).get("Retry-After", "")))
    return StoreUnavailable(text) if wait is None else Busy(text, wait)


def retry_after(text: str) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110, section 10.2.3: seconds or a date), None without one."""
    from email.utils import parsedate_to_datetime

    try:
        wait = float(text)
    except ValueError:
        try:
            wait = parsedate_to_datetime(text).timestamp() - wall_ns() / NS
        except (ValueError, TypeError):
            return None
    return min(max(wait, 0.0), LONGEST_WAIT_S) if wait == wait else None


def _is_here(url: str) -> bool:
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")


def _token(text: str) -> str:
    if text.startswith("${") and text.endswith("}"):
        return from_environment(text[2:-1])
    return text


def from_environment(name: str) -> str:
    """Return a secret: of the environment, or of the file that ``<name>_FILE`` names; empty where neither is there.

    Raises
    ------
    ConfigError
        If the file cannot be read.
    """
    import os

    file = os.environ.get(f"{name}_FILE", "")
    if not file:
        return os.environ.get(name, "")
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{name}_FILE", f"{file}: {error.strerror}", "name a file that this user can read") from error
