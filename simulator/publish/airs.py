"""The links of a publisher's connections: where rows go, what an outage does to them, what arrives when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from core.batch import Batch
from simulator.network import Lane, Network
from simulator.publish.air import Air, Parcel
from simulator.publish.link import Link
from wire.codec_rows_out import Outgoing
from wire.session import Qos


@dataclass(frozen=True, slots=True)
class Route:
    """Where the rows of a stream go."""

    link: Link
    path: str
    topic: str
    lane: Lane | None
    air: Air | None
    channels: int
    qos: Qos = 1


class Airs:
    """The air of every connection, by node; none where there is no network."""

    def __init__(self, network: Network | None) -> None:
        self.network = network
        self._airs: dict[str, tuple[Link, Air]] = {}
        self._then: int | None = None

    def of(self, link: Link, lane: Lane | None) -> Air | None:
        """Return the air of a connection; None where it has no link."""
        if lane is None or self.network is None:
            return None
        if link.node not in self._airs:
            self._airs[link.node] = link, Air(lane, self.network, partial(_queue, link))
        return self._airs[link.node][1]

    async def follow_faults(self) -> tuple[int, int]:
        """Cut and mend connections as their links' faults tell; return the simulated span since the last time."""
        if self.network is None:
            return 0, 0
        now = self.network.now()
        then, self._then = now if self._then is None else self._then, now
        for link, air in self._airs.values() if now > then else ():
            outages = air.lane.outages(then, now)
            if outages and not link.out:
                air.counts["outages"] += 1
                await link.cut()
            if link.out and not any(x.end > now for x in outages):
                link.mend()
            air.lane.forget(then)
        return then, now

    def parts(
        self, batch: Batch, routes: Mapping[int, Route], out: tuple[int, int], sent_ms: float
    ) -> Iterator[tuple[Batch, float | None, bool]]:
        """Yield (rows, when they are sent, whether they go out at all): alike ones together.

        Rows on a slow link tell no time of sending, so that latency figures are those of the testbed and not of the
        links it simulates.
        """
        slow = [stream for stream, r in routes.items() if r.lane is not None and r.lane.slow]
        gone = self._gone(batch, routes, out)
        if not slow and gone is None:
            yield batch, sent_ms, True
            return
        late = np.isin(batch.stream, np.array(slow, dtype=np.int32))
        lost = np.zeros(len(batch), dtype=np.bool_) if gone is None else gone
        for rows, stamp, kept in ((~late & ~lost, sent_ms, True), (late & ~lost, None, True), (lost, None, False)):
            if rows.any():
                yield batch.take(rows), stamp, kept

    def release(self) -> None:
        """Let arrive what is due."""
        for _, air in self._airs.values():
            air.release()

    def end(self) -> None:
        """End every outage and let everything arrive."""
        for link, air in self._airs.values():
            link.mend()
            air.end()

    def lost_for_good(self) -> dict[str, int]:
        """Return the rows that links lost and nobody sends again, by stream path."""
        return {path: n for _, air in self._airs.values() if not air.lane.replay for path, n in air.lost.items()}

    def counts(self) -> dict[str, int]:
        """Return what links did to messages, all together."""
        total: Counter[str] = Counter()
        worst = 0
        for _, air in self._airs.values():
            worst = max(worst, air.counts["worst_ns"])
            total.update(air.counts)
        return {**total, "worst_ns": worst}

    def _gone(self, batch: Batch, routes: Mapping[int, Route], out: tuple[int, int]) -> NDArray[np.bool_] | None:
        """Return which rows were made during an outage by a device that does not store them."""
        gone: NDArray[np.bool_] | None = None
        for stream, route in routes.items():
            if route.lane is None or route.lane.store or not route.lane.troubles or self.network is None:
                continue
            t = batch.t - self.network.start
            for outage in route.lane.outages(*out):
                mine = (batch.stream == stream) & (t >= outage.start) & (t < outage.end)
                gone = mine if gone is None else gone | mine
        return gone


def parcel(route: Route, message: Outgoing, trace: str = "") -> Parcel:
    """Return a message as it goes through the air."""
    return Parcel(
        route.topic, message.payload, route.path, message.first, message.last, route.channels, route.qos, trace
    )


def _queue(link: Link, parcel: Parcel) -> None:
    link.queue(parcel.topic, parcel.payload, qos=parcel.qos, trace=parcel.trace)
