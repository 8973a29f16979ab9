import json

import numpy as np
import pytest

from core.batch import Batch, concat
from core.catalog import Catalog
from core.clock import NS, RunClock, mono_ns, wall_ns
from core.quality import BAD, BAD_SENSOR, GOOD, UNCERTAIN_RANGE
from tests.unit.gateway.world import MAX, PUMP, check, device, rows, timed, validator, wall_clock


def test_rows_in_order_pass_and_repeated_rows_do_not():
    judge = validator()
    assert check(judge, rows(range(10)))[0].seq.tolist() == list(range(10))
    assert len(check(judge, rows(range(10)))[0]) == 0
    assert check(judge, rows(range(8, 13)))[0].seq.tolist() == [10, 11, 12]
    assert judge.accounting()["s/a/p1/main"] == {
        "received": 13, "duplicated": 12, "reordered": 0, "rejected": 0, "lost": 0, "repaired": 0
    }  # fmt: skip
    assert judge.metrics.counts["duplicated"] == 12


def test_late_rows_are_welcome_once_and_counted_as_reordered():
    judge = validator()
    check(judge, rows([0, 1, 4, 5]))
    assert check(judge, rows([2, 3]))[0].seq.tolist() == [2, 3]
    assert len(check(judge, rows([2, 3]))[0]) == 0
    assert judge.totals()["reordered"] == 2


def test_rows_that_were_asked_for_again_are_repaired_not_reordered():
    judge = validator(Catalog([device("p1", replay=True)]))
    check(judge, rows([3, 5]))
    asks, _ = judge.due(mono_ns() + 10 * NS)
    assert [(ask.first, ask.last) for ask in asks] == [(0, 2), (4, 4)]
    check(judge, rows([0, 1, 2, 4]))
    totals = judge.totals()
    assert (totals["received"], totals["repaired"], totals["reordered"]) == (6, 4, 0)


def test_batches_of_many_streams_are_judged_each_by_its_own():
    catalog = Catalog([device("p1"), device("p2"), device("p3")])
    judge = validator(catalog)
    mixed = concat([rows([0, 1], stream=0), rows([0], stream=1), rows([0, 1, 2], stream=2)])
    assert len(check(judge, mixed)[0]) == 6
    again = concat([rows([2], stream=0), rows([0], stream=1), rows([3], stream=2)])
    fresh, _ = check(judge, again)
    assert list(zip(fresh.stream.tolist(), fresh.seq.tolist(), strict=True)) == [(0, 2), (2, 3)]


def test_a_device_with_a_new_start_number_counts_from_zero_again():
    judge = validator()
    check(judge, rows(range(5), sid=7))
    assert len(check(judge, rows(range(5), sid=8, t0=100 * NS))[0]) == 5


def test_a_device_that_counts_anew_under_its_old_start_number_loses_nothing():
    judge = validator()
    check(judge, rows(range(5), t0=0))
    fresh, remarks = check(judge, rows(range(3), t0=1000 * NS))
    assert fresh.seq.tolist() == [0, 1, 2]
    assert set(fresh.sid.tolist()) == {1000 * NS}
    assert [note.name for note in remarks.notes] == ["restart"]
    # what comes next belongs to the new start, what is delivered again from before to the old one
    assert len(check(judge, rows([3], t0=1000 * NS))[0]) == 1
    assert len(check(judge, rows([4], t0=0))[0]) == 0
    assert len(check(judge, rows([2], t0=1000 * NS))[0]) == 0


def test_rows_without_numbers_are_known_by_their_time():
    judge = validator()
    assert len(check(judge, timed([10, 20, 30]))[0]) == 3
    assert check(judge, timed([20, 25, 30, 40]))[0].t.tolist() == [25, 40]
    assert len(check(judge, timed([25]))[0]) == 0


