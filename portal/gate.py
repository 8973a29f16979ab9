"""The gate before every request: open on loopback, for names of this machine only; else for who has logged in."""

from __future__ import annotations

import hmac
import html
import ipaddress
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, quote, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from portal import texts
from portal.door import SESSION, Door, Person

COOKIE, CSRF, WHO = "session", "csrf", "who"
#: what a login page needs, and what a watchman asks
OPEN = ("/login", "/static/", "/texts/", "/api/v1/health")
_FORM_LIMIT = 4096


class Gate:
    """ASGI middleware. Without a door everyone on this machine may pass, but under its own names only.

    The name check keeps a foreign web page from reaching the loopback under a name that it has re-bound.
    """

    def __init__(self, app: ASGIApp, door: Door | None, hosts: tuple[str, ...], loopback: bool) -> None:
        self.app, self.door, self.hosts, self.loopback = app, door, hosts, loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        answer = self._strange_name(request) if self.door is None else await self._judged(request, self.door)
        await (answer or self.app)(scope, receive, send)

    def _strange_name(self, request: Request) -> Response | None:
        name = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        if not self.loopback or name in ("localhost", *self.hosts) or is_address(name):
            return None
        return _no(403, f"this page is not served under the name {name[:80]!r} (add it to portal.hosts, or --name)")

    async def _judged(self, request: Request, door: Door) -> Response | None:
        path = request.url.path
        if path == "/login" and request.method == "POST":
            return await _login(request, door)
        if path == "/login":
            return _login_page(request)
        if any(path == name or (name.endswith("/") and path.startswith(name)) for name in OPEN):
            return None
        person, by_token = _person(request, door)
        if isinstance(person, Response):
            return person
        if person is None:
            return _ask(request)
        request.scope["person"] = person
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return None
        if not by_token and not hmac.compare_digest(
            request.headers.get("x-csrf-token", "").encode(), person.csrf.encode()
        ):
            return _no(403, "the request does not come from this page: reload it (x-csrf-token)")
        if path == "/logout":
            return _logout(request, door)
        return None if person.role == "operator" else _no(403, f"{person.name} may look, not command (role viewer)")


def _person(request: Request, door: Door) -> tuple[Person | Response | None, bool]:
    """Return who asks, and whether by token."""
    told = request.headers.get("authorization", "")
    if told:
        wait = door.wait_s("", _address(request))
        if wait:
            return _later(wait), True
        found = door.token(told.removeprefix("Bearer ").strip(), _address(request)) if told[:7] == "Bearer " else None
        return found or _no(401, "this token is not known here"), True
    return door.session(_cookies(request).get(COOKIE, "")), False


def _ask(request: Request) -> Response:
    path = request.url.path
    if path.startswith("/api/") or request.method != "GET":
        return _no(401, "log in first, or send a token (Authorization: Bearer …; testbed users token makes one)")
    return RedirectResponse(f"/login?next={quote(path)}", 303)


def _login_page(request: Request, problem: str = "", status: int = 200) -> Response:
    asked, chosen = request.query_params.get("lang", ""), _cookies(request).get("lang", "")
    language = texts.choose(asked, chosen, request.headers.get("accept-language", ""))
    page = texts.page("login", language)
    if problem:
        told = f'<p class="problem" role="alert">{html.escape(texts.texts(language)[problem])}</p>'
        page = page.replace('<p class="problem" hidden>–</p>', told)
    page = page.replace("{next}", quote(_next(request)))
    response = HTMLResponse(page, status, headers={"vary": "accept-language, cookie", "cache-control": "no-store"})
    if asked == language:
        response.set_cookie("lang", language, max_age=31_536_000, samesite="lax")
    return response


async def _login(request: Request, door: Door) -> Response:
    origin, host = request.headers.get("origin"), request.headers.get("host", "")
    if origin not in (None, "null") and urlsplit(origin or "").netloc != host:
        return _no(403, "logins are not taken from other web pages")
    form = await _form(request)
    name, password = form.get("name", ""), form.get("password", "")
    wait = door.wait_s(name, _address(request))
    if wait:
        response = _login_page(request, "login.wait", 429)
        response.headers["retry-after"] = str(wait)
        return response
    found = await door.login(name, password, _address(request))
    if found is None:
        return _login_page(request, "login.wrong", 401)
    secret, person = found
    answer = RedirectResponse(_next(request), 303)
    for key, value, hidden in ((COOKIE, secret, True), (CSRF, person.csrf, False), (WHO, person.role, False)):
        answer.set_cookie(
            key, value, max_age=SESSION // 1_000_000_000, httponly=hidden, samesite="strict", secure=door.secure
        )
    return answer


def _logout(request: Request, door: Door) -> Response:
    door.leave(_cookies(request).get(COOKIE, ""))
    answer = RedirectResponse("/login", 303)
    for key in (COOKIE, CSRF, WHO):
        answer.delete_cookie(key)
    return answer


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _FORM_LIMIT:
            return {}
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=10)
    return {key: values[0] for key, values in fields.items()}


def _next(request: Request) -> str:
    """Return the page to go to: one of ours, whatever the address bar says."""
    wanted = request.query_params.get("next", "/")
    return wanted if wanted in ("/", "/api") else "/"


def _cookies(request: Request) -> dict[str, str]:
    try:
        return {key: morsel.value for key, morsel in SimpleCookie(request.headers.get("cookie", "")).items()}
    except CookieError:
        return {}


def _address(request: Request) -> str:
    return request.client.host if request.client else "?"


def _no(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status)


def _later(wait: int) -> Response:
    return JSONResponse({"error": f"too many wrong tokens: wait {wait} s"}, 429, headers={"retry-after": str(wait)})


def is_address(name: str) -> bool:
    """Tell whether a name is a plain address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
