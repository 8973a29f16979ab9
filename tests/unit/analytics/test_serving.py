import numpy as np
import pytest
from fleet import HOUR, START, Fleet, device

from analytics.config import AnalyticsConfig
from analytics.handover import Handover
from analytics.history import FolderHistory
from analytics.model import TrainedModels
from analytics.replayed import replay
from analytics.serve import Serving
from core.batch import Batch, concat
from core.catalog import Catalog
from core.clock import NS
from core.command import Command, Event
from core.errors import ModelError
from core.finding import Finding


def opened(trained, config, fleet):
    serving = Serving(trained, config, fleet.catalog)
    return serving, serving.open()


def hours(fleet, start, count):
    """Return the batches of each hour, all devices together."""
    for k in range(count):
        yield fleet.after(start + k * HOUR, start + (k + 1) * HOUR)


def play(serving, fleet, start, count, told=True):
    out = []
    for k, batches in enumerate(hours(fleet, start, count)):
        now = start + k * HOUR
        events = [e for e in fleet.events if now <= e.t < now + HOUR] if told else []
        out.append(serving.feed(batches, events))
    return out


def test_every_asset_is_judged_as_the_history_left_it(trained, config, fleet, cut):
    _, first = opened(trained, config, fleet)
    up = [life for life in trained.replayed["machines"].lives if life.end == "open"]
    assert {p.device for p in first.prognoses} == {life.device for life in up}
    left = {}
    for life in up:
        later = [e.t for e in fleet.events if e.device == life.device and e.name == "failure" and e.t >= cut]
        if later:
            left[life.device] = (min(later) - cut) / NS
    soon = [p for p in first.prognoses if left.get(p.device, 1e9) < 5 * 3600]
    late = [p for p in first.prognoses if left.get(p.device, 1e9) > 30 * 3600]
    assert all(p.p_failure > 0.5 for p in soon)
    assert all(p.p_failure < 0.5 for p in late)
    assert {p.device for p in soon} <= {f.device for f in first.findings}


def test_live_failures_are_predicted_and_maintenance_is_ordered(trained, config, fleet, cut):
    serving, first = opened(trained, config, fleet)
    served = [first, *play(serving, fleet, cut, 40)]
    failures = {e.device: e.t for e in fleet.events if e.name == "failure" and e.t > cut + 3 * HOUR}
    assert failures
    orders = [w for s in served for w in s.work_orders]
    commands = [c for s in served for c in s.commands]
    assert {w.command for w in orders} == {c.id for c in commands}
    warned = {d for d, t in failures.items() if any(w.device == d and t - 20 * HOUR < w.t < t for w in orders)}
    assert len(warned) >= 0.7 * len(failures)
    for command in commands:  # the row that closed the window: of the same device, no older than the window's end
        assert command.cause is not None
        assert command.cause.stream.startswith(command.device + "/")
        assert command.t - 60 * NS <= command.cause.t
    status = serving.status()
    assert status["scored"] > 0
    assert status["late_rows"] == 0
    assert 0 <= status["lag_s"] <= 120


def test_findings_are_raised_and_end_with_the_repair(trained, config, fleet, cut):
    serving, first = opened(trained, config, fleet)
    served = [first, *play(serving, fleet, cut, 40)]
    state = {}
    for finding in [f for s in served for f in s.findings]:
        key = (finding.device, finding.detector)
        assert finding.active != (key in state)
        if finding.active:
            assert finding.text
            assert finding.score > finding.threshold
            state[key] = finding
        else:
            del state[key]
    assert any(not f.active for s in served for f in s.findings)
    assert serving.status()["active_findings"] == len(state)


def test_live_goes_on_exactly_where_a_longer_history_would_be(trained, config, fleet, cut, tmp_path):
    """Both gears: the same rows as history or live leave the very same filter states."""
    serving, _ = opened(trained, config, fleet)
    count = 9
    play(serving, fleet, cut, count + 1)
    longer = replay(
        FolderHistory(fleet.write(tmp_path / "h", cut + count * HOUR)), config, config.groups[0], ["fan", "pump"]
    )
    group = serving._groups[0]
    now = cut + count * HOUR
    other = Serving(TrainedModels(trained.models, [], {"machines": longer}), config, fleet.catalog)
    other.open()
    play(other, fleet, now, 1)
    mine, theirs = group.bank, other._groups[0].bank
    everyone = np.arange(len(group.plan.devices))
    a, b = mine.peek(everyone, now), theirs.peek(everyone, now)
    np.testing.assert_allclose(a.level, b.level, rtol=1e-12)
    np.testing.assert_allclose(a.base, b.base, rtol=1e-12)
    np.testing.assert_allclose(a.age_s, b.age_s)


def test_states_alone_tell_a_repair(trained, config, fleet, cut):
    told, silent = (opened(trained, config, fleet)[0] for _ in range(2))
    play(told, fleet, cut, 40)
    play(silent, fleet, cut, 40, told=False)
    a, b = told._groups[0].lives, silent._groups[0].lives
    assert [x.phase for x in a] == [x.phase for x in b]
    assert max(abs(x.since - y.since) for x, y in zip(a, b, strict=True)) <= 60 * NS


def test_missing_input_is_stated_and_ends(trained, config, fleet, cut):
    serving, _ = opened(trained, config, fleet)
    victim = next(
        life.device for life in trained.replayed["machines"].lives if life.end == "open" and life.t0 < cut - 10 * HOUR
    )
    stream = fleet.catalog.index(f"{victim}/health")
    found: list[Finding] = []
    for k, batches in enumerate(hours(fleet, cut, 6)):
        if k in (1, 2):
            batches = [spoiled(b, stream) for b in batches]
        found += [f for f in serving.feed(batches).findings if f.detector == "input" and f.device == victim]
    assert [f.active for f in found] == [True, False]
    assert "missing or BAD" in found[0].text


