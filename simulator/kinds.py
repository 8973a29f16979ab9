"""Every kind of the simulator. A new kind is its own file and one line here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from simulator.equipment.air_station import AirStationConfig
from simulator.equipment.conveyor import ConveyorConfig
from simulator.equipment.crossing import CrossingConfig
from simulator.equipment.dock import DockConfig
from simulator.equipment.pump import PumpConfig
from simulator.equipment.van import VanConfig

#: every equipment kind there is, one line each
Equipment = Annotated[
    AirStationConfig  # urban
    | ConveyorConfig  # logistics
    | CrossingConfig  # urban
    | DockConfig  # logistics
    | PumpConfig  # factory
    | VanConfig,  # logistics
    Field(discriminator="kind"),
]
