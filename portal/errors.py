"""Errors of the API: a status and one line that says what to do, always as JSON."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from core.errors import StoreUnavailable, TestbedError


class ApiError(TestbedError):
    """A request cannot be answered; ``status`` is the HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


def _reply(status: int, text: str) -> Response:
    return JSONResponse({"error": " ".join(text.split())}, status)


async def _api_error(_: Request, error: Exception) -> Response:
    return _reply(getattr(error, "status", 400), str(error))


async def _unavailable(_: Request, error: Exception) -> Response:
    return _reply(503, f"the store is out of reach, try again: {error}")


async def _testbed_error(_: Request, error: Exception) -> Response:
    return _reply(500, str(error))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404 and error.detail == "Not Found":
        return _reply(404, f"no such page: {request.url.path} (the list is at /api)")
    return _reply(error.status_code, str(error.detail))


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return _reply(422, f"{where}: {first['msg']}")


def install(app: FastAPI) -> None:
    """Make the application answer every error in one line."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(StoreUnavailable, _unavailable)
    app.add_exception_handler(TestbedError, _testbed_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
