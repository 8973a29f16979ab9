"""Configuration files: YAML in, frozen typed models out, errors with file, YAML path and hint."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError

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
Duration = Annotated[
    int,
    BeforeValidator(_duration, json_schema_input_type=str | float),
    PlainSerializer(lambda ns: f"{ns}ns", str, when_used="json"),  # a bare number would be read as seconds
]
#: ``{ko: …, en: …}`` or one text for both
Label = Annotated[Name, BeforeValidator(_name, json_schema_input_type=str | Name)]

M = TypeVar("M", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key given twice is an error: YAML itself would silently keep the last."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        problem=f"key '{key.value}' is given twice", problem_mark=key.start_mark
                    )
                seen.add(key.value)
        return node


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file; raises ConfigError with the line of a syntax error."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
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
        raise _config_error(error, value, where, model) from error


def _config_error(error: ValidationError, value: object, where: str, model: type[BaseModel]) -> ConfigError:
    faults = error.errors(include_url=False)
    first = faults[0]
    path = _yaml_path(first["loc"], value, missing=first["type"] == "missing")
    what = first["msg"].removeprefix("Value error, ")
    hint = ""
    if first["type"] == "extra_forbidden":
        what = "unknown key"
        known = list(model.model_fields) if len(first["loc"]) == 1 else _keys(model)
        near = get_close_matches(str(first["loc"][-1]), known, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]}?" if near else "remove it or check its spelling"
    elif first["type"] == "union_tag_invalid":
        context = first["ctx"]
        known = [tag.strip(" '") for tag in str(context["expected_tags"]).split(",")]
        near = get_close_matches(str(context["tag"]), known, n=1)
        what = f"unknown {context['discriminator']} '{context['tag']}'"
        hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(known)}"
    elif first["type"] == "missing":
        what, hint = "missing key", "add it"
    elif "input" in first and not isinstance(first["input"], (dict, list)):
        hint = f"got {first['input']!r}"
    if len(faults) > 1:
        hint = f"{hint}; " * bool(hint) + f"and {len(faults) - 1} more"
    return ConfigError(f"{where}:{path}" if path else where, what, hint)


def _yaml_path(loc: Sequence[str | int], value: object, *, missing: bool) -> str:
    """Return the path of a fault as the file has it: pydantic also names the members of unions on the way."""
    path: list[str] = []
    for left, part in zip(range(len(loc), 0, -1), loc, strict=True):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and isinstance(part, int):
            value = value[part] if part < len(value) else None
        elif not (missing and left == 1):
            continue
        path.append(str(part))
    return ".".join(path)


def _keys(model: type[BaseModel]) -> list[str]:
    """Return the keys of a model and of every model inside it."""
    keys: list[str] = []
    seen: set[type[BaseModel]] = set()
    left: list[Any] = [model]
    while left:
        kind = left.pop()
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            left += list(getattr(kind, "__args__", ()))
        elif kind not in seen:
            seen.add(kind)
            keys += list(kind.model_fields)
            left += [field.annotation for field in kind.model_fields.values()]
    return keys


def _sibling_hint(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {folder}"
    near = get_close_matches(path.name, [p.name for p in folder.iterdir()], n=1)
    return f"did you mean {folder / near[0]}?" if near else "check the path"
