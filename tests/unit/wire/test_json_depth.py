import json

import pytest

from wire.json_depth import too_deep


@pytest.mark.parametrize(
    ("payload", "depth"),
    [("{}", 1), ('{"a":[1,[2]]}', 3), ('{"a":"[[[[[[[["}', 1), (r'{"a":"\"[[[[[["}', 1), ("[]" * 50, 1), ("[" * 9, 9),
     (json.dumps({"q": {"c": [[0, 1, 0, "x"]] * 99}}), 4)],
)  # fmt: skip
def test_depth_is_that_of_brackets_outside_texts(payload, depth):
    assert not too_deep(payload.encode(), depth)
    assert too_deep(payload.encode(), depth - 1)


def test_a_megabyte_of_brackets_is_told_apart():
    assert too_deep(b"[" * (1 << 20), 8)
    assert not too_deep(b"[]" * (1 << 19), 8)
