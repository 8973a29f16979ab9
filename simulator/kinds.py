"""Every kind of the simulator. A new kind is its own file and one line here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from simulator.equipment.air_station import AirStationConfig
from simulator.equipment.conveyor import ConveyorConfig
from simulator.equipment.crossing import CrossingConfig
from simulator.equipment.dock import DockConfig
from simulator.equipment.meter import MeterConfig
from simulator.equipment.noise_node import NoiseNodeConfig
from simulator.equipment.pump import PumpConfig
from simulator.equipment.streetlight import StreetlightConfig
from simulator.equipment.van import VanConfig
from simulator.equipment.water_zone import WaterZoneConfig

#: every equipment kind there is, one line each
Equipment = Annotated[
    AirStationConfig  # urban
    | ConveyorConfig  # logistics
    | CrossingConfig  # urban
    | DockConfig  # logistics
    | MeterConfig  # urban
    | NoiseNodeConfig  # urban
    | PumpConfig  # factory
    | StreetlightConfig  # urban
    | VanConfig  # logistics
    | WaterZoneConfig,  # urban
    Field(discriminator="kind"),
]
