"""Every kind of the simulator. A new kind is its own file and one line here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from simulator.equipment.air_station import AirStationConfig
from simulator.equipment.conveyor import ConveyorConfig
from simulator.equipment.crossing import CrossingConfig
from simulator.equipment.replay import ReplayConfig
from simulator.equipment.rotating import RotatingConfig

#: every equipment kind there is, one line each: factory, logistics, urban
Equipment = Annotated[
    ReplayConfig
    | ConveyorConfig
    | AirStationConfig
    | CrossingConfig
    | RotatingConfig,
    Field(discriminator="kind"),
]
