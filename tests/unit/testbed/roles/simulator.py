"""A role that only follows orders, for tests of the supervisor."""

import sys

from testbed.control import PipeControl, run_role


async def role(control: PipeControl) -> None:
    print("a library prints into standard output")
    control.say("ready")
    while (order := await control.next()) != "stop":
        control.say("drained", emitted={"s/a/d/x": 3}, order=order)


if len(sys.argv) > 1:
    run_role(role)
