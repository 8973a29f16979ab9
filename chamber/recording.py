"""A recording: everything a verdict rests on, as a folder that shows when it was changed.

    manifest.json          what was run, when and how; SHA-256, size and rows of every other file
    plan.json              the plan, canonical
    catalog.json           the devices as they announced themselves
    rows/<role>.parquet    ``unit-1`` ..., ``reference``, ``environment``: schema of ``core.tables``

The digest of the manifest names the recording; verdict and report carry it. Verdict and report lie in the
same folder but are not part of it: they can be made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from chamber.plan import TestPlan, from_json
from core.catalog import Catalog
from core.errors import ConfigError, TestbedError
from core.tables import schema

FORMAT = 1
MANIFEST = "manifest.json"
_DERIVED = {MANIFEST, "verdict.json", "report.html", "junit.xml"}


class RecordingError(TestbedError):
    """A recording is not complete, not readable, or not what was recorded."""


@dataclass(frozen=True, slots=True)
class Transport:
    """What happened to a stream's rows on the way."""

    rows: int
    lost: int
    doubled: int


@dataclass(frozen=True, slots=True)
class RunFacts:
    """How the test was run: ``start`` is run time, ``began`` and ``ended`` are wall time, all ns UTC."""

    start: int
    began: int
    ended: int
    speed: float
    device: str
    versions: dict[str, str]
    transport: dict[str, Transport] = field(default_factory=dict)
    rejected: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Rows of one test; ``units`` are tables by device path, in the plan's order."""

    plan: TestPlan
    facts: RunFacts
    catalog: Catalog
    units: Mapping[str, pa.Table]
    reference: pa.Table
    environment: pa.Table
    digest: str = ""

    def roles(self) -> dict[str, str]:
        """Return the device path of every role."""
        plan = self.plan
        roles = {f"unit-{n}": unit for n, unit in enumerate(plan.device_under_test.units, 1)}
        return roles | {"reference": plan.reference.device, "environment": plan.environment.device}

    def tables(self) -> dict[str, pa.Table]:
        """Return the table of every role."""
        units = {f"unit-{n}": table for n, table in enumerate(self.units.values(), 1)}
        return units | {"reference": self.reference, "environment": self.environment}


_FACTS = TypeAdapter(RunFacts)


def stream_of(plan: TestPlan, role: str, device: str) -> str:
    """Return the stream path that a role records."""
    if role == "reference":
        return f"{device}/{plan.reference.stream}"
    if role == "environment":
        return f"{device}/{plan.environment.stream}"
    return f"{device}/{plan.device_under_test.stream}"


def save(recording: Recording, folder: Path) -> str:
    """Write a recording into an empty folder and return its digest; raises RecordingError."""
    import pyarrow.parquet as pq

    require_empty(folder)
    (folder / "rows").mkdir(parents=True, exist_ok=True)
    (folder / "plan.json").write_text(recording.plan.to_json(), encoding="utf-8")
    recording.catalog.save(folder / "catalog.json")
    rows: dict[str, int] = {}
    for role, table in recording.tables().items():
        name = f"rows/{role}.parquet"
        pq.write_table(table, folder / name, compression="zstd")
        rows[name] = table.num_rows
    files = {name: _stamp(folder / name) for name in ("plan.json", "catalog.json", *rows)}
    for name, count in rows.items():
        files[name]["rows"] = count
    manifest = {
        "format": FORMAT,
        "plan": {"id": recording.plan.id, "version": recording.plan.version, "sha256": recording.plan.digest},
        "facts": asdict(recording.facts),
        "roles": recording.roles(),
        "files": files,
    }
    text = json.dumps(manifest, ensure_ascii=False, sort_keys=True, indent=1)
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()


def require_empty(folder: Path) -> None:
    """Refuse a folder that holds anything: recordings are never overwritten."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RecordingError(f"{folder} is not empty (choose another folder: recordings are never overwritten)")


def load(folder: Path) -> Recording:
    """Return a recording after checking every file; raises RecordingError where anything differs."""
    manifest, digest = _manifest(folder)
    _verify(folder, manifest)
    try:
        plan = from_json((folder / "plan.json").read_text(encoding="utf-8"), str(folder / "plan.json"))
        catalog = Catalog.read(folder / "catalog.json")
        facts = _FACTS.validate_python(manifest["facts"])
    except (ValidationError, ConfigError, KeyError, ValueError) as error:
        raise RecordingError(f"{folder} was written by another version: {error}") from error
    if plan.digest != manifest["plan"]["sha256"]:
        raise RecordingError(f"{folder}: the plan is not the one that was run")
    empty = Recording(plan, facts, catalog, {}, pa.table({}), pa.table({}), digest)
    tables = {role: _table(folder, plan, catalog, role, device) for role, device in empty.roles().items()}
    units = {unit: tables[f"unit-{n}"] for n, unit in enumerate(plan.device_under_test.units, 1)}
    return Recording(plan, facts, catalog, units, tables["reference"], tables["environment"], digest)


def _manifest(folder: Path) -> tuple[dict[str, Any], str]:
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
        manifest = json.loads(data)
    except FileNotFoundError as error:
        raise RecordingError(f"{folder} is not a recording (no {MANIFEST})") from error
    except ValueError as error:
        raise RecordingError(f"{path} is not JSON: the recording was changed") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise RecordingError(f"{path} has another format than {FORMAT}")
    return manifest, hashlib.sha256(data).hexdigest()


def _verify(folder: Path, manifest: dict[str, Any]) -> None:
    """Compare every file with the manifest; a missing, changed or additional file is refused."""
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise RecordingError(f"{folder / MANIFEST} lists no files")
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - _DERIVED
    if extra := sorted(present - set(files)):
        raise RecordingError(f"{folder}: {extra[0]} is not part of the recording")
    for name, stamp in sorted(files.items()):
        if name not in present:
            raise RecordingError(f"{folder}: {name} is missing")
        if _stamp(folder / name)["sha256"] != stamp["sha256"]:
            raise RecordingError(f"{folder}: {name} was changed after recording (its SHA-256 differs)")


def _table(folder: Path, plan: TestPlan, catalog: Catalog, role: str, device: str) -> pa.Table:
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "rows" / f"{role}.parquet")
    entry = catalog.find(stream_of(plan, role, device))
    if entry is None or not table.schema.equals(schema(entry.spec.layout), check_metadata=False):
        raise RecordingError(f"{folder}: rows of {role} do not fit the stream that {device} announced")
    return table


def _stamp(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
