"""A component that wears, fails and is renewed.

Wear is a function of *effective age*: operating time multiplied by the wear rate (load, faults). A life's whole
path is drawn when the component is installed, from (seed, device, component, number of the life) alone, so the
k-th life is the same under every policy, and the failure's instant follows exactly from age and rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import simpy
from numpy.typing import NDArray

from core.clock import NS
from simulator.grid import Floats
from simulator.state import Column, Ramp, StateTable, Step

WEAR = "wear"


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """Wear over effective age: knots ``step_s`` apart from age 0, 0 = new, 1 = failed; fails at ``life_s``.

    ``used_s`` is the age at which the part is found if it is the device's first one.
    """

    step_s: float
    levels: Floats
    life_s: float
    used_s: float = 0.0

    def wear(self, age_s: float) -> float:
        """Return wear at one effective age."""
        at = age_s / self.step_s
        knot = min(max(int(at), 0), len(self.levels) - 2)
        low = float(self.levels[knot])
        return min(max(low + (float(self.levels[knot + 1]) - low) * (at - knot), 0.0), 1.0)


def gamma_path(mean: Floats, roughness: float, step_s: float, draw: np.random.Generator) -> Path:
    """Return a path whose mean follows ``mean`` (knots ``step_s`` apart) and whose rises are gamma distributed.

    ``roughness`` is the variance that a full life adds; 0 follows the mean exactly.
    """
    rises = np.diff(mean)
    if roughness > 0:
        rises = draw.gamma(rises / roughness, roughness)
    levels = np.concatenate([[0.0], np.cumsum(rises)])
    levels[-1] = max(levels[-1], 1.0)
    after = int(np.argmax(levels >= 1.0))
    low, high = levels[after - 1], levels[after]
    return Path(step_s, levels, step_s * (after - 1 + float((1.0 - low) / (high - low))))


class WearModel(Protocol):
    """Draws the wear of one life from its own generator. Same number of knots for every life."""

    def path(self, draw: np.random.Generator) -> Path:
        """Return the wear of one life."""
        ...


def columns_of(component: str) -> dict[str, Column]:
    """Return the state columns that a component needs."""
    return {f"{component}.age": Ramp(), f"{component}.path": Step(), f"{component}.life": Step()}


class PathPool:
    """Every life's path of one component of a fleet, as rows of a table."""

    def __init__(self) -> None:
        self._steps: list[float] = []
        self._rows: list[Floats] = []
        self._table: tuple[Floats, Floats] | None = None

    def add(self, path: Path) -> int:
        """Keep a path; returns its row."""
        self._steps.append(path.step_s)
        self._rows.append(path.levels)
        self._table = None
        return len(self._rows) - 1

    def wear(self, row: Floats, age: Floats) -> Floats:
        """Return wear (0 new, 1 failed) of effective ages (s) on the given rows, any shape."""
        if self._table is None:
            self._table = np.array(self._steps), np.stack(self._rows)
        steps, levels = self._table
        which = row.astype(np.intp)
        at = age / steps[which]
        knot = np.clip(at.astype(np.intp), 0, levels.shape[1] - 2)
        low = levels[which, knot]
        wear = low + (levels[which, knot + 1] - low) * (at - knot)
        return np.asarray(np.clip(wear, 0.0, 1.0), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Life:
    """The life a component is in."""

    number: int
    since: int
    path: Path


class Component:
    """One component of one device.

    Parameters
    ----------
    name
        Name within the device, e.g. ``bearing``.
    model
        How it wears.
    generator
        Returns the generator of the k-th life.
    table, device
        Where its state columns live.
    pool
        Paths of its fleet.
    env
        Event clock (ns).
    on_failure
        Called at the instant it fails.
    """

    def __init__(
        self,
        name: str,
        model: WearModel,
        generator: Callable[[int], np.random.Generator],
        table: StateTable,
        device: int,
        pool: PathPool,
        env: simpy.Environment,
        on_failure: Callable[[Component], None],
    ) -> None:
        self.name = name
        self.factor = 1.0  # of faults, ends with the life
        self.life = Life(-1, 0, Path(1.0, np.zeros(2), 0.0))
        self.failed = False
        self.mode = WEAR  # how the present life ended or would end
        self._model = model
        self._generator = generator
        self._table = table
        self._device = device
        self._pool = pool
        self._env = env
        self._on_failure = on_failure
        self._rate = 0.0
        self._due: int | None = None  # when it is next looked whether the life is over

    @property
    def _now(self) -> int:
        return self._env.now  # type: ignore[return-value]  # our clock holds integers only

    @property
    def age_s(self) -> float:
        """Effective age of the present life in s."""
        return self._table.get(self._device, f"{self.name}.age", self._now)

    @property
    def wear(self) -> float:
        """Present wear, 0 new to 1 failed."""
        return self.life.path.wear(self.age_s)

    def install(self) -> None:
        """Begin the next life: a new part, without the faults of the old one. It rests until ``run_at``."""
        number = self.life.number + 1
        path = self._model.path(self._generator(number))
        self.life = Life(number, self._now, path)
        self.factor, self.failed, self.mode, self._rate = 1.0, False, WEAR, 0.0
        self._table.put(self._device, f"{self.name}.path", self._now, float(self._pool.add(path)))
        self._table.put(self._device, f"{self.name}.life", self._now, float(number))
        self._table.put(self._device, f"{self.name}.age", self._now, 0.0 if number else path.used_s, 0.0)

    def run_at(self, rate: float) -> None:
        """Wear on at effective seconds a second (0: at rest)."""
        if self.failed or rate == self._rate:
            return
        age = self.age_s
        self._rate = rate
        self._table.put(self._device, f"{self.name}.age", self._now, age, rate)
        if rate > 0:
            self._arm(self._left())

    def fail(self, mode: str) -> None:
        """Fail at once, before its life is over: ``mode`` tells why."""
        if not self.failed:
            age = self.age_s
            self.mode = mode
            self._end(age)

    def _arm(self, delay: int) -> None:
        """Look again after ``delay`` ns; a look that is due before stays, for it will arm the next."""
        due = self._now + delay
        if self._due is not None and self._due <= due:
            return
        self._due = due
        timeout = self._env.timeout(delay)
        assert timeout.callbacks is not None
        timeout.callbacks.append(self._look)

    def _look(self, _: simpy.Event) -> None:
        """End the life if it is over; otherwise it was at rest or slowed meanwhile."""
        if self._due != self._now:
            return
        self._due = None
        if self._rate > 0:
            left = self._left()
            if left > 0:
                self._arm(left)
            else:
                self._end(self.life.path.life_s)

    def _left(self) -> int:
        """Return ns to the end of the life at the present rate."""
        return max(0, int(np.ceil((self.life.path.life_s - self.age_s) / self._rate * NS)))

    def _end(self, age_s: float) -> None:
        self.failed, self._rate = True, 0.0
        self._table.put(self._device, f"{self.name}.age", self._now, age_s, 0.0)
        self._on_failure(self)


def life_grid(knots: int, reach: float) -> NDArray[np.float64]:
    """Return relative ages 0 .. reach at which a path has its knots."""
    return np.linspace(0.0, reach, knots)
