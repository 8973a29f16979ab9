from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.batch import unpack
from core.catalog import Catalog
from core.spec import ChannelSpec, DeviceSpec, LayoutSpec, Name, Position, StreamSpec
from tests.unit.core.builders import batch, device, layout, same

STATE = layout("pump.state", "a", "b")


def reread(catalog: Catalog, folder: Path) -> Catalog:
    catalog.save(folder / "catalog.json")
    return Catalog.read(folder / "catalog.json")


def content(catalog: Catalog) -> tuple[object, ...]:
    return (catalog.devices, catalog.streams, catalog.layouts, [catalog.find(s.path) for s in catalog.streams])


def test_an_index_always_means_the_same_path() -> None:
    catalog = Catalog([device("p1", StreamSpec("state", STATE)), device("p2", StreamSpec("state", STATE))])
    catalog.add(device("p1", StreamSpec("extra", layout("pump.extra", "z")), StreamSpec("state", STATE)))
    assert [s.path for s in catalog.streams] == [
        "seoul/plant/p1/state",
        "seoul/plant/p2/state",
        "seoul/plant/p1/extra",
    ]
    assert [s.index for s in catalog.streams] == [0, 1, 2]
    assert catalog.index("seoul/plant/p1/extra") == 2


def test_unknown_names() -> None:
    catalog = Catalog()
    assert catalog.find("seoul/plant/p1/state") is None
    with pytest.raises(KeyError):
        catalog.index("seoul/plant/p1/state")
    with pytest.raises(KeyError):
        catalog.layout("pump.state")


def test_equal_layouts_are_shared() -> None:
    catalog = Catalog([device("p1", StreamSpec("state", STATE))])
    settled = catalog.add(device("p2", StreamSpec("state", layout("pump.state", "a", "b"))))
    assert settled.streams[0].layout is catalog.layout("pump.state")
    assert len(catalog.layouts) == 1


def test_a_clashing_layout_gets_a_name_of_its_own_and_keeps_it() -> None:
    catalog = Catalog([device("p1", StreamSpec("state", STATE))])
    other = layout("pump.state", "a", "b", "c")
    name = catalog.add(device("p2", StreamSpec("state", other))).streams[0].layout.name
    assert name.startswith("pump.state~")
    assert catalog.add(device("p3", StreamSpec("state", other))).streams[0].layout.name == name
    assert catalog.layout("pump.state") == STATE


def test_a_reborn_device_keeps_its_path_and_changes_its_layout() -> None:
    catalog = Catalog([device("p1", StreamSpec("state", STATE))])
    catalog.add(device("p1", StreamSpec("state", layout("pump.state", "c"), period_ns=5)))
    entry = catalog.streams[catalog.index("seoul/plant/p1/state")]
    assert entry.spec.layout.columns == ("c",)
    assert entry.spec.period_ns == 5
    assert len(catalog.streams) == 1


def test_save_and_read_keep_every_field(tmp_path: Path) -> None:
    mode = ChannelSpec(
        "mode",
        "state",
        low=0,
        high=2,
        accuracy=0.5,
        states={0: "꺼짐", 1: "켜짐"},
        label=Name("모드", "Mode"),
        group="status",
    )
    full = replace(
        device("p1", StreamSpec("state", LayoutSpec("pump.state", (mode,)), period_ns=40_000_000)),
        label=Name("펌프 1", "Pump 1"),
        position=Position(37.5, 127.0),
        protocols=("mqtt", "opcua"),
        asset="pump-1",
    )
    catalog = Catalog([full])
    assert content(reread(catalog, tmp_path)) == content(catalog)
    assert not list(tmp_path.glob("*.part"))


def test_a_stream_that_its_device_dropped_survives_a_restart(tmp_path: Path) -> None:
    catalog = Catalog([device("p1", StreamSpec("state", STATE), StreamSpec("extra", layout("pump.extra", "z")))])
    catalog.add(device("p1", StreamSpec("state", STATE)))
    assert content(reread(catalog, tmp_path)) == content(catalog)


def test_rows_packed_before_a_rebirth_are_readable_after_a_restart(tmp_path: Path) -> None:
    catalog = Catalog([device("p1", StreamSpec("state", STATE))])
    rows = batch(STATE, [0, 0])
    catalog.add(device("p1", StreamSpec("state", layout("pump.state", "other"))))
    again = reread(catalog, tmp_path)
    assert same(unpack(rows.pack(), again.layout), rows)
    assert content(again) == content(catalog)


def test_layouts_named_in_any_order_survive_a_restart(tmp_path: Path) -> None:
    """The first device carries the renamed layout, a later one the plain name."""
    catalog = Catalog([device("p1", StreamSpec("state", STATE)), device("p2", StreamSpec("state", STATE))])
    catalog.add(device("p1", StreamSpec("state", layout("pump.state", "other"))))
    assert content(reread(catalog, tmp_path)) == content(catalog)


@given(births=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(1, 3)), max_size=12))
def test_any_history_of_births_survives_a_restart(
    births: list[tuple[str, str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    catalog = Catalog()
    seen: dict[str, int] = {}
    for name, stream, channels in births:
        spec = StreamSpec(stream, layout("pump.s", *(f"c{j}" for j in range(channels))))
        born: DeviceSpec = catalog.add(device(name, spec))
        path = born.stream_path(stream)
        assert seen.setdefault(path, catalog.index(path)) == catalog.index(path)
    assert content(reread(catalog, tmp_path_factory.mktemp("catalog"))) == content(catalog)
