"""What a drain hands to a store beside rows and notes, to be kept in the same transaction."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from core.batch import Batch
from core.errors import StoreUnavailable
from core.ports import Note, Store


@dataclass(frozen=True, slots=True)
class Extra:
    """``counts``: rows taken in by stream index, before stages; ``state``: the stages' open windows as JSON."""

    counts: Mapping[int, int] = field(default_factory=dict)
    state: str = ""


NOTHING = Extra()


class DrainStore(Store, Protocol):
    """A store that can follow a drain through kills: it keeps ``Extra`` and gives it back."""

    def write(self, batches: Sequence[Batch], notes: Sequence[Note], position: int, extra: Extra = NOTHING) -> None:
        """Keep rows, notes, position and extra, in one transaction where it can."""
        ...

    def keep(self, notes: Sequence[Note]) -> None:
        """Keep notes that did not come through the buffer (the platform's own), in a transaction of their own.

        May be called from another thread than ``write``.
        """
        ...

    def counts(self) -> dict[str, int]:
        """Return rows taken in by stream path."""
        ...

    def state(self) -> str:
        """Return the stages' state as of :meth:`position`."""
        ...

    def flush(self) -> None:
        """Put away what is only in memory."""
        ...


class Busy(StoreUnavailable):
    """The store asks for a pause of ``wait_s`` seconds."""

    def __init__(self, text: str, wait_s: float) -> None:
        self.wait_s = wait_s
        super().__init__(text)


def jittered(wait_s: float) -> float:
    """Return a pause with up to a fifth more, so that many clients do not come back in the same moment."""
    return wait_s * random.uniform(1.0, 1.2)
