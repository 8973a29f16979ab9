"""Every detector, prognoser and policy keeps the contract of core.ports."""

from typing import get_args

import numpy as np
import pytest

from analytics.detectors.fleet import Comparing
from analytics.detectors.sequential import Remembering
from analytics.kinds import DetectorConfig, PolicyConfig, PrognoserConfig
from analytics.prognosis.boosted import BoostedConfig
from analytics.prognosis.survival import SurvivalConfig
from analytics.registry import read_parts
from core.clock import NS
from core.errors import ModelError
from core.finding import Finding, Prognosis
from tests.conformance.analytics_world import INFOS, features, lives

DETECTORS = get_args(get_args(DetectorConfig)[0])
PROGNOSERS = (BoostedConfig(horizon="10h"), SurvivalConfig(horizon="10h"))
POLICIES = get_args(get_args(PolicyConfig)[0])


@pytest.fixture(params=DETECTORS, ids=lambda c: c.model_fields["kind"].default)
def detector_config(request):
    return request.param()


AGE = [i.name for i in INFOS].index("age")


def windows(n, wear, seed):
    """Return feature rows an hour apart."""
    x = features(n, wear, seed)
    x[:, AGE] = np.arange(n)
    return x


def fitted(config, seed=3):
    columns = config.columns(INFOS)
    return config.build(seed).fit(windows(600, 0.0, seed=1)[:, columns]), columns


def test_detector_scores_are_high_where_abnormal(detector_config):
    detector, columns = fitted(detector_config)
    healthy = detector.score(windows(400, 0.0, seed=2)[:, columns])
    worn = detector.score(windows(400, 0.95, seed=2)[:, columns])
    if isinstance(detector, Comparing):  # what all have in common is nobody's fault: one in four is worn here
        some = np.where(np.arange(400) % 4 == 0, 0.95, 0.0)
        worn = detector.score(windows(400, some, seed=2)[:, columns])
        assert np.mean(worn[some == 0] > detector.threshold) < 0.02
        worn = np.repeat(worn[some > 0], 4)
    assert healthy.shape == worn.shape == (400,)
    assert np.mean(healthy > detector.threshold) < 0.02
    assert np.mean(worn > detector.threshold) > 0.9


def test_detector_repeats_itself_with_the_same_seed(detector_config):
    a, columns = fitted(detector_config)
    b, _ = fitted(detector_config)
    x = features(50, 0.5, seed=5)[:, columns]
    np.testing.assert_array_equal(a.score(x), b.score(x))
    assert a.threshold == b.threshold


def test_detector_does_not_look_ahead(detector_config):
    detector, columns = fitted(detector_config)
    x = windows(60, 0.4, seed=6)[:, columns]
    if isinstance(detector, Comparing):  # looks at others, never at later windows: there is one window in a call
        order = np.random.default_rng(0).permutation(60)
        np.testing.assert_allclose(detector.score(x[order]), detector.score(x)[order], rtol=1e-12)
        return
    changed = x.copy()
    changed[30:, :-1] += 50.0
    np.testing.assert_allclose(detector.score(changed)[:30], detector.score(x)[:30], rtol=1e-12)
    np.testing.assert_allclose(detector.score(x[:30]), detector.score(x)[:30], rtol=1e-12)


def test_detector_that_remembers_goes_on_where_it_stopped(detector_config):
    detector, columns = fitted(detector_config)
    if not isinstance(detector, Remembering):
        return
    x = windows(60, np.linspace(0, 0.6, 60), seed=6)[:, columns]
    memory, both = detector.memory(2), np.arange(2)
    # the second asset is renewed half way: its age falls, and what was remembered of it with it
    other = np.vstack([x[:30], x[:30]])
    scores = np.array([detector.follow(memory, both, np.stack([x[i], other[i]])) for i in range(60)])
    np.testing.assert_allclose(scores[:, 0], detector.score(x), rtol=1e-12)
    np.testing.assert_allclose(scores[30:, 1], scores[:30, 0], rtol=1e-12)
    assert scores[-1, 0] > detector.threshold
    assert scores[-1, 0] > 2 * scores[-1, 1]


