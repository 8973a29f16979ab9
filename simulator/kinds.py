"""Every kind of the simulator. A new kind is its own file and one line here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from simulator.equipment.air_station import AirStationConfig
from simulator.equipment.compressor import CompressorConfig
from simulator.equipment.conveyor import ConveyorConfig
from simulator.equipment.crossing import CrossingConfig
from simulator.equipment.fan import FanConfig
from simulator.equipment.pump import PumpConfig
from simulator.equipment.replay import ReplayConfig

#: every equipment kind there is, one line each: factory, logistics, urban
Equipment = Annotated[
    PumpConfig
    | FanConfig
    | CompressorConfig
    | ReplayConfig
    | ConveyorConfig
    | AirStationConfig
    | CrossingConfig,
    Field(discriminator="kind"),
]
