from collections import Counter

import pytest

from core.errors import ConfigError
from testbed.drill.plan import LEAD_S, TAIL_S, TARGETS, plan


@pytest.mark.parametrize(("kills", "seconds"), [(4, 60.0), (20, 600.0), (7, 300.0)])
def test_every_part_is_killed_equally_often_in_the_time_there_is(kills, seconds):
    for seed in range(20):
        found = plan(kills, seconds, seed)
        times = [kill.at for kill in found]
        assert len(found) == kills
        assert times == sorted(times)
        assert times[0] >= LEAD_S
        assert times[-1] <= seconds - TAIL_S
        counts = Counter(kill.target for kill in found)
        assert max(counts.values()) - min(counts[t] for t in TARGETS) <= 1


def test_the_order_is_random_and_repeats_with_its_seed():
    orders = {tuple(k.target for k in plan(8, 120, seed)) for seed in range(10)}
    assert len(orders) > 5
    assert plan(8, 120, 3) == plan(8, 120, 3)


def test_too_short_a_time_is_refused_with_the_time_it_needs():
    with pytest.raises(ConfigError, match="180 s or more"):
        plan(20, 60, 1)
