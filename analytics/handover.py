"""What a history hands over to the live stream: filter states and the life that each asset is in.

Saved beside a model, it lets the serving process go on at once instead of running the history again.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analytics.filters import FilterBank, FilterConfig
from analytics.lives import Life
from core.errors import ModelError


@dataclass(frozen=True, slots=True, eq=False)
class Handover:
    """State of D assets at the end of a history.

    Attributes
    ----------
    devices
        Paths, in the order of the bank's rows.
    lives
        The latest life of each device that was seen.
    bank
        Filter states.
    end
        End of the last window, ns UTC.
    """

    devices: list[str]
    lives: list[Life]
    bank: FilterBank
    end: int

    def save(self, path: Path) -> None:
        """Write to an ``.npz`` file, replaced atomically."""
        head = {"devices": self.devices, "lives": [asdict(life) for life in self.lives], "end": self.end}
        scratch = path.with_name(f".{path.name}.part.npz")
        arrays: dict[str, Any] = {"head": np.array(json.dumps(head)), **self.bank.arrays()}
        np.savez(scratch, **arrays)
        scratch.replace(path)

    @classmethod
    def load(cls, path: Path, filters: FilterConfig, slots: int) -> Handover:
        """Return the handover of :meth:`save`; ``filters`` and ``slots`` are those of its model.

        Raises
        ------
        ModelError
            If the file is missing, broken, or of other slots.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                head: dict[str, Any] = json.loads(str(arrays["head"]))
                bank = FilterBank(filters, len(head["devices"]), slots)
                bank.take_arrays({name: arrays[name] for name in arrays.files if name != "head"})
            return cls(head["devices"], [Life(**life) for life in head["lives"]], bank, int(head["end"]))
        except FileNotFoundError as error:
            raise ModelError(f"{path} is missing: train anew") from error
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise ModelError(f"{path} is no handover of this model: {error!r:.120}") from error
