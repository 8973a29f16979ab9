"""Numbers with their origin: a test report must say which limit was read in a source and which was assumed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import PlainSerializer

from core.config import Config, Duration, Label

#: a duration that survives a round trip through JSON (an ``int`` there would be read as seconds)
Span = Annotated[Duration, PlainSerializer(lambda ns: f"{ns}ns", return_type=str, when_used="json")]

#: ``found`` was read in a source, ``derived`` is arithmetic on found values, ``unverified`` is an assumption
Basis = Literal["found", "derived", "unverified"]
Compare = Literal[">", ">="]


class Sourced(Config):
    """Something with an origin; ``source`` says where it was read, or why it was chosen."""

    basis: Basis
    source: Label


class Setting(Sourced):
    """A number of the test method."""

    value: float


class Limit(Sourced):
    """A limit; ``compare`` is the switch between *exceeds* (``>``) and *reaches* (``>=``)."""

    value: float
    compare: Compare = ">"

    def holds(self, measured: float) -> bool:
        """Tell whether a measured value keeps the limit."""
        return measured > self.value if self.compare == ">" else measured >= self.value


class Requirement(Config):
    """One line of a verdict: what is measured, how (``method``), and the limit it must keep."""

    measure: str
    name: Label
    unit: str
    limit: Limit
    method: Sourced
