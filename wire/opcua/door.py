"""The server's door: who comes in, what each may do, and how often somebody was turned away.

asyncua lets a channel without security open for discovery and then serves it like any other, and it judges the
certificate that a client *names* in CreateSession, not the one that it proved to own. So every channel here carries
rules: one without security may ask for endpoints only (unless the server has no other), and one with security is served
once a session on it was created with the certificate of the channel itself.
"""

from __future__ import annotations

import base64
import contextvars
import hashlib
import hmac
import logging
from collections import Counter
from typing import Any

from asyncua import Server, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import PermissionRuleset, User, UserRole
from asyncua.crypto.security_policies import SecurityPolicyFactory, SecurityPolicyNone
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import TypeAdapter, ValidationError

from core.clock import mono_ns
from wire.opcua.security import OpcuaRole, OpcuaSecurity, OpcuaUser
from wire.opcua.trust import Rejected, validator

log = logging.getLogger(__name__)
_OBJECTS = ua.ObjectIds
_CALL = ua.NodeId(_OBJECTS.CallRequest_Encoding_DefaultBinary)
_ALWAYS = {ua.NodeId(_OBJECTS.CloseSessionRequest_Encoding_DefaultBinary),
           ua.NodeId(_OBJECTS.CloseSecureChannelRequest_Encoding_DefaultBinary)}  # fmt: skip
_RIGHTS: dict[OpcuaRole, int] = {"none": 0, "viewer": 1, "operator": 2, "gateway": 3}
_USERS = TypeAdapter(tuple[OpcuaUser, ...])
_LINES = 50  # refusals of a kind that are told one by one; all are counted


class Person(User):  # type: ignore[misc]
    """A user of a session, with our role."""

    def __init__(self, name: str, role: OpcuaRole) -> None:
        super().__init__(role=UserRole.User, name=name)
        self.may: OpcuaRole = role


#: who calls the method that runs now
CALLER: contextvars.ContextVar[Person] = contextvars.ContextVar("caller")


class Door:
    """Users, trust list and counted refusals of one server."""

    def __init__(self, security: OpcuaSecurity) -> None:
        self.security = security
        self.refused: Counter[str] = Counter()
        self.admitted: dict[bytes, int] = {}  # certificates and when each was last found good, monotonic ns
        self._check = validator(security, client=True)
        self._known: tuple[float, tuple[OpcuaUser, ...]] = (-1.0, ())

    def refuse(self, reason: str, who: str) -> None:
        """Count a refusal and tell of it."""
        self.refused[reason] += 1
        if self.refused[reason] <= _LINES:
            log.warning("OPC UA: %s turned away: %s", who, reason)

    async def validate(self, certificate: Any, application: Any) -> None:
        """Judge the certificate that a client names; asyncua's hook at CreateSession."""
        der = certificate.public_bytes(Encoding.DER)
        try:
            if self._check is not None:
                await self._check(certificate, application)
        except Rejected as error:
            self.admitted.pop(der, None)
            self.refuse(str(error).partition(":")[0], str(error).partition(": ")[2])
            raise
        while len(self.admitted) >= 1_000:
            del self.admitted[next(iter(self.admitted))]
        self.admitted[der] = mono_ns()

    def get_user(
        self, iserver: Any, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> Person | None:
        """Return who logs in; asyncua's hook at ActivateSession. None: nobody we know."""
        if username is not None:
            user = next((u for u in self._users() if u.name == username and u.password), None)
            if user is not None and password is not None and _matches(user.password, password):
                return Person(user.name, user.role)
            self.refuse("BadUserAccessDenied", f"user {username[:40]!r} (name or password)")
            raise ServiceError(ua.StatusCodes.BadUserAccessDenied)
        user = self._by_certificate(certificate) if certificate else None
        if user is not None:
            return Person(user.name, user.role)
        if self.security.nobody == "none":
            self.refuse("BadIdentityTokenRejected", "a client that does not say who it is")
            raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected)
        return Person("opcua", self.security.nobody)

    def _by_certificate(self, der: bytes) -> OpcuaUser | None:
        from wire.opcua.files import read_certificate  # only where certificates are

        shown = hashlib.sha256(der).digest()
        for user in self._users():
            if user.certificate is not None:
                mine = read_certificate(user.certificate)
                if mine is not None and hashlib.sha256(mine).digest() == shown:
                    return user
        return None

    def _users(self) -> tuple[OpcuaUser, ...]:
        file = self.security.users_file
        if file is None:
            return self.security.users
        try:
            changed = file.stat().st_mtime
            if changed != self._known[0]:
                self._known = changed, _USERS.validate_json(file.read_bytes())
        except (OSError, ValidationError) as error:
            log.warning("OPC UA: users of %s cannot be read: %s", file, str(error).splitlines()[0])
        return (*self.security.users, *self._known[1])


class Rules(PermissionRuleset):  # type: ignore[misc]
    """What the sessions on one channel may do."""

    def __init__(self, door: Door, peer: bytes | None, open_door: bool) -> None:
        self._door, self._peer, self._open = door, peer, open_door
        self._since = mono_ns()

    def check_validity(self, user: Any, action_type_id: Any, body: Any) -> bool:
        """Tell whether a request may be served; asyncua's hook at every request of a session."""
        if action_type_id in _ALWAYS:
            return True
        if not self._proved():
            self._door.refuse("BadSecurityChecksFailed", "a session whose channel proves no trusted certificate")
            return False
        may: OpcuaRole = getattr(user, "may", "none")
        if _RIGHTS[may] < (_RIGHTS["operator"] if action_type_id == _CALL else _RIGHTS["viewer"]):
            self._door.refuse("BadUserAccessDenied", f"{may} {getattr(user, 'name', None) or 'nobody'}")
            return False
        if action_type_id == _CALL:
            CALLER.set(user)
        return True

    def _proved(self) -> bool:
        if not self._open and self._peer is not None and self._door.admitted.get(self._peer, 0) >= self._since:
            self._open = True
        return self._open


class _Guarded(SecurityPolicyFactory):  # type: ignore[misc]
    """Makes the security of each channel, with rules of its own."""

    def __init__(self, door: Door, given: Any, open_door: bool) -> None:
        super().__init__(given.cls, given.mode, given.certificate, given.private_key)
        self._door, self._open = door, open_door

    def create(self, peer_certificate: Any) -> Any:
        """Return the security of a new channel."""
        policy = super().create(peer_certificate)
        policy.permissions = Rules(self._door, policy.peer_certificate, self._open)
        return policy


class GuardedServer(Server):  # type: ignore[misc]
    """asyncua's server behind a door."""

    def __init__(self, door: Door, iserver: Any) -> None:
        super().__init__(iserver=iserver)
        self._door = door
        iserver.user_manager = door
        iserver.certificate_validator = door.validate

    async def _setup_server_nodes(self) -> None:
        await super()._setup_server_nodes()
        plain = SecurityPolicyFactory(SecurityPolicyNone, ua.MessageSecurityMode.None_)
        secure = self._door.security.policy != "none"
        made: list[Any] = self._policies if secure else []
        self._policies: list[Any] = [_Guarded(self._door, p, not secure) for p in (*made, plain)]


def _matches(hashed: str, password: str) -> bool:
    """Tell whether a password belongs to an entry ``$7$<iterations>$<salt>$<PBKDF2-SHA512>``."""
    try:
        _, form, iterations, salt, digest = hashed.split("$")
        found = hashlib.pbkdf2_hmac("sha512", password.encode(), base64.b64decode(salt), int(iterations))
        return form == "7" and hmac.compare_digest(found, base64.b64decode(digest))
    except ValueError:
        return False
