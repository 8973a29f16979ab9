import pytest

from core.errors import RejectedError
from wire.quantities import QUANTITIES, check_unit
from wire.ucum import NONE, dimension


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Cel", "[degF]"),
        ("ug/m3", "mg/m3"),
        ("kW.h", "J"),
        ("L/min", "m3/h"),
        ("mbar", "mm[Hg]"),
        ("[g]", "m/s2"),
        ("{rpm}", "1"),
        ("/min", "Hz"),
        ("W/m2", "J/(s.m2)"),
        ("10*3/uL", "/m3"),
        ("V.A", "W"),
        ("km/h", "[mi_i]/h"),
    ],
)
def test_units_of_one_dimension(a, b):
    assert dimension(a) is not None
    assert dimension(a) == dimension(b)


@pytest.mark.parametrize(
    "code", ["", "celsius", "°C", "m/s^2", "m//s", "rpm", "m/", "kmin", "(m", "m)", "{a", "x" * 65, "m.{}}"]
)
def test_what_is_not_ucum(code):
    assert dimension(code) is None


def test_dimensionless():
    assert dimension("%") == dimension("1") == dimension("{people}") == dimension("[ppm]") == NONE


@pytest.mark.parametrize(
    ("quantity", "unit"), [("temperature", "K"), ("pm25", "mg/m3"), ("vibration", "mm/s"), ("made_up", "N.m/s")]
)
def test_units_that_fit(quantity, unit):
    check_unit(quantity, unit, "here")


@pytest.mark.parametrize(
    ("quantity", "unit", "reason"),
    [("temperature", "%", "unit-mismatch"), ("pm25", "Cel", "unit-mismatch"), ("made_up", "furlong", "bad-unit")],
)
def test_units_that_do_not_fit(quantity, unit, reason):
    with pytest.raises(RejectedError) as error:
        check_unit(quantity, unit, "here")
    assert error.value.reason == reason


def test_every_known_quantity_fits_its_own_units():
    from wire.quantities import _TABLE

    for quantity in QUANTITIES:
        for unit in _TABLE[quantity]:
            check_unit(quantity, unit, quantity)
