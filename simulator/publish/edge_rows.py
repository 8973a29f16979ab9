"""What an edge node still has to say and what it said last: store and forward."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from core.batch import Batch
from core.clock import mono_ns


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of one stream of a device (``batch``), a mark of the last row, or a note (``text``).

    ``again``: it may go out twice, since a receiver knows it again.
    """

    device: str
    stream: str
    batch: Batch | None = None
    text: str = ""
    mark: bool = False
    historical: bool = False

    @property
    def size(self) -> int:
        """Bytes it takes on the wire, roughly."""
        return len(self.text) + (0 if self.batch is None else 24 * len(self.batch) + 20 * self.batch.values)

    @property
    def again(self) -> bool:
        """Tell whether it may go out twice: rows carry numbers, results ids."""
        return self.batch is not None or self.stream == "Command/Result"


class Outbox:
    """Pieces in order; those sent within the last ``overlap`` ns go out again after a break.

    A message of QoS 0 that was written may still be lost with the connection that took it.
    """

    def __init__(self, overlap: int) -> None:
        self.bytes = 0
        self._overlap = overlap
        self._waiting: deque[Piece] = deque()
        self._sent: deque[tuple[int, Piece]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, piece: Piece) -> None:
        """Add what is to be sent."""
        self._waiting.append(piece)
        self.bytes += piece.size

    def next(self, most: int) -> list[Piece]:
        """Return the next pieces of one device, about ``most`` values; :meth:`sent` takes them out."""
        out: list[Piece] = []
        values = 0
        for piece in self._waiting:
            if out and (piece.device != out[0].device or values >= most):
                break
            values += 1 if piece.batch is None else piece.batch.values
            out.append(piece)
        return out

    def sent(self, pieces: list[Piece]) -> None:
        """Note that the next pieces are handed over."""
        now = mono_ns()
        for piece in pieces:
            self._waiting.popleft()
            self.bytes -= piece.size
            if piece.again and not piece.mark:
                self._sent.append((now, piece))
        self._forget(now)

    def rewind(self) -> None:
        """Put what was sent last before what waits, and call all rows historical: a session has ended."""
        self._forget(mono_ns())
        pieces = [piece for _, piece in self._sent] + list(self._waiting)
        self._sent.clear()
        self._waiting = deque(
            replace(piece, historical=True) if piece.batch is not None and not piece.mark else piece for piece in pieces
        )
        self.bytes = sum(piece.size for piece in pieces)

    def _forget(self, now: int) -> None:
        while self._sent and now - self._sent[0][0] > self._overlap:
            self._sent.popleft()
