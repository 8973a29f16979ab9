from __future__ import annotations

import numpy as np
import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from core import quality as q


@pytest.mark.parametrize("code", q.CODES)
def test_a_code_survives_json_and_opcua(code: int) -> None:
    assert q.from_reason(code & q.MAJOR, q.reason(code)) == code
    assert q.from_opcua(q.to_opcua(code)) == code


def test_reasons_and_status_codes_are_unambiguous() -> None:
    assert len({(c & q.MAJOR, q.reason(c)) for c in q.CODES}) == len(q.CODES)
    assert len({q.to_opcua(c) for c in q.CODES}) == len(q.CODES)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (q.GOOD, "Good"),
        (q.UNCERTAIN, "Uncertain"),
        (q.UNCERTAIN_LAST_USABLE, "UncertainLastUsableValue"),
        (q.UNCERTAIN_NOT_ACCURATE, "UncertainSensorNotAccurate"),
        (q.UNCERTAIN_RANGE, "UncertainEngineeringUnitsExceeded"),
        (q.UNCERTAIN_SUBNORMAL, "UncertainSubNormal"),
        (q.BAD, "Bad"),
        (q.BAD_CONFIG, "BadConfigurationError"),
        (q.BAD_NOT_CONNECTED, "BadNotConnected"),
        (q.BAD_DEVICE, "BadDeviceFailure"),
        (q.BAD_SENSOR, "BadSensorFailure"),
        (q.BAD_LAST_KNOWN, "BadCommunicationError"),
        (q.BAD_COMM, "BadNoCommunication"),
        (q.BAD_OUT_OF_SERVICE, "BadOutOfService"),
    ],
)
def test_status_codes_carry_the_names_of_the_standard(code: int, name: str) -> None:
    """OPC 30140, 6.8.1.3, with the numbers of an independent table."""
    assert q.to_opcua(code) == getattr(ua.StatusCodes, name)


@given(st.integers(0, 255))
def test_every_byte_has_a_status_code_of_its_severity(code: int) -> None:
    severity = {192: 0, 64: 1}.get(code & q.MAJOR, 2)
    assert q.to_opcua(code) >> 30 == severity
    assert isinstance(q.reason(code), str)


@given(st.integers(0, 2**32 - 1))
def test_every_status_code_has_a_quality_of_its_severity(status: int) -> None:
    major = {0: q.GOOD, 1: q.UNCERTAIN}.get(status >> 30, q.BAD)
    assert q.from_opcua(status) in q.CODES
    assert q.from_opcua(status) & q.MAJOR == major


def test_limit_and_info_bits_do_not_hide_the_reason() -> None:
    assert q.from_opcua(0x808C0000 | 0x0300 | 0x0480) == q.BAD_SENSOR


@given(major=st.integers(-1000, 1000), text=st.text(max_size=12))
def test_any_foreign_quality_becomes_a_known_code(major: int, text: str) -> None:
    code = q.from_reason(major, text)
    assert code in q.CODES
    assert code & q.MAJOR == (major if major in (64, 192) else 0)


def test_who_sends_500_has_not_said_good() -> None:
    assert q.from_reason(500, "") == q.BAD
    assert q.from_reason(128, "sensor") == q.BAD


def test_is_good_follows_the_major_bits() -> None:
    codes = np.array([[192, 64], [0, 195]], dtype=np.uint8)
    assert q.is_good(codes).tolist() == [[True, False], [False, True]]