def test_detector_scores_a_row_alike_alone_and_in_company(detector_config):
    detector, columns = fitted(detector_config)
    if isinstance(detector, (Comparing, Remembering)):
        return  # see the two checks above
    x = features(40, 0.4, seed=6)[:, columns]
    alone = np.concatenate([detector.score(x[i : i + 1]) for i in range(len(x))])
    np.testing.assert_allclose(alone, detector.score(x), rtol=1e-12)


def test_detector_takes_missing_values_and_says_nothing_of_empty_rows(detector_config):
    detector, columns = fitted(detector_config)
    x = features(10, 0.9, seed=7)[:, columns]
    x[0] = np.nan
    if x.shape[1] > 1:
        x[1, 0] = np.nan
    if isinstance(detector, Comparing):
        assert np.isnan(detector.score(x[1:3])).all()  # too few peers to say anything
    score = detector.score(x)
    assert np.isnan(score[0])
    assert np.isfinite(score[1:]).all()
    assert detector.score(x[:0]).shape == (0,)


def test_detector_takes_a_constant_channel(detector_config):
    columns = detector_config.columns(INFOS)
    x = features(200, 0.0)[:, columns]
    x[:, 0] = 1.0
    detector = detector_config.build(0).fit(x)
    assert np.isfinite(detector.score(x)).all()


def test_detector_refuses_a_history_that_is_all_bad(detector_config):
    columns = detector_config.columns(INFOS)
    if detector_config.kind == "zones":
        return  # learns nothing: the limits stand
    x = np.full((300, len(columns)), np.nan)
    with pytest.raises(ModelError, match="healthy window"):
        detector_config.build(0).fit(x)


def test_detector_survives_saving(detector_config, tmp_path):
    import skops.io

    detector, columns = fitted(detector_config)
    skops.io.dump(detector.parts(), tmp_path / "d.skops")
    again = detector_config.build(99).restore(read_parts(tmp_path / "d.skops"))
    x = features(30, 0.5, seed=8)[:, columns]
    np.testing.assert_array_equal(again.score(x), detector.score(x))
    assert again.threshold == detector.threshold


@pytest.fixture(scope="module", params=PROGNOSERS, ids=lambda c: c.kind)
def prognoser(request):
    x, y, group = lives()
    return request.param.build(5).fit(x, y, group)


def test_prognosis_has_the_right_shape_and_sign(prognoser):
    wear = np.linspace(0.0, 1.0, 50)
    outlook = prognoser.predict(features(50, wear, seed=77))
    for column in (outlook.p_failure, outlook.rul_s, outlook.lower_s, outlook.upper_s):
        assert column.shape == (50,)
        assert np.isfinite(column).all()
    assert ((outlook.p_failure >= 0) & (outlook.p_failure <= 1)).all()
    assert (outlook.lower_s <= outlook.rul_s).all()
    assert (outlook.rul_s <= outlook.upper_s).all()
    assert outlook.p_failure[-5:].mean() > 0.8
    assert outlook.p_failure[:20].mean() < 0.1
    assert outlook.rul_s[:10].mean() > outlook.rul_s[-10:].mean() + 5 * 3600


def test_prognosis_interval_covers_new_lives(prognoser):
    x, y, _ = lives(groups=12, seed=4)
    outlook = prognoser.predict(x)
    target = np.minimum(y, prognoser.config.cap_s)
    inside = np.mean((target >= outlook.lower_s) & (target <= outlook.upper_s))
    assert 0.82 <= inside <= 0.98
    assert prognoser.metrics["rul_mae"] < 0.5 * prognoser.metrics["rul_mae_of_mean"]


def test_prognosis_is_calibrated(prognoser):
    x, y, _ = lives(groups=12, seed=9)
    p = prognoser.predict(x).p_failure
    assert p.mean() == pytest.approx(np.mean(y <= prognoser.horizon_s), abs=0.03)
    assert prognoser.metrics["roc_auc"] > 0.95


def test_prognosis_of_a_row_does_not_depend_on_the_others(prognoser):
    x = features(20, 0.6, seed=3)
    alone = np.concatenate([prognoser.predict(x[i : i + 1]).rul_s for i in range(20)])
    np.testing.assert_array_equal(alone, prognoser.predict(x).rul_s)


