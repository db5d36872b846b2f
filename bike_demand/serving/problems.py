"""What is refused, and why: RFC 9457 problems. None repeats a secret, SQL or what a driver said."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

MEDIA: Final = "application/problem+json"
RETRY_S: Final = 5
"""After which who was refused for want of data should ask again."""

TITLES: Final[Mapping[str, tuple[int, str]]] = {
    "invalid-request": (422, "The request cannot be understood"),
    "unknown-system": (404, "There is no such system"),
    "unknown-station": (404, "There is no such station"),
    "key-wanted": (401, "An API key is wanted"),
    "token-wrong": (401, "The token is wrong"),
    "no-token": (403, "Nobody may do this here"),
    "too-many-requests": (429, "Too many requests"),
    "no-forecast": (503, "There is no forecast yet"),
    "database-unavailable": (503, "The database does not answer"),
}
"""Of each kind, by what its `type` ends with: status and title."""


class FieldError(BaseModel):
    """What is wrong with a part of the request."""

    location: str = Field(description="Which part", examples=["query.hours"])
    message: str = Field(
        description="What is wrong with it",
        examples=["Input should be less than or equal to 24"],
    )


class ProblemAnswer(BaseModel):
    """Why there is no other answer (RFC 9457)."""

    type: str = Field(
        description="Which kind: `about:blank`, or what docs/api.md explains",
        examples=["/problems#invalid-request"],
    )
    title: str = Field(
        description="The kind in words", examples=["The request cannot be understood"]
    )
    status: int = Field(description="HTTP status", examples=[422])
    detail: str = Field(
        description="What it is this time",
        examples=["query.hours: Input should be less than or equal to 24"],
    )
    instance: str = Field(description="What was asked for", examples=["/stations/26/forecast"])
    errors: list[FieldError] | None = Field(default=None, description="Of 422: each thing wrong")


class Problem(Exception):  # noqa: N818  # RFC 9457's word
    """Answers instead of the route.

    Args:
        kind: One of `TITLES`.
        detail: What it is this time, for people.
        headers: To be sent along.
        errors: Of `invalid-request`: each thing wrong.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[FieldError] = (),
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.status, self.title = TITLES[kind]
        self.detail = detail
        self.headers = dict(headers or {})
        if self.status == 503:
            self.headers.setdefault("Retry-After", str(RETRY_S))
        self.errors = list(errors)


def invalid(location: str, message: str) -> Problem:
    """A part of the request that cannot be meant.

    Args:
        location: Which, as `query.at`.
        message: What is wrong with it.
    """
    error = FieldError(location=location, message=message)
    return Problem("invalid-request", f"{location}: {message}", errors=[error])


def malformed(found: Sequence[Mapping[str, Any]], *where: str) -> Problem:
    """What pydantic has found.

    Args:
        found: Its errors.
        where: What stands before each of their locations.
    """
    errors = [_field_error(item, where) for item in found]
    detail = "; ".join(f"{one.location}: {one.message}" for one in errors)
    return Problem("invalid-request", detail, errors=errors)


def answer(problem: Problem, path: str) -> Response:
    """The response.

    Args:
        problem: What is wrong.
        path: What was asked for, decoded.
    """
    kind = f"/problems#{problem.kind}"
    told = _told(kind, problem.title, problem.status, problem.detail, path)
    if problem.errors:
        told["errors"] = [error.model_dump() for error in problem.errors]
    return _response(told, problem.headers)


def plain(status: int, title: str, detail: str, path: str) -> Response:
    """The response to what HTTP has a word for: no such path, no such method, a failure of ours.

    Args:
        status: Of HTTP.
        title: HTTP's word.
        detail: What it is this time.
        path: What was asked for, decoded.
    """
    return _response(_told("about:blank", title, status, detail, path), {})


def install(app: FastAPI) -> None:
    """Let an app answer with problems only."""

    async def problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)  # noqa: S101  # registered for no other
        return answer(error, request.url.path)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        detail = {404: "There is nothing at this path."}.get(error.status_code, "")
        response = plain(
            error.status_code, str(error.detail), detail or f"{error.detail}.", request.url.path
        )
        response.headers.update(dict(error.headers or {}))
        return response

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return answer(malformed(error.errors()), request.url.path)

    app.add_exception_handler(Problem, problem)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, validation)


_SECONDS: Final = {"type": "integer", "minimum": 1}
_RETRY: Final = {
    "Retry-After": {"description": "After how many seconds to ask again", "schema": _SECONDS}
}
OF_DATA: Final = (
    "key-wanted",
    "unknown-system",
    "invalid-request",
    "too-many-requests",
    "database-unavailable",
)
"""Kinds that every route about a system may answer with."""


def documented(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer with, for OpenAPI.

    Args:
        kinds: Of `TITLES`.
    """
    found: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        status, title = TITLES[kind]
        words = f"{title} (`/problems#{kind}`)"
        if status in found:
            found[status]["description"] += f"; {words[0].lower()}{words[1:]}"
            continue
        schema = {"$ref": "#/components/schemas/ProblemAnswer"}
        found[status] = {"description": words, "content": {MEDIA: {"schema": schema}}}
        if status in {429, 503}:
            found[status]["headers"] = _RETRY
    return found


def _field_error(item: Mapping[str, Any], where: tuple[str, ...]) -> FieldError:
    location = ".".join(str(part)[:64] for part in (*where, *item["loc"]))
    if item["type"] == "extra_forbidden":
        return FieldError(location=location, message="There is no such parameter")
    return FieldError(location=location, message=str(item["msg"]).removeprefix("Value error, "))


def _told(kind: str, title: str, status: int, detail: str, path: str) -> dict[str, Any]:
    instance = quote(path[:200], errors="replace")
    return {
        "type": kind,
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance,
    }


def _response(told: dict[str, Any], headers: Mapping[str, str]) -> Response:
    body = json.dumps(told, separators=(",", ":"))
    headers = {"Cache-Control": "no-store", **headers}
    return Response(body, told["status"], headers, media_type=MEDIA)
