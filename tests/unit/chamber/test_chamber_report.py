from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from chamber import charts
from chamber.evidence import Panel
from chamber.junit import save_junit
from chamber.plan import TestPlan
from chamber.recording import Recording
from chamber.report import render, shown
from chamber.texts import TEXTS, say
from chamber.verdict import judge
from core.spec import Name

HANGUL = re.compile(r"[가-힣]")
VOID = {"meta", "br", "link", "img", "hr", "input"}


class Balance(HTMLParser):
    """Fails on tags that are not closed in order; collects text by article language."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.language = ""
        self.text: dict[str, list[str]] = {}
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.outside += [v for k, v in values.items() if k in ("src", "href") and v and not v.startswith("#")]
        if tag == "article":
            self.language = values["lang"] or ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "article":
            self.language = ""

    def handle_data(self, data: str) -> None:
        if self.language and data.strip():
            self.text.setdefault(self.language, []).append(data.strip())


def read(html: str) -> Balance:
    parser = Balance()
    parser.feed(html)
    assert parser.open == []
    return parser


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("code", TEXTS)
def test_every_text_is_there_in_both_languages_with_the_same_places(code: str) -> None:
    ko, en = TEXTS[code]
    assert ko.strip()
    assert en.strip()
    assert fields(ko) == fields(en)
    assert not HANGUL.search(en)


def test_say_fills_both() -> None:
    assert say("r2_hours", hours=7) == Name(
        "기준기와 기기 평균의 쌍 7개로 계산", "from 7 pairs of the reference and the mean of the units"
    )


def test_the_report_is_whole_self_contained_and_in_both_languages(biased: Recording) -> None:
    html = render(judge(biased))
    page = read(html)
    assert set(page.text) == {"ko", "en"}
    assert page.outside == []
    assert "<script" not in html
    english, korean = "\n".join(page.text["en"]), "\n".join(page.text["ko"])
    assert not HANGUL.search(english)
    assert "부적합" in korean
    assert "FAIL" in english
    assert len(page.text["ko"]) == len(page.text["en"])
    for said in ("unverified", "45.55 %", "> 80 %", "lab/chamber/pm-1", "not a statutory certificate"):
        assert said in english
    assert html.count("<svg") == 6
    assert "size: A4" in html


def test_what_comes_from_outside_is_escaped(plan: TestPlan, biased: Recording) -> None:
    evil = '<img src=x onerror="alert(1)">&</style>'
    spoilt = plan.model_copy(update={"name": Name(evil, evil), "grade_fail": Name(evil, evil)})
    catalog = type(biased.catalog)(
        replace(d, identity=replace(d.identity, model=evil, serial=evil)) for d in biased.catalog.devices.values()
    )
    html = render(judge(replace(biased, plan=spoilt, catalog=catalog)))
    assert "<img" not in html
    assert 'onerror="alert' not in html
    assert html.count("</style>") == 1
    read(html)


def test_charts_break_at_gaps_and_escape_names() -> None:
    t = np.arange(5, dtype=np.int64) * 3600 * 10**9
    line = np.array([1.0, 2.0, np.nan, 4.0, np.nan])
    panel = Panel(Name("제목", "<title>"), t, line, {"a/b/<c>": line}, "field")
    svg = str(charts.lines(panel, "en"))
    assert "&lt;c&gt;" in svg
    assert "&lt;title&gt;" in svg
    assert "nan" not in svg
    paths = re.findall(r'<path d="([^"]*)" fill="none"', svg)
    assert [p.count("M") for p in paths] == [2, 2]
    ET.fromstring(svg)


def test_charts_of_nothing_are_drawn() -> None:
    empty, none = np.full(3, np.nan), np.array([], dtype=np.int64)
    t = np.arange(3, dtype=np.int64)
    ET.fromstring(str(charts.lines(Panel(say("panel_field"), t, empty, {"u": empty}, "field"), "ko")))
    ET.fromstring(str(charts.lines(Panel(say("panel_steps"), none, empty[:0], {}, "steps"), "ko")))
    ET.fromstring(str(charts.scatter(Panel(say("panel_field"), t, empty, {"u": empty}, "field"), empty, 20.0, "ko")))


def test_a_value_is_never_rounded_onto_its_limit() -> None:
    assert shown(79.999, 80.0, "%") == "79.999 %"
    assert shown(80.0, 80.0, "%") == "80.00 %"
    assert shown(45.5512, 80.0, "%") == "45.55 %"
    assert shown(None, 80.0, "%") == "—"


def test_junit_counts_failures_and_skips(biased: Recording, tmp_path: Path) -> None:
    save_junit(judge(biased), tmp_path / "junit.xml")
    suite = ET.parse(tmp_path / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("5", "1", "0")
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == ["accuracy"]


@pytest.mark.parametrize("device", ["biased", "external"])
@pytest.mark.parametrize("speed", [0.0, 1.0])
def test_every_mode_has_its_words(biased: Recording, device: str, speed: float) -> None:
    facts = replace(biased.facts, device=device, speed=speed)
    html = render(judge(replace(biased, facts=facts)))
    assert ("as fast as possible" in html) == (speed == 0)
    assert ("external device" in html) == (device == "external")
