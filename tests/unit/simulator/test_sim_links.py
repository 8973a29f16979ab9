"""Links against theory: Gilbert-Elliott, delays, LoRa time on air."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest

from core.clock import MS, NS
from core.config import parse
from core.errors import ConfigError
from simulator.links import PRESETS, ConnectionConfig, Link, LinkConfig, Worse
from simulator.lora import LARGEST, LONGEST, LoraConfig, airtime
from tests.sim_worlds import build


@pytest.mark.parametrize(("p", "r"), [(0.02, 0.25), (0.1, 0.5), (0.3, 0.6)])
def test_states_follow_the_chain(p: float, r: float) -> None:
    """Stationary share p / (p + r), geometric bursts of mean 1 / r, gaps of mean 1 / p (Gilbert 1960)."""
    link = Link(LinkConfig(to_bad=p, to_good=r), 11)
    n = 15_000
    states = [link.bad(slot * NS) for slot in range(n)]
    bursts = [len(list(run)) for bad, run in groupby(states) if bad]
    share = p / (p + r)
    # the variance of the share's mean is inflated by the chain's correlation 1 - p - r
    sigma = np.sqrt(share * (1 - share) / n * (2 - p - r) / (p + r))
    assert np.mean(states) == pytest.approx(share, abs=4 * sigma)
    assert np.mean(bursts) == pytest.approx(1 / r, abs=4 * np.sqrt(1 - r) / r / np.sqrt(len(bursts)))
    assert bursts.count(1) / len(bursts) == pytest.approx(r, abs=4 * np.sqrt(r * (1 - r) / len(bursts)))


def test_a_state_does_not_depend_on_who_asked_before() -> None:
    config = LinkConfig(to_bad=0.05, to_good=0.3)
    there = Link(config, 3)
    forward = [there.bad(s * NS) for s in range(300)]
    assert forward == [Link(config, 3).bad(s * NS + 7) for s in range(300)]
    assert [there.bad(s * NS) for s in reversed(range(300))] == forward[::-1]


@pytest.mark.parametrize("name", ["lorawan", "wifi_factory", "lte_m"])
def test_presets_lose_their_share_before_any_is_sent_again(name: str) -> None:
    config = PRESETS[name].model_copy(update={"retry": 0, "slot": NS})
    link = Link(config, 9)
    n = 12_000
    lost = np.array([not link.carry(77, i, i * NS).delays for i in range(n)])
    p, r = config.to_bad, config.to_good
    sigma = np.sqrt(config.loss / n * (2 - p - r) / (p + r))
    assert lost.mean() == pytest.approx(config.loss, abs=5 * sigma)
    assert (lost[1:] & lost[:-1]).mean() > 3 * lost.mean() ** 2  # in bursts


def test_messages_are_delayed_doubled_and_repeat_themselves() -> None:
    config = LinkConfig(delay="10ms", spread=0.5, duplicate=0.2, reorder=0.1, reorder_by="1s")
    carried = [Link(config, 4).carry(5, i, 0) for i in range(4000)]
    assert carried == [Link(config, 4).carry(5, i, 0) for i in range(4000)]
    assert carried != [Link(config, 4).carry(6, i, 0) for i in range(4000)]
    straight = [p.delays[0] for p in carried if not p.reordered]
    assert np.median(straight) == pytest.approx(10e6, rel=0.05)
    assert np.std(np.log(straight)) == pytest.approx(0.5, rel=0.05)
    assert np.mean([len(p.delays) == 2 for p in carried]) == pytest.approx(0.2, abs=0.03)
    assert np.mean([p.reordered for p in carried]) == pytest.approx(0.1, abs=0.02)
    assert min(p.delays[0] for p in carried if p.reordered) > NS


def test_a_link_that_sends_again_loses_nothing_but_time() -> None:
    link = Link(LinkConfig(loss_good=0.5, delay="1ms", retry="200ms"), 8)
    passages = [link.carry(1, i, i * NS) for i in range(3000)]
    assert all(p.delays for p in passages)
    assert np.mean([p.attempts for p in passages]) == pytest.approx(2.0, abs=0.1)  # geometric
    assert {p.delays[0] // (100 * MS) * 100 for p in passages if p.attempts == 2} == {200}
    assert {p.delays[0] // (100 * MS) * 100 for p in passages if p.attempts == 3} == {600}


def test_a_full_network_is_slower_and_a_fault_worse() -> None:
    link = Link(LinkConfig(delay="100ms", congestion=1.0), 1)
    assert link.carry(1, 1, 0, load=1.0).delays[0] == pytest.approx(2 * link.carry(1, 1, 0).delays[0], abs=1)
    assert link.carry(1, 1, 0, worse=Worse(delay=50e6)).delays[0] == link.carry(1, 1, 0).delays[0] + 50_000_000
    lost = [not link.carry(1, i, 0, worse=Worse(loss=0.3)).delays for i in range(4000)]
    assert np.mean(lost) == pytest.approx(0.3, abs=0.03)


#: ms for 33 bytes at 125 kHz, coding 4/5, computed by hand from the formula of AN1200.13
GOLDEN = {7: 71.936, 8: 133.632, 9: 246.784, 10: 452.608, 11: 987.136, 12: 1810.432}


@pytest.mark.parametrize("sf", GOLDEN)
def test_time_on_air(sf: int) -> None:
    assert airtime(33, sf) / MS == pytest.approx(GOLDEN[sf], abs=1e-6)
    assert airtime(LARGEST[sf] + 13, sf) <= LONGEST


def test_what_does_not_fit_goes_in_several_packets() -> None:
    lora = LoraConfig(sf=10, row_bytes=6, value_bytes=4)
    assert lora.packets(11) == [50]
    assert lora.packets(20) == [51, 35]
    assert lora.row_air(20) == airtime(64, 10) + airtime(48, 10)


def lamps(**more: object) -> dict[str, object]:
    entry = {"kind": "streetlight", "area": "a", "connection": {"link": "lorawan"}, **more}
    return {"domain": "urban", "site": "s", "equipment": [entry]}


def test_a_device_cannot_be_on_air_for_longer_than_there_is_time() -> None:
    build(lamps())
    with pytest.raises(ConfigError, match=r"domains.0:equipment\.0\.connection\.link: .*every: \{lamp: \d+s\}"):
        build(lamps(every={"lamp": "1s"}))


def test_bad_links_are_named() -> None:
    for value, text in (
        ({"link": "nbiot"}, "no link is called 'nbiot'"),
        ({"link": {"preset": "wifi", "retry": -1}}, "connection"),
        ({"link": {"to_bad": 0.7, "to_good": 0.6}}, "at most 1"),
    ):
        with pytest.raises(ConfigError, match=text):
            parse(value, ConnectionConfig, "connection")
    changed = parse({"link": {"preset": "nb_iot", "duplicate": 0.1}}, ConnectionConfig, "x").link
    assert changed is not None
    assert (changed.duplicate, changed.delay, changed.retry) == (0.1, NS, 4 * NS)
    with pytest.raises(ConfigError, match="does not speak MQTT"):
        build(lamps(protocols=["opcua"]))
