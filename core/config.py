"""Configuration files: YAML in, frozen typed models out, errors with file, YAML path and hint."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from core.clock import parse_duration
from core.errors import ConfigError, TestbedError
from core.spec import Name


class Config(BaseModel):
    """Base of every config model: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


def _duration(value: object) -> object:
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        try:
            return parse_duration(value)
        except TestbedError as error:
            raise ValueError(str(error)) from error
    return value


def _name(value: object) -> object:
    return {"ko": value, "en": value} if isinstance(value, str) else value


#: nanoseconds, written as ``90s``, ``250ms``, ``30d`` or a number of seconds
Duration = Annotated[int, BeforeValidator(_duration)]
#: ``{ko: …, en: …}`` or one text for both
Label = Annotated[Name, BeforeValidator(_name)]

M = TypeVar("M", bound=BaseModel)


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file; raises ConfigError with the line of a syntax error."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(str(path), "no such file", _sibling_hint(path)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), f"cannot be read: {error}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise ConfigError(where, f"not YAML: {error.problem}", "check indentation and quotes") from error
    except yaml.YAMLError as error:
        raise ConfigError(str(path), f"not YAML: {error}") from error


def load(path: Path, model: type[M]) -> M:
    """Return the file as a model; raises ConfigError with ``file:yaml.path``."""
    return parse(read_yaml(path), model, str(path))


def parse(value: object, model: type[M], where: str) -> M:
    """Return a value as a model; ``where`` names its file (and path) in errors."""
    if value is None:
        value = {}
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _config_error(error, where, model) from error


def _config_error(error: ValidationError, where: str, model: type[BaseModel]) -> ConfigError:
    faults = error.errors(include_url=False)
    first = faults[0]
    path = ".".join(str(part) for part in first["loc"])
    what = first["msg"].removeprefix("Value error, ")
    hint = ""
    if first["type"] == "extra_forbidden":
        what = "unknown key"
        near = get_close_matches(str(first["loc"][-1]), _keys(model), n=1, cutoff=0.6)
        hint = f"did you mean {near[0]}?" if near else "remove it or check its spelling"
    elif first["type"] == "missing":
        what, hint = "missing key", "add it"
    elif "input" in first and not isinstance(first["input"], (dict, list)):
        hint = f"got {first['input']!r}"
    if len(faults) > 1:
        hint = f"{hint}; " * bool(hint) + f"and {len(faults) - 1} more"
    return ConfigError(f"{where}:{path}" if path else where, what, hint)


def _keys(model: type[BaseModel]) -> list[str]:
    """Return the keys of a model and, one level down, of the models it holds."""
    keys = list(model.model_fields)
    seen: list[Any] = [field.annotation for field in model.model_fields.values()]
    while seen:
        kind = seen.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            keys += list(kind.model_fields)
        else:
            seen += list(getattr(kind, "__args__", ()))
    return keys


def _sibling_hint(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {folder}"
    near = get_close_matches(path.name, [p.name for p in folder.iterdir()], n=1)
    return f"did you mean {folder / near[0]}?" if near else "check the path"
