"""The common states of equipment, and the commands that most of it takes."""

from __future__ import annotations

from enum import IntEnum

from core.spec import CommandSpec, Name


class State(IntEnum):
    """Common state of equipment; the code of the channel ``state``."""

    IDLE = 0
    RUNNING = 1
    STOPPED = 2
    MAINTENANCE = 3
    FAILED = 4
    BLOCKED = 5
    STARVED = 6
    SETUP = 7


STATES: dict[int, str] = {state.value: state.name.lower() for state in State}
#: OPC 40001-1 MachineryItemState: 0 NotAvailable, 1 OutOfService, 2 NotExecuting, 3 Executing
MACHINERY_ITEM_STATE: dict[State, int] = {
    State.IDLE: 2,
    State.RUNNING: 3,
    State.STOPPED: 2,
    State.MAINTENANCE: 1,
    State.FAILED: 1,
    State.BLOCKED: 2,
    State.STARVED: 2,
    State.SETUP: 2,
}
DOWN = frozenset({State.STOPPED, State.MAINTENANCE, State.FAILED})

START = CommandSpec("start", label=Name("시작", "Start"))
STOP = CommandSpec("stop", label=Name("정지", "Stop"))
MAINTAIN = CommandSpec("maintain", {"duration": "s", "parts": "1"}, Name("정비", "Maintain"))
DERATE = CommandSpec("derate", {"factor": "1"}, Name("출력 제한", "Derate"))
COMMON: tuple[CommandSpec, ...] = (START, STOP, MAINTAIN)
