"""Who is at the door: passwords, tokens, sessions, and patience with those who guess."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from core.clock import NS, mono_ns
from portal.passwords import NOBODY, hash_token, matches

Role = Literal["viewer", "operator"]
#: a session ends after this time, or after a time without any request
SESSION, IDLE = 12 * 3600 * NS, 2 * 3600 * NS
MAX_SESSIONS = 1_000
#: wrong passwords that a name or an address may give before it has to wait, and how long
PATIENCE, WAIT = 5, 60 * NS
MAX_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who was let in. ``csrf`` proves that a request comes from our own page; empty: by token."""

    name: str
    role: Role
    csrf: str = ""


@dataclass(slots=True)
class Session:
    """A login; times are monotonic ns. ``kept`` is the password's hash then: another one ends the session."""

    person: Person
    kept: str
    began: int
    used: int


@dataclass(slots=True)
class Failures:
    """Wrong passwords of a name or an address."""

    count: int = 0
    until: int = 0
    last: int = field(default_factory=mono_ns)


#: name -> (role, password hash); token hash -> (name, role)
Accounts = Callable[[], Mapping[str, tuple[Role, str]]]
Tokens = Callable[[], Mapping[str, tuple[str, Role]]]
#: hears (event name, text)
Told = Callable[[str, str], None]


class Door:
    """Sessions live in memory: a restart asks everyone to log in again.

    ``accounts`` and ``tokens`` are asked each time, so that who is removed is out at once.
    """

    def __init__(self, accounts: Accounts, tokens: Tokens, told: Told, *, secure: bool = True) -> None:
        self.secure = secure
        self._accounts, self._tokens, self._told = accounts, tokens, told
        self._sessions: dict[str, Session] = {}
        self._failures: dict[str, Failures] = {}
        self._checking = asyncio.Semaphore(2)  # scrypt takes memory: a crowd waits its turn

    def wait_s(self, name: str, address: str) -> int:
        """Return for how many seconds a name or address has to wait, 0 for none."""
        now = mono_ns()
        until = max((f.until for key in _keys(name, address) if (f := self._failures.get(key))), default=0)
        return max(0, -((now - until) // NS)) if until > now else 0

    async def login(self, name: str, password: str, address: str) -> tuple[str, Person] | None:
        """Return a session's secret and its person, None where the password is not the name's."""
        role, kept = self._accounts().get(name, ("viewer", NOBODY))
        async with self._checking:
            right = await asyncio.to_thread(matches, password[:1024], kept)
        if not right or kept == NOBODY:
            self._failed(name, address)
            return None
        for key in _keys(name, address):
            self._failures.pop(key, None)
        self._told("page-login", f"user:{name}: {role} from {address}")
        return self._open(Person(name, role, secrets.token_urlsafe(24)), kept)

    def session(self, secret: str) -> Person | None:
        """Return whose session it is, None where it has ended."""
        key = hash_token(secret)
        found, now = self._sessions.get(key), mono_ns()
        if found is None:
            return None
        account = self._accounts().get(found.person.name)
        fresh = now - found.began < SESSION and now - found.used < IDLE
        if not fresh or account is None or not hmac.compare_digest(account[1], found.kept):
            del self._sessions[key]
            return None
        found.used = now
        return found.person

    def token(self, token: str, address: str) -> Person | None:
        """Return the program that a token belongs to."""
        known = self._tokens().get(hash_token(token[:1024]))
        if known is None:
            self._failed("", address)
            return None
        return Person(*known)

    def leave(self, secret: str) -> None:
        """End a session."""
        self._sessions.pop(hash_token(secret), None)

    def _open(self, person: Person, kept: str) -> tuple[str, Person]:
        secret, now = secrets.token_urlsafe(32), mono_ns()
        while len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].used)]
        self._sessions[hash_token(secret)] = Session(person, kept, now, now)
        return secret, person

    def _failed(self, name: str, address: str) -> None:
        now = mono_ns()
        if len(self._failures) > MAX_REMEMBERED:
            self._failures = {k: f for k, f in self._failures.items() if f.until > now}
        for key in _keys(name, address):
            found = self._failures.setdefault(key, Failures())
            if now - found.last > 10 * WAIT:
                found.count = 0
            found.count, found.last = found.count + 1, now
            if found.count >= PATIENCE:
                found.until = now + WAIT * min(2 ** (found.count - PATIENCE), 16)
        self._told("page-login-refused", f"{name[:64]!r} from {address}: wrong name, password or token")


def _keys(name: str, address: str) -> tuple[str, ...]:
    return (f"name:{name[:64]}", f"from:{address}") if name else (f"from:{address}",)
