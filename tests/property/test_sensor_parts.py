"""All parts of a measuring chain at once: rows do not depend on how time is cut, nor a channel on its neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import NS
from simulator.fleet import Sampling
from tests.sim_worlds import Rows, assert_same, build, collect

END = 60 * NS
YEAR = 365.2425 * 86_400
EVERYTHING: dict[str, Any] = {
    "lag": "7s", "gain": 0.02, "bias": 0.1, "scale": 1.05, "offset": 0.2, "drift": 0.3, "drift_tau": "40s",
    "trend": 50.0, "noise": 0.2, "noise_share": 0.02, "resolution": 0.05, "low": -1, "high": 90,
    "cross": [
        {"to": "temperature", "slope": 0.1, "ref": 20},
        {"to": "speed", "share": 1e-5, "ref": 1480, "above": 1000},
        {"to": "humidity", "kappa": 0.3},
    ],
    "dropout": 0.03, "spike": 0.05, "spike_size": 5, "stuck": YEAR / 30, "stuck_for": "5s",
}  # fmt: skip
CLOCK = {"offset": "-1.5s", "offset_spread": "2s", "ppm": 300, "ppm_spread": 100, "sync": "25s"}


def faults(channel: str) -> list[dict[str, Any]]:
    often = {"per_year": YEAR / 20, "shape": 1.5, "lasts": "4s", "spread": "lognormal"}
    sensor = ("stuck", "spike", "bias", "drift", "noise", "dropout", "gain", "slow", "clipped", "coarse")
    out: list[dict[str, Any]] = [
        {"device": "pump-*", "fault": f"sensor_{name}", "args": {"channel": channel, "size": 3}, "random": often}
        for name in sensor
    ]
    out += [{"device": "pump-01", "fault": name, "random": often} for name in ("clock_jump", "clock_drift")]
    out += [{"device": "pump-*", "fault": name, "random": often} for name in ("link_outage", "cavitation")]
    return [*out, {"at": 3.3, "lasts": 20.2, "device": "pump-02", "fault": "sensor_slow", "args": {"channel": "power"}}]


def pumps(**more: Any) -> dict[str, Any]:
    entry = {"kind": "pump", "area": "u", "count": 2, "waveform": True}
    return {"domain": "factory", "site": "s", "equipment": [{**entry, **more}]}


def whole_chain() -> dict[str, Any]:
    parts = {"flow": EVERYTHING, "pressure": EVERYTHING, "acceleration": {"trend": 5.0, "spike": 0.01, "spike_size": 9}}
    return pumps(sensors=parts, clock=CLOCK)


def rows(cuts: list[int], *, sampling: bool = False) -> Rows:
    if sampling:
        how = {"live": False, "history": "40m", "sampling": Sampling(60 * NS, 600 * NS, NS)}
        return collect(build(whole_chain(), faults=faults("flow"), **how), 0, cuts=cuts)
    return collect(build(whole_chain(), history="1h", faults=faults("flow")), END, cuts=cuts)


WHOLE = rows([])
PAST = rows([], sampling=True)


@settings(max_examples=4, deadline=None, derandomize=True)
@given(st.sets(st.integers(1, END - 1), max_size=40))
def test_live_rows_do_not_depend_on_the_cut(cuts: set[int]) -> None:
    assert_same(WHOLE, rows(sorted(cuts)))


@settings(max_examples=3, deadline=None, derandomize=True)
@given(st.sets(st.integers(-2400 * NS + 1, -1), max_size=6))
def test_history_rows_do_not_depend_on_the_cut(cuts: set[int]) -> None:
    assert_same(PAST, rows(sorted(cuts), sampling=True))


def test_every_part_shows() -> None:
    """The test above is worth something only if the parts do something."""
    _, t, x, q = WHOLE["s/u/pump-01/process"]
    plain = collect(build(pumps(), history="1h"), END)["s/u/pump-01/process"]
    flow = x[:, 2]
    assert (np.isnan(flow) & (q[:, 2] == 16)).any()
    assert (np.diff(t) != NS).any()
    assert (t != plain[1]).all()
    assert not (flow == plain[2][:, 2]).any()
    assert (x[:, 1] == plain[2][:, 1]).all()  # the speed's sensor is untouched


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from(range(14)), unique=True, max_size=4),
    st.dictionaries(
        st.sampled_from(["lag", "noise", "spike", "dropout", "stuck", "trend", "noise_share"]),
        st.floats(0.001, 0.9), max_size=4,
    ),
    st.sampled_from([None, {"link": "nb_iot"}, {"kind": "area", "link": "wifi"}]),
)  # fmt: skip
def test_what_is_added_to_one_channel_leaves_the_others_alone(
    chosen: list[int], sensor: dict[str, float], connection: Any
) -> None:
    every = [f for f in faults("flow") if f["fault"].startswith(("sensor", "clock", "link"))]
    some = [{**every[n], "device": "pump-01"} for n in chosen if every[n]["fault"] not in ("clock_jump", "clock_drift")]
    busy = pumps(sensors={"flow": sensor}, connection=connection, protocols=["mqtt"])
    changed = collect(build(busy, faults=[f for f in some if f.get("args", {}).get("channel", "flow") == "flow"]), END)
    plain = collect(build(pumps(protocols=["mqtt"])), END)
    assert changed.keys() == plain.keys()
    for path, (seq, t, x, q) in plain.items():
        keep = [n for n in range(x.shape[1]) if not (path.endswith("process") and n == 2)]
        mine = changed[path]
        assert mine[0].tobytes() == seq.tobytes()
        assert mine[1].tobytes() == t.tobytes()
        assert mine[2][:, keep].tobytes() == x[:, keep].tobytes(), path
        assert mine[3][:, keep].tobytes() == q[:, keep].tobytes(), path
