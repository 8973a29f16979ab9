"""Texts of the pages in Korean and English."""

from __future__ import annotations

import html
import json
import re
from functools import cache
from pathlib import Path
from typing import cast

HERE = Path(__file__).parent
LANGUAGES = ("ko", "en")
_SLOT = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")


@cache
def texts(language: str) -> dict[str, str]:
    """Return all texts of a language by key."""
    return cast("dict[str, str]", json.loads((HERE / "texts" / f"{language}.json").read_text(encoding="utf-8")))


@cache
def page(name: str, language: str) -> str:
    """Return a page with its ``{{key}}`` slots filled; an unknown key raises KeyError."""
    known = {**texts(language), "lang": language}
    source = (HERE / "pages" / f"{name}.html").read_text(encoding="utf-8")
    return _SLOT.sub(lambda m: html.escape(known[m[1]]), source)


def choose(query: str, cookie: str, accept: str) -> str:
    """Return the language asked for: by the switch, by an earlier choice, by the browser; else Korean."""
    for wanted in (query, cookie):
        if wanted in LANGUAGES:
            return wanted
    ranked = sorted(enumerate(accept.split(",")), key=lambda part: (-_weight(part[1]), part[0]))
    for _, part in ranked:
        tag = part.partition(";")[0].strip().lower().partition("-")[0]
        if tag in LANGUAGES and _weight(part) > 0:
            return tag
    return "ko" if not accept.strip() else "en"


def _weight(part: str) -> float:
    _, _, q = part.partition(";q=")
    try:
        return float(q) if q else 1.0
    except ValueError:
        return 0.0