@pytest.mark.parametrize("config", PROGNOSERS, ids=lambda c: c.kind)
def test_prognosis_repeats_itself_with_the_same_seed(config):
    x, y, group = lives(groups=6, windows=60, hours=40.0)
    a, b = (config.build(11).fit(x, y, group).predict(x[:40]) for _ in range(2))
    np.testing.assert_array_equal(a.rul_s, b.rul_s)
    np.testing.assert_array_equal(a.p_failure, b.p_failure)


def test_prognoser_survives_saving(prognoser, tmp_path):
    import skops.io

    skops.io.dump(prognoser.parts(), tmp_path / "p.skops")
    again = prognoser.config.build(99).restore(read_parts(tmp_path / "p.skops"))
    x = features(30, 0.7, seed=8)
    np.testing.assert_array_equal(again.predict(x).upper_s, prognoser.predict(x).upper_s)
    np.testing.assert_array_equal(again.predict(x).p_failure, prognoser.predict(x).p_failure)


@pytest.mark.parametrize("config", PROGNOSERS, ids=lambda c: c.kind)
def test_prognoser_takes_a_column_that_some_assets_or_all_lack(config):
    x, y, group = lives(groups=6, windows=60, hours=40.0)
    x[:, 0] = np.nan
    x[group < 5, 1] = np.nan
    outlook = config.build(0).fit(x, y, group).predict(features(5, 0.9))
    assert np.isfinite(outlook.rul_s).all()


@pytest.mark.parametrize("config", PROGNOSERS, ids=lambda c: c.kind)
def test_prognoser_refuses_rows_that_are_all_alike(config):
    x, y, group = lives(groups=3, windows=40)
    with pytest.raises(ModelError, match="all rows are alike"):
        config.build(0).fit(x, np.full(len(y), np.inf), group)


def prognosis(device, p, t):
    return Prognosis(device, "m", t, p, 86400.0, 3600.0, 1800.0, 7200.0)


def alarm(device, t):
    return Finding(f"f{device}", device, "drift", t, 9.0, 3.0, "alarm", "worn")


@pytest.fixture(params=POLICIES, ids=lambda c: c.model_fields["kind"].default)
def policy(request):
    return request.param().build()


def ask(policy, now, devices, **extra):
    state = {d: {"age_s": 90 * 86400.0, "down": 0.0, **extra} for d in devices}
    return list(
        policy.decide(now, {d: prognosis(d, 0.95, now) for d in devices}, {d: alarm(d, now) for d in devices}, state)
    )


def asked(policy, devices=("a", "b", "c", "d"), **extra):
    """Ask ten times, a minute apart."""
    return [(k, o) for k in range(10) for o in ask(policy, (k + 1) * 60 * NS, devices, **extra)]


def test_policy_orders_come_in_pairs_and_repeat_themselves(policy):
    from core.command import Command

    orders = [o for _, o in asked(policy)]
    commands = [o for o in orders if isinstance(o, Command)]
    works = [o for o in orders if not isinstance(o, Command)]
    assert [w.command for w in works] == [c.id for c in commands]
    assert all(c.issuer == f"policy:{policy.name}" and c.expires > c.t for c in commands)
    assert [c.name for c in commands] == [w.action for w in works]
    assert len({c.id for c in commands}) == len(commands)


def test_policy_leaves_devices_that_are_down_alone(policy):
    assert asked(policy, down=1.0) == []


def test_policy_keeps_to_its_bounds_and_asks_no_device_twice(policy):
    many = tuple(f"m{i:02d}" for i in range(20))
    orders = [o for _, o in asked(policy, many)][::2]
    devices = [o.device for o in orders]
    assert len(devices) <= (2 if any(o.action == "maintain" for o in orders) else 6)  # crews; orders an hour
    assert len(set(devices)) == len(devices)


def test_every_prognoser_is_here():
    union = get_args(get_args(PrognoserConfig)[0])
    assert {type(c) for c in PROGNOSERS} == {get_args(member)[0] for member in union}
