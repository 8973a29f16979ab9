"""Impaired links: what a network does to the messages of one connection.

Loss follows Gilbert (1960) and Elliott (1963): a link is good or bad; a bad one loses a message with ``loss_bad``. The
state is stepped by the clock, once a ``slot``, so that all streams on a link share a burst, and is a function of the
link's key and the slot's number alone. Delay is lognormal around a median. Every draw of a message is hashed from its
stream and row number: it fares the same in every run. Preset figures are design defaults, not claims: see
docs/faults.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from core import seed
from core.clock import MS, NS
from core.config import Config, Duration
from simulator.lora import LoraConfig

_ATTEMPTS = 12
_SCAN = 64
_OLDEST = 1 << 16  # slots looked back for what decided the state


class LinkConfig(Config):
    """Settings of a link.

    Attributes
    ----------
    to_bad, to_good
        Chance a slot of changing state.
    loss_bad, loss_good
        Chance that a message is lost in the bad and in the good state.
    slot
        ns for which a state holds.
    delay, spread
        ns, median one-way delay, and the standard deviation of its logarithm.
    duplicate
        Chance that a message comes twice.
    reorder, reorder_by
        Chance that a message comes that many ns later, behind those after it.
    retry
        ns after which a lost message is sent again, twice as long each time; 0: it is not.
    ordered
        Whether a late message holds up those behind it, as TCP does.
    congestion
        How much a full network adds: delay and ``to_bad`` are multiplied by 1 + congestion x load.
    lora
        Time on air, for links over LoRa.
    """

    to_bad: float = Field(default=0.0, ge=0, le=1)
    to_good: float = Field(default=1.0, gt=0, le=1)
    loss_bad: float = Field(default=1.0, ge=0, le=1)
    loss_good: float = Field(default=0.0, ge=0, le=1)
    slot: Duration = Field(default=NS, gt=0)
    delay: Duration = Field(default=0, ge=0)
    spread: float = Field(default=0.0, ge=0, le=3)
    duplicate: float = Field(default=0.0, ge=0, le=1)
    reorder: float = Field(default=0.0, ge=0, le=1)
    reorder_by: Duration = Field(default=500 * MS, ge=0)
    retry: Duration = Field(default=0, ge=0)
    ordered: bool = False
    congestion: float = Field(default=0.0, ge=0, le=20)
    lora: LoraConfig | None = None

    @model_validator(mode="after")
    def _two_states(self) -> LinkConfig:
        if self.to_bad > 0 and self.to_bad + self.to_good > 1:
            raise ValueError("to_bad and to_good together are at most 1")
        return self

    @property
    def loss(self) -> float:
        """Share of messages lost in the long run, before any is sent again."""
        bad = self.to_bad / (self.to_bad + self.to_good)
        return bad * self.loss_bad + (1.0 - bad) * self.loss_good

    @property
    def slow(self) -> bool:
        """Tell whether it delays messages by more than people would call immediate."""
        return self.delay >= 20 * MS or self.lora is not None


def _tcp(p: float, r: float, h: float, delay: str, spread: float, retry: str, congestion: float) -> LinkConfig:
    return LinkConfig.model_validate(
        {
            "to_bad": p, "to_good": r, "loss_bad": h, "delay": delay, "spread": spread, "retry": retry,
            "ordered": True, "congestion": congestion,
        }
    )  # fmt: skip


#: MQTT runs over TCP on all of these but LoRaWAN, so a lost packet comes late; an unconfirmed uplink is lost
PRESETS: dict[str, LinkConfig] = {
    "ethernet": _tcp(1e-5, 0.5, 0.5, "0.3ms", 0.3, "200ms", 0.0),
    "wifi": _tcp(0.002, 0.5, 0.7, "4ms", 0.57, "200ms", 1.0),
    "wifi_factory": _tcp(0.01, 0.3, 0.8, "12ms", 0.61, "200ms", 1.0),
    "5g": _tcp(2e-4, 0.5, 0.7, "7ms", 0.25, "200ms", 1.0),
    "lte_m": _tcp(0.002, 0.25, 0.8, "75ms", 0.3, "1s", 1.0),
    "nb_iot": _tcp(0.003, 0.2, 0.8, "1s", 1.0, "4s", 1.0),
    "lorawan": LinkConfig.model_validate(
        {"to_bad": 0.03, "to_good": 0.25, "loss_bad": 0.9, "slot": "10s", "delay": "300ms", "spread": 0.4,
         "congestion": 0.5, "lora": {"sf": 9}}
    ),
}  # fmt: skip


def _preset(value: Any) -> Any:
    """Return the settings that a name stands for; ``{preset: name, …}`` changes some of them."""
    name = value.get("preset") if isinstance(value, dict) else value
    if not isinstance(name, str):
        return value
    if name not in PRESETS:
        raise ValueError(f"no link is called {name!r}; there are {', '.join(PRESETS)}")
    if not isinstance(value, dict):
        return PRESETS[name]
    changes = LinkConfig.model_validate({k: v for k, v in value.items() if k != "preset"} | _kept(PRESETS[name], value))
    return PRESETS[name].model_copy(update={k: getattr(changes, k) for k in changes.model_fields_set})


def _kept(preset: LinkConfig, value: dict[str, Any]) -> dict[str, float]:
    """Return the chances of a preset that changes are judged together with."""
    return {k: getattr(preset, k) for k in ("to_bad", "to_good") if k not in value}


#: the name of a preset, ``{preset: name, …}`` or all settings
LinkRef = Annotated[LinkConfig, BeforeValidator(_preset, json_schema_input_type=str | dict[str, Any])]


class ConnectionConfig(Config):
    """How a device reaches the broker.

    Attributes
    ----------
    kind
        ``own``: a connection of its own (will, outages); ``area``: that of its area.
    link
        The link it goes over; none: a perfect one.
    store
        Whether rows wait on the device while the link is out; otherwise they are gone, but for ``replay``.
    replay
        Whether the device keeps its rows for a while and sends them again when asked.
    """

    kind: Literal["own", "area"] = "own"
    link: LinkRef | None = None
    store: bool = True
    replay: bool = True


@dataclass(frozen=True, slots=True)
class Worse:
    """What a fault adds to a link: chances, and ns of delay and jitter (standard deviation)."""

    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay: float = 0.0
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Passage:
    """How a message fared: the delays (ns) of its copies that arrive, and how often it was sent."""

    delays: tuple[int, ...]
    attempts: int = 1
    reordered: bool = False


class Link:
    """One connection's link. ``key`` names its randomness."""

    def __init__(self, config: LinkConfig, key: int) -> None:
        self.config = config
        self.key = key
        self._keys = np.array([key], dtype=np.int64)

    def bad(self, t: int, load: float = 0.0) -> bool:
        """Tell whether the link is bad at ``t`` (ns). ``load``: how full the network is, 0 to 1.

        Each slot has one uniform u: below ``to_bad`` the link is bad whatever it was, from 1 - ``to_good`` on it is
        good, in between it stays as it was. So the last slot that decided tells.
        """
        c = self.config
        stay = 1.0 - c.to_good
        p = min(c.to_bad * (1.0 + c.congestion * load), stay) if c.to_bad < stay else c.to_bad
        slot = t // c.slot
        for end in range(slot, slot - _OLDEST, -_SCAN) if p > 0 else ():
            u = seed.uniform(self._keys, np.arange(end - _SCAN + 1, end + 1, dtype=np.int64))
            decided = np.flatnonzero((u < p) | (u >= stay))
            if len(decided):
                return bool(u[decided[-1]] < p)
        return False

    def carry(
        self, stream: int, number: int, t: int, load: float = 0.0, worse: Worse = Worse(), retry: int = 0
    ) -> Passage:
        """Return how message ``number`` of a stream (its key) fares that is sent at ``t`` (ns).

        ``retry`` (ns) lets a link send again that does not by itself (what was asked for again is confirmed).
        """
        c = self.config
        again, since, attempts = c.retry or retry, 0, 0
        keys = np.array([stream], dtype=np.int64)
        u = seed.uniform(keys, np.arange(_ATTEMPTS + 2, dtype=np.int64) + 16 * number)
        while True:
            chance = c.loss_bad if self.bad(t + since, load) else c.loss_good
            chance = 1.0 - (1.0 - chance) * (1.0 - worse.loss)
            lost = u[attempts] < chance
            attempts += 1
            if not lost:
                break
            if not again:
                return Passage((), attempts)
            if attempts == _ATTEMPTS:
                break
            since += again << min(attempts - 1, 4)
        z = seed.normal(keys, np.arange(-4, 0, dtype=np.int64) - 16 * number)
        late = bool(u[-1] < c.reorder + worse.reorder)
        delays = c.delay * (1.0 + c.congestion * load) * np.exp(c.spread * z[:2])
        delays += worse.delay + np.abs(worse.jitter * z[2:]) + since + late * c.reorder_by
        copies = 2 if u[-2] < c.duplicate + worse.duplicate else 1
        return Passage(tuple(round(d) for d in delays[:copies].tolist()), attempts, late)
