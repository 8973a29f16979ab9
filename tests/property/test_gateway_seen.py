from hypothesis import given
from hypothesis import strategies as st

from gateway.seen import Ranges, Times

spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 8)), max_size=30)


@given(spans)
def test_ranges_are_a_set_of_integers(pieces):
    ranges, model = Ranges(), set()
    for lo, n in pieces:
        want = sorted(set(range(lo, lo + n + 1)) - model)
        got = [i for a, b in ranges.missing(lo, lo + n) for i in range(a, b + 1)]
        assert got == want
        ranges.add(lo, lo + n)
        model |= set(range(lo, lo + n + 1))
    assert [i for a, b in ranges.spans() for i in range(a, b + 1)] == sorted(model)
    assert len(ranges) == len(model)
    assert all(b + 1 < c for (_, b), (c, _) in zip(ranges.spans(), ranges.spans()[1:], strict=False)), "joined"


@given(st.lists(st.integers(0, 80), max_size=60))
def test_times_are_a_set(times):
    seen, model = Times(), set()
    for t in times:
        assert seen.add(t) == (t not in model)
        model.add(t)
    found = {t for a, step, b in seen.runs() for t in (range(a, b + 1, step) if step else [a])}
    assert found == model


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 4), st.integers(2, 6)), max_size=12))
def test_runs_of_times_are_a_set(pieces):
    seen, model = Times(), set()
    for first, step, n in pieces:
        run = [first + i * step for i in range(n)]
        if seen.append(first, step, run[-1]):
            assert not model or first > max(model)
            model |= set(run)
        else:
            for t in run:
                assert seen.add(t) == (t not in model)
                model.add(t)
    for t in range(100):
        assert (not Times(runs=seen.runs()).add(t)) == (t in model)


@given(st.lists(st.integers(0, 10_000), max_size=200))
def test_memory_of_times_is_bounded_and_never_takes_a_time_twice(times):
    seen, taken = Times(most=4), []
    for t in times:
        if seen.add(t):
            taken.append(t)
        assert len(seen.runs()) <= 4 + 2
    assert len(taken) == len(set(taken))
    assert not any(seen.add(t) for t in times)


def test_a_steady_stream_is_one_run():
    seen = Times()
    for t in range(0, 100_000, 10):
        assert seen.add(t)
    assert seen.runs() == [(0, 10, 99_990)]
