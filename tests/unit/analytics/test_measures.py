"""Policies of logistics and city, and derating: what they ask for, once, and how it ends."""

import pytest

from analytics.feedback.charging import ChargingConfig
from analytics.feedback.cold_chain import ColdChainConfig
from analytics.feedback.derate import DerateConfig
from analytics.feedback.dust_day import DustDayConfig
from analytics.feedback.leak import LeakConfig
from core.clock import NS
from core.command import Command
from core.finding import Prognosis, WorkOrder

MINUTE = 60 * NS
VAN, ZONE, ROBOT = "s/a/van-01", "s/a/water-01", "s/a/amr-01"


def play(policy, states, prognoses=()):
    """Ask once a minute; return (minute, command, order) of what comes out."""
    out = []
    for k, state in enumerate(states):
        now = (k + 1) * MINUTE
        told = {p.device: p for p in (prognoses[k] if prognoses else ())}
        made = list(policy.decide(now, told, {}, state))
        works, commands = ([o for o in made if isinstance(o, kind)] for kind in (WorkOrder, Command))
        assert [w.command for w in works] == [c.id for c in commands]
        out += [(k, c, w) for c, w in zip(commands, works, strict=True)]
    return out


def van(celsius, load=5.0):
    return {VAN: {"van.product_temp": celsius, "van.load": load}}


def test_a_van_that_grows_too_warm_goes_to_the_cold_store_once_and_before_the_limit():
    temperatures = [5.0] * 10 + [5.0 + 0.2 * k for k in range(30)]
    found = play(ColdChainConfig().build(), [van(c) for c in temperatures])
    assert [c.name for _, c, _ in found] == ["re_route"]
    minute, command, order = found[0]
    assert temperatures[minute] < 8.0
    assert command.args == {"stops": "songpa"}
    assert order.saving_krw == 5 * 1_500_000
    assert "5 pallets" in order.reason


@pytest.mark.parametrize("state", [van(9.5, load=0.0), {VAN: {"van.load": 5.0}}, {}], ids=["empty", "no-value", "none"])
def test_no_goods_or_no_value_no_rerouting(state):
    assert play(ColdChainConfig().build(), [state] * 20) == []


def test_a_door_opened_for_a_moment_reroutes_nobody():
    states = [van(c) for c in [5.0, 5.0, 6.5, 5.5, 5.2, 5.0, 5.0, 6.4, 5.3, 5.0]]
    assert play(ColdChainConfig().build(), states) == []


def test_robots_charge_in_turn():
    def state(a, b, charging=()):
        return {
            f"s/a/amr-0{i}": {"amr.charge": c, "amr.current": 38.0 if i in charging else -11.0}
            for i, c in ((1, a), (2, b))
        }

    states = [state(34, 30)] * 5 + [state(30, 60, {2})] * 5 + [state(28, 85)] * 10
    found = play(ChargingConfig().build(), states)
    assert [(c.device[-1], c.name) for _, c, _ in found] == [("2", "charge"), ("1", "charge")]
    assert found[1][0] >= 10  # the charger was taken until then


def zone(inflow, valve=0.0, state=1.0):
    return {ZONE: {"water_zone.inflow": inflow, "water_zone.valve": valve, "water_zone.state": state}}


def test_a_burst_is_shut_off_repaired_and_opened_again():
    states = [zone(80.0)] * 10 + [zone(120.0)] * 5 + [zone(20.0, 1.0)] + [zone(0.0, 2.0)] * 3
    states += [zone(0.0, 2.0, 3.0)] * 20 + [zone(0.0, 2.0)] * 3 + [zone(40.0, 1.0)] + [zone(82.0)] * 20
    found = play(LeakConfig().build(), states)
    assert [c.name for _, c, _ in found] == ["isolate", "maintain", "restore"]
    order = found[0][2]
    assert order.saving_krw == pytest.approx(40 * 12 * 1000, rel=0.05)
    assert found[1][0] >= 16
    assert found[2][0] >= 39


def test_morning_demand_is_no_burst():
    states = [zone(40.0 + 60.0 * k / 180) for k in range(180)]  # from night to peak in three hours
    assert play(LeakConfig().build(), states) == []


def test_dust_day_begins_and_ends_for_all_equipment_once():
    def state(dust):
        stations = {f"s/d/air-0{i}": {"air_station.pm25": dust + i} for i in range(3)}
        return stations | {f"s/h/belt-0{i}": {"conveyor.state": 1.0} for i in range(2)}

    hours = [20.0] * 60 + [130.0] * 180 + [20.0] * 400
    found = play(DustDayConfig().build(), [state(d) for d in hours])
    assert [(c.name, c.args["factor"]) for _, c, _ in found] == [("derate", 0.8)] * 2 + [("derate", 1.0)] * 2
    assert found[0][0] > 75  # no short puff


def prognosis(p, t):
    return Prognosis("s/a/pump-01", "m", t, p, 86_400.0, 40_000.0, 10_000.0, 80_000.0)


def test_derating_begins_at_risk_and_ends_with_a_new_part():
    chances = [0.05] * 5 + [0.6] * 20 + [0.2] * 10 + [0.02] * 5
    states = [{"s/a/pump-01": {"age_s": 1.0, "down": 0.0, "cost_failure": 10e6}}] * len(chances)
    told = [[prognosis(p, k)] for k, p in enumerate(chances)]
    found = play(DerateConfig().build(), states, told)
    assert [c.args["factor"] for _, c, _ in found] == [0.7, 1.0]
    saving = 0.6 * 0.5 * 10e6 - 20_000 * 40_000 / 3600
    assert found[0][2].saving_krw == pytest.approx(saving, abs=1)


def test_derating_that_costs_more_than_it_saves_is_left_out():
    states = [{"s/a/pump-01": {"age_s": 1.0, "down": 0.0, "cost_failure": 100_000.0}}] * 20
    assert play(DerateConfig().build(), states, [[prognosis(0.6, k)] for k in range(20)]) == []
