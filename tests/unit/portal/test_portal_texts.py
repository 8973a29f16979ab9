"""Both languages say everything, and nothing is said outside the texts."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import get_args

import httpx
import pytest

from core.command import FINAL
from core.spec import Domain, Protocol
from portal.texts import HERE, LANGUAGES, page, texts

PAGES = sorted(p.stem for p in (HERE / "pages").glob("*.html"))
SCRIPTS = sorted((HERE / "static").glob("*.js"))
OWN_NAMES = {"한국어", "English", "openapi.json"}  # languages name themselves
_KEY = re.compile(r"""\bt\(\s*"([\w.]+)"|\bt\(\s*[^"`()]+\?\s*"([\w.]+)"\s*:\s*"([\w.]+)\"""")
_FAMILY = re.compile(r"\bt\(`(\w+)\.\$\{")
FAMILIES = {
    "hop": ["sensor", "network", "gateway", "store", "analysis", "feedback"],
    "rows": ["emitted", "received", "stored", "under_way", "lost", "duplicated", "redelivered", "rejected"],
    "health": ["ok", "warning", "alarm", "offline", "unknown"],
    "domain": ["factory", "logistics", "urban", "third_party", "all"],
    "role": ["missing", "late", "stopped"],
    "link": ["connecting", "starting", "running", "draining", "ended", "lost"],
    "step": ["finding", "prognosis", "order", "command", "result", "event"],
    "phase": ["watch", "planned", "acting", "solved", "failed", "cleared", "broken"],
    "issuer": ["rule", "policy", "user", "other"],
    "result": ["accepted", *sorted(FINAL)],
}


def test_both_languages_have_the_same_keys_and_slots() -> None:
    ko, en = texts("ko"), texts("en")
    assert list(ko) == list(en)
    for key, text in ko.items():
        assert text.strip(), key
        assert en[key].strip(), key
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", en[key])), key


def test_korean_is_korean_and_english_is_not() -> None:
    assert not [k for k, v in texts("en").items() if re.search("[가-힣]", v)]
    plain = {
        k
        for k, v in texts("ko").items()
        if not re.search("[가-힣]", v) and re.search("[A-Za-z]{4}", re.sub(r"\{\w+\}", "", v))
    }
    assert plain <= {k for k in plain if k.startswith(("protocol.", "param."))}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.name)
def test_scripts_use_known_texts_only(script) -> None:  # type: ignore[no-untyped-def]
    source = script.read_text(encoding="utf-8")
    known = texts("ko")
    used = {key for match in _KEY.finditer(source) for key in match.groups() if key}
    assert not {key for key in used if key not in known}
    for family in _FAMILY.findall(source):
        if family == "api":
            continue
        assert family in FAMILIES, f"{script.name}: describe the members of {family}.* in this test"
    if script.name != "seoul.js":
        assert not re.search("[가-힣]", source), "Korean outside the texts"


def test_every_member_of_a_family_has_its_text() -> None:
    missing = [
        f"{family}.{name}"
        for family, names in FAMILIES.items()
        for name in names
        if f"{family}.{name}" not in texts("ko")
    ]
    assert not missing
    assert {f"domain.{d}" for d in get_args(Domain)} <= set(texts("ko"))
    assert {f"protocol.{p}" for p in get_args(Protocol)} <= set(texts("ko"))


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_fill_every_slot(name: str, language: str) -> None:
    filled = page(name, language)
    assert "{{" not in filled
    assert f'lang="{language}"' in filled


class _Words(HTMLParser):
    """Collects visible words and labels of a page before its slots are filled."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.words += [v for k, v in attrs if k in ("aria-label", "title", "placeholder", "alt") and v]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize("name", PAGES)
def test_pages_hold_no_words_of_their_own(name: str) -> None:
    parser = _Words()
    parser.feed((HERE / "pages" / f"{name}.html").read_text(encoding="utf-8"))
    words = {re.sub(r"\{\{[^}]*\}\}|[–·\s]", "", w) for w in parser.words} - {
        "",
        *(w.replace(" ", "") for w in OWN_NAMES),
    }
    assert not words


async def test_the_api_is_described_in_both_languages(client: httpx.AsyncClient) -> None:
    document = (await client.get("/api/v1/openapi.json")).json()
    known = texts("ko")
    for methods in document["paths"].values():
        for spec in methods.values():
            assert f"api.{spec['operationId']}" in known
            assert f"api.group.{spec['tags'][0]}" in known
            for parameter in spec.get("parameters", []):
                assert f"param.{parameter['name']}" in known
