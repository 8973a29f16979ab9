"""What mosquitto's log says about those whom it turned away (wording of 2.0; ``:``-joined epoch and text a line)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["login-refused", "publish-denied", "certificate-refused", "tls-refused"]

#: beginnings of the lines that a working broker writes for every packet and every connection
_NOISE = re.compile(
    rb"\d+: (Received |Sending |New connection from|No will message|Will message|Client \S+ (disconnected\.|closed)"
    rb"|\t|Saving in-memory|mosquitto version|Config loaded|Opening ipv|Reloading config)"
)
_NEW = re.compile(r"New client connected from (\S+) as (\S+) \(.*?u'([^']*)'")
_DENIED = re.compile(r"Denied PUBLISH from (\S+) \(.*?, '([^']*)', \.\.\. \((\d+) bytes\)\)")
_LOGIN = re.compile(r"(?:Client (\S+) disconnected, not authorised|Client (\S+) \[\S*\] disconnected: not authorised)")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Someone was turned away: ``who`` is the account where it is known, else the client id, else empty."""

    kind: Kind
    who: str
    what: str


def is_noise(line: bytes) -> bool:
    """Tell whether a line of a watched broker says nothing that anyone needs to keep."""
    return _NOISE.match(line) is not None


class LogReader:
    """Reads the lines in order; remembers which account a client id belongs to."""

    def __init__(self) -> None:
        self._accounts: dict[str, str] = {}

    def read(self, line: str) -> Refusal | None:
        """Return what a line says, None where nobody was turned away."""
        _, _, text = line.partition(": ")
        if match := _NEW.match(text):
            if len(self._accounts) > 10_000:
                self._accounts.clear()
            self._accounts[match[2]] = match[3]
        elif match := _DENIED.match(text):
            who = self._accounts.get(match[1], match[1])
            return Refusal("publish-denied", who, match[2])
        elif match := _LOGIN.match(text):
            name = match[1] or match[2]
            return Refusal("login-refused", "" if name == "<unknown>" else name, "wrong or missing credentials")
        elif "SSL routines" in text and "unexpected eof" not in text:  # a probe of the port is nobody's attempt
            return _tls(text)
        return None


def _tls(text: str) -> Refusal:
    reason = text.rstrip().rpartition(":")[2].strip() or "TLS failed"
    certificate = "certificate" in reason or "unknown ca" in reason
    return Refusal("certificate-refused" if certificate else "tls-refused", "", reason[:120])
