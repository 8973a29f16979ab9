"""The command log: which command took effect at which simulated ns. A replay applies it to the same instants."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from core.command import Command
from core.errors import DecodeError

_COMMAND = TypeAdapter(Command)


@dataclass(frozen=True, slots=True)
class Logged:
    """A command and the simulated ns at which it took effect."""

    at: int
    command: Command


def log_line(entry: Logged) -> str:
    """Return an entry as one line of JSON."""
    return json.dumps({"at": entry.at, "command": asdict(entry.command)}, ensure_ascii=False) + "\n"


def read_log(path: Path) -> Sequence[Logged]:
    """Return the entries of a log in order; a last line that was cut off is left out.

    Raises
    ------
    DecodeError
        If another line cannot be read.
    """
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    out: list[Logged] = []
    for number, line in enumerate(lines, 1):
        try:
            value = json.loads(line)
            out.append(Logged(int(value["at"]), _COMMAND.validate_python(value["command"])))
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            if number == len(lines) and not line.endswith("\n"):
                break
            raise DecodeError("command-log", f"{path}:{number}: {error}") from error
    return out
