"""The report for people: one self-contained HTML file in Korean and English, made to be printed on A4."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from chamber import charts
from chamber.checks.dust import mean_of_units
from chamber.recording import stream_of
from chamber.sourced import Sourced
from chamber.texts import LANGUAGES, TEXTS, Language, pick, text
from chamber.verdict import Judgement, iso
from core.clock import NS

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with its caption."""

    title: str
    svg: Markup


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of the test and where its number comes from."""

    name: str
    value: str
    basis: str
    basis_text: str
    source: str


def save_html(judgement: Judgement, path: Path) -> None:
    """Write the report."""
    path.write_text(render(judgement), encoding="utf-8")


def render(judgement: Judgement) -> str:
    """Return the report as HTML; everything that came from outside is escaped."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string((_HERE / "report.html").read_text(encoding="utf-8"))
    return template.render(
        css=Markup((_HERE / "report.css").read_text(encoding="utf-8")),
        pages=[_page(judgement, language) for language in LANGUAGES],
        outcome=judgement.outcome,
        digest=judgement.recording.digest,
    )


def _page(judgement: Judgement, language: Language) -> dict[str, Any]:
    plan = judgement.recording.plan
    grade = {"PASS": plan.grade_pass, "FAIL": plan.grade_fail}.get(judgement.outcome)
    wide, small = _figures(judgement, language)
    return {
        "language": language,
        "t": {code: text(code, language) for code, (_, en) in TEXTS.items() if "{" not in en},
        "plan": pick(plan.name, language),
        "standard": pick(plan.standard, language),
        "overall": text(f"outcome_{judgement.outcome}", language),
        "grade": pick(grade, language) if grade else "",
        "results": _results(judgement, language),
        "wide": wide,
        "small": small,
        "devices": list(_devices(judgement, language)),
        "facts": list(_facts(judgement, language)),
        "conditions": list(_conditions(judgement, language)),
        "notices": [text(code, language) for code in ("notice_rehearsal", "notice_unverified", "notice_seal")],
    }


def _results(judgement: Judgement, language: Language) -> list[dict[str, Any]]:
    rows = []
    for result, rule in zip(judgement.results, judgement.recording.plan.check.requirements, strict=True):
        rows.append(
            {
                "name": pick(rule.name, language),
                "formula": text(f"formula_{result.requirement}", language),
                "measured": shown(result.measured, rule.limit.value, result.unit),
                "limit": f"{result.limit} {result.unit}".strip(),
                "outcome": result.outcome,
                "shown": text(f"outcome_{result.outcome}", language),
                "limit_basis": rule.limit.basis,
                "limit_basis_text": text(f"basis_{rule.limit.basis}", language),
                "method_basis": rule.method.basis,
                "method_basis_text": text(f"basis_{rule.method.basis}", language),
                "lines": [pick(line, language) for line in result.lines],
            }
        )
    return rows


def shown(measured: float | None, limit: float, unit: str) -> str:
    """Return a measured value with as many digits as tell it apart from its limit."""
    if measured is None:
        return text("not_measured", "en")
    digits = 2 if unit == "%" else 3
    while digits < 9 and measured != limit and float(f"{measured:.{digits}f}") == limit:
        digits += 1
    return f"{measured:.{digits}f} {unit}".strip()


def _figures(judgement: Judgement, language: Language) -> tuple[list[Figure], list[Figure]]:
    wide: list[Figure] = []
    small: list[Figure] = []
    percent = next(
        (100 - rule.limit.value for rule in judgement.recording.plan.check.requirements if rule.measure == "accuracy"),
        20.0,
    )
    for panel in judgement.panels:
        figure = Figure(pick(panel.title, language), charts.lines(panel, language))
        if panel.kind == "field":
            mean = mean_of_units(np.array(list(panel.units.values())).reshape(len(panel.units), len(panel.t)))
            wide.append(figure)
            small.append(Figure(text("panel_scatter", language), charts.scatter(panel, mean, percent, language)))
        else:
            small.append(figure)
    return wide, small


