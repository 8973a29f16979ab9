"""Material between equipment: named flows with limited room, also across domains.

Equipment that lists a flow in ``outputs`` fills it and blocks when it is full; equipment that lists the same name
in ``inputs`` empties it and starves when there is nothing. An item carries its origin, so the way of a pallet from
the line to a van can be followed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import simpy


@dataclass(frozen=True, slots=True)
class Item:
    """One thing on its way: ``made`` is simulated ns, ``origin`` the device that made it."""

    kind: str
    number: int
    origin: str
    made: int
    data: dict[str, float] = field(default_factory=dict)


class Wait(simpy.Event):
    """Waiting for an item (get) or for room (put). What need not wait is over at once and costs no event."""

    def __init__(self, env: simpy.Environment, queue: deque[Wait], item: Item | None = None) -> None:
        super().__init__(env)
        self.item = item
        self._queue = queue

    def cancel(self) -> None:
        """Wait no longer."""
        if not self.triggered and self in self._queue:
            self._queue.remove(self)


class _Over(Wait):
    """Was over before anybody could wait for it."""

    def __init__(self, env: simpy.Environment, queue: deque[Wait], value: Any) -> None:
        super().__init__(env, queue)
        self._ok, self._value = True, value
        self.callbacks = None  # type: ignore[assignment]  # how simpy marks an event that has been processed


class Flow:
    """A queue of items with limited room, first come first served.

    ``berth`` is for those who take one after the other, such as vans.

    Attributes
    ----------
    entered, left
        Items that have come in and gone out.
    open_end
        Nobody takes: what enters leaves.
    """

    def __init__(self, env: simpy.Environment, name: str, capacity: int) -> None:
        self.name = name
        self.capacity = capacity
        self.entered = 0
        self.left = 0
        self.open_end = False
        self._env = env
        self.berth = simpy.Resource(env, capacity=1)
        self._items: deque[Item] = deque()
        self._getters: deque[Wait] = deque()
        self._putters: deque[Wait] = deque()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def full(self) -> bool:
        """Tell whether a put would wait."""
        return len(self._items) >= self.capacity

    def inside(self) -> list[Item]:
        """Return the items in the flow, and behind them those held by what is blocked."""
        return [*self._items, *(wait.item for wait in self._putters if wait.item is not None)]

    def put(self, item: Item) -> Wait:
        """Return the event of the item entering."""
        if self.open_end:
            self.entered += 1
            self.left += 1
        elif self._getters:
            self.entered += 1
            self.left += 1
            self._getters.popleft().succeed(item)
        elif self.full:
            wait = Wait(self._env, self._putters, item)
            self._putters.append(wait)
            return wait
        else:
            self.entered += 1
            self._items.append(item)
        return _Over(self._env, self._putters, None)

    def get(self) -> Wait:
        """Return the event of the next item leaving; its value is the Item. ``cancel`` ends the wait."""
        if not self._items:
            wait = Wait(self._env, self._getters)
            self._getters.append(wait)
            return wait
        item = self._items.popleft()
        self.left += 1
        if self._putters:
            putter = self._putters.popleft()
            assert putter.item is not None
            self.entered += 1
            self._items.append(putter.item)
            putter.succeed()
        return _Over(self._env, self._getters, item)


class FlowBus:
    """All flows of a world by name; a flow comes to be when it is first named."""

    def __init__(self, env: simpy.Environment, capacities: dict[str, int]) -> None:
        self.flows: dict[str, Flow] = {}
        self._env = env
        self._capacities = capacities
        self._sources: set[str] = set()
        self._takers: set[str] = set()
        self._optional: set[str] = set()

    def output(self, name: str) -> Flow:
        """Return the flow that a device fills."""
        self._sources.add(name)
        return self._flow(name)

    def input(self, name: str) -> Flow:
        """Return the flow that a device empties."""
        self._takers.add(name)
        return self._flow(name)

    def stand_in(self, name: str) -> None:
        """Allow that nothing fills a flow: its reader then does it itself."""
        self._optional.add(name)

    def filled(self, name: str) -> bool:
        """Tell whether a device fills the flow; known once all devices have begun."""
        return name in self._sources

    def unfilled(self) -> list[str]:
        """Return the flows that nothing fills, once all devices have begun; items leave one that nothing empties."""
        for name, flow in self.flows.items():
            flow.open_end = name not in self._takers
        return sorted(self.flows.keys() - self._sources - self._optional)

    def _flow(self, name: str) -> Flow:
        if name not in self.flows:
            self.flows[name] = Flow(self._env, name, self._capacities.get(name, 50))
        return self.flows[name]
