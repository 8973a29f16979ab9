"""``testbed catalogue``: every equipment kind with its channels, parts, commands and faults, as a page made from the
code, in Korean and English."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ValidationError

from core.clock import MS, NS
from core.config import load
from core.spec import ChannelSpec, CommandSpec, Name
from simulator.channels import Stream
from simulator.domain import DomainConfig
from simulator.environment import FIELDS
from simulator.equipment.base import EquipmentConfig
from simulator.faults import SENSOR_FAULTS, FaultKind, WearFault
from simulator.kinds import Equipment
from simulator.states import COMMON

Language = Literal["ko", "en"]
GREENHOUSE = Path("configs/domains/greenhouse.yaml")
FILES: dict[Language, str] = {"ko": "catalogue.ko.md", "en": "catalogue.md"}

_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "title": "Catalogue of equipment",
        "intro": "Made from the code by `testbed catalogue --out docs`; do not edit. Units are UCUM codes. Every "
        "channel carries a quality; numbers are those of an entry without settings of its own.",
        "all": "All equipment",
        "all_text": "takes the commands {commands}, unless its table says otherwise, and knows these faults of "
        "sensors, timed in a scenario (`args: {{channel, size, chance}}`): {faults}.",
        "env": "Fields of the shared environment: {fields}.",
        "own": "Declared in {file}, without code",
        "head": "| stream | every | channel | name | unit | range | step |",
        "wears": "Wears",
        "commands": "Commands",
        "faults": "Faults",
        "from_config": "Channels come from the entry: see {where}.",
        "with": "with",
    },
    "ko": {
        "title": "장비 목록",
        "intro": "`testbed catalogue --out docs` 명령이 코드에서 만든 문서이므로 직접 고치지 않습니다. "
        "단위는 UCUM 부호이며 모든 채널에는 품질이 붙습니다. 수치는 따로 설정하지 않은 장비의 것입니다.",
        "all": "모든 장비 공통",
        "all_text": "표에 달리 적지 않은 한 {commands} 명령을 받으며, 시나리오에서 때를 정하는 센서 고장"
        "(`args: {{channel, size, chance}}`)은 다음과 같습니다: {faults}.",
        "env": "공유 환경의 값: {fields}.",
        "own": "코드 없이 {file}에 적은 장비",
        "head": "| 스트림 | 주기 | 채널 | 이름 | 단위 | 범위 | 최소 눈금 |",
        "wears": "마모 부품",
        "commands": "명령",
        "faults": "고장",
        "from_config": "채널은 설정에서 정합니다: {where}.",
        "with": "설정:",
    },
}
_DOCUMENTS = {"replay": "simulator/equipment/replay.py", "generic": "docs/own-equipment.md"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One kind as the page shows it; ``optional`` are streams that a switch of the config adds."""

    kind: str
    label: Name
    streams: tuple[Stream, ...]
    optional: tuple[tuple[str, Stream], ...]
    parts: tuple[str, ...]
    commands: tuple[CommandSpec, ...]
    faults: tuple[tuple[str, FaultKind], ...]


def entries() -> Iterator[Entry]:
    """Yield every kind of the simulator in the order of its list."""
    for model in get_args(get_args(Equipment)[0]):
        kind = model.model_fields["kind"].default
        needed = [name for name, field in model.model_fields.items() if field.is_required() and name != "kind"]
        yield _blank(model, kind) if needed else entry_of(model(kind=kind), kind, tuple(_optional(model, kind)))


def own_entries(file: Path) -> Iterator[Entry]:
    """Yield the types that a domain file declares by itself."""
    for entry in load(file, DomainConfig).equipment:
        if entry.kind == "generic":
            yield entry_of(entry, entry.shown_kind())


def entry_of(config: EquipmentConfig, kind: str, optional: tuple[tuple[str, Stream], ...] = ()) -> Entry:
    """Return a config as an entry of the page."""
    asset = config.asset()
    label = config.name if kind != config.kind and config.name else config.label
    plain = Name(*(text.replace("{n}", "").replace("{area}", "").strip() for text in (label.ko, label.en)))
    return Entry(
        kind,
        plain,
        config.streams(),
        optional,
        tuple(config.wears()),
        tuple(asset.commands),
        tuple(asset.faults.items()),
    )


