from analytics.feedback.gate import GateConfig
from analytics.feedback.maintenance import ConditionConfig, PeriodicConfig, PredictiveConfig, RunToFailureConfig
from core.clock import NS
from core.command import Command
from core.finding import Finding, Prognosis

MINUTE = 60 * NS


def prognosis(device, p, t):
    return Prognosis(device, "m", t, p, 86400.0, 7200.0, 3600.0, 9000.0, cause="vibration is high")


def commands(orders):
    return [o for o in orders if isinstance(o, Command)]


def run(policy, chances, state=None, start=1):
    """Give a device's chances window by window; return the windows in which a command came."""
    out = []
    for k, p in enumerate(chances, start):
        if commands(policy.decide(k * MINUTE, {"d": prognosis("d", p, k * MINUTE)}, {}, state or {"d": {"down": 0.0}})):
            out.append(k)
    return out


def test_predictive_waits_until_the_chance_persists():
    policy = PredictiveConfig(cost_failure=10, cost_planned=2, persist=3).build()
    assert run(policy, [0.3, 0.3, 0.1, 0.3, 0.3, 0.3, 0.3]) == [6]


def test_predictive_acts_where_waiting_costs_more():
    config = PredictiveConfig(cost_failure=10, cost_planned=2)
    assert config.threshold == 0.2
    assert PredictiveConfig(p_failure=0.5).threshold == 0.5
    order, command = (
        PredictiveConfig(cost_failure=10, cost_planned=2, persist=1)
        .build()
        .decide(MINUTE, {"d": prognosis("d", 0.8, MINUTE)}, {}, {})
    )
    assert order.saving_krw == 6.0
    assert order.due == MINUTE + 3600 * NS
    assert "80% chance to fail within 24 h" in order.reason
    assert command.args == {"duration": 7200.0, "parts": "all"}


def test_a_stale_prognosis_is_not_counted_twice():
    policy = PredictiveConfig(persist=3).build()
    stale = {"d": prognosis("d", 0.9, MINUTE)}
    assert not any(policy.decide(k * MINUTE, stale, {}, {}) for k in range(1, 8))


def test_the_rate_limit_holds_over_its_span():
    gate = GateConfig(at_most=2, per="1h", crews=9)
    policy = PredictiveConfig(persist=1, gate=gate).build()
    names = [f"d{i}" for i in range(5)]
    sent = 0
    for k in range(1, 50):
        now = k * MINUTE
        sent += len(commands(policy.decide(now, {n: prognosis(n, 0.9, now) for n in names}, {}, {})))
    assert sent == 2
    now = 62 * MINUTE
    assert len(commands(policy.decide(now, {n: prognosis(n, 0.9, now) for n in names}, {}, {}))) == 2


def test_crews_at_work_hold_back_further_orders():
    policy = PredictiveConfig(persist=1, gate=GateConfig(crews=1)).build()
    busy = {"other": {"down": 1.0}, "d": {"down": 0.0}}
    assert run(policy, [0.9], busy) == []
    assert run(policy, [0.9], {"other": {"down": 0.0}, "d": {"down": 0.0}}, start=2) == [2]


def test_the_likeliest_failure_comes_first():
    policy = PredictiveConfig(persist=1, gate=GateConfig(crews=1)).build()
    out = policy.decide(MINUTE, {n: prognosis(n, p, MINUTE) for n, p in (("a", 0.5), ("b", 0.9))}, {}, {})
    assert [o.device for o in out] == ["b", "b"]


def test_periodic_renews_the_oldest_when_due():
    policy = PeriodicConfig(every="2d", gate=GateConfig(crews=1)).build()
    state = {"a": {"age_s": 3 * 86400.0}, "b": {"age_s": 5 * 86400.0}, "c": {"age_s": 86400.0}}
    assert [o.device for o in policy.decide(MINUTE, {}, {}, state)] == ["b", "b"]


def test_condition_follows_alarms_not_warnings():
    policy = ConditionConfig().build()
    finding = Finding("f", "d", "zones", MINUTE, 3.2, 2.0, "alarm", "zone D")
    warning = Finding("g", "e", "zones", MINUTE, 2.2, 2.0, "warning", "zone C")
    out = policy.decide(MINUTE, {}, {"d": finding, "e": warning}, {})
    assert {o.device for o in out} == {"d"}


def test_run_to_failure_never_orders():
    assert run(RunToFailureConfig().build(), [1.0] * 5) == []


def test_ids_follow_from_what_led_to_the_order():
    first, second = (
        PredictiveConfig(persist=1).build().decide(MINUTE, {"d": prognosis("d", 0.9, MINUTE)}, {}, {}) for _ in range(2)
    )
    assert [o.id for o in first] == [o.id for o in second]


def test_an_order_waits_for_a_time_when_production_stands_still_unless_it_is_urgent():
    gate = GateConfig(pause="1s")
    policy = PredictiveConfig(persist=1, urgent=0.95, gate=gate).build()
    working = {"d": {"down": 0.0, "window": 0.0}}
    assert run(policy, [0.5, 0.5], working) == []
    assert run(policy, [0.5, 0.97], working, start=10) == [11]
    assert run(policy, [0.5], {"d": {"down": 0.0, "window": 1.0}}, start=30) == [30]


def test_parts_run_out_and_come_back():
    gate = GateConfig(stock=1, lead="1h", pause="1s", crews=9, at_most=99)
    policy = PeriodicConfig(every="1s", gate=gate).build()
    state = {name: {"age_s": 100.0, "down": 0.0, "pool": pool} for name, pool in (("a", 0.0), ("b", 0.0), ("c", 1.0))}
    first = {c.device for c in commands(policy.decide(MINUTE, {}, {}, state))}
    assert first == {"a", "c"}, "a and b share one set of parts, c has its own"
    assert commands(policy.decide(30 * MINUTE, {}, {}, {"b": state["b"]})) == []
    assert [c.device for c in commands(policy.decide(62 * MINUTE, {}, {}, {"b": state["b"]}))] == ["b"]


def test_a_machine_has_its_own_interval():
    policy = PeriodicConfig(every="10d").build()
    state = {"a": {"age_s": 100.0, "down": 0.0, "every_s": 50.0}, "b": {"age_s": 100.0, "down": 0.0}}
    assert [c.device for c in commands(policy.decide(MINUTE, {}, {}, state))] == ["a"]


def test_a_day_of_waiting_is_weighed_against_the_limit():
    """p (C_f - C_p) a day of the horizon, and what wear loses: 0.1 * 900 / 1 + 20 = 110."""
    own = {"down": 0.0, "cost_failure": 1000.0, "cost_planned": 100.0, "loss": 20.0}
    for limit, acts in ((109.0, True), (111.0, False)):
        policy = PredictiveConfig(persist=1).build()
        assert bool(run(policy, [0.1], {"d": {**own, "limit": limit}})) is acts
    lossy = {**own, "loss": 200.0, "limit": 150.0}
    assert run(PredictiveConfig(persist=1).build(), [0.0], {"d": lossy}) == [1], "scrap alone can be reason enough"
