"""A role that ignores orders and must be killed."""

import sys
import time

from testbed.control import PipeControl, run_role


async def role(control: PipeControl) -> None:
    control.say("ready")
    time.sleep(60)  # noqa: ASYNC251  the point is to be deaf


if len(sys.argv) > 1:
    run_role(role)
