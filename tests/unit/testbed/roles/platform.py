"""A role that refuses to work, saying why."""

import sys

from core.errors import ConfigError
from testbed.control import PipeControl, run_role


async def role(control: PipeControl) -> None:
    raise ConfigError("scenario.yaml:speed", "not a number", "write 1 or max")


if len(sys.argv) > 1:
    run_role(role)
