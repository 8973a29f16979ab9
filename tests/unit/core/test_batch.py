from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.batch import Batch, concat, merge, unpack
from core.spec import LayoutSpec
from tests.unit.core.builders import batch, batches, layout, same


@given(batches())
def test_unpack_gives_back_the_same_bits(rows: Batch) -> None:
    assert same(unpack(rows.pack(), {rows.layout.name: rows.layout}.__getitem__), rows)


@given(batches(), st.data())
def test_bytes_cut_anywhere_are_refused(rows: Batch, data: st.DataObject) -> None:
    packed = rows.pack()
    cut = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(ValueError, match="bytes"):
        unpack(packed[:cut], lambda _: rows.layout)


def test_trailing_bytes_are_refused() -> None:
    rows = batch(layout(), [0, 1])
    with pytest.raises(ValueError, match="do not hold 2 rows"):
        unpack(rows.pack() + b"\0", lambda _: rows.layout)


def test_unpack_reads_a_memoryview_and_a_sliced_column() -> None:
    rows = batch(layout(), [0, 1, 0, 1]).take(slice(None, None, 2))
    assert same(unpack(memoryview(rows.pack()), lambda _: rows.layout), rows.take(slice(None)))


def test_unpack_wants_the_channels_of_the_layout() -> None:
    packed = batch(layout("x", "a", "b"), [0]).pack()
    with pytest.raises(ValueError, match="layout x has 3 channels, the rows have 2"):
        unpack(packed, lambda _: layout("x", "a", "b", "c"))


def test_unpack_asks_for_the_layout_by_name() -> None:
    def none(name: str) -> LayoutSpec:
        raise KeyError(name)

    with pytest.raises(KeyError, match=r"pump\.state"):
        unpack(batch(layout(), [0]).pack(), none)


@given(batches())
def test_by_stream_parts_the_rows_and_keeps_their_order(rows: Batch) -> None:
    parts = list(rows.by_stream())
    assert sum(len(part) for _, part in parts) == len(rows)
    assert len({stream for stream, _ in parts}) == len(parts)
    for stream, part in parts:
        assert (part.stream == stream).all()
        assert same(part, rows.take(rows.stream == stream))


def test_by_stream_of_one_stream_copies_nothing() -> None:
    rows = batch(layout(), [3, 3])
    assert next(rows.by_stream()) == (3, rows)


def test_values_counts_cells() -> None:
    assert batch(layout("x", "a", "b", "c"), [0, 1]).values == 6


def test_concat_joins_in_the_order_given() -> None:
    spec = layout()
    joined = concat([batch(spec, [0, 1], start=10), batch(spec, [2], start=0)])
    assert joined.stream.tolist() == [0, 1, 2]
    assert joined.seq.tolist() == [10, 11, 0]


def test_concat_refuses_two_layouts() -> None:
    with pytest.raises(ValueError, match="different layouts"):
        concat([batch(layout("a"), [0]), batch(layout("b"), [0])])


def test_merge_groups_by_layout_and_drops_the_empty() -> None:
    one, two = layout("one"), layout("two")
    merged = merge([batch(one, [0]), batch(two, [1]), batch(one, [2], start=5), batch(two, [])])
    assert [(b.layout.name, b.stream.tolist()) for b in merged] == [("one", [0, 2]), ("two", [1])]


@given(batches(), st.data())
def test_cutting_and_joining_changes_nothing(rows: Batch, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(rows)))
    assert same(concat([rows.take(slice(None, cut)), rows.take(slice(cut, None))]), rows)


def test_take_by_mask_and_by_index_agree() -> None:
    rows = batch(layout(), [0, 1, 2])
    assert same(rows.take(np.array([True, False, True])), rows.take(np.array([0, 2])))
