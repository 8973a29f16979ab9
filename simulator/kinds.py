"""Every kind of the simulator. A new kind is its own file and one line here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from simulator.equipment.air_station import AirStationConfig
from simulator.equipment.amr import AmrConfig
from simulator.equipment.capper import CapperConfig
from simulator.equipment.case_packer import CasePackerConfig
from simulator.equipment.chiller import ChillerConfig
from simulator.equipment.climate_hall import ClimateHallConfig
from simulator.equipment.cnc import CncConfig
from simulator.equipment.compressor import CompressorConfig
from simulator.equipment.conveyor import ConveyorConfig
from simulator.equipment.crossing import CrossingConfig
from simulator.equipment.dock import DockConfig
from simulator.equipment.fan import FanConfig
from simulator.equipment.filler import FillerConfig
from simulator.equipment.generic import GenericConfig
from simulator.equipment.hydraulic_press import HydraulicPressConfig
from simulator.equipment.induction_furnace import InductionFurnaceConfig
from simulator.equipment.injection_press import InjectionPressConfig
from simulator.equipment.inspection import InspectionConfig
from simulator.equipment.labeller import LabellerConfig
from simulator.equipment.meter import MeterConfig
from simulator.equipment.noise_node import NoiseNodeConfig
from simulator.equipment.pallet_wrapper import PalletWrapperConfig
from simulator.equipment.parking import ParkingConfig
from simulator.equipment.pm_sensor import PmSensorConfig
from simulator.equipment.pump import PumpConfig
from simulator.equipment.replay import ReplayConfig
from simulator.equipment.smart_label import SmartLabelConfig
from simulator.equipment.streetlight import StreetlightConfig
from simulator.equipment.van import VanConfig
from simulator.equipment.water_zone import WaterZoneConfig
from simulator.equipment.yard import YardConfig
from simulator.publish.modbus import ModbusPublisherConfig
from simulator.publish.mqtt import MqttPublisherConfig
from simulator.publish.opcua import OpcuaPublisherConfig
from simulator.publish.sparkplug import SparkplugPublisherConfig
from simulator.wear.bearing import BearingWear
from simulator.wear.fouling import FoulingWear
from simulator.wear.tool import ToolWear

#: every equipment kind there is, one line each: factory, logistics, urban
Equipment = Annotated[
    PumpConfig
    | FanConfig
    | CompressorConfig
    | CncConfig
    | FillerConfig
    | CapperConfig
    | LabellerConfig
    | CasePackerConfig
    | InjectionPressConfig
    | HydraulicPressConfig
    | InductionFurnaceConfig
    | ChillerConfig
    | PalletWrapperConfig
    | InspectionConfig
    | ClimateHallConfig
    | ReplayConfig
    | ConveyorConfig
    | DockConfig
    | VanConfig
    | AmrConfig
    | YardConfig
    | SmartLabelConfig
    | AirStationConfig
    | CrossingConfig
    | WaterZoneConfig
    | NoiseNodeConfig
    | StreetlightConfig
    | MeterConfig
    | ParkingConfig
    | PmSensorConfig
    | GenericConfig,
    Field(discriminator="kind"),
]

#: every way in which a part wears
Wear = Annotated[BearingWear | ToolWear | FoulingWear, Field(discriminator="kind")]

#: every protocol that the simulator speaks
Publish = Annotated[
    MqttPublisherConfig | OpcuaPublisherConfig | SparkplugPublisherConfig | ModbusPublisherConfig,
    Field(discriminator="kind"),
]