def spoiled(batch, stream):
    mine = (batch.stream == stream)[:, None]
    return Batch(
        batch.layout, batch.stream, batch.sid, batch.seq, batch.t, batch.x, np.where(mine, 0, batch.q).astype(np.uint8)
    )


def test_devices_born_later_join_without_disturbing_the_others(trained, config, fleet, cut):
    catalog = Catalog(fleet.catalog.devices.values())
    a = Serving(trained, config, catalog)
    a.open()
    b, _ = opened(trained, config, fleet)
    for k, batches in enumerate(hours(fleet, cut, 4)):
        if k == 2:
            catalog.add(device("pump", 77))
        mine, theirs = a.feed(batches, (), catalog), b.feed(batches)
        assert [p for p in mine.prognoses if "77" not in p.device] == theirs.prognoses
    assert a.status()["assets"] == b.status()["assets"] + 1


def test_a_device_without_a_history_begins_its_life_where_it_is_first_seen(trained, config, fleet, cut):
    serving = Serving(TrainedModels(trained.models), config, fleet.catalog)
    assert not serving.open()
    told = play(serving, fleet, cut + 2 * HOUR, 3)
    assert told[-1].prognoses
    ages = [s["age_s"] for s in serving._groups[0].state(cut + 5 * HOUR).values()]
    assert max(ages) <= 3 * 3600


def test_events_that_the_history_knows_end_no_second_life(trained, config, fleet, cut):
    serving, _ = opened(trained, config, fleet)
    again, _ = opened(trained, config, fleet)
    batches = fleet.after(cut, cut + HOUR)
    old = [e for e in fleet.events if e.t < cut]
    assert again.feed(batches, old).notes == serving.feed(batches).notes


def test_a_saved_handover_goes_on_like_the_replayed_history(trained, config, fleet, cut, tmp_path):
    model = trained.models["machines"]
    trained.handover("machines").save(tmp_path / "handover.npz")
    saved = Handover.load(tmp_path / "handover.npz", model.filters, len(model.slots))
    again = Serving(TrainedModels(trained.models, handovers={"machines": saved}), config, fleet.catalog)
    serving, first = opened(trained, config, fleet)
    assert again.open().notes == first.notes
    assert [s.notes for s in play(again, fleet, cut, 5)] == [s.notes for s in play(serving, fleet, cut, 5)]


def test_a_broken_or_foreign_handover_is_refused(trained, tmp_path):
    model = trained.models["machines"]
    path = tmp_path / "handover.npz"
    with pytest.raises(ModelError, match="is missing"):
        Handover.load(path, model.filters, len(model.slots))
    trained.handover("machines").save(path)
    with pytest.raises(ModelError, match="no handover of this model"):
        Handover.load(path, model.filters, 99)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match="no handover of this model"):
        Handover.load(path, model.filters, len(model.slots))


def test_rows_of_other_layouts_and_empty_batches_are_left_alone(trained, config, fleet, cut):
    serving, _ = opened(trained, config, fleet)
    assert not serving.feed([])
    batch = fleet.after(cut, cut + HOUR)[0]
    assert not serving.feed([batch.take(slice(0, 0))])
    assert serving.status()["held_rows"] == 0


def test_serving_without_models_says_nothing(config, fleet, cut):
    serving = Serving(TrainedModels(), config, fleet.catalog)
    assert not serving.open()
    assert not serving.feed(fleet.after(cut, cut + HOUR), [Event("x", "failure", "", cut)])


def test_orders_repeat_themselves(trained, config, fleet, cut):
    def ids():
        serving, _ = opened(trained, config, fleet)
        return [c.id for s in play(serving, fleet, cut, 20) for c in s.commands]

    assert ids() == ids()


@pytest.mark.parametrize("size", [1, 500])
def test_any_cutting_of_the_stream_gives_the_same_prognoses(trained, config, fleet, cut, size):
    """Rows in time order, handed over in pieces of any size."""
    serving, _ = opened(trained, config, fleet)
    merged = {}
    for b in fleet.after(cut, cut + HOUR // 4):
        merged.setdefault(b.layout.name, []).append(b)
    out = []
    for k in range(15):
        for parts in merged.values():
            rows = concat(parts)
            rows = rows.take((rows.t >= cut + k * 60 * NS) & (rows.t < cut + (k + 1) * 60 * NS))
            for i in range(0, len(rows), size):
                out += serving.feed([rows.take(slice(i, i + size))]).prognoses
    whole, _ = opened(trained, config, fleet)
    last = {p.device: p for p in out}
    assert {p.device: p for p in whole.feed([concat(v) for v in merged.values()]).prognoses} == last


def test_commands_are_commands(trained, config, fleet, cut):
    serving, first = opened(trained, config, fleet)
    commands = [c for s in [first, *play(serving, fleet, cut, 30)] for c in s.commands]
    assert all(isinstance(c, Command) and c.name == "maintain" and c.issuer == "policy:predictive" for c in commands)
    assert min(c.t for c in commands) > START


def test_the_default_config_stands_alone():
    assert AnalyticsConfig().groups[0].name == "machines"
    assert Fleet(kinds=("pump",), per_kind=1, hours=2).catalog.streams
