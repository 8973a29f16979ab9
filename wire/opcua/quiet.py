"""The one place that tames asyncua's loggers.

The library reports every lost peer with a stack trace and every browse at INFO. What matters reaches our
callers as NotConnected or as a counter; the rest only hides it.
"""

from __future__ import annotations

import logging


def quieten() -> None:
    """Silence asyncua below CRITICAL, unless someone asked for more by setting its level beforehand."""
    for name in ("asyncua", "asyncuagds"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL)
