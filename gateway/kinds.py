"""Every kind of source, stage and store that a configuration can name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from core.config import Config
from gateway.buffer import BufferConfig
from gateway.commands import CommandConfig
from gateway.deadletters import DeadLetterConfig
from gateway.drain import DrainConfig
from gateway.endpoint import EndpointConfig
from gateway.rules import RuleConfig
from gateway.sources.memory import MemorySourceConfig
from gateway.sources.modbus import ModbusSourceConfig
from gateway.sources.mqtt import MqttSourceConfig
from gateway.sources.opcua import OpcuaSourceConfig
from gateway.sources.sparkplug import SparkplugSourceConfig
from gateway.stages.downsample import DownsampleConfig
from gateway.stages.units import UnitsConfig
from gateway.stores.duck import DuckConfig
from gateway.stores.influx import InfluxConfig
from gateway.stores.memory import MemoryStoreConfig
from gateway.stores.parquet import ParquetConfig
from gateway.supervise import SuperviseConfig
from gateway.validate import ValidateConfig

SourceConfig = Annotated[
    MqttSourceConfig | OpcuaSourceConfig | SparkplugSourceConfig | ModbusSourceConfig | MemorySourceConfig,
    Field(discriminator="kind"),
]
StageConfig = Annotated[UnitsConfig | DownsampleConfig, Field(discriminator="kind")]
StoreConfig = Annotated[DuckConfig | InfluxConfig | MemoryStoreConfig, Field(discriminator="kind")]


class GatewayConfig(Config):
    sources: tuple[SourceConfig, ...] = ()
    rules: tuple[RuleConfig, ...] = ()
    stages: tuple[StageConfig, ...] = (DownsampleConfig(),)
    store: StoreConfig = DuckConfig()
    also: tuple[StoreConfig, ...] = ()
    raw: ParquetConfig = ParquetConfig()
    buffer: BufferConfig = BufferConfig()
    validate_: ValidateConfig = Field(ValidateConfig(), alias="validate")
    commands: CommandConfig = CommandConfig()
    dead_letters: DeadLetterConfig = DeadLetterConfig()
    supervise: SuperviseConfig = SuperviseConfig()
    drain: DrainConfig = DrainConfig()
    inflight: int = 64
    #: where health and figures are served; none: nowhere (the portal shows them too)
    endpoint: EndpointConfig | None = None

    @model_validator(mode="after")
    def _stores_only(self) -> GatewayConfig:
        shared = any(isinstance(source, MqttSourceConfig) and source.share for source in self.sources)
        if shared and self.rules:
            raise ValueError("a gateway with a shared source only stores: leave its rules to one that hears every row")
        if shared and self.validate_.gaps.watch:
            raise ValueError("a gateway with a shared source sees some rows only: write validate: {gaps: {watch: no}}")
        return self