def page(language: Language, root: Path = Path()) -> str:
    """Return the page; ``root`` is the folder of the repository."""
    w = _WORDS[language]
    commands = ", ".join(_command(c, language) for c in COMMON)
    faults = ", ".join(f"`{name}`" for name in SENSOR_FAULTS)
    lines = [f"# {w['title']}", "", w["intro"], "", f"**{w['all']}** "
             + w["all_text"].format(commands=commands, faults=faults)
             + " " + w["env"].format(fields=", ".join(f"`{name}`" for name in FIELDS))]  # fmt: skip
    for entry in entries():
        lines += _section(entry, language)
    lines += ["", f"# {w['own'].format(file=f'`{GREENHOUSE.as_posix()}`')}"]
    for entry in own_entries(root / GREENHOUSE):
        lines += _section(entry, language)
    return "\n".join(lines) + "\n"


def write(folder: Path, root: Path = Path()) -> list[Path]:
    """Write the page in both languages; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    out = []
    for language, name in FILES.items():
        (folder / name).write_text(page(language, root), encoding="utf-8")
        out.append(folder / name)
    return out


def _blank(model: Any, kind: str) -> Entry:
    return Entry(kind, model.label, (), (), (), COMMON, ())


def _optional(model: Any, kind: str) -> Iterator[tuple[str, Stream]]:
    """Yield the streams that a switch of the config adds, with what to write for it."""
    known = {s.name for s in model(kind=kind).streams()}
    for name, field in model.model_fields.items():
        if field.default is not False:
            continue
        try:
            streams = model(kind=kind, **{name: True}).streams()
        except ValidationError:  # a switch that needs company
            continue
        yield from ((f"`{name}: true`", s) for s in streams if s.name not in known)


def _section(entry: Entry, language: Language) -> list[str]:
    w = _WORDS[language]
    lines = ["", f"## {getattr(entry.label, language)} (`{entry.kind}`)", ""]
    if entry.streams:
        lines += [w["head"], "|---|---|---|---|---|---|---|"]
        for stream in entry.streams:
            lines += _rows(stream, language, "")
        for switch, stream in entry.optional:
            lines += _rows(stream, language, f" ({w['with']} {switch})")
    else:
        lines.append(w["from_config"].format(where=f"`{_DOCUMENTS.get(entry.kind, 'simulator/equipment')}`"))
    facts = (
        ("wears", [f"`{p}`" for p in entry.parts]),
        ("commands", [_command(c, language) for c in entry.commands]),
        ("faults", [_fault(name, kind, language) for name, kind in entry.faults]),
    )
    told = [f"{w[key]}: {', '.join(texts)}" for key, texts in facts if texts]
    return [*lines, "", ". ".join(told) + "."]


def _rows(stream: Stream, language: Language, note: str) -> Iterable[str]:
    for n, channel in enumerate(stream.channels):
        spec = channel.spec
        first = (f"`{stream.name}`{note}", _period(stream)) if n == 0 else ("", "")
        label = getattr(spec.label, language) if spec.label else spec.name
        step = f"{spec.resolution:g}" if spec.resolution else ""
        yield f"| {first[0]} | {first[1]} | `{spec.name}` | {label} | {_unit(spec)} | {_range(spec)} | {step} |"


def _period(stream: Stream) -> str:
    if stream.burst > 1:
        return f"{stream.burst} × {NS / stream.period:g} Hz / {_span(stream.every)}"
    return _span(stream.period)


def _span(ns: int) -> str:
    return f"{ns / NS:g} s" if ns >= NS else f"{ns / MS:g} ms"


def _unit(spec: ChannelSpec) -> str:
    return "" if spec.states or spec.unit == "1" else spec.unit


def _range(spec: ChannelSpec) -> str:
    if spec.states:
        return ", ".join(f"{code} {name}" for code, name in spec.states.items())
    if spec.low is None and spec.high is None:
        return ""
    low = "" if spec.low is None else f"{spec.low:g}"
    return f"{low} … {spec.high:g}" if spec.high is not None else f"{low} …"


def _command(command: CommandSpec, language: Language) -> str:
    args = ", ".join(f"{name}{f' {unit}' * (unit != '1')}" for name, unit in command.args.items())
    label = f" {getattr(command.label, language)}" if command.label else ""
    return f"`{command.name}`{label}{f' ({args})' * bool(args)}"


def _fault(name: str, kind: FaultKind, language: Language) -> str:
    label = f" {getattr(kind.label, language)}" if kind.label else ""
    return f"`{name}`{label}" + (f" (→ {kind.component} ×{kind.rate:g})" if isinstance(kind, WearFault) else "")
