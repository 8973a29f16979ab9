"""DuckDB, embedded, the default store: one wide table a layout, no primary key, position in the transaction.

Times are BIGINT nanoseconds (UTC), streams are numbers of the table ``streams``. One process owns the file;
:meth:`DuckStore.reader` serves its other threads.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from core.batch import Batch
from core.catalog import Catalog
from core.config import Config
from core.errors import StoreError
from core.ports import Note
from core.spec import DeviceSpec, LayoutSpec, dump, load
from core.tables import to_table
from gateway import notes as notes_json
from gateway.stores.extra import NOTHING, Extra

if TYPE_CHECKING:
    from gateway.stores.duck_reader import DuckReader

_MANY_NOTES = 200  # from here on one table is quicker than rows: a history of a busy line has tens of thousands
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key VARCHAR PRIMARY KEY, value VARCHAR);
CREATE TABLE IF NOT EXISTS streams (idx INTEGER, path VARCHAR, device VARCHAR);
CREATE TABLE IF NOT EXISTS births (version INTEGER, device VARCHAR);
"""


class DuckConfig(Config):
    """``file``: path below the run folder; ``memory``: most memory DuckDB may take, ``threads`` it may use."""

    kind: Literal["duck"] = "duck"
    file: str = "store/testbed.duckdb"
    memory: str = "1GB"
    threads: int = 2


