"""Keeping sources alive: reconnect with back-off; one source's trouble never stops its neighbours."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from core.clock import MS, NS, mono_ns
from core.config import Config, Duration
from core.errors import EndOfStream, NotConnected
from core.metrics import Metrics
from core.ports import Ack, Arrival, Source

log = logging.getLogger(__name__)

Take = Callable[[Sequence[Arrival], Ack], Awaitable[None]]


class SuperviseConfig(Config):
    """Waits between attempts to connect: from ``first``, doubling, to ``most``."""

    first: Duration = 100 * MS
    most: Duration = 2 * NS


@dataclass(slots=True)
class SourceState:
    """How a source is doing; ``connected_at`` is when it was last connected (monotonic ns)."""

    name: str
    state: str = "starting"  # starting | connected | waiting | ended
    reconnects: int = 0
    error: str = ""
    connected_at: int = 0


async def supervise(
    source: Source,
    state: SourceState,
    take: Take,
    config: SuperviseConfig,
    metrics: Metrics,
    before: Callable[[], None],
    settle: Callable[[], Awaitable[None]],
) -> None:
    """Run one source until its stream ends.

    ``before`` is called ahead of every attempt to connect; ``settle`` waits, for a bounded time, until what was
    read is acknowledged, so that a source that ends does not close under its own acknowledgements.
    """
    wait = config.first
    while True:
        try:
            before()
            await source.connect()
            state.state, state.error, state.connected_at = "connected", "", mono_ns()
            while True:
                arrivals, ack = await source.read()
                wait = config.first
                await take(arrivals, ack)
        except EndOfStream:
            state.state = "ended"
            await settle()
            await _close(source, state)
            return
        except NotConnected as error:
            state.error = str(error)
            log.warning("source %s is not connected: %s", state.name, error)
        except Exception as error:
            state.error = f"{type(error).__name__}: {error}"
            metrics.count("source_errors")
            log.exception("source %s failed", state.name)
        except asyncio.CancelledError:
            state.state = "ended"
            await settle()
            await _close(source, state)
            raise
        state.state = "waiting"
        state.reconnects += 1
        metrics.count("reconnects")
        await _close(source, state)
        await asyncio.sleep(wait / NS)
        wait = min(wait * 2, config.most)


async def _close(source: Source, state: SourceState) -> None:
    try:
        async with asyncio.timeout(5.0):  # wait_for would swallow a cancellation that meets a failing close
            await source.close()
    except Exception as error:  # noqa: BLE001 - a source that cannot even close must not stop the others
        log.warning("source %s did not close: %s", state.name, error or type(error).__name__)
