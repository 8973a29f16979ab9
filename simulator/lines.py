"""Checks of the material flows of a world before it begins: what is written must be able to move."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from core.errors import ConfigError
from simulator.domain import DomainConfig
from simulator.equipment.base import EquipmentConfig


def place(domain: int, entry: int | None = None, key: str = "") -> str:
    """Return the place of an entry: ``domains.<n>:equipment.<m>.<key>``; scenarios turn the first part into a file."""
    inner = "equipment" if entry is None else f"equipment.{entry}"
    return f"domains.{domain}:{inner}" + f".{key}" * bool(key)


def check_circles(domains: Sequence[DomainConfig]) -> None:
    """Raise ConfigError where material would go round: no lot could ever enter such a line."""
    feeds: dict[str, list[tuple[str, str]]] = {}  # flow -> (flow that is filled from it, place)
    for n, m, entry in _entries(domains):
        for flow in entry.inputs:
            feeds.setdefault(flow, []).extend((out, place(n, m, "outputs")) for out in entry.outputs)
    done: set[str] = set()

    def walk(flow: str, way: list[str]) -> None:
        for after, where in feeds.get(flow, ()):
            if after in (*way, flow):
                circle = [*way, flow, after]
                told = " -> ".join(circle[circle.index(after) :])
                raise ConfigError(
                    where, f"the line goes round in a circle: {told}", "let the last machine fill another flow"
                )
            if after not in done:
                walk(after, [*way, flow])
        done.add(flow)

    for flow in feeds:
        if flow not in done:
            walk(flow, [])


def missing(domains: Sequence[DomainConfig], flow: str) -> ConfigError:
    """Return the error of a flow that machines empty and none fills."""
    sources = sorted({name for _, _, entry in _entries(domains) for name in entry.outputs})
    near = get_close_matches(flow, sources, n=1)
    hint = f"did you mean {near[0]}?" if near else f"flows that are filled: {', '.join(sources) or 'none'}"
    where = next((place(n, m, "inputs") for n, m, e in _entries(domains) if flow in e.inputs), "domains")
    return ConfigError(where, f"nothing fills the flow {flow!r}", hint)


def check_rooms(domains: Sequence[DomainConfig]) -> None:
    """Raise ConfigError for the room of a flow that no machine fills or empties."""
    used = {flow for _, _, entry in _entries(domains) for flow in (*entry.inputs, *entry.outputs)}
    for n, domain in enumerate(domains):
        for flow in domain.flows.keys() - used:
            near = get_close_matches(flow, used, n=1)
            hint = f"did you mean {near[0]}?" if near else f"flows of machines: {', '.join(sorted(used)) or 'none'}"
            raise ConfigError(f"domains.{n}:flows.{flow}", "no machine fills or empties this flow", hint)


def _entries(domains: Sequence[DomainConfig]) -> Iterator[tuple[int, int, EquipmentConfig]]:
    for n, domain in enumerate(domains):
        for m, entry in enumerate(domain.equipment):
            yield n, m, entry