class DuckStore:
    """Keeps rows, notes, catalog, position, counts and stage state in one file.

    Parameters
    ----------
    config
        Limits.
    path
        The file (``:memory:`` for none).
    catalog
        Shared by whoever reads the store; filled from the file by :meth:`open`, whose stream numbers it keeps.
    """

    def __init__(self, config: DuckConfig, path: Path | str, catalog: Catalog) -> None:
        self.config, self.path, self.catalog = config, path, catalog
        self._con: Any = None
        self._tables: dict[str, tuple[str, ...]] = {}
        self._saved: dict[str, DeviceSpec] = {}
        self._saved_streams = 0
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def open(self) -> None:
        """Open the file; raises StoreError where another process holds it."""
        import duckdb

        try:
            if self.path != ":memory:":
                Path(self.path).parent.mkdir(parents=True, exist_ok=True)
            options: dict[str, str | bool | int | float | list[str]] = {
                "memory_limit": self.config.memory,
                "threads": self.config.threads,
            }
            self._con = duckdb.connect(str(self.path), config=options)
            self._con.execute(_SCHEMA)
            for name in notes_json.KINDS:
                self._con.execute(
                    f"CREATE TABLE IF NOT EXISTS {name} (t BIGINT, device VARCHAR, id VARCHAR, body VARCHAR)"
                )
            self._restore()
        except duckdb.IOException as error:
            raise StoreError(_locked(self.path, str(error))) from error
        except (duckdb.Error, OSError, ValueError) as error:
            raise StoreError(f"{self.path}: {error}") from error

    def close(self) -> None:
        """Close the file, once a write that is under way in another thread has ended."""
        with self._lock:
            if self._con is not None:
                self._con.close()
                self._con = None

    def position(self) -> int:
        """Return the position of the last transaction."""
        return int(self._meta("position") or 0)

    def counts(self) -> dict[str, int]:
        """Return rows taken in by stream path (live rows; history is not counted)."""
        return dict(self._counts)

    def state(self) -> str:
        """Return the stages' state as of the position."""
        return self._meta("stages") or ""

    def flush(self) -> None:
        """Nothing is held back."""

    def catalogue(self, devices: Sequence[DeviceSpec]) -> None:
        """Add devices to the shared catalog and save them."""
        for device in devices:
            if self.catalog.devices.get(device.path) != device:
                self.catalog.add(device)
        with self._lock:
            self._save_catalog(self._con)

    def write(self, batches: Sequence[Batch], notes: Sequence[Note], position: int, extra: Extra = NOTHING) -> None:
        """Keep rows, notes, position and extra in one transaction. Raises StoreError."""
        import duckdb

        counts = dict(self._counts)
        for index, rows in extra.counts.items():
            path = self.catalog.streams[index].path
            counts[path] = counts.get(path, 0) + rows
        con = self._con
        with self._lock:
            try:
                self._save_catalog(con)
                for batch in batches:
                    self._make_table(con, batch.layout)
                con.begin()
                for batch in batches:
                    self._insert(con, batch.layout, to_table(batch))
                self._insert_notes(con, notes)
                self._set_meta(con, {"position": str(position), "stages": extra.state, "counts": json.dumps(counts)})
                con.commit()
            except duckdb.Error as error:
                _rollback(con)
                raise StoreError(f"{self.path}: {error}") from error
        self._counts = counts

    def keep(self, notes: Sequence[Note]) -> None:
        """Keep notes in a transaction of their own. Raises StoreError."""
        import duckdb

        con = self._con.cursor()
        try:
            con.begin()
            self._insert_notes(con, notes)
            con.commit()
        except duckdb.Error as error:
            _rollback(con)
            raise StoreError(f"{self.path}: {error}") from error
        finally:
            con.close()

    def reader(self) -> DuckReader:
        """Return a HistoryReader for other threads of this process."""
        from gateway.stores.duck_reader import DuckReader

        return DuckReader(self)

    def cursor(self) -> Any:
        """Return a connection of its own for one thread."""
        return self._con.cursor()

    def tables(self) -> dict[str, tuple[str, ...]]:
        """Return channel columns by layout."""
        return dict(self._tables)

    def make_tables(self, layouts: Sequence[LayoutSpec]) -> None:
        """Make the tables of layouts; transactions begun before do not see them."""
        with self._lock:
            for layout in layouts:
                self._make_table(self._con, layout)

    def insert_table(self, con: Any, layout: LayoutSpec, table: pa.Table) -> None:
        """Insert rows, given as a table of ``core.tables.schema``, through another connection."""
        self._insert(con, layout, table)

    def insert_notes(self, con: Any, notes: Sequence[Note]) -> None:
        """Insert notes through another connection."""
        self._insert_notes(con, notes)

    def set_meta(self, con: Any, key: str, value: str) -> None:
        """Save a value under a key through another connection."""
        self._set_meta(con, {key: value})

    def meta(self, key: str) -> str | None:
        """Return the value saved under a key."""
        return self._meta(key)

    def _restore(self) -> None:
        births = [load([json.loads(text)])[0] for (text,) in self._all("SELECT device FROM births ORDER BY version")]
        paths = [path for (path,) in self._all("SELECT path FROM streams ORDER BY idx")]
        self.catalog.extend(paths, births)
        self._saved = {device.path: device for device in births}
        self._saved_streams = len(paths)
        self._counts = json.loads(self._meta("counts") or "{}")
        known = {"meta", "streams", "births", *notes_json.KINDS}
        query = "SELECT table_name, column_name FROM information_schema.columns ORDER BY table_name, ordinal_position"
        columns: dict[str, list[str]] = {}
        for table, column in self._all(query):
            if table not in known:
                columns.setdefault(table, []).append(column)
        self._tables = {name: tuple(c for c in cs[4:] if not c.endswith("__q")) for name, cs in columns.items()}

    def _save_catalog(self, con: Any) -> None:
        devices = list(self.catalog.devices.items())
        new = [d for path, d in devices if self._saved.get(path) is not d and self._saved.get(path) != d]
        streams = self.catalog.streams[self._saved_streams :]
        if not new and not streams:
            return
        con.begin()
        (version,) = con.execute("SELECT coalesce(max(version), 0) FROM births").fetchone()
        rows = [(version + 1 + i, json.dumps(dump([d])[0], ensure_ascii=False)) for i, d in enumerate(new)]
        if rows:
            con.executemany("INSERT INTO births VALUES (?, ?)", rows)
        if streams:
            con.executemany("INSERT INTO streams VALUES (?, ?, ?)", [(e.index, e.path, e.device) for e in streams])
        con.commit()
        self._saved.update(devices)
        self._saved_streams += len(streams)

    def _make_table(self, con: Any, layout: LayoutSpec) -> None:
        known = self._tables.get(layout.name)
        if known == layout.columns:
            return
        if known is None:
            parts = ["stream INTEGER", "sid BIGINT", "seq BIGINT", "t BIGINT"]
            parts += [f"{quoted(c)} DOUBLE" for c in layout.columns]
            parts += [f"{quoted(c + '__q')} UTINYINT" for c in layout.columns]
            con.execute(f"CREATE TABLE IF NOT EXISTS {quoted(layout.name)} ({', '.join(parts)})")
        for column in set(layout.columns) - set(known or layout.columns):
            con.execute(f"ALTER TABLE {quoted(layout.name)} ADD COLUMN {quoted(column)} DOUBLE")
            con.execute(f"ALTER TABLE {quoted(layout.name)} ADD COLUMN {quoted(column + '__q')} UTINYINT")
        self._tables[layout.name] = (
            layout.columns if known is None else (*known, *(c for c in layout.columns if c not in known))
        )
        self.catalog.layouts.setdefault(layout.name, layout)

    @staticmethod
    def _insert(con: Any, layout: LayoutSpec, table: pa.Table) -> None:
        con.register("incoming", table)  # a failed insert leaves it registered, the next one replaces it
        con.execute(f"INSERT INTO {quoted(layout.name)} BY NAME SELECT * FROM incoming")
        con.unregister("incoming")

    @staticmethod
    def _insert_notes(con: Any, notes: Sequence[Note]) -> None:
        groups: dict[str, list[tuple[int, str, str, str]]] = {}
        for note in notes:
            row = (note.t, note.device, str(getattr(note, "id", "")), notes_json.to_json(note))
            groups.setdefault(notes_json.NAME_OF[type(note)], []).append(row)
        for name, rows in groups.items():
            if len(rows) < _MANY_NOTES:
                con.executemany(f"INSERT INTO {name} VALUES (?, ?, ?, ?)", rows)
                continue
            columns = zip(*rows, strict=True)
            con.register("noted", pa.table({str(n): list(column) for n, column in enumerate(columns)}))
            con.execute(f"INSERT INTO {name} SELECT * FROM noted")
            con.unregister("noted")

    @staticmethod
    def _set_meta(con: Any, values: dict[str, str]) -> None:
        con.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(values.items()))

    def _meta(self, key: str) -> str | None:
        rows = self._all("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else None

    def _all(self, query: str, args: Sequence[object] = ()) -> list[Any]:
        cursor = self._con.cursor()
        try:
            return list(cursor.execute(query, args).fetchall())
        finally:
            cursor.close()


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _rollback(con: Any) -> None:
    import duckdb

    try:
        con.rollback()
    except duckdb.Error:
        return  # no transaction had begun


def _locked(path: Path | str, text: str) -> str:
    """Return one clear line for an error of opening the file."""
    holder = re.search(r"PID (\d+)", text)
    if "lock" in text.lower():
        who = f"process {holder[1]}" if holder else "another process"
        return f"{path}: in use by {who}; stop it, or choose another --data-dir"
    return f"{path}: cannot be opened: {text.splitlines()[0]}"
