"""What the edge answers itself: documentation, health, the check of JSON, and refusals."""

import asyncio
import gzip
import hashlib
import importlib.resources
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self

from common.errors import Violation
from grpc import StatusCode
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from gateway.asyncapi import asyncapi, events_page, packed
from gateway.contract import Contract
from gateway.errors import Refusal
from gateway.health import Health, Upstreams
from gateway.json_check import Sent, check
from gateway.json_reader import MAX_VIOLATIONS
from gateway.openapi.document import openapi
from gateway.routes import Routes
from gateway.service_check import PASSED_ON, service_violations

LARGE_BYTES = 64 * 1024
"""A larger body is checked in a thread, so that health and others need not wait."""
MAX_MESSAGE_VIOLATIONS = 10
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
UNREADABLE = Refusal(
    HTTPStatus.BAD_REQUEST,
    StatusCode.INVALID_ARGUMENT,
    "REQUEST_INVALID",
    "the path or query cannot be read; look for wrong escapes",
)
FAILED = Refusal(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    StatusCode.INTERNAL,
    "EDGE_FAILED",
    "the edge failed; its log tells why",
)
EVERY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
DOCS = importlib.resources.files("gateway") / "docs"


class Document:
    """A text made at start, served with its ETag, compressed for those who can read that."""

    def __init__(self, content: bytes, media_type: str = "application/json") -> None:
        self._media_type = media_type
        self._plain = content
        self._packed = gzip.compress(content, 9, mtime=0)
        self._etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'

    async def answer(self, request: Request) -> Response:
        """Return the document, or 304 to one who has it."""
        headers = {"etag": self._etag, "cache-control": "no-cache", "vary": "accept-encoding"}
        headers["content-security-policy"] = CONTENT_POLICY
        if self._etag in request.headers.get("if-none-match", ""):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(self._plain, headers=headers, media_type=self._media_type)
        headers["content-encoding"] = "gzip"
        return Response(self._packed, headers=headers, media_type=self._media_type)


@dataclass(frozen=True, slots=True)
class Checks:
    """The answers to requests that no service may see, or not yet."""

    routes: Routes
    upstreams: Upstreams

    async def check(self, request: Request) -> Response:
        """Answer Envoy: 200 lets the request go on, 400 goes back to the caller as it is."""
        path = _raw_path(request, "/check")
        match = self.routes.find(request.method, path)
        if match is None:
            return Response(status_code=HTTPStatus.OK)
        sent = Sent(request.url.query.encode(), await request.body())
        if len(sent.body) > LARGE_BYTES:
            findings = await asyncio.to_thread(check, match, sent)
        else:
            findings = check(match, sent)
        if findings.readable is None:
            return Response(status_code=HTTPStatus.OK)
        rpc, headers = match.rule.rpc, _passed_on(request)
        more = await service_violations(self.upstreams, rpc, findings.readable, headers)
        return refused(_broken(findings.joined(more)))

    async def refuse(self, request: Request) -> Response:
        """Say why nobody answers this path."""
        path = _raw_path(request, "/refused")
        verbs = self.routes.verbs(path)
        if request.method in verbs:
            return refused(UNREADABLE)
        if verbs:
            return _wrong_verb(request.method, verbs)
        return _unknown(path, self.routes.nearest(path))


def refused(refusal: Refusal, headers: dict[str, str] | None = None) -> Response:
    """Return the refusal as an HTTP answer."""
    return Response(refusal.body(), refusal.http, headers, "application/json")


@dataclass(frozen=True, slots=True)
class Documents:
    """What is served as it was made at start."""

    openapi: Document
    asyncapi: Document
    events: Document

    @classmethod
    def of(cls, contract: Contract, routes: Routes) -> Self:
        """Make the documents of the contract."""
        events = asyncapi(contract)
        page = Document(events_page(events), "text/html; charset=utf-8")
        return cls(Document(openapi(contract, routes)), Document(packed(events)), page)


