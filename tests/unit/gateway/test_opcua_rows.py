from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.catalog import Catalog
from core.clock import NS
from core.quality import BAD_COMM, GOOD
from core.spec import ChannelSpec, DeviceSpec, Identity, LayoutSpec, StreamSpec
from gateway.sources.opcua_rows import Gap, RowBuilder
from wire.opcua.packing import Notices

LAYOUT = LayoutSpec("k.s", tuple(ChannelSpec(c, "velocity") for c in "abc"))
STREAMS = (StreamSpec("s", LAYOUT),)
WHO = Identity("m", "1", "u")
CATALOG = Catalog([DeviceSpec("s", "a", f"d{i}", "k", "factory", "n", WHO, STREAMS) for i in range(4)])


def builder(last: int = 0) -> RowBuilder:
    rows = RowBuilder()
    for entry in CATALOG.streams:
        rows.add(entry, last)
    return rows


def notices(values: list[tuple[int, int]]) -> Notices:
    """Values of (handle, second); the value tells both."""
    h, t = (np.array(c, np.int64) for c in zip(*values, strict=True))
    return Notices(h, t * NS, h + t / 1000, np.zeros(len(h), np.uint32), t * NS + 5)


def seen(taken) -> list[tuple[int, int]]:
    return [(int(s), int(t) // NS) for _, b in taken.rows for s, t in zip(b.stream, b.t, strict=True)]


@given(st.permutations([h for h in range(12) for _ in range(3)]), st.lists(st.integers(1, 35), max_size=5))
def test_rows_are_whole_once_and_in_order_however_values_arrive(nodes, cuts):
    values = [(h, 1 + nodes[:i].count(h)) for i, h in enumerate(nodes)]  # a node's own values come in order
    rows, found = builder(), []
    edges = sorted({0, 36, *cuts})
    for a, b in itertools.pairwise(edges):
        for half in (values[a:b], values[a:b][:1]):  # the first value of every portion comes twice
            if half:
                taken = rows.take(notices(half), 0)
                found += seen(taken)
                for _, batch in taken.rows:
                    expected = batch.stream[:, None] * 3 + np.arange(3) + (batch.t // NS)[:, None] / 1000
                    assert np.allclose(batch.x, expected)
                    assert (batch.q == GOOD).all()
    assert sorted(found) == [(s, t) for s in range(4) for t in (1, 2, 3)]
    assert [t for s, t in found if s == 2] == [1, 2, 3]


def test_an_incomplete_row_holds_the_next_and_goes_after_a_second():
    rows = builder()
    early = rows.take(notices([(0, 1), (1, 1), (0, 2), (1, 2), (2, 2), (3, 1), (4, 1), (5, 1)]), 0)
    assert seen(early) == [(1, 1)]
    assert rows.waiting
    assert seen(rows.take(notices([(3, 2)]), NS // 2)) == []
    late = rows.take(notices([(4, 2)]), NS)
    assert seen(late) == [(0, 1), (0, 2)]
    assert late.rows[0][1].q[0].tolist() == [GOOD, GOOD, BAD_COMM]
    assert seen(rows.take(notices([(2, 1), (5, 2)]), NS)) == [(1, 2)]
    assert not rows.waiting


def test_holes_are_seen_and_judged():
    rows = builder()
    rows.take(notices([(h, 1) for h in range(12)]), 0)
    assert rows.holes(notices([(h, 2) for h in range(12)])) == []
    news = notices([(0, 5), (1, 5), (2, 5), (3, 2), (4, 2), (5, 2)])
    assert rows.holes(news) == [0]
    rows.unproven.update([0, 1])
    taken = rows.take(news, 0)
    assert taken.gaps == [Gap("s/a/d0/s", "s/a/d0", 1 * NS, 5 * NS)]
    assert rows.unproven == set()


def test_history_that_reaches_the_last_row_proves_that_nothing_is_missing():
    rows = builder(last=3 * NS)
    assert rows.unproven == {0, 1, 2, 3}
    rows.cover(notices([(0, 3), (0, 9), (3, 4)]))
    assert rows.unproven == {1, 2, 3}
    assert rows.take(notices([(0, 9), (1, 9), (2, 9)]), 0).gaps == []
