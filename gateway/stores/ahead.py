"""Makes the next piece while the present one is on its way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(pieces: Iterable[T]) -> Iterator[T]:
    """Yield pieces in order, each made in a thread while the one before is in use; errors come where they belong."""
    source = iter(pieces)
    none = object()
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        coming = thread.submit(next, source, none)
        while (piece := coming.result()) is not none:
            coming = thread.submit(next, source, none)
            yield piece  # type: ignore[misc]