def pages(routes: Routes, upstreams: Upstreams, health: Health, documents: Documents) -> Starlette:
    """Return the HTTP application behind Envoy.

    `/check/…` and `/refused/…` are for Envoy alone, which lets no public path lead there.
    """
    checks = Checks(routes, upstreams)
    return Starlette(
        routes=[
            Route("/", _home),
            Route("/openapi.json", documents.openapi.answer),
            Route("/asyncapi.json", documents.asyncapi.answer),
            Route("/docs/events", documents.events.answer),
            Route("/healthz", _telling(health.alive)),
            Route("/readyz", _telling(health.ready)),
            Route("/readyz/edge", _telling(health.able)),
            Route("/docs", _docs),
            Route("/docs/", _docs),
            Mount("/docs", StaticFiles(packages=[("gateway", "docs"), ("swagger_ui", "static")])),
            Route("/check/{path:path}", checks.check, methods=EVERY_METHOD),
            Route("/refused/{path:path}", checks.refuse, methods=EVERY_METHOD),
        ],
        middleware=[Middleware(GZipMiddleware, minimum_size=1024)],
        exception_handlers={
            HTTPStatus.NOT_FOUND: _missing,
            HTTPStatus.METHOD_NOT_ALLOWED: _page_is_read_only,
            HTTPStatus.INTERNAL_SERVER_ERROR: _failed,
        },
    )


def _broken(found: list[Violation]) -> Refusal:
    named = [f"{v.field}: {v.message}" if v.field else v.message for v in found]
    more = len(named) - MAX_MESSAGE_VIOLATIONS
    least = "at least " if len(found) == MAX_VIOLATIONS else ""
    rest = [f"and {least}{more} more"] if more > 0 else []
    text = "; ".join([*named[:MAX_MESSAGE_VIOLATIONS], *rest])
    in_body = any(v.reason.startswith("json.") for v in found)
    reason = "JSON_INVALID" if in_body else "QUERY_INVALID"
    return Refusal(
        HTTPStatus.BAD_REQUEST, StatusCode.INVALID_ARGUMENT, reason, text, violations=found
    )


def _passed_on(request: Request) -> dict[str, str]:
    """Return the headers by which a service knows the caller."""
    return {name: request.headers[name] for name in PASSED_ON if name in request.headers}


def _raw_path(request: Request, prefix: str) -> str:
    """Return the public path as it was sent, its escapes kept."""
    raw: bytes = request.scope["raw_path"]
    return raw.decode("ascii", "replace").removeprefix(prefix)


def _unknown(path: str, nearest: str | None) -> Response:
    hint = f"the nearest path is {nearest}; " if nearest else ""
    text = f"{path} is not known; {hint}/docs lists all"
    named = {"nearest": nearest} if nearest else {}
    return refused(Refusal(HTTPStatus.NOT_FOUND, StatusCode.NOT_FOUND, "PATH_UNKNOWN", text, named))


def _wrong_verb(verb: str, known: list[str]) -> Response:
    allowed = ", ".join(known)
    refusal = Refusal(
        HTTPStatus.METHOD_NOT_ALLOWED,
        StatusCode.UNIMPLEMENTED,
        "METHOD_NOT_ALLOWED",
        f"this path does not know {verb}, only {allowed}",
        {"allowed": allowed},
    )
    return refused(refusal, {"allow": allowed})


async def _home(_: Request) -> Response:
    return RedirectResponse("/docs", HTTPStatus.FOUND)


async def _docs(_: Request) -> Response:
    headers = {"content-security-policy": CONTENT_POLICY, "cache-control": "no-cache"}
    return Response((DOCS / "index.html").read_bytes(), headers=headers, media_type="text/html")


async def _missing(request: Request, _: Exception) -> Response:
    return _unknown(request.url.path, None)


async def _page_is_read_only(request: Request, _: Exception) -> Response:
    return _wrong_verb(request.method, ["GET", "HEAD"])


async def _failed(_: Request, __: Exception) -> Response:
    return refused(FAILED)


def _telling(
    ask: Callable[[], Awaitable[dict[str, object]]],
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_: Request) -> Response:
        state = await ask()
        well = state["status"] == "SERVING"
        code = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse(state, code, {"cache-control": "no-store"})

    return answer
