"""Free TCP ports for servers that we start."""

from __future__ import annotations

import socket

from core.errors import WireError


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that is free now."""
    with _probe(host) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def free_ports(count: int, host: str = "127.0.0.1") -> int:
    """Return the first of so many free ports that follow each other. Raises WireError if there are none."""
    for _ in range(100):
        first = free_port(host)
        if first + count < 65_536 and all(_is_free(host, first + i) for i in range(1, count)):
            return first
    raise WireError(f"{host}: no {count} free ports in a row")


def _is_free(host: str, port: int) -> bool:
    with _probe(host) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _probe(host: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
