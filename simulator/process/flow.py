"""Material between equipment: named flows with limited room, also across domains.

Equipment that lists a flow in ``outputs`` fills it and blocks when it is full; equipment that lists the same name
in ``inputs`` empties it and starves when there is nothing. An item carries its origin, so the way of a pallet from
the line to a van can be followed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import simpy
from simpy.resources.store import StoreGet


@dataclass(frozen=True, slots=True)
class Item:
    """One thing on its way: ``made`` is simulated ns, ``origin`` the device that made it."""

    kind: str
    number: int
    origin: str
    made: int
    data: dict[str, float] = field(default_factory=dict)


class Flow:
    """A queue of items with limited room. ``berth`` is for those who take one after the other, such as vans."""

    def __init__(self, env: simpy.Environment, name: str, capacity: int) -> None:
        self.name = name
        self.capacity = capacity
        self.entered = 0
        self.left = 0
        self.open_end = False  # nobody takes: what enters leaves
        self._env = env
        self.berth = simpy.Resource(env, capacity=1)
        self._store = simpy.Store(env, capacity=capacity)

    def __len__(self) -> int:
        return len(self._store.items)

    @property
    def full(self) -> bool:
        """Tell whether a put would wait."""
        return len(self._store.items) >= self.capacity

    def put(self, item: Item) -> simpy.Event:
        """Return the event of the item entering."""
        if self.open_end:
            self.entered += 1
            self.left += 1
            return self._env.event().succeed()
        event = self._store.put(item)
        _count(event, self, "entered")
        return event

    def get(self) -> StoreGet:
        """Return the event of the next item leaving; its value is the Item. ``cancel`` ends the wait."""
        event = self._store.get()
        _count(event, self, "left")
        return event


def _count(event: simpy.Event, flow: Flow, name: str) -> None:
    """Count when the event happens; an event that is triggered already still runs its callbacks later."""

    def done(_: simpy.Event) -> None:
        setattr(flow, name, getattr(flow, name) + 1)

    assert event.callbacks is not None
    event.callbacks.append(done)


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
