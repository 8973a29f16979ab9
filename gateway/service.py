"""The gateway process in one object: sources in, durable buffer out, commands back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from core.batch import Batch
from core.catalog import Catalog
from core.clock import NS, RunClock, mono_ns, wall_ns
from core.command import Command, CommandResult
from core.errors import WireError
from core.metrics import Metrics
from core.ports import Note, Source
from core.spec import DeviceSpec
from gateway.buffer import Buffer
from gateway.commands import CommandRouter
from gateway.deadletters import DeadLetters
from gateway.gaps import Ask
from gateway.kinds import GatewayConfig
from gateway.links import Counts, Polls, PublishesResults, Replays, Resumes, Sends
from gateway.pipeline import Pipeline
from gateway.rules import Rules
from gateway.supervise import SourceState, supervise
from gateway.validate import Validator
from gateway.watch import BrokerWatch

log = logging.getLogger(__name__)

TICK_S = 0.1
#: the protocols whose devices answer where the platform listens anyway
_RIDES_ON = {"sparkplug": "mqtt"}


class Gateway:
    """Everything between the sources and the buffer.

    Parameters
    ----------
    config
        Rules, limits, buffer.
    data_dir
        Folder of the run; the buffer lies in ``buffer/`` below it.
    catalog
        Shared with the sources, which add births to it. Filled from the buffer when the gateway starts.
    sources
        By name, which begins with the protocol: ``mqtt``, ``opcua``, ``opcua:2``.
    clock
        Run clock.
    watch
        Follows the broker's log for those it turns away.
    """

    def __init__(
        self,
        config: GatewayConfig,
        data_dir: Path,
        catalog: Catalog,
        sources: Mapping[str, Source],
        clock: RunClock,
        watch: BrokerWatch | None = None,
    ) -> None:
        self.watch = watch
        self.config, self.catalog, self.sources, self.clock = config, catalog, sources, clock
        self.metrics = Metrics()
        folder = data_dir / "buffer"
        self.letters = DeadLetters(config.dead_letters, folder)
        self.buffer = Buffer(config.buffer, folder, catalog, self.metrics, before=self.letters.flush)
        self.validator = Validator(config.validate_, catalog, clock, self.metrics)
        self.rules = Rules(config.rules, catalog, clock, self.metrics)
        self.router = CommandRouter(config.commands, catalog, clock, self.metrics, self._home, self._results)
        self.pipeline = Pipeline(
            catalog,
            self.validator,
            self.rules,
            self.router,
            self.buffer,
            self.letters,
            self.metrics,
            self._tell,
            self._dump,
            config.inflight,
        )
        self.states = {name: SourceState(name) for name in sources}
        self._stop = asyncio.Event()
        self._told: list[CommandResult] = []

    async def run(self) -> None:
        """Run until every source has ended or :meth:`stop` is called; what was taken in is committed.

        Raises
        ------
        StoreError
            If the buffer cannot be opened.
        """
        self.letters.open()
        try:
            self._restore()
            self.buffer.start()
            await self._serve()
        finally:
            await self._close()

    def stop(self) -> None:
        """End :meth:`run`."""
        self._stop.set()

    async def drain(
        self, timeout_s: float = 20.0, quiet_s: float = 0.5, expected: Mapping[str, int] | None = None
    ) -> dict[str, Any]:
        """Wait until nothing has arrived for a while and no hole is open; return what was received.

        A source that is not connected (yet, or just now) may have rows to fetch: it is waited for. ``expected``
        says how many rows were sent, by stream path, where somebody knows: they are waited for as well. Holes are
        asked for with less patience from here on. Sources keep running.
        """
        self.validator.gaps.hasty = True
        for source in self.sources.values():
            if isinstance(source, Polls):
                source.finish()
        began = mono_ns()
        timed_out = False
        while not (self._quiet(max(began, self._last_sign()), quiet_s) and self._all_here(expected or {})):
            if mono_ns() - began > timeout_s * NS:
                timed_out = True
                break
            await asyncio.sleep(0.02)
        abandoned = self.router.abandon()
        await self.pipeline.append(abandoned).done
        await self._tell(abandoned)
        return {
            "received": self.validator.totals()["received"],
            "streams": {path: counts["received"] for path, counts in self.validator.accounting().items()},
            "open_gaps": len(self.validator.gaps),
            "position": self.buffer.position,
            "timed_out": timed_out,
        }

    def snapshot(self, streams: bool = True) -> dict[str, Any]:
        """Return counts, latencies and states for the status file and the run report.

        ``streams`` False leaves out what is told of each stream: with thousands of them, telling takes longer than a
        rule may.
        """
        counts = self.metrics.counts
        totals = self.validator.totals()
        each = {"streams": self.validator.accounting(), "polled": self._polled()} if streams else {}
        return {
            **totals,
            "rejected": counts["rejected"],
            **each,
            "out_of_range": counts["out_of_range"],
            "open_gaps": len(self.validator.gaps),
            "latency_ms": self.metrics.latency_ms(),
            "commands": {s: counts[f"commands_{s}"] for s in ("sent", "done", "refused", "failed", "expired")}
            | {"pending": self.router.pending()},
            "rules": {r.name: {"held": r.held} for r in self.rules.rules},
            "buffer": {
                "position": self.buffer.position,
                "bytes": self.buffer.bytes,
                "queued": self.buffer.queued,
                "commits": counts["commits"],
                "full": counts["buffer_full"],
                "over_limit": self.buffer.full,
                "dropped": counts["buffer_dropped"],
            },
            "dead_letters": {
                "counts": dict(self.letters.counts),
                "unkept": self.letters.unkept,
                "forgotten": self.letters.forgotten,
            },
            "sources": {
                s.name: {
                    "state": s.state,
                    "reconnects": s.reconnects,
                    "error": s.error,
                    "counts": dict(source.metrics.counts) if isinstance(source, Counts) else {},
                }
                for s, source in ((s, self.sources[s.name]) for s in self.states.values())
            },
            "security": {
                **(dict(self.watch.counts) if self.watch is not None else {}),
                **{name: counts[f"commands_{name}"] for name in ("forged", "repeated", "resumed")},
            },
            "devices": len(self.catalog.devices),
        }

    def _polled(self) -> dict[str, int]:
        """Return how many rows were due of each stream that is polled and has ever answered."""
        paths = [path for source in self.sources.values() if isinstance(source, Polls) for path in source.polled()]
        counts = self.validator.accounting()
        return {p: sum(counts[p][end] for end in ("received", "rejected", "lost")) for p in paths if p in counts}

    async def _serve(self) -> None:
        workers: list[asyncio.Task[None]] = [
            asyncio.create_task(self.pipeline.acknowledge(name), name=f"acks of {name}") for name in self.sources
        ]
        workers.append(asyncio.create_task(self._tick(), name="gateway tick"))
        readers = [asyncio.create_task(self._supervised(name), name=f"source {name}") for name in self.sources]
        stop = asyncio.create_task(self._stop.wait(), name="gateway stop")
        ended = asyncio.create_task(_all(readers), name="gateway sources")
        try:
            await asyncio.wait({stop, ended, *workers}, return_when=asyncio.FIRST_COMPLETED)
            for worker in workers:
                if worker.done() and not worker.cancelled():
                    worker.result()  # a worker ends only by a fault
        finally:
            await _end([*readers, stop, ended])
            await self.router.close()
            await _end(workers)

    async def _supervised(self, name: str) -> None:
        source = self.sources[name]
        take = partial(self.pipeline.take, name, isinstance(source, PublishesResults))
        before = partial(self._resume, source)
        await supervise(
            source,
            self.states[name],
            take,
            self.config.supervise,
            self.metrics,
            before,
            partial(self.pipeline.settle, name),
        )

    async def _close(self) -> None:
        if self.buffer.started:
            self.buffer.put([], True, self._dump())
        await self.buffer.close()
        self.letters.close()

    async def _tick(self) -> None:
        """Several times a second: holes, overdue commands, results to tell."""
        while True:
            await asyncio.sleep(TICK_S)
            now = mono_ns()
            asks, events = self.validator.due(now)
            overdue = self.router.overdue(now)
            told, self._told = self._told, []
            self.router.resume(self._reachable)
            if self.watch is not None:
                events += self.watch.look(self.clock.now() or wall_ns())
            if events or overdue or told:
                await self.pipeline.append([*events, *overdue, *told], snapshot=bool(events)).done
            await self._tell([*overdue, *told])
            for ask in asks:
                await self._ask(ask)

    async def _ask(self, ask: Ask) -> None:
        entry = self.catalog.streams[ask.stream]
        source = self._source(self.catalog.devices[entry.device])
        if not isinstance(source, Replays):
            return
        self.metrics.count("replays_asked")
        try:
            await source.ask_replay(entry.device, entry.spec.name, ask.sid, ask.first, ask.last)
        except WireError as error:
            log.info("replay of %s: %s", entry.path, error)

    async def _tell(self, results: Sequence[CommandResult]) -> None:
        for result in results:
            for source in self.sources.values():
                if isinstance(source, PublishesResults):
                    try:
                        await source.publish_result(result)
                    except WireError as error:
                        log.info("result of %s: %s", result.id, error)

    def _results(self, results: Sequence[CommandResult]) -> None:
        self._told += results

    def _source(self, device: DeviceSpec) -> Source | None:
        """Return the source that reaches a device: of its first protocol, best the one that announced it."""
        announced = self.pipeline.announced.get(device.path, set())
        for protocol in device.protocols:
            for kind in (protocol, _RIDES_ON.get(protocol, protocol)):
                names = [name for name in self.sources if name.partition(":")[0] == kind]
                names.sort(key=lambda name: name not in announced)
                if names:
                    return self.sources[names[0]]
        return next((self.sources[name] for name in sorted(announced)), None)

    def _home(self, device: DeviceSpec) -> Sends | None:
        source = self._source(device)
        return source if isinstance(source, Sends) else None

    def _reachable(self, device: DeviceSpec) -> bool:
        source = self._source(device)
        return any(self.sources[s.name] is source and s.state == "connected" for s in self.states.values())

    def _resume(self, source: Source) -> None:
        if isinstance(source, Resumes):
            tops = self.validator.dedup.top_times()
            source.resume({self.catalog.streams[stream].path: t for stream, t in tops.items()})

    def _all_here(self, expected: Mapping[str, int]) -> bool:
        """Tell whether every row that was sent has come, or is known not to come."""
        counts = self.validator.accounting()
        ends = ("received", "rejected", "lost")
        early = self.validator.unpromised
        return all(
            path in counts and sum(counts[path][e] for e in ends) + early.get(path, 0) >= n
            for path, n in expected.items()
        )

    def _last_sign(self) -> int:
        """Return when something arrived or a source connected last (monotonic ns)."""
        return max(self.pipeline.last_arrival, *(s.connected_at for s in self.states.values()), 0)

    def _quiet(self, since: int, quiet_s: float) -> bool:
        away = any(s.state in ("starting", "waiting") for s in self.states.values())
        still = not away and mono_ns() - since > quiet_s * NS
        return still and not len(self.validator.gaps) and not any(self.pipeline.waiting.values())

    def _dump(self) -> dict[str, Any]:
        return {
            "validator": self.validator.dump(),
            "router": self.router.dump(),
            "rules": self.rules.dump(),
            "counts": dict(self.metrics.counts),
        }

    def _restore(self) -> None:
        """Take over the last snapshot and go through the records after it."""
        restored = self.buffer.open()
        now = mono_ns()
        if restored.snapshot is not None:
            self.validator.load(restored.snapshot["validator"], now)
            self.router.load(restored.snapshot["router"])
            self.rules.load(restored.snapshot["rules"])
            self.metrics.counts.update(restored.snapshot["counts"])
        for entry in restored.records:
            if isinstance(entry.content, Batch):
                self.validator.dedup.fresh(entry.content, now, opening=False)
            else:
                self._recall(entry.content)
        self.validator.dedup.reopen(now)
        self.router.settle()

    def _recall(self, notes: Sequence[Note]) -> None:
        for note in notes:
            if isinstance(note, Command):
                self.router.restore(note)
                self.rules.recall(note)
            elif isinstance(note, CommandResult):
                self.router.heard(note)


async def _all(tasks: Sequence[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks)


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended: what a source runs inside may swallow a cancellation."""
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=1.0)
    await asyncio.gather(*tasks, return_exceptions=True)