def _devices(judgement: Judgement, language: Language) -> Iterator[dict[str, Any]]:
    recording = judgement.recording
    for role, device in recording.roles().items():
        spec = recording.catalog.devices.get(device)
        transport = recording.facts.transport.get(device)
        base, _, number = role.partition("-")
        site_area_device, stream = stream_of(recording.plan, role, device).rsplit("/", 1)
        yield {
            "role": f"{text(f'role_{base}', language)} {number}".strip(),
            "made": f"{spec.identity.manufacturer} {spec.identity.model}".strip() if spec else "—",
            "serial": spec.identity.serial if spec else "—",
            "topic": f"iiot/v1/{site_area_device}/data/{stream}",
            "rows": f"{transport.rows:,}" if transport else "—",
            "lost": f"{transport.lost:,}" if transport else "—",
            "doubled": f"{transport.doubled:,}" if transport else "—",
        }


def _facts(judgement: Judgement, language: Language) -> Iterator[tuple[str, str, str]]:
    """Yield (name, value, CSS class) of what was run."""
    recording, plan, facts = judgement.recording, judgement.recording.plan, judgement.recording.facts
    mode = ("mode_external" if facts.device == "external" else "mode_simulated") + ("" if facts.speed else "_max")
    yield text("plan", language), f"{pick(plan.name, language)} · {plan.id} v{plan.version}", ""
    yield text("plan_digest", language), plan.digest, "hash"
    yield text("report_id", language), recording.digest, "hash"
    yield text("test_period", language), f"{iso(facts.start)} ~ {iso(facts.start + plan.duration)}", ""
    yield text("performed", language), f"{iso(facts.began)} ~ {iso(facts.ended)}", ""
    yield from _climate(judgement, language)
    yield text("mode", language), text(mode, language, device=facts.device, speed=f"{facts.speed:g}"), ""
    yield text("seed", language), str(plan.seed), ""
    yield text("versions", language), ", ".join(f"{k} {v}" for k, v in sorted(facts.versions.items())), ""


def _climate(judgement: Judgement, language: Language) -> Iterator[tuple[str, str, str]]:
    """Yield mean and range of the recorded temperature and humidity of every phase."""
    table, begin = judgement.recording.environment, judgement.recording.facts.start
    if not {"temperature", "humidity"} <= set(table.column_names):
        return
    t = table.column("t").to_numpy()
    for phase in judgement.recording.plan.phases:
        inside = (t >= begin) & (t < begin + phase.duration)
        begin += phase.duration
        warm, moist = (table.column(name).to_numpy()[inside] for name in ("temperature", "humidity"))
        warm, moist = warm[np.isfinite(warm)], moist[np.isfinite(moist)]
        if warm.size and moist.size:
            ends = {"t": warm.mean(), "tlow": warm.min(), "thigh": warm.max()}
            ends |= {"h": moist.mean(), "hlow": moist.min(), "hhigh": moist.max()}
            name = text("climate", language, phase=pick(phase.label, language))
            yield name, text("climate_value", language, **ends), ""


def _conditions(judgement: Judgement, language: Language) -> Iterator[Condition]:
    plan, check = judgement.recording.plan, judgement.recording.plan.check

    def row(name: str, value: str, origin: Sourced) -> Condition:
        return Condition(
            name, value, origin.basis, text(f"basis_{origin.basis}", language), pick(origin.source, language)
        )

    under_test = plan.device_under_test
    yield row(text("units_count", language), str(len(under_test.units)), under_test)
    for phase in plan.phases:
        label = text("phase", language, name=pick(phase.label, language))
        yield row(label, f"{phase.duration / (3600 * NS):g} h", phase)
    for name, setting in check.settings().items():
        yield row(text(f"setting_{name}", language), f"{setting.value:g}", setting)
    for rule in check.requirements:
        limit = f"{rule.limit.compare} {rule.limit.value:g} {rule.unit}".strip()
        name = pick(rule.name, language)
        yield row(f"{name}: {text('basis_limit', language)}", limit, rule.limit)
        yield row(f"{name}: {text('basis_method', language)}", text(f"formula_{rule.measure}", language), rule.method)
