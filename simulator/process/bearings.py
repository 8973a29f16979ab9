"""Rolling bearings: defect frequencies from their geometry, and the impacts of a spall as acceleration.

Kinematics without slip (pure rolling), in multiples of the shaft speed, with d/D ball over pitch diameter:

    FTF = (1 - d/D cos a) / 2            BPFO = N (1 - d/D cos a) / 2
    BPFI = N (1 + d/D cos a) / 2         BSF = D/d (1 - (d/D cos a)^2) / 2

The 6205 (9 balls, 0.3126 in on 1.537 in) and 6203 give the multiples that the CWRU bearing data centre lists. Impacts
ring a structure down, x = A (1 + m cos 2 pi f_m t) exp(-z w s) sin(w s) after each; they come a little irregularly,
since balls slip. An inner race is loaded once a turn, a ball once a turn of the cage: so their impacts are modulated.
Slip, damping, modulation and how often which part spalls first are assumptions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from simulator.grid import Floats
from simulator.view import View

Part = Literal["outer", "inner", "ball", "cage"]
PARTS: Final[tuple[Part, ...]] = ("outer", "inner", "ball", "cage")
_SHARES = np.array([0.5, 0.3, 0.15, 0.05])  # of first spalls
_MODULATION = np.array([0.1, 0.7, 0.6, 0.3])
_JITTER = 0.01  # standard deviation of an impact's time, in intervals
_LEAD = 0.08  # impacts come that much after their number, so that jitter never makes one early
_SLIP = 0.006  # mean share by which the cage lags behind pure rolling
RINGING_HZ = 900.0
DAMPING = 0.06


@dataclass(frozen=True, slots=True)
class Bearing:
    """Geometry; diameters in one unit, angle of contact in degrees."""

    balls: int
    ball: float
    pitch: float
    angle: float = 0.0

    @property
    def ratio(self) -> float:
        """d/D cos a."""
        return self.ball / self.pitch * math.cos(math.radians(self.angle))

    @property
    def ftf(self) -> float:
        """Turns of the cage a turn of the shaft."""
        return (1.0 - self.ratio) / 2.0

    @property
    def bpfo(self) -> float:
        """Balls that pass a place of the outer race a turn."""
        return self.balls * self.ftf

    @property
    def bpfi(self) -> float:
        """Balls that pass a place of the inner race a turn."""
        return self.balls * (1.0 + self.ratio) / 2.0

    @property
    def bsf(self) -> float:
        """Turns of a ball about itself a turn; a spall on it hits a race twice as often."""
        return self.pitch / self.ball * (1.0 - self.ratio * self.ratio) / 2.0

    def order(self, part: Part) -> float:
        """Return impacts a turn of a spall on a part."""
        return {"outer": self.bpfo, "inner": self.bpfi, "ball": 2.0 * self.bsf, "cage": self.ftf}[part]


BEARINGS: Final = {"6205": Bearing(9, 0.3126, 1.537), "6203": Bearing(8, 0.2656, 1.122)}


def spalled(view: View, life: Floats) -> Floats:
    """Return which part spalls first in a life, as index into `PARTS`; drawn by (device, number of the life)."""
    drawn = view.hashed("spall", life.astype(np.int64))
    return np.asarray(np.searchsorted(np.cumsum(_SHARES)[:-1], drawn, side="right"), dtype=np.float64)


def impacts(view: View, turns: Floats, hz: Floats, bearing: Bearing, part: Floats) -> tuple[Floats, Floats]:
    """Return (ringing of unit height, impacts a second) of a spall.

    ``turns`` are shaft revolutions, ``hz`` the shaft speed, ``part`` indices into `PARTS`; all [n, d].
    """
    which = part.astype(np.intp)
    slip = 1.0 - _SLIP * (1.0 + 0.3 * view.trait("slip"))
    orders = np.array([bearing.order(p) for p in PARTS])[which] * slip
    carrier = np.where(which == 1, turns, turns * bearing.ftf * slip)
    depth = _MODULATION[which]
    passed = turns * orders
    number = np.floor(passed).astype(np.int64)
    rate = np.maximum(hz, 0.01) * orders
    sound = np.zeros(view.t.shape)
    for back in range(3):  # an older one has died away
        came = (number - back) + _LEAD + _JITTER * view.hashed_normal("jitter", number - back)
        since = (passed - came) / rate
        height = 1.0 + depth * np.cos(2.0 * np.pi * (carrier - since * np.maximum(hz, 0.01)))
        sound = sound + np.where(since >= 0, height * _ring(np.maximum(since, 0.0)), 0.0)
    return sound, rate


def _ring(s: Floats) -> Floats:
    w = 2.0 * np.pi * RINGING_HZ
    return np.asarray(np.exp(s * (-DAMPING * w)) * np.sin(s * w), dtype=np.float64)


def velocity_rms(rate: Floats) -> Floats:
    """Return the r.m.s. velocity (m/s) of impacts of 1 m/s2, so many a second.

    Each rings with energy 1 / (4 z w), and leaves 1 / w of velocity behind, which the support takes back until the
    next: a saw tooth, 1 / (w sqrt 12).
    """
    w = 2.0 * np.pi * RINGING_HZ
    return np.asarray(np.sqrt(rate / (4.0 * DAMPING * w) + 1.0 / 12.0) / w, dtype=np.float64)
