from __future__ import annotations

import pytest

from core.truth import FILES


@pytest.mark.parametrize("name", sorted(FILES))
def test_truth_names_its_device_and_holds_no_stream(name: str) -> None:
    """Truth tables are keyed by device, never by a stream index, so none can be taken for measured rows."""
    assert FILES[name].names[0] == "device"
    assert "stream" not in FILES[name].names
