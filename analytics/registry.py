"""Models on disk: a skops file (no pickle) and a card in JSON; loading refuses what is foreign."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from analytics.filters import FilterConfig
from analytics.kinds import DetectorConfig, PrognoserConfig
from analytics.model import Fleet, GroupModel
from analytics.signals import SignalsConfig
from analytics.slots import Slot
from core.errors import ModelError

FORMAT = 2
_TRUSTED = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor", "sklearn.tree._tree.Tree")
_DETECTORS: TypeAdapter[list[Any]] = TypeAdapter(list[DetectorConfig])
_PROGNOSER: TypeAdapter[Any] = TypeAdapter(PrognoserConfig)
_SLOTS: TypeAdapter[list[Slot]] = TypeAdapter(list[Slot])


def warm_up() -> None:
    """Import what loading a model needs: more than a second that can be spent before one is there."""
    import_module("skops.io")
    import_module("sklearn.ensemble")


def save(model: GroupModel, folder: Path) -> None:
    """Write ``model.skops`` and ``card.json`` into a folder."""
    import skops.io

    folder.mkdir(parents=True, exist_ok=True)
    skops.io.dump(_parts(model), folder / "model.skops")
    card = {**model.card, "format": FORMAT, "build": _build(model)}
    scratch = folder / "card.json.part"
    scratch.write_text(json.dumps(card, indent=1, ensure_ascii=False), encoding="utf-8")
    scratch.replace(folder / "card.json")


def load(folder: Path) -> GroupModel:
    """Return the model of :func:`save`.

    Raises
    ------
    ModelError
        If a file is missing or broken, of another format or library version, or holds types we do not know.
    """
    card = read_card(folder)
    _refuse_foreign(folder, card)
    parts = read_parts(folder / "model.skops")
    build = card["build"]
    try:
        slots = _SLOTS.validate_python(build["slots"])
        configs = _DETECTORS.validate_python(build["detectors"])
        filters = FilterConfig.model_validate(build["filters"])
        signals = build.get("signals") and SignalsConfig.model_validate(build["signals"])
        prognosis = build["prognosis"] and _PROGNOSER.validate_python(build["prognosis"])
        fleet = _fleet(build["fleet"])
    except (ValidationError, KeyError) as error:
        raise ModelError(f"{folder}: card.json does not describe a model of this version: {error!r:.120}") from error
    detectors = [c.build(0).restore(_with_prefix(parts, f"detector.{i}.")) for i, c in enumerate(configs)]
    prognoser = prognosis.build(0).restore(_with_prefix(parts, "prognosis.")) if prognosis else None
    return GroupModel(
        build["name"],
        build["kinds"],
        slots,
        tuple(build["quantities"]),
        build["grid_ns"],
        filters,
        fleet,
        detectors,
        prognoser,
        {k: v for k, v in card.items() if k not in ("format", "build")},
        signals or None,
    )


def read_card(folder: Path) -> dict[str, Any]:
    """Return a model's card."""
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{folder} holds no model: card.json is missing") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder}: card.json cannot be read: {error}") from error
    if not isinstance(card, dict):
        raise ModelError(f"{folder}: card.json is no object")
    return card


def read_parts(path: Path) -> dict[str, Any]:
    """Return the content of a skops file, refusing unknown types before anything of it runs."""
    import zipfile

    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        foreign = sorted(set(skops.io.get_untrusted_types(file=path)) - set(_TRUSTED))
        if foreign:
            raise ModelError(f"{path} holds foreign types and is not loaded: {', '.join(foreign)[:200]}")
        parts = skops.io.load(path, trusted=list(_TRUSTED))
    except FileNotFoundError as error:
        raise ModelError(f"{path} is missing") from error
    except (UntrustedTypesFoundException, zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise ModelError(f"{path} is no model file of ours: {error!r:.160}") from error
    if not isinstance(parts, dict):
        raise ModelError(f"{path} holds no model of ours")
    return parts


def _refuse_foreign(folder: Path, card: dict[str, Any]) -> None:
    from importlib.metadata import version

    if card.get("format") != FORMAT or "build" not in card:
        raise ModelError(f"{folder}: model format {card.get('format')!r}, this version reads {FORMAT}: train anew")
    trained, here = card.get("versions", {}).get("scikit-learn", "unknown"), version("scikit-learn")
    if trained.split(".")[:2] != here.split(".")[:2]:
        raise ModelError(f"{folder}: trained with scikit-learn {trained}, here is {here}: train anew")


def _parts(model: GroupModel) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    for i, detector in enumerate(model.detectors):
        parts |= {f"detector.{i}.{k}": v for k, v in detector.parts().items()}
    if model.prognoser is not None:
        parts |= {f"prognosis.{k}": v for k, v in model.prognoser.parts().items()}
    return parts


def _with_prefix(parts: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in parts.items() if k.startswith(prefix)}


def _build(model: GroupModel) -> dict[str, Any]:
    fleet = model.fleet
    return {
        "name": model.name,
        "kinds": model.kinds,
        "slots": _SLOTS.dump_python(model.slots, mode="json"),
        "quantities": list(model.quantities),
        "grid_ns": model.grid_ns,
        "filters": model.filters.model_dump(mode="json"),
        "detectors": [d.config.model_dump(mode="json") for d in model.detectors],
        "prognosis": model.prognoser and model.prognoser.config.model_dump(mode="json"),
        "signals": model.signals and model.signals.model_dump(mode="json"),
        "fleet": {
            "spread": {k: v.tolist() for k, v in fleet.spread.items()},
            "typical_s": fleet.typical_s,
            "spread_of_all": fleet.spread_of_all.tolist(),
            "typical_of_all": fleet.typical_of_all,
        },
    }


def _fleet(value: dict[str, Any]) -> Fleet:
    spread = {k: np.array(v, dtype=np.float64) for k, v in value["spread"].items()}
    return Fleet(spread, value["typical_s"], np.array(value["spread_of_all"]), value["typical_of_all"])
