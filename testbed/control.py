"""How a role's process listens to its supervisor: one JSON object a line on standard input and output.

The child keeps a private copy of its standard output for this and sends everything else that prints to
standard error, so a chatty library cannot break the protocol. End of input means the parent is gone.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Literal, Protocol

from core.errors import TestbedError

Order = Literal["drain", "stop"]
#: a role whose parent is gone has so long to put its things away
ORPHAN_S = 10.0


class Control(Protocol):
    """What a role sees of whoever runs it. ``details`` is what came with the last order."""

    details: dict[str, Any]

    async def next(self) -> Order:
        """Return the next order, waiting for it."""
        ...

    def say(self, what: str, **fields: object) -> None:
        """State something: ready, status, told, drained, finished."""
        ...


class PipeControl:
    """Orders from the parent's pipe; statements into it."""

    def __init__(self) -> None:
        self.details: dict[str, Any] = {}
        self._orders: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._out = -1

    def open(self) -> None:
        """Take over standard input and output; call once, inside the running loop."""
        self._out = os.dup(1)
        os.dup2(2, 1)
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._listen, args=(loop,), name="control", daemon=True).start()

    def say(self, what: str, **fields: object) -> None:
        """Tell the parent something; a parent that is gone hears nothing."""
        line = json.dumps({"is": what, **fields}, ensure_ascii=False) + "\n"
        try:
            os.write(self._out, line.encode())
        except OSError:
            self._orders.put_nowait({"do": "stop"})

    async def next(self) -> Order:
        """Return the next order; ``stop`` when the parent is gone."""
        self.details = await self._orders.get()
        order: Order = self.details["do"]
        return order

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        rest = b""
        while True:
            # os.read, not sys.stdin: a daemon thread inside a buffered reader breaks interpreter shutdown
            data = os.read(0, 65536)
            rest += data
            *lines, rest = rest.split(b"\n")
            orders: list[dict[str, Any]] = [json.loads(line) for line in lines if line]
            if not data:
                orders.append({"do": "stop"})
                self._end_for_certain()
            try:
                for order in orders:
                    loop.call_soon_threadsafe(self._orders.put_nowait, order)
            except RuntimeError:
                return  # the loop has closed: the role is ending anyway
            if not data:
                return

    def _end_for_certain(self) -> None:
        """Let no orphan stay: whatever the role waits for, nobody is there any more to hear of it."""
        last = threading.Timer(ORPHAN_S, os._exit, (3,))
        last.daemon = True
        last.start()


class SignalControl:
    """Orders for a role started by hand: Ctrl-C, SIGTERM or the end of its time give the orders of the end.

    Parameters
    ----------
    seconds
        Wall time after which the role ends by itself; None: when it is told.
    ending
        What the role is ordered then, in this order.
    """

    def __init__(self, seconds: float | None = None, ending: tuple[Order, ...] = ("drain", "stop")) -> None:
        self.details: dict[str, Any] = {}
        self._orders: asyncio.Queue[Order] = asyncio.Queue()
        self._seconds, self._ending = seconds, ending
        self._told = False

    def open(self) -> None:
        """Install the signal handlers; call once, inside the running loop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, self._end)
            except NotImplementedError:  # Windows loops have no signal handlers
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(self._end))
        if self._seconds is not None:
            loop.call_later(self._seconds, self._time_is_up)

    def say(self, what: str, **fields: object) -> None:
        """Show what a person should see; statuses go to the status file alone."""
        if what == "told":
            print(fields.get("text", ""), file=sys.stderr, flush=True)
        elif what != "status":
            figures = (f"{k}={v}" for k, v in fields.items() if isinstance(v, (str, int, float)) and v != "")
            print(" ".join((what, *figures)), file=sys.stderr, flush=True)

    async def next(self) -> Order:
        """Return the next order."""
        return await self._orders.get()

    def _time_is_up(self) -> None:
        if not self._told:
            self._end()

    def _end(self) -> None:
        if self._told:
            os._exit(130)  # a second Ctrl-C always ends everything
        self._told = True
        for order in self._ending:
            self._orders.put_nowait(order)


def run_role(role: Callable[[PipeControl], Awaitable[None]]) -> None:
    """Run a role as a child process; errors meant for people end it with code 2 and one line."""

    async def main() -> None:
        control = PipeControl()
        control.open()
        try:
            await role(control)
        except TestbedError as error:
            control.say("error", text=str(error))
            raise SystemExit(2) from error
        control.say("stopped")

    # the supervisor owns the terminal's signals; a child only listens to its pipe
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(main())
