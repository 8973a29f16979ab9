"""Health of the role in this container: its status file is young. Exit code 0 healthy, 1 not."""

import os
import sys
import time
from pathlib import Path

MAX_AGE_S = 15.0


def main() -> int:
    """Look at ``status/<role>.json`` of the run folder."""
    role = os.environ.get("ROLE", "")
    status = Path(os.environ.get("TESTBED_DATA_DIR", "/data")) / "status" / f"{role}.json"
    try:
        age = time.time() - status.stat().st_mtime  # noqa: TID251  # compared with a file's time, outside any run
    except OSError as error:
        print(f"{role or 'ROLE is not set'}: {error.strerror}")
        return 1
    print(f"{role}: status is {age:.1f} s old")
    return 0 if age < MAX_AGE_S else 1


if __name__ == "__main__":
    sys.exit(main())
