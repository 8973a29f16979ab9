"""The committed catalogue says what the code says."""

from pathlib import Path
from typing import get_args

import pytest

from simulator.kinds import Equipment
from testbed.catalogue import FILES, Language, entries, page

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("language", FILES)
def test_the_committed_page_is_current(language: Language) -> None:
    committed = (ROOT / "docs" / FILES[language]).read_text(encoding="utf-8")
    assert committed == page(language, ROOT), "write it anew: testbed catalogue --out docs"


def test_every_kind_and_channel_has_both_names() -> None:
    found = list(entries())
    assert len(found) == len(get_args(get_args(Equipment)[0]))
    nameless = [
        f"{entry.kind} {what}"
        for entry in found
        for what, label in [
            *((f"command {c.name}", c.label) for c in entry.commands),
            *((f"fault {name}", kind.label) for name, kind in entry.faults),
            *((f"channel {c.spec.name}", c.spec.label) for s in entry.streams for c in s.channels),
        ]
        if label is None or label.ko == label.en == what.rpartition(" ")[2]
    ]
    assert nameless == []
