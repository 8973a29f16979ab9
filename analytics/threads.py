"""OpenMP threads of this process: one, because the analysis shares its cores with the loop it serves.

On a busy machine two threads that wait for each other at every split of a tree are many times slower than one.
"""

from __future__ import annotations

from functools import cache


@cache
def limit_threads(count: int = 1) -> None:
    """Let scikit-learn use so many threads from now on; call it after importing what is to be limited."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=count)
