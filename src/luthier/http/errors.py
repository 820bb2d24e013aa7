"""Failures in the shape that OpenAI's clients expect."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from luthier.errors import LuthierError
from luthier.serve.worker import BusyError

STATUS_OF_EXIT_CODE = {2: 400, 3: 400, 4: 404, 5: 409}
CODES = {404: "model_not_found", 409: "conflict", 429: "rate_limit_exceeded", 500: "server_error"}


class BadParameterError(LuthierError):
    """A request parameter that cannot be honoured."""

    def __init__(self, message: str, *, param: str) -> None:
        super().__init__(message)
        self.param = param


def error_body(message: str, *, status: int, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """`{"error": {message, type, param, code}}`: all four keys, null allowed."""
    kind = {429: "rate_limit_error", 500: "server_error"}.get(status, "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def body_of(error: Exception) -> tuple[int, dict[str, Any]]:
    """Status and body that tell a failure; an unexpected one shows nothing of its inside."""
    match error:
        case BadParameterError():
            return 400, error_body(str(error), status=400, param=error.param, code="unsupported_parameter")
        case BusyError():
            return 429, error_body(str(error), status=429, code=CODES[429])
        case LuthierError():
            status = STATUS_OF_EXIT_CODE.get(error.exit_code, 500)
            return status, error_body(str(error), status=status, code=CODES.get(status))
        case _:
            return 500, error_body("The server failed. See its log.", status=500, code=CODES[500])


def add_error_handlers(app: FastAPI) -> None:
    """Answer every failure in the one shape."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(LuthierError, _failed)
    app.add_exception_handler(Exception, _failed)


async def _failed(request: Request, error: Exception) -> JSONResponse:
    status, body = body_of(error)
    headers = {"retry-after": "1"} if status == 429 else {"x-should-retry": "false"} if status == 409 else {}
    return JSONResponse(body, status_code=status, headers=headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problem = error.errors()[0]
    path = [str(part) for part in problem["loc"] if part != "body"]
    param = ".".join(path) if problem["type"] != "json_invalid" else None
    message = f"{param}: {problem['msg']}" if param else f"The body is not valid: {problem['msg']}"
    return JSONResponse(error_body(message, status=400, param=param or None, code="invalid_value"), status_code=400)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path}: {error.detail}"
    return JSONResponse(error_body(message, status=error.status_code), status_code=error.status_code)
