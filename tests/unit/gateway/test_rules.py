import json

import numpy as np
import pytest
from pydantic import ValidationError

from core.catalog import Catalog
from core.clock import NS, RunClock, wall_ns
from core.metrics import Metrics
from core.quality import BAD, UNCERTAIN_RANGE
from gateway.rules import RuleConfig, Rules
from tests.unit.gateway.world import MAX, device, rows

BASE = {
    "name": "hot",
    "when": {"kind": "pump", "channel": "temp", "op": ">", "value": 80},
    "then": {"command": "stop"},
}


def rules(clock: RunClock = MAX, catalog: Catalog | None = None, **over) -> Rules:
    when = {**BASE["when"], **over.pop("when", {})}
    config = RuleConfig.model_validate({**BASE, **over, "when": when})
    return Rules([config], catalog or Catalog([device("p1"), device("p2")]), clock, Metrics())


def run(judge: Rules, temps, start: int = 0, **kw):
    """Feed one row at a time; return the numbers of the rows that fired."""
    fired = []
    for i, temp in enumerate(temps, start):
        fired += [c.cause.seq for c in judge.judge(rows([i], temp=temp, **kw))]
    return fired


def test_a_rule_fires_once_when_its_condition_begins():
    assert run(rules(), [70, 81, 90, 85, 70, 79, 81]) == [1, 6]


def test_the_command_names_device_issuer_cause_and_its_end():
    (command,) = rules(then={"command": "set_speed", "args": {"speed": 0.5}}).judge(rows([3], temp=90, stream=1))
    assert (command.device, command.name, command.issuer) == ("s/a/p2", "set_speed", "rule:hot")
    assert command.args == {"speed": 0.5}
    assert (command.cause.stream, command.cause.sid, command.cause.seq) == ("s/a/p2/main", 7, 3)
    assert command.expires - command.t == 5 * NS


def test_the_same_row_gives_the_same_id_and_another_row_another():
    a, b = (rules().judge(rows([3], temp=90))[0].id for _ in range(2))
    assert a == b
    assert rules().judge(rows([4], temp=90))[0].id != a
    assert rules().judge(rows([3], temp=90, sid=8))[0].id != a


def test_hysteresis_holds_the_rule_until_the_value_has_really_left():
    judge = rules(when={"hysteresis": 10})
    assert run(judge, [85, 75, 85, 71, 85, 69, 85]) == [0, 6]


def test_below_with_hysteresis():
    judge = rules(when={"op": "<", "value": 10, "hysteresis": 5})
    assert run(judge, [9, 12, 9, 16, 9]) == [0, 4]


def test_the_condition_must_last():
    judge = rules(when={"for": "3s"})
    assert run(judge, [85, 85, 70, 85, 85, 85, 85, 85]) == [6]


def test_cooldown_is_per_device_and_min_interval_for_the_rule():
    judge = rules(cooldown="5s")
    assert run(judge, [90, 70, 90, 70, 90, 70, 90]) == [0, 6]
    assert run(judge, [90], stream=1) == [0]
    assert judge.rules[0].held["cooldown"] == 2
    slow = rules(min_interval="100s")
    assert run(slow, [90]) == [0]
    assert run(slow, [90], stream=1) == []


def test_repeat_fires_again_while_the_condition_lasts():
    assert run(rules(repeat=True, cooldown="3s"), [90] * 8) == [0, 3, 6]


def test_an_interlock_on_the_same_row_must_hold():
    judge = rules(interlock=[{"channel": "flow", "op": ">", "value": 5}])
    assert judge.judge(rows([0], temp=90, flow=1)) == []
    assert len(judge.judge(rows([1], temp=90, flow=9))) == 1


def test_an_interlock_that_cannot_be_read_locks():
    judge = rules(interlock=[{"channel": "flow", "op": "<", "value": 5}])
    batch = rows([0], temp=90, flow=1)
    batch.q[0, 0] = BAD
    assert judge.judge(batch) == []
    assert rules(interlock=[{"channel": "nothing", "op": ">", "value": 0}]).judge(rows([0], temp=90)) == []


def test_bad_values_never_fire_and_those_beyond_the_range_do():
    batch = rows([0], temp=900)
    batch.q[0, 1] = BAD
    assert rules().judge(batch) == []
    batch.q[0, 1] = UNCERTAIN_RANGE
    assert len(rules().judge(batch)) == 1
    assert rules(quality="good").judge(batch) == []


def test_only_fresh_rows_are_judged():
    now = wall_ns()
    judge = rules(RunClock(now, now, 1.0))
    assert judge.judge(rows([0], t0=now - 10 * NS, temp=90)) == []
    assert len(judge.judge(rows([1], t0=now - NS, temp=90))) == 1


def test_every_fresh_row_of_a_batch_is_judged_not_just_the_last():
    batch = rows(range(4), temp=np.array([70, 90, 70, 70]))
    assert [c.cause.seq for c in rules().judge(batch)] == [1]


def test_a_rule_for_one_device_and_a_command_to_another():
    judge = rules(when={"kind": "", "device": "s/a/p2"}, then={"command": "stop", "device": "s/a/p1"})
    assert run(judge, [90]) == []
    assert [c.device for c in judge.judge(rows([0], temp=90, stream=1))] == ["s/a/p1"]


def test_state_survives_a_restart():
    judge = rules(cooldown="100s")
    run(judge, [90])
    again = rules(cooldown="100s")
    again.load(json.loads(json.dumps(judge.dump())))
    assert run(again, [90, 70, 90], start=1) == []


def test_a_committed_command_is_recalled_without_a_snapshot():
    (command,) = rules().judge(rows([3], temp=90))
    again = rules(cooldown="100s")
    again.recall(command)
    assert run(again, [90, 70, 90], start=4) == []


@pytest.mark.parametrize("when", [{"kind": ""}, {"device": "s/a/p1"}])
def test_a_rule_names_either_kind_or_device(when):
    with pytest.raises(ValidationError, match="either kind or device"):
        rules(when=when)
