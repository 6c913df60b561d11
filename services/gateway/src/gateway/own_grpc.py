"""The gRPC server of the edge itself: reflection and health for all published services."""

from contextlib import AbstractAsyncContextManager

import grpc
from common.rpc.plain import served_plainly
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from gateway.contract import Contract
from gateway.health import HealthServicer

REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"


def own_grpc(
    address: str, contract: Contract, servicer: HealthServicer
) -> AbstractAsyncContextManager[None]:
    """Serve until the block ends."""

    def add(server: grpc.aio.Server) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        _add_reflection(contract, server)

    return served_plainly(address, add)


def _add_reflection(contract: Contract, server: grpc.aio.Server) -> None:
    """Serve reflection under both its names: v1 differs from v1alpha in nothing but the name."""
    names = [service.full_name for service in contract.services]
    servicer = reflection.aio.ReflectionServicer(
        [*names, health.SERVICE_NAME, reflection.SERVICE_NAME]
    )
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    methods = {"ServerReflectionInfo": handler}
    for name in (reflection.SERVICE_NAME, REFLECTION_V1):
        service = grpc.method_handlers_generic_handler(name, methods)
        server.add_generic_rpc_handlers((service,))
