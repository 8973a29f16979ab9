"""Child process that keeps a broker.

``python -m wire.broker_child mosquitto|rumqttd <config file> [program [watched]]`` writes the broker's process id on
one line, and ends the broker when its own standard input closes, that is when its parent is gone. On Linux the kernel
also ends mosquitto with this process, should it be killed. Of a ``watched`` broker's many lines it passes on those
that :mod:`wire.broker_log` reads.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO

from wire.broker_log import is_noise

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask Linux to end this process when its parent ends; does nothing elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _when_input_closes(then: Callable[[], None]) -> None:
    def wait() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        then()

    threading.Thread(target=wait, name="stdin", daemon=True).start()


def _pass_on(pipe: IO[bytes]) -> None:
    """Copy the lines that matter to standard error; reads in large pieces, since a busy broker says a lot."""
    rest = b""
    while piece := os.read(pipe.fileno(), 1 << 16):
        lines = (rest + piece).split(b"\n")
        rest = lines.pop()[-4096:]
        kept = [line for line in lines if not is_noise(line)]
        if kept:
            os.write(2, b"\n".join(kept) + b"\n")


def _mosquitto(config: str, program: str, watched: bool) -> int:
    hook = die_with_parent if sys.platform == "linux" else None
    pipe = subprocess.PIPE if watched else None
    broker = subprocess.Popen([program, "-c", config], stdin=subprocess.DEVNULL, stderr=pipe, preexec_fn=hook)
    if broker.stderr is not None:
        threading.Thread(target=_pass_on, args=(broker.stderr,), name="log", daemon=True).start()
    _when_input_closes(broker.terminate)
    sys.stdout.write(f"{broker.pid}\n")
    sys.stdout.flush()
    return broker.wait()


def _rumqttd(config: str) -> int:
    from iotcore.iotcore import IotCoreBroker

    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)  # its routing spans arrive as errors, one a message
    die_with_parent()
    broker = IotCoreBroker(config_path=config)
    broker.check_ports()
    _when_input_closes(lambda: os._exit(0))
    sys.stdout.write(f"{os.getpid()}\n")
    sys.stdout.flush()
    broker.run_forever()
    return 0


def main() -> int:
    """Run the broker named on the command line until its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides the order of the end
    kind, config, *rest = sys.argv[1:]
    return _mosquitto(config, rest[0], "watched" in rest) if kind == "mosquitto" else _rumqttd(config)


if __name__ == "__main__":
    sys.exit(main())
