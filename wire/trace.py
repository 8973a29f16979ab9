"""Trace ids on the wire: the user property ``traceparent`` of MQTT 5, in the form of W3C Trace Context.

``00-<32 hex digits: trace>-<16 hex digits: span>-01``. On MQTT 3.1.1 there are no user properties; the trace id of a
row can then be worked out from the row itself (:meth:`core.command.Cause.trace`).
"""

from __future__ import annotations

import re

from wire.session import Message, Properties

PROPERTY = "traceparent"
_FORM = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def properties(trace: str) -> Properties:
    """Return the user properties that carry a trace id; none for none."""
    return ((PROPERTY, f"00-{trace}-{trace[:16]}-01"),) if trace else ()


def trace_of(message: Message) -> str:
    """Return the trace id that a message came with, else nothing; a malformed one counts as none."""
    if not message.properties:
        return ""
    match = _FORM.fullmatch(message.property(PROPERTY))
    return match[1] if match and int(match[1], 16) else ""
