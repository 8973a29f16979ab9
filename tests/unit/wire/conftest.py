import pytest

from core.catalog import Catalog
from core.spec import ChannelSpec, CommandSpec, DeviceSpec, Identity, LayoutSpec, Name, Position, StreamSpec


@pytest.fixture
def device() -> DeviceSpec:
    channels = (
        ChannelSpec(
            "pm25", "pm25", "ug/m3", 0.0, 500.0, accuracy=2.0, resolution=0.1, label=Name("초미세먼지", "PM2.5")
        ),
        ChannelSpec("temp", "temperature", "Cel", -40.0, None),
        ChannelSpec("mode", "state", states={0: "off", 1: "on"}, group="status"),
    )
    return DeviceSpec(
        "seoul",
        "north",
        "air-1",
        "air_station",
        "urban",
        "north-node",
        Identity("Maker", "S1", "urn:maker:S1", "M"),
        (StreamSpec("air", LayoutSpec("air_station.air", channels)),),
        (CommandSpec("fan", {"speed": "%"}, Name("송풍기", "fan")),),
        Name("측정소", "station"),
        Position(37.5, 127.0),
    )


@pytest.fixture
def entry(device):
    return Catalog([device]).streams[0]
