"""The web application: the status page at ``/``, the open data API under ``/api/v1``, its description at ``/api``."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope
from starlette.types import Send as AsgiSend

from core.ports import HistoryReader
from portal import errors, texts
from portal.api import catalog, history, notes, run
from portal.config import PortalConfig
from portal.context import Context, Send
from portal.door import Door
from portal.errors import ApiError
from portal.gate import Gate
from portal.history import History
from portal.live import LiveState
from portal.stream import Pulse
from wire.opcua.security import is_loopback

ABOUT = "Open data of a run: catalogue, live values, history, findings, commands. Times are run time."
_POLICY = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'self'"
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}


def create_app(
    live: LiveState,
    reader: HistoryReader | None = None,
    send: Send | None = None,
    config: PortalConfig | None = None,
    door: Door | None = None,
) -> FastAPI:
    """Return the portal of a run.

    Parameters
    ----------
    live
        Fed by the platform process.
    reader
        The store's reader; without one the history queries answer 503.
    send
        Carries a command of a person to the gateway; without one the portal only looks.
    config
        Limits and who may command.
    door
        Knows who may come in; without one everyone who can reach the portal may.
    """
    config = config or PortalConfig(port=8080)
    app = FastAPI(
        title="IIoT testbed",
        description=ABOUT,
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        generate_unique_id_function=lambda route: route.name,
    )
    store = History(reader, live.catalog, config.max_points, config.max_rows)
    may_command = send is not None and config.commands and not config.token
    app.state.context = Context(live, store, Pulse(live, may_command), send, config)
    for part in (run, catalog, history, notes):
        app.include_router(part.router, prefix="/api/v1")
    app.mount("/static", StaticFiles(directory=texts.HERE / "static"), name="static")
    _add_pages(app)
    errors.install(app)
    app.add_middleware(Gate, door=door, hosts=config.hosts, loopback=is_loopback(config.host))
    app.add_middleware(Harden)
    return app


class Harden:
    """Let pages run only our own scripts, and let files be asked for again when they change (ASGI middleware)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: AsgiSend) -> None:
        """Add the headers to every answer."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-cache")
            await send(message)

        await self.app(scope, receive, with_headers)


def _language(request: Request) -> str:
    query, cookie = request.query_params.get("lang", ""), request.cookies.get("lang", "")
    return texts.choose(query, cookie, request.headers.get("accept-language", ""))


def _page(request: Request, name: str) -> Response:
    language = _language(request)
    response = HTMLResponse(texts.page(name, language), headers={"vary": "accept-language, cookie"})
    if request.query_params.get("lang") == language:
        response.set_cookie("lang", language, max_age=31_536_000, samesite="lax")
    return response


def _add_pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def index(request: Request) -> Response:
        return _page(request, "index")

    @app.get("/api", include_in_schema=False)
    async def api(request: Request) -> Response:
        return _page(request, "api")

    @app.get("/texts/{language}.json", include_in_schema=False)
    async def language_texts(language: str) -> Response:
        if language not in texts.LANGUAGES:
            raise ApiError(404, f"no such language: {language[:20]!r} (there are {', '.join(texts.LANGUAGES)})")
        return JSONResponse(texts.texts(language))
