"""What happens around every call: validation, deadline, errors, metrics and the log line.

One wrapper per method does all of it, made at the method's first call and kept. It is put together
from how requests arrive (one, or many) and how answers leave.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, NoReturn, TypeAlias

import grpc
from google.protobuf.message import Message
from google.rpc import status_pb2
from grpc_status import rpc_status
from opentelemetry.trace import Span

from common.auth.tokens import Verifier
from common.caller import current_caller
from common.errors import Kind, ServiceError, Violation
from common.names import region_of
from common.rpc.identity import Identity, header
from common.rpc.metrics import MethodMetrics
from common.rpc.requests import BrokenRules, Form, Requests, lenient
from common.rpc.status import internal_status, to_status
from common.telemetry.logs import logger
from common.telemetry.traces import TRACEPARENT, begin_call, current_trace_id, end_call
from common.validation import text_violations, violations

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"
Answering = Callable[[Any, Context], Awaitable[Message]]
Streaming = Callable[[Any, Context], AsyncIterator[Message]]
Arrive: TypeAlias = "Callable[[_Call, Any], Awaitable[Any]]"
"""Admits a call and returns what its method gets: a request, or the stream of them."""


class CallTimedOut(ServiceError):
    """The call took longer than its deadline or the server's own limit."""

    kind = Kind.TIMED_OUT
    reason = "DEADLINE_EXCEEDED"


@dataclass(frozen=True, slots=True)
class Checks:
    """Methods that are not treated like all others, by their path."""

    unchecked: Collection[str] = ()
    """Their operations check the proto's rules."""
    unread: Collection[str] = ()
    """Their operations check these rules and every text."""
    endless: Collection[str] = ()
    """They may take as long as their caller lets them."""

    def broken_rules(self, method: str) -> BrokenRules:
        """Return what is asked which rules a request of a method breaks."""
        if method in self.unread:
            return _none
        return text_violations if method in self.unchecked else violations


def _none(_: Message) -> Sequence[Violation]:
    return ()


COMMON = Checks()


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every method of the server.

    `domain` is the service's name in ErrorInfo; `max_call_s` the longest a call may take when
    its caller sets no nearer deadline; without a `verifier` nobody is asked who they are.
    """

    def __init__(
        self,
        domain: str,
        max_call_s: float,
        checks: Checks = COMMON,
        verifier: Verifier | None = None,
    ) -> None:
        self._checks = checks
        self._verifier = verifier
        self._domain = domain
        self._max_call_s = max_call_s
        self._handlers: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: "Continuation",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Return the wrapped handler of the method; an unknown one stays unknown."""
        method = handler_call_details.method
        if method not in self._handlers:
            found = await continuation(handler_call_details)
            if found is None or not method.startswith("/smartcity."):
                return found
            self._handlers[method] = self._wrapped(found, method)
        return self._handlers[method]

    def _wrapped(self, handler: Handler, method: str) -> Handler:
        longest_s = inf if method in self._checks.endless else self._max_call_s
        form = Form(method, self._checks.broken_rules(method))
        around = _Around(method, self._domain, longest_s, form)
        around.identity = Identity(method, self._verifier)
        return _handler(handler, around)


def _handler(handler: Handler, around: "_Around") -> Handler:
    """Return the handler of the same kind with the wrapper around it."""
    codec = (lenient(handler.request_deserializer), handler.response_serializer)
    if handler.unary_unary is not None:
        answering = around.answering(handler.unary_unary, around.one)
        return grpc.unary_unary_rpc_method_handler(answering, *codec)
    if handler.unary_stream is not None:
        streaming = around.streaming(handler.unary_stream, around.one)
        return grpc.unary_stream_rpc_method_handler(streaming, *codec)
    if handler.stream_unary is not None:
        answering = around.answering(handler.stream_unary, around.many)
        return grpc.stream_unary_rpc_method_handler(answering, *codec)
    streaming = around.streaming(handler.stream_stream, around.many)
    return grpc.stream_stream_rpc_method_handler(streaming, *codec)


