"""Where runs are worked on: processes of this machine, or a Dask cluster; the results are the same bit for bit."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from types import TracebackType
from typing import Any, Protocol

from core.errors import RunError
from testbed.compare.run import run
from testbed.compare.task import Result, Task

Done = Callable[[], None]


class Workers(Protocol):
    """Works on tasks; results come in the order of the tasks, ``done`` is called as each is there."""

    def __enter__(self) -> Workers: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...
    def map(self, tasks: Sequence[Task], done: Done) -> list[Result]:
        """Return a result for every task."""
        ...


class Here:
    """In this process, one after the other: for debugging and tests."""

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def map(self, tasks: Sequence[Task], done: Done) -> list[Result]:
        """Return a result for every task."""
        out = []
        for task in tasks:
            out.append(run(task))
            done()
        return out


class Processes:
    """``jobs`` processes of this machine. They end with this one, also when it is interrupted."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Processes:
        # spawn: a forked child would carry the threads' locks of a parent that has trained models
        self._pool = ProcessPoolExecutor(
            self._jobs, mp_context=get_context("spawn"), initializer=_begin, initargs=(os.getpid(),)
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._pool is not None
        workers = list((getattr(self._pool, "_processes", None) or {}).values())
        self._pool.shutdown(wait=kind is None, cancel_futures=True)
        if kind is not None:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.join(5.0)

    def map(self, tasks: Sequence[Task], done: Done) -> list[Result]:
        """Return a result for every task; raises RunError where a worker was killed."""
        assert self._pool is not None
        return _collect([self._pool.submit(run, task) for task in tasks], done)


def _collect(futures: Sequence[Future[Result]], done: Done) -> list[Result]:
    from concurrent.futures.process import BrokenProcessPool

    left = set(futures)
    try:
        while left:
            ready, left = wait(left, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in ready:
                future.result()
                done()
    except BrokenProcessPool as error:
        raise RunError("a worker process ended before its run did: is there enough memory? try --jobs 1") from error
    return [future.result() for future in futures]


def _begin(parent: int) -> None:
    """Leave Ctrl-C to the parent, and end when it is gone."""
    import threading

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pause = threading.Event()

    def watch() -> None:
        while os.getppid() == parent:
            pause.wait(1.0)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


class Dask:
    """Workers of a Dask scheduler at ``address``; they need this program of the same version."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client: Any = None

    def __enter__(self) -> Dask:
        import distributed

        client: Any = distributed.Client
        try:
            self._client = client(self._address, timeout="10s", set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise RunError(f"no Dask scheduler answers at {self._address}: start one with `dask scheduler`") from error
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.close()

    def map(self, tasks: Sequence[Task], done: Done) -> list[Result]:
        """Return a result for every task."""
        import distributed

        as_completed: Any = distributed.as_completed
        futures = [self._client.submit(run, task, pure=False) for task in tasks]
        for _ in _steps(as_completed(futures, loop=self._client.loop)):
            done()
        return list(self._client.gather(futures))


def _steps(completed: Any) -> Iterator[None]:
    for future in completed:
        future.result()
        yield
