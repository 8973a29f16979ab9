"""Truth: hidden state, written as Parquet beside the run and read only by evaluation and chamber references.

Never on the wire, never in the store. Files in the truth folder of a run, one table each.
"""

from __future__ import annotations

import pyarrow as pa

#: health of a component at a change point or grid time; ``health`` 1 new … 0 failed, ``wear`` in model units
HEALTH = pa.schema(
    [
        ("device", pa.string()),
        ("component", pa.string()),
        ("life", pa.int32()),
        ("t", pa.int64()),
        ("health", pa.float64()),
        ("wear", pa.float64()),
    ]
)
#: the lives of a component: from installation to failure, planned renewal or the end of the run
LIVES = pa.schema(
    [
        ("device", pa.string()),
        ("component", pa.string()),
        ("life", pa.int32()),
        ("t0", pa.int64()),
        ("t1", pa.int64()),
        ("end", pa.string()),  # failure | maintenance | open
        ("mode", pa.string()),
    ]
)
#: injected or drawn faults with their spans
FAULTS = pa.schema(
    [
        ("device", pa.string()),
        ("fault", pa.string()),
        ("target", pa.string()),
        ("t0", pa.int64()),
        ("t1", pa.int64()),
        ("detail", pa.string()),
    ]
)
FILES = {"health": HEALTH, "lives": LIVES, "faults": FAULTS}
