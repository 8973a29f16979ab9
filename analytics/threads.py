"""OpenMP threads: one, because the analysis shares its cores with the loop it serves.

On a busy machine two threads that wait for each other at every split of a tree are many times slower than one.
OpenMP keeps its limit by thread, so every thread that trains or predicts says it once.
"""

from __future__ import annotations

import threading

_said = threading.local()


def limit_threads(count: int = 1) -> None:
    """Let scikit-learn use so many OpenMP threads in the calling thread; call after importing what is to be limited."""
    if getattr(_said, "count", 0) == count:
        return
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=count, user_api="openmp")
    _said.count = count
