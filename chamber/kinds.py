"""Everything that a test plan can be built of."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from chamber.checks.dust_check import DustConfig
from chamber.devices import LowCostPmConfig
from chamber.profiles import OutdoorConfig, StepsConfig

ProfileConfig = Annotated[StepsConfig | OutdoorConfig, Field(discriminator="kind")]
CheckConfig = DustConfig
DeviceConfig = LowCostPmConfig
