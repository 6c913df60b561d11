"""What happens around every call: validation, deadline, errors, metrics and the log line.

One wrapper per method does all of it, made at the method's first call and kept.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass
from math import inf
from typing import Any, NoReturn, TypeAlias

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2
from grpc_status import rpc_status
from opentelemetry.trace import Span

from common.auth.permissions import name_reader
from common.auth.tokens import Verifier
from common.caller import current_caller
from common.errors import FieldsInvalid, Kind, ServiceError
from common.names import region_of
from common.rpc.identity import Identity, header
from common.rpc.metrics import MethodMetrics
from common.rpc.status import internal_status, to_status
from common.telemetry.logs import logger
from common.telemetry.traces import TRACEPARENT, begin_call, current_trace_id, end_call
from common.validation import text_violations, violations

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"
Unary = Callable[[Message, Context], Awaitable[Message]]
Streaming = Callable[[Message, Context], AsyncIterator[Message]]


class CallTimedOut(ServiceError):
    """The call took longer than its deadline or the server's own limit."""

    kind = Kind.TIMED_OUT
    reason = "DEADLINE_EXCEEDED"


class RequestMalformed(ServiceError):
    """The bytes of the request cannot be read as its message."""

    kind = Kind.INVALID
    reason = "REQUEST_MALFORMED"


class _Malformed:
    """Stands in for a request that could not be read, so that it is refused like any other."""


def _lenient(read: Any) -> Callable[[bytes], Any]:
    def read_or_mark(packed: bytes) -> Any:
        try:
            return read(packed)
        except DecodeError:
            return _Malformed()

    return read_or_mark


@dataclass(frozen=True, slots=True)
class Checks:
    """Methods that are not treated like all others, by their path."""

    unchecked: Collection[str] = ()
    """Their operations check the proto's rules."""
    endless: Collection[str] = ()
    """They may take as long as their caller lets them."""


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
        checked = method not in self._checks.unchecked
        around = _Around(method, self._domain, longest_s, checked=checked)
        around.identity = Identity(method, self._verifier)
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                around.unary(handler.unary_unary),
                _lenient(handler.request_deserializer),
                handler.response_serializer,
            )
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(
                around.streaming(handler.unary_stream),
                _lenient(handler.request_deserializer),
                handler.response_serializer,
            )
        raise NotImplementedError(f"{method}: client streaming is not wrapped yet")


class _Around:
    """The wrapper of one method."""

    identity: "Identity"

    def __init__(self, method: str, domain: str, max_call_s: float, *, checked: bool) -> None:
        self._checked = checked
        _, service, name = method.split("/")
        self._called = (service, name)
        self._name_of = name_reader(method)
        self._method = method
        self._domain = domain
        self._max_call_s = max_call_s
        self._metrics = MethodMetrics(service, name)
        self._log = logger()

    def unary(self, behaviour: Any) -> Unary:
        async def answer(request: Message, context: Context) -> Message:
            call = _Call(self, request, context)
            try:
                await self.identity.admit(call.resource, context)
                self._check(request)
                async with asyncio.timeout(call.seconds_left(self._max_call_s)):
                    response: Message = await behaviour(request, context)
            except BaseException as error:  # noqa: BLE001 - every failure becomes a status
                await call.fail(error)
            call.end("OK")
            return response

        return answer

    def streaming(self, behaviour: Any) -> Streaming:
        async def answer(request: Message, context: Context) -> AsyncIterator[Message]:
            call = _Call(self, request, context)
            try:
                await self.identity.admit(call.resource, context)
                self._check(request)
                async with asyncio.timeout(call.seconds_left(self._max_call_s)):
                    async for response in behaviour(request, context):
                        yield response
            except GeneratorExit:
                call.end("CANCELLED")
                raise
            except BaseException as error:  # noqa: BLE001 - every failure becomes a status
                await call.fail(error)
            call.end("OK")

        return answer

    def _check(self, request: Message | _Malformed) -> None:
        if isinstance(request, _Malformed):
            raise RequestMalformed("the request is no message of this method")
        found = violations(request) if self._checked else text_violations(request)
        if found:
            raise FieldsInvalid(found)

    def name_in(self, request: Message | _Malformed) -> str:
        """Return the resource name that a request carries, "" for none."""
        return "" if isinstance(request, _Malformed) else self._name_of(request)

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

    def __init__(self, around: _Around, request: Message, context: Context) -> None:
        self._around = around
        self.resource = around.name_in(request)
        self.span = around.span(context)
        self._context = context
        self._begin = time.perf_counter()
        around.begun()

    def seconds_left(self, at_most: float) -> float | None:
        """Return how long the call may take; None without an end."""
        left = self._context.time_remaining()
        nearest = at_most if left is None else min(left, at_most)
        return None if nearest == inf else nearest

    def end(self, code: str, **more: object) -> None:
        seconds = time.perf_counter() - self._begin
        self._around.finished(self, code, seconds, **more)

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
        await self._context.abort_with_status(rpc_status.to_status(status))
        raise AssertionError("abort_with_status returned") from error
