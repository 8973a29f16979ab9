"""Quality of a value as Sparkplug says it: property ``Quality`` (Int32), one of 0 BAD, 192 GOOD, 500 STALE.

Absent means GOOD. Our finer codes travel beside it as ``qualityCode``; what is uncertain goes as STALE, since a
host that knows only the three must not take it for good.
"""

from __future__ import annotations

from core.quality import BAD, CODES, GOOD, MAJOR, UNCERTAIN, UNCERTAIN_LAST_USABLE
from wire.sparkplug.payload import Properties

STALE = 500
_KNOWN = frozenset(CODES)
_OUT: dict[int, Properties] = {
    code: {"Quality": BAD if code & MAJOR == BAD else STALE, "qualityCode": code} for code in CODES if code != GOOD
}


def to_properties(code: int) -> Properties:
    """Return the properties of a quality code; none for GOOD. Shared: not to be changed."""
    return {} if code == GOOD else _OUT.get(code) or {"Quality": BAD, "qualityCode": code}


def from_properties(properties: Properties, missing: bool) -> int:
    """Return the quality code of a metric; ``missing`` where its value is null."""
    said = properties.get("Quality", GOOD)
    fine = properties.get("qualityCode")
    if fine in _KNOWN and (said == GOOD) == (fine == GOOD):
        code = int(fine)
    else:
        code = {GOOD: GOOD, STALE: UNCERTAIN_LAST_USABLE, UNCERTAIN: UNCERTAIN}.get(said, BAD)
    return BAD if missing and code & MAJOR != BAD else code
