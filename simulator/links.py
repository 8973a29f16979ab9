"""Impaired links: what a network does to the messages of one connection.

Loss follows Gilbert (1960) and Elliott (1963): in the good state nothing is lost, in the bad state each message with
``loss_bad``; delay is lognormal around a median. Preset figures are design defaults, not claims.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from pydantic import Field

from core import seed
from core.config import Config, Duration


class LinkConfig(Config):
    """Settings of a link.

    Attributes
    ----------
    to_bad, to_good
        Chance a message of changing state.
    loss_bad
        Chance that a message in the bad state is lost.
    delay
        ns, median one-way delay.
    spread
        Standard deviation of the delay's logarithm.
    duplicate
        Chance that a message comes twice.
    """

    to_bad: float = Field(default=0.0, ge=0, le=1)
    to_good: float = Field(default=1.0, gt=0, le=1)
    loss_bad: float = Field(default=1.0, ge=0, le=1)
    delay: Duration = 0
    spread: float = Field(default=0.0, ge=0, le=3)
    duplicate: float = Field(default=0.0, ge=0, le=1)

    @property
    def loss(self) -> float:
        """Share of messages lost in the long run."""
        return self.loss_bad * self.to_bad / (self.to_bad + self.to_good)


PRESETS: dict[str, LinkConfig] = {
    "ethernet": LinkConfig(to_bad=1e-5, to_good=0.5, loss_bad=0.5, delay="0.333ms", spread=0.3),
    "wifi": LinkConfig(to_bad=0.002, to_good=0.5, loss_bad=0.7, delay="4ms", spread=0.57),
    "wifi-factory": LinkConfig(to_bad=0.01, to_good=0.3, loss_bad=0.8, delay="12ms", spread=0.61),
    "5g": LinkConfig(to_bad=2e-4, to_good=0.5, loss_bad=0.7, delay="7ms", spread=0.25),
    "lte-m": LinkConfig(to_bad=0.002, to_good=0.25, loss_bad=0.8, delay="75ms", spread=0.3),
    "nb-iot": LinkConfig(to_bad=0.003, to_good=0.2, loss_bad=0.8, delay="1000ms", spread=1.0),
    "lorawan": LinkConfig(to_bad=0.03, to_good=0.25, loss_bad=0.9, delay="1300ms", spread=0.2),
}


@dataclass(slots=True)
class Link:
    """One connection's link. ``key`` names its randomness; message n fares the same in every run."""

    config: LinkConfig
    key: int
    sent: int = field(default=0, init=False)
    bad: bool = field(default=False, init=False)

    def carry(self) -> list[int]:
        """Return the delays (ns) of the copies of the next message that arrive: none where it is lost."""
        keys = np.array([self.key], dtype=np.int64)
        change, lose, twice = seed.uniform(keys, np.arange(3, dtype=np.int64) + 3 * self.sent).tolist()
        delays = self.config.delay * np.exp(
            self.config.spread * seed.normal(keys + 1, np.arange(2, dtype=np.int64) + 2 * self.sent)
        )
        self.sent += 1
        self.bad = change >= self.config.to_good if self.bad else change < self.config.to_bad
        if self.bad and lose < self.config.loss_bad:
            return []
        copies = 2 if twice < self.config.duplicate else 1
        return [round(d) for d in delays[:copies].tolist()]
