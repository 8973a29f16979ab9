"""A challenger for a model of a run: from its store, or from a history rendered elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analytics import lifecycle
from analytics.config import AnalyticsConfig, GroupConfig
from analytics.history import FolderHistory, History, StoreHistory
from analytics.lifecycle import Duel, SpanHistory
from analytics.model import GroupModel
from analytics.train import train_from_history
from core.clock import FOREVER
from core.errors import ConfigError, ModelError
from testbed.runfolder import RunFolder
from testbed.scenario import read


def challenge(
    folder: RunFolder, champion: GroupModel, source: Path | None, share: float, seed: int, unseen: bool
) -> tuple[GroupModel, Duel]:
    """Return a challenger that learnt from the first ``share`` of a history, and how it did on the rest.

    Raises
    ------
    ModelError
        If the champion has seen the rest, or there is too little to learn from.
    """
    config, group = _settings(folder, champion.name)
    with _history(folder, source) as history:
        begin, end = span(history)
        cut = begin + round((end - begin) * share)
        known = int(champion.card.get("data_end", 0))
        if not unseen and known > cut:
            if known >= end:
                raise ModelError(
                    f"{champion.name} learnt from all of this history: give a later one, or one of another seed with "
                    "--from DIR --unseen"
                )
            cut = known
        alone = config.model_copy(update={"groups": (group,)})
        models = train_from_history(SpanHistory(history, cut), alone, seed, strict=True)
        challenger = models.models[group.name]
        return challenger, lifecycle.duel(history, config, group, champion, challenger, cut, seed)


def span(history: History) -> tuple[int, int]:
    """Return begin and end of a history by its events (ns UTC)."""
    times = [event.t for event in history.events()]
    if not times:
        raise ModelError("the history has no events: nobody knows when anything failed")
    return min(times), max(times)


def _settings(folder: RunFolder, name: str) -> tuple[AnalyticsConfig, GroupConfig]:
    scenario = Path(folder.manifest().scenario)
    config = read(scenario).config.analytics
    for group in config.groups:
        if group.name == name:
            return config, group
    raise ConfigError(
        f"{scenario}:analytics.groups", f"has no group {name!r} any more", "restore it, or start a new run"
    )


@contextmanager
def _history(folder: RunFolder, source: Path | None) -> Iterator[History]:
    if source is not None:
        yield FolderHistory(source / "history" if (source / "history").is_dir() else source)
        return
    if folder.in_use():
        raise ConfigError(str(folder.root), "still runs, its store is in use", "end it first, or give --from DIR")
    from testbed.export import open_store

    _, store = open_store(folder)
    try:
        yield StoreHistory(store.reader(), store.catalog, 0, FOREVER)
    finally:
        store.close()
