"""The event log as a record to compute from: names of events, and texts that are ``key=value`` words.

Key figures of manufacturing (ISO 22400-2) are computed from these events alone:

=================  ==============================================================================================
name               text
=================  ==============================================================================================
``state``          ``state=held was=execute cause=splice``: PackML state names, and why (see `CAUSES`)
``lot``            ``lot=12 product=1 made=2400 good=2391 scrap=9 rate=6000``: ``rate`` is units an hour by design
``setup-begin``    ``setup=changeover product=2``
``setup-end``      the same, when it is over
``shift-begin``    ``hours=16`` of planned busy time that begin now
``shift-end``      planned busy time is over
``failure``        words; the equipment is down from here
``repair-wait``    ``component=jaws busy=4``: no crew is free
``repair-begin``   ``component=jaws``
``repaired``       words; corrective maintenance ends
``maintain-wait``  ``busy=4``: planned maintenance waits for a crew
``maintenance``    words; planned maintenance begins
``maintained``     words; planned maintenance ends
=================  ==============================================================================================
"""

from __future__ import annotations

from typing import Final

STATE: Final = "state"
LOT: Final = "lot"
SETUP_BEGIN: Final = "setup-begin"
SETUP_END: Final = "setup-end"
SHIFT_BEGIN: Final = "shift-begin"
SHIFT_END: Final = "shift-end"
FAILURE: Final = "failure"
REPAIR_WAIT: Final = "repair-wait"
REPAIR_BEGIN: Final = "repair-begin"
REPAIRED: Final = "repaired"
MAINTAIN_WAIT: Final = "maintain-wait"
MAINTENANCE: Final = "maintenance"
MAINTAINED: Final = "maintained"

#: why a state was entered; equipment may name others of its own
CAUSES: Final = (
    "starved", "blocked", "splice", "jam", "changeover", "setup", "failure", "maintenance", "command", "guard",
    "shift", "cleaning", "recalibration",
)  # fmt: skip


def compose(**fields: str | float) -> str:
    """Return the text of an event; values must not hold blanks."""
    return " ".join(f"{name}={_text(value)}" for name, value in fields.items() if value != "")


def fields(text: str) -> dict[str, str]:
    """Return the words of a text that are ``key=value``; others are left out."""
    return dict(word.split("=", 1) for word in text.split() if "=" in word)


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.10g}"
