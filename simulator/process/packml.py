"""PackML states for packaging machines: codes of OPC 30060, and how the common state maps onto them.

What comes from outside (no material, no room) suspends a machine, what comes from inside (a splice, a jam) holds it
(OPC 30050). Every change passes through its acting state for a moment.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.grid import Floats
from simulator.states import State

_NAMES = (
    "stopped", "resetting", "idle", "starting", "execute", "completing", "complete", "aborting", "aborted",
    "stopping", "clearing", "suspending", "suspended", "unsuspending", "holding", "held", "unholding",
)  # fmt: skip
PACKML: dict[int, str] = dict(enumerate(_NAMES))
_CODE = {name: code for code, name in PACKML.items()}
_SETTLED = {
    State.IDLE: "idle",
    State.RUNNING: "execute",
    State.STOPPED: "stopped",
    State.MAINTENANCE: "stopped",
    State.FAILED: "aborted",
    State.BLOCKED: "suspended",
    State.STARVED: "suspended",
    State.SETUP: "held",
}
_ON_THE_WAY = {"stopped": "stopping", "aborted": "aborting", "suspended": "suspending", "held": "holding"}
_TO_EXECUTE = {"suspended": "unsuspending", "held": "unholding", "aborted": "clearing"}
_BASE = 32  # one number holds both codes
ACTING_S = 2.0


def name(state: State) -> str:
    """Return the PackML state that a common state settles in."""
    return _SETTLED[state]


def change(old: State, new: State) -> float:
    """Return the number that stands for the acting and the settled state after a change."""
    before, after = _SETTLED[old], _SETTLED[new]
    if after == before:
        acting = after
    elif after == "execute":
        acting = _TO_EXECUTE.get(before, "starting")
    else:
        acting = _ON_THE_WAY.get(after, "resetting")
    return float(_CODE[acting] * _BASE + _CODE[after])


START = change(State.IDLE, State.IDLE)


def code(number: Floats, since_s: Floats) -> NDArray[Any]:
    """Return PackML codes: of the acting state in the first moments after a change, then of the settled one."""
    acting = np.floor(number / _BASE)
    return np.where(since_s < ACTING_S, acting, number - acting * _BASE)
