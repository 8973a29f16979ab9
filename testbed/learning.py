"""Models of a run: trained from its history, kept in its folder with the state the history left, taken up again."""

from __future__ import annotations

import json
from pathlib import Path

from analytics.config import AnalyticsConfig
from analytics.model import TrainedModels
from testbed.runfolder import RunFolder

REFUSALS, HANDOVER = "refusals.json", "handover.npz"


def train(folder: RunFolder, config: AnalyticsConfig, seed: int) -> TrainedModels:
    """Train every group from the rendered history and save what came of it. Blocking."""
    from analytics import registry
    from analytics.train import train_from_history

    models = train_from_history(folder.history, config, seed)
    for name, model in models.models.items():
        place = folder.models / name
        registry.save(model, place)
        handover = models.handover(name)
        if handover is not None:
            handover.save(place / HANDOVER)
    (folder.models / REFUSALS).write_text(json.dumps(models.refusals, ensure_ascii=False), encoding="utf-8")
    return models


def warm_up() -> None:
    """Import what the models need, while another process still trains them. Blocking."""
    from analytics import registry

    registry.warm_up()


def take_up(folder: RunFolder, config: AnalyticsConfig) -> TrainedModels:
    """Load the saved models and what the history handed over to go on from. Blocking."""
    from analytics import registry
    from analytics.handover import Handover

    models = TrainedModels(refusals=_refusals(folder.models / REFUSALS))
    for group in config.groups:
        place = folder.models / group.name
        if (place / "card.json").exists():
            model = models.models[group.name] = registry.load(place)
            models.handovers[group.name] = Handover.load(place / HANDOVER, model.filters, len(model.slots))
    return models


def _refusals(path: Path) -> list[str]:
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []


def describe(models: TrainedModels, seconds: float) -> str:
    """Return what people should hear about a training."""
    parts = [
        f"{m['name']} learnt from {m['failures']} failures in {m['trained_rows']:,} windows" for m in models.report()
    ]
    parts += [f"not trained: {why}" for why in models.refusals]
    return f"{'; '.join(parts) or 'nothing to learn'} ({seconds:.1f} s)"
