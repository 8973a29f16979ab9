"""A cheap source of MQTT load: PUBLISH packets made beforehand, written straight to the socket.

A client library costs 100 µs a message, and would be what a benchmark measures. MQTT 3.1.1, QoS 1, blocking.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from urllib.parse import urlsplit

from core.errors import NotConnected

_CONNACK = 0x20
_PUBACK = 0x40
_PUBACK_BYTES = 4


class Flood:
    """One connection to a broker without credentials, that only publishes.

    ``window``: messages under way at most. ``acked`` counts what the broker has acknowledged.
    """

    def __init__(self, url: str, client_id: str, window: int = 2_000) -> None:
        self.url, self.client_id, self.window = url, client_id, window
        self.sent = 0
        self.acked = 0
        self._rest = 0
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Connect; raises NotConnected."""
        place = urlsplit(self.url)
        try:
            sock = self._socket = socket.create_connection((place.hostname or "127.0.0.1", place.port or 1883), 10.0)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            name = self.client_id.encode()
            body = b"\x00\x04MQTT\x04\x02\x00\x00" + _text(name)
            sock.sendall(b"\x10" + _length(len(body)) + body)
            answer = sock.recv(4)
        except OSError as error:
            raise NotConnected(f"{self.url}: {error}") from error
        if len(answer) < 4 or answer[0] != _CONNACK or answer[3]:
            raise NotConnected(f"{self.url}: the broker declines ({answer.hex()})")

    def send(self, packets: Iterable[bytes]) -> None:
        """Write packets of :func:`publish_packet`, in bundles, waiting while the window is full."""
        assert self._socket is not None
        bundle: list[bytes] = []
        size = 0
        for packet in packets:
            bundle.append(packet)
            size += len(packet)
            if size > 65_536 or self.sent + len(bundle) - self.acked >= self.window:
                self._write(bundle)
                bundle, size = [], 0
        self._write(bundle)

    def drain(self) -> None:
        """Wait until the broker has acknowledged everything."""
        while self.acked < self.sent:
            self._hear()

    def close(self) -> None:
        """Say goodbye."""
        if self._socket is not None:
            self._socket.sendall(b"\xe0\x00")
            self._socket.close()
            self._socket = None

    def _write(self, bundle: list[bytes]) -> None:
        if not bundle:
            return
        assert self._socket is not None
        while self.sent + len(bundle) - self.acked > max(self.window, len(bundle)):
            self._hear()
        self._socket.sendall(b"".join(bundle))
        self.sent += len(bundle)

    def _hear(self) -> None:
        """Count acknowledgements: all that a broker says to a client that only publishes at QoS 1."""
        assert self._socket is not None
        data = self._socket.recv(65_536)
        if not data or (not self._rest and data[0] & 0xF0 != _PUBACK):
            raise NotConnected(f"{self.url}: the broker hung up")
        self._rest += len(data)
        self.acked += self._rest // _PUBACK_BYTES
        self._rest %= _PUBACK_BYTES


def publish_packet(topic: str, payload: bytes, number: int) -> bytes:
    """Return a PUBLISH packet at QoS 1; ``number`` gives its identifier (1 to 65,535, over and over)."""
    body = _text(topic.encode()) + struct.pack(">H", number % 65_535 + 1) + payload
    return b"\x32" + _length(len(body)) + body


def _text(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def _length(n: int) -> bytes:
    out = bytearray()
    while True:
        n, digit = n >> 7, n & 0x7F
        out.append(digit | (0x80 if n else 0))
        if not n:
            return bytes(out)