def test_a_hole_is_asked_for_and_forgotten_once_filled():
    judge = validator(settle=1)
    check(judge, rows([0, 1, 5]), now=0)
    assert judge.due(NS // 2) == ([], [])
    asks, events = judge.due(2 * NS)
    assert [(a.first, a.last, a.sid) for a in asks] == [(2, 4, 7)]
    assert events == []
    check(judge, rows([2, 3, 4]), now=2 * NS)
    assert judge.due(60 * NS) == ([], [])
    assert len(judge.gaps) == 0


def test_only_the_rest_of_a_hole_is_asked_for_again():
    judge = validator(settle=0)
    check(judge, rows([0, 9]), now=0)
    judge.due(1)
    check(judge, rows([3, 4]), now=1)
    asks, _ = judge.due(5 * NS)
    assert [(a.first, a.last) for a in asks] == [(1, 2), (5, 8)]


def test_a_hole_that_stays_though_the_device_is_heard_is_reported_lost():
    judge = validator(settle=0, asks=2)
    check(judge, rows([0, 4]), now=0)
    for step in range(1, 6):
        _, events = judge.due(step * 20 * NS)
        check(judge, rows([4 + step]), now=step * 20 * NS)
        if events:
            break
    assert [e.name for e in events] == ["gap"]
    assert "3 rows are lost: 1..3" in events[0].text
    assert judge.totals()["lost"] == 3
    assert len(check(judge, rows([2]))[0]) == 1, "a row that comes after all is still welcome"


def test_the_hole_of_a_silent_device_stays_open():
    judge = validator(settle=0, asks=2)
    check(judge, rows([0, 4]), now=0)
    assert all(judge.due(step * 20 * NS)[1] == [] for step in range(1, 10))
    assert len(judge.gaps) == 1


def test_a_device_without_replay_gets_a_report_and_no_question():
    judge = validator(Catalog([device(replay=False)]), late=5)
    check(judge, rows([0, 3]), now=0)
    assert judge.due(4 * NS) == ([], [])
    asks, events = judge.due(6 * NS)
    assert asks == []
    assert "2 rows are lost: 1..2" in events[0].text


def test_rows_before_the_first_contact_are_asked_for_but_not_promised():
    judge = validator(settle=0)
    check(judge, rows([5]), now=0)
    assert [(a.first, a.last) for a in judge.due(1)[0]] == [(0, 4)]
    silent = validator(Catalog([device(replay=False)]), late=0)
    check(silent, rows([5]), now=0)
    assert silent.due(10 * NS) == ([], [])
    assert silent.totals()["lost"] == 0


def test_the_last_number_a_node_states_opens_a_hole_at_the_end():
    judge = validator(settle=0)
    check(judge, rows([0, 1]), now=0)
    judge.dedup.expect(0, 7, 1, 0)
    assert judge.due(1) == ([], [])
    judge.dedup.expect(0, 7, 3, 0)
    assert [(a.first, a.last) for a in judge.due(1)[0]] == [(2, 3)]


def test_values_out_of_range_become_uncertain_and_missing_ones_bad():
    judge = validator()
    batch = rows(range(4), flow=np.array([50.0, 101.0, np.nan, -1.0]), temp=np.array([1e9, np.inf, 1.0, 2.0]))
    fresh, _ = check(judge, batch)
    assert fresh.q[:, 0].tolist() == [GOOD, UNCERTAIN_RANGE, BAD_SENSOR, UNCERTAIN_RANGE]
    assert fresh.q[:, 1].tolist() == [GOOD, BAD_SENSOR, GOOD, GOOD], "a channel without limits has no range"
    assert np.isnan(fresh.x[1, 1])
    assert batch.q[1, 0] == GOOD, "the batch that came in is not changed"


def test_a_quality_that_says_more_is_kept():
    judge = validator()
    batch = rows([0], flow=500.0)
    batch.q[0, 0] = BAD
    assert check(judge, batch)[0].q[0, 0] == BAD


def test_rows_from_the_future_go_to_the_dead_letters_and_their_neighbours_pass():
    clock = wall_clock()
    judge = validator(clock=clock)
    now = wall_ns()
    batch = rows([0, 1, 2], t0=now, step=4 * NS)
    fresh, remarks = check(judge, batch)
    assert fresh.seq.tolist() == [0, 1]
    ((topic, reason, payload),) = remarks.letters
    assert (topic, reason) == ("s/a/p1/main", "future")
    assert json.loads(payload)["seq"] == 2
    assert judge.totals()["rejected"] == 1


def test_a_rejected_row_may_come_again_with_the_right_time():
    judge = validator(clock=wall_clock())
    now = wall_ns()
    assert len(check(judge, rows([0], t0=now + 60 * NS))[0]) == 0
    assert len(check(judge, rows([0], t0=now))[0]) == 1


def test_at_speed_max_there_is_no_future():
    assert len(check(validator(clock=MAX), rows([0], t0=10**18))[0]) == 1


@pytest.mark.parametrize("speed", [1.0, 60.0])
def test_foreign_timestamps_are_shifted_to_run_time_where_that_is_not_wall_time(speed):
    anchor = wall_ns() - NS
    clock = RunClock(start=10**17, anchor=anchor, speed=speed)
    judge = validator(Catalog([device(domain="third_party")]), clock)
    fresh, remarks = check(judge, rows([0], t0=anchor + NS))
    assert fresh.t.tolist() == [10**17 + round(speed * NS)]
    assert [n.name for n in remarks.notes] == ["time-shifted"]
    fresh, remarks = check(judge, rows([1], t0=anchor))
    assert remarks.notes == [], "told once a device"


def test_foreign_timestamps_are_left_alone_on_a_wall_clock():
    now = wall_ns()
    judge = validator(Catalog([device(domain="third_party")]), wall_clock())
    assert check(judge, rows([0], t0=now))[0].t.tolist() == [now]


def test_state_survives_dump_and_load():
    judge = validator(settle=0)
    check(judge, rows([0, 1, 5, 6]))
    check(judge, rows(range(3), t0=1000 * NS))
    state = json.loads(json.dumps(judge.dump()))
    again = validator(settle=0)
    again.load(state, 0)
    again.dedup.reopen(0)
    assert again.totals() == judge.totals()
    assert len(check(again, rows([0, 1, 5, 6]))[0]) == 0
    assert len(check(again, rows(range(3), t0=1000 * NS))[0]) == 0
    assert (2, 4) in [(a.first, a.last) for a in again.due(1)[0]]


def test_rows_of_a_stream_the_catalog_does_not_know_raise_an_index_error():
    batch = rows([0])
    stray = Batch(PUMP, np.array([99], np.int32), batch.sid, batch.seq, batch.t + 10**18, batch.x, batch.q)
    with pytest.raises(IndexError):
        check(validator(clock=RunClock(0, 1, 60.0)), stray)


def test_rows_missing_in_two_overlapping_holes_are_lost_once():
    """A state may tell the last number before the rows up to it are read."""
    judge = validator(Catalog([device(replay=False)]), late="1s")
    check(judge, rows(range(10)))
    judge.dedup.expect(0, 7, 39, 0)
    check(judge, rows(range(15, 40)))
    _, events = judge.due(2 * NS)
    assert [e.text.partition(": ")[2] for e in events] == ["5 rows are lost: 10..14"]
    assert judge.totals()["lost"] == 5
