"""Every kind of the simulator. A new kind is its own file and one line here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from simulator.equipment.air_station import AirStationConfig
from simulator.equipment.capper import CapperConfig
from simulator.equipment.case_packer import CasePackerConfig
from simulator.equipment.cnc import CncConfig
from simulator.equipment.compressor import CompressorConfig
from simulator.equipment.conveyor import ConveyorConfig
from simulator.equipment.fan import FanConfig
from simulator.equipment.filler import FillerConfig
from simulator.equipment.labeller import LabellerConfig
from simulator.equipment.pump import PumpConfig
from simulator.equipment.replay import ReplayConfig

#: every equipment kind there is, one line each
Equipment = Annotated[
    AirStationConfig  # urban
    | ConveyorConfig  # logistics
    | CapperConfig  # factory
    | CasePackerConfig
    | CncConfig
    | CompressorConfig
    | FanConfig
    | FillerConfig
    | LabellerConfig
    | PumpConfig
    | ReplayConfig,  # anything recorded
    Field(discriminator="kind"),
]
