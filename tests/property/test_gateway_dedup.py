"""Any cutting, repetition and order of deliveries comes to the same set of rows."""

from hypothesis import given, settings
from hypothesis import strategies as st

from core.batch import concat
from core.catalog import Catalog
from tests.unit.gateway.world import check, device, rows, timed, validator

pieces = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40), st.integers(1, 9)), min_size=1, max_size=25)


@given(pieces, st.data())
@settings(max_examples=150)
def test_numbered_rows_arrive_once_however_they_are_delivered(pieces, data):
    judge = validator(Catalog([device("p1"), device("p2"), device("p3")]), settle=0)
    accepted: list[tuple[int, int]] = []
    offered = set()
    while pieces:
        n = data.draw(st.integers(1, len(pieces)))
        batch = concat([rows(range(lo, lo + k), stream=s) for s, lo, k in pieces[:n]])
        offered |= set(zip(batch.stream.tolist(), batch.seq.tolist(), strict=True))
        fresh, _ = check(judge, batch)
        accepted += zip(fresh.stream.tolist(), fresh.seq.tolist(), strict=True)
        pieces = pieces[n:]
    assert len(accepted) == len(set(accepted))
    assert set(accepted) == offered
    totals = judge.totals()
    assert totals["received"] == len(offered)
    # what is asked for is exactly what lies below the top of each stream and has not come
    asked = {(a.stream, i) for a in judge.due(10**12)[0] for i in range(a.first, a.last + 1)}
    tops = {s: max(i for x, i in offered if x == s) for s, _ in offered}
    assert asked == {(s, i) for s, top in tops.items() for i in range(top) if (s, i) not in offered}


@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=8), max_size=15))
def test_rows_known_by_time_arrive_once(reads):
    judge = validator()
    accepted = [t for times in reads for t in check(judge, timed(times))[0].t.tolist()]
    assert len(accepted) == len(set(accepted))
    assert set(accepted) == {t for times in reads for t in times}
