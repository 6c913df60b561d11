"""A collector of spans that throws them away: `collector.py <address>`."""

import sys
from typing import Any

import grpc
import uvloop

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class _Swallow(grpc.GenericRpcHandler):
    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        known = handler_call_details.method == EXPORT
        return grpc.unary_unary_rpc_method_handler(_answer) if known else None


async def _answer(_: bytes, __: Any) -> bytes:
    return b""


async def main(address: str) -> None:
    """Serve until killed."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Swallow(),))
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
