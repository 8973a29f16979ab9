"""Scenario files: what happens. Domains say what is modelled, deploy files where it runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from analytics.config import AnalyticsConfig
from core.clock import NS, wall_ns
from core.config import Config, Duration, Label, load, parse, read_yaml
from core.errors import ConfigError
from gateway.kinds import GatewayConfig
from simulator.climate import ClimateConfig
from simulator.domain import Copies, DomainConfig, devices
from simulator.faults import FaultConfig
from simulator.stations import stations
from simulator.world import WorldConfig
from testbed.compare.config import CompareConfig
from testbed.examination import CmapssExam
from testbed.secure import SecurityConfig
from wire.modbus.station import Station

LEAD_NS = 2 * NS


def _speed(value: object) -> object:
    return 0.0 if value == "max" else value


def _start(value: object) -> object:
    if isinstance(value, datetime):  # YAML reads an unquoted ISO 8601 time as a datetime
        value = value.isoformat()
    return value


#: simulated seconds a wall second; ``max`` (stored as 0) does not pace at all
Speed = Annotated[
    float, Field(ge=0, le=100_000), BeforeValidator(_speed, json_schema_input_type=float | Literal["max"])
]


class HistoryConfig(Config):
    """The span before the start that is simulated fast, stored, and learnt from."""

    days: float = Field(30.0, ge=0, le=3650)
    every: Duration = 60 * NS
    fast_every: Duration = 600 * NS
    policy: Literal["run_to_failure"] = "run_to_failure"


class ScenarioConfig(Config):
    """A scenario file. ``domains`` and ``deploy`` are paths relative to the file; ``copies`` holds for every domain.

    ``trainer``: whether every device takes ``inject_fault`` and ``clear_fault`` as commands;
    ``links``: whether the links of the domains are simulated; ``climate``: normals, and spells of weather on order;
    ``opcua_apart``: whether the simulator's OPC UA server is a process of its own (it can then die, and come back,
    alone).
    """

    name: Label
    description: Label | None = None
    start: Annotated[str, BeforeValidator(_start)] = "now"
    seed: int = Field(1, ge=0, lt=2**63)
    speed: Speed = 1.0
    end: Duration | None = None
    quantum: Duration | None = None
    domains: tuple[str, ...] = Field(min_length=1)
    copies: Copies | None = None
    deploy: str | None = None
    history: HistoryConfig = HistoryConfig()
    faults: tuple[FaultConfig, ...] = ()
    trainer: bool = False
    links: bool = True
    climate: ClimateConfig = ClimateConfig()
    opcua_apart: bool = False
    gateway: GatewayConfig | None = None
    analytics: AnalyticsConfig = AnalyticsConfig()
    examination: CmapssExam | None = None
    compare: CompareConfig | None = None
    security: SecurityConfig | None = None

    def start_ns(self) -> int:
        """Resolve ``start`` to ns UTC; ``now`` lies a moment ahead, so that the world is built by then."""
        if self.start == "now":
            return (wall_ns() + LEAD_NS) // 1_000_000 * 1_000_000
        moment = datetime.fromisoformat(self.start)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp()) * NS + moment.microsecond * 1000


class Scenario:
    """A scenario file with the files it names."""

    def __init__(self, path: Path, config: ScenarioConfig, domains: tuple[DomainConfig, ...], gateway: GatewayConfig):
        self.path, self.config, self.domains, self.gateway = path, config, domains, gateway

    @property
    def key(self) -> str:
        """Short name: the file's stem."""
        return self.path.stem

    def world(self) -> WorldConfig:
        """Return what the simulator builds."""
        return WorldConfig.model_validate(
            {
                "domains": self.domains,
                "faults": self.config.faults,
                "history": f"{self.config.history.days}d",  # as text: a bare number would be read as seconds
                "trainer": self.config.trainer,
                "links": self.config.links,
                "climate": self.config.climate,
            }
        )

    def check(self) -> None:
        """Build the world once to see that everything fits; raises ConfigError with ``file:yaml.path``."""
        from simulator.world import World

        try:
            World(self.world(), self.config.start_ns(), self.config.seed)
            stations_of(self.domains, self.config.seed)
        except ConfigError as error:
            raise ConfigError(self._place(error.where), error.what, error.hint) from error

    def _place(self, where: str) -> str:
        """Return where a fault of the world lies, by file."""
        head, _, rest = where.partition(":")
        number = head.removeprefix("domains.")
        if rest and number.isdigit():
            return f"{_beside(self.path, self.config.domains[int(number)])}:{rest}"
        return f"{self.path}:{where}"

    @cached_property
    def digest(self) -> str:
        """BLAKE2 digest of the whole configuration."""
        parts = [
            self.config.model_dump_json(),
            *(d.model_dump_json() for d in self.domains),
            self.gateway.model_dump_json(),
        ]
        return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def read(path: Path, data: Path | None = None) -> Scenario:
    """Read a scenario and the files it names; raises ConfigError with ``file:yaml.path``.

    ``data`` replaces ``${data}`` in domain and analytics paths (real data sets lie outside the repository).
    """
    raw = _fill(read_yaml(path), data, str(path))
    config = parse(raw, ScenarioConfig, str(path))
    if config.start != "now":
        try:
            datetime.fromisoformat(config.start)
        except ValueError as error:
            raise ConfigError(
                f"{path}:start", f"not a time: {config.start!r}", "write now or 2026-03-02T08:00:00Z"
            ) from error
    domains = tuple(_domain(path, name, data) for name in config.domains)
    if config.copies is not None:
        domains = tuple(domain.model_copy(update={"copies": config.copies}) for domain in domains)
    gateway = config.gateway or GatewayConfig()
    if config.deploy:
        deployed = load(_beside(path, config.deploy), DeployConfig).gateway
        # a deploy file says where things run: what it does not name (rules, limits) stays the scenario's
        named = {field: getattr(deployed, field) for field in deployed.model_fields_set}
        gateway = gateway.model_copy(update=named)
    return Scenario(path, config, domains, gateway)


class DeployConfig(Config):
    """A deploy file: where the parts run. Each setting it names replaces the scenario's."""

    gateway: GatewayConfig = GatewayConfig()


def stations_of(domains: Iterable[DomainConfig], root: int) -> list[Station]:
    """Return Modbus units and register maps of all devices that speak Modbus."""
    return stations(pair for domain in domains for pair in devices(_speaking_modbus(domain), root))


def _speaking_modbus(domain: DomainConfig) -> DomainConfig:
    """Return a domain with those entries only that speak Modbus, as they stand in its file."""
    speaking = tuple(entry for _, entry in domain.entries() if "modbus" in entry.protocols)
    return domain.model_copy(update={"equipment": speaking, "lines": (), "sensors": ()})


def _domain(path: Path, name: str, data: Path | None) -> DomainConfig:
    file = _beside(path, name)
    return parse(_fill(read_yaml(file), data, str(file)), DomainConfig, str(file))


def _beside(path: Path, name: str) -> Path:
    return (path.parent / name).resolve() if not Path(name).is_absolute() else Path(name)


def _fill(value: Any, data: Path | None, where: str) -> Any:
    """Replace ``${data}`` in every text of a YAML value."""
    if isinstance(value, dict):
        return {
            key: _fill(item, data, f"{where}:{key}" if ":" not in where else f"{where}.{key}")
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_fill(item, data, where) for item in value]
    if isinstance(value, str) and "${data}" in value:
        if data is None:
            raise ConfigError(where, "needs a data folder", "give it with --data DIR or in the file")
        return value.replace("${data}", str(data))
    return value
