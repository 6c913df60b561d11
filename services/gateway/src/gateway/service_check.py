"""What a service finds wrong in the readable part of a request that cannot be read as a whole.

Without it a caller with a misspelt kind and an unknown village would learn of the village only at
the second try: only the service knows which villages there are.
"""

from collections.abc import Mapping

import grpc
from common.errors import Violation
from common.rpc.refusals import refusal_of
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from gateway.health import Upstreams

DRY_RUN = "validate_only"
ASK_S = 1.0
PASSED_ON = ("authorization", "traceparent")
"""The headers by which a service knows the caller, and the request that it belongs to."""


async def service_violations(
    upstreams: Upstreams, rpc: MethodDescriptor, readable: Message, headers: Mapping[str, str]
) -> list[Violation]:
    """Return what a dry run finds; nothing for methods without one or when nobody answers."""
    field = rpc.input_type.fields_by_name.get(DRY_RUN)
    if field is None or field.type != FieldDescriptor.TYPE_BOOL:
        return []
    setattr(readable, DRY_RUN, True)
    try:
        await upstreams.call(rpc, readable.SerializeToString(), headers, ASK_S)
    except grpc.aio.AioRpcError as error:
        return refusal_of(error).violations
    return []
