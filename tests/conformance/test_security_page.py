"""Every line of the security page names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
LINES = [line for line in PAGE.splitlines() if re.search(r"`test_\w+` \|$", line)]
DEFINED = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), flags=re.M)
}


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split("|")[1].strip())
def test_each_line_names_tests_that_exist(line: str) -> None:
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert all(cells)
    named = re.findall(r"`(test_\w+)`", cells[-1])
    assert named
    assert [name for name in named if name not in DEFINED] == []


def test_every_foundational_requirement_has_a_line() -> None:
    named = {word for line in LINES for word in re.split(r"[,\s]+", line.split("|")[2].strip())}
    assert {"IAC", "UC", "SI", "DC", "RDF", "TRE", "RA"} <= named


def test_what_is_not_covered_is_said() -> None:
    told = PAGE.partition("### Not covered")[2]
    provisions = {f"5.{n}" for n in range(1, 14)}
    covered = {p for line in LINES for p in re.findall(r"5\.\d+", line)}
    assert {p for p in provisions - covered if not re.search(rf"{re.escape(p)}\b", told)} == set()