class _Around:
    """The wrapper of one method."""

    identity: "Identity"

    def __init__(self, method: str, domain: str, max_call_s: float, form: Form) -> None:
        _, service, name = method.split("/")
        self._called = (service, name)
        self._form = form
        self._method = method
        self._domain = domain
        self._max_call_s = max_call_s
        self._metrics = MethodMetrics(service, name)
        self._log = logger()

    def answering(self, behaviour: Any, arrive: Arrive) -> Answering:
        """Wrap a method that answers once."""

        async def answer(arriving: Any, context: Context) -> Message:
            call = _Call(self, context)
            try:
                async with asyncio.timeout(call.seconds_left(self._max_call_s)):
                    arrived = await arrive(call, arriving)
                    response: Message = await behaviour(arrived, context)
            except BaseException as error:  # noqa: BLE001 - every failure becomes a status
                await call.fail(error)
            call.end("OK")
            return response

        return answer

    def streaming(self, behaviour: Any, arrive: Arrive) -> Streaming:
        """Wrap a method that streams its answers."""

        async def answer(arriving: Any, context: Context) -> AsyncIterator[Message]:
            call = _Call(self, context)
            try:
                async with asyncio.timeout(call.seconds_left(self._max_call_s)):
                    arrived = await arrive(call, arriving)
                    async for response in behaviour(arrived, context):
                        yield response
            except GeneratorExit:
                call.end("CANCELLED")
                raise
            except BaseException as error:  # noqa: BLE001 - every failure becomes a status
                await call.fail(error)
            call.end("OK")

        return answer

    async def one(self, call: "_Call", request: Message) -> Message:
        """Admit a call by its one request."""
        call.resource = self._form.name_in(request)
        await self.identity.admit(call.resource, call.context)
        self._form.check(request)
        return request

    async def many(self, call: "_Call", incoming: AsyncIterator[Message]) -> Requests:
        """Admit a call by the first of its requests; whoever is nobody is not waited for."""
        allow = await self.identity.recognise(call.context)
        call.requests = Requests(incoming, self._form)
        call.resource = await call.requests.begin()
        allow(call.resource)
        return call.requests

    def span(self, context: Context) -> Span:
        """Begin the call's span as the child of its caller's."""
        return begin_call(*self._called, header(context, TRACEPARENT))

    def finished(self, call: "_Call", code: str, seconds: float, **more: object) -> None:
        """Count the call, end its span and write its log line."""
        self._metrics.end(code, seconds)
        region = region_of(call.resource)
        end_call(call.span, code, region)
        self._log.info(
            "call",
            method=self._method,
            code=code,
            ms=round(seconds * 1000, 3),
            resource=call.resource,
            principal=current_caller().subject,
            region=region,
            trace_id=current_trace_id(),
            **more,
        )

    def begun(self) -> None:
        """Count a call that begins."""
        self._metrics.begin()

    def status_of(self, error: BaseException, call_id: str) -> status_pb2.Status:
        """Return what the caller is told about `error`."""
        if isinstance(error, TimeoutError):
            error = CallTimedOut("the call took longer than its deadline")
        if isinstance(error, ServiceError):
            return to_status(error, self._domain)
        self._log.error("fault", method=self._method, call_id=call_id, exc_info=error)
        return internal_status(self._domain, call_id)


class _Call:
    """One running call."""

    def __init__(self, around: _Around, context: Context) -> None:
        self._around = around
        self.resource = ""
        self.requests: Requests | None = None
        """Those of a call that streams them."""
        self.span = around.span(context)
        self.context = context
        self._begin = time.perf_counter()
        around.begun()

    def seconds_left(self, at_most: float) -> float | None:
        """Return how long the call may take; None without an end."""
        left = self.context.time_remaining()
        nearest = at_most if left is None else min(left, at_most)
        return None if nearest == inf else nearest

    def end(self, code: str, **more: object) -> None:
        seconds = time.perf_counter() - self._begin
        counted = {} if self.requests is None else {"requests": self.requests.count}
        self._around.finished(self, code, seconds, **counted, **more)

    async def fail(self, error: BaseException) -> NoReturn:
        """Tell the caller; a cancelled call has nobody to tell."""
        if isinstance(error, asyncio.CancelledError):
            self.end("CANCELLED")
            raise error
        call_id = uuid.uuid4().hex
        status = self._around.status_of(error, call_id)
        code = next(c.name for c in grpc.StatusCode if c.value[0] == status.code)
        reason = getattr(error, "reason", type(error).__name__)
        self.end(code, reason=reason)
        await self.context.abort_with_status(rpc_status.to_status(status))
        raise AssertionError("abort_with_status returned") from error
