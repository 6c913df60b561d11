"""Idempotency (AIP-155): the same request id gives the same answer for 24 hours.

The row is written in the transaction of the effect, so answer and effect stand or fall together;
a second call with the id waits for the first one's commit. The table is
`answered_requests (region_code, request_id, fingerprint, answer, create_time)`.
"""

from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import TypeVar

from google.protobuf.message import Message

from common.errors import FieldsInvalid, Violation
from common.postgres.database import Connection

Answer = TypeVar("Answer", bound=Message)

CLAIM = """
INSERT INTO answered_requests AS r (region_code, request_id, fingerprint)
VALUES ($1, $2, $3)
ON CONFLICT (region_code, request_id) DO UPDATE
   SET fingerprint = $3, answer = NULL, create_time = now()
 WHERE r.create_time < now() - interval '24 hours'
RETURNING true
"""

READ = """
SELECT fingerprint, answer
  FROM answered_requests
 WHERE region_code = $1 AND request_id = $2
"""

STORE = """
UPDATE answered_requests
   SET answer = $3
 WHERE region_code = $1 AND request_id = $2
"""

FORGET = """
DELETE FROM answered_requests
 WHERE (region_code, request_id) IN (
       SELECT region_code, request_id
         FROM answered_requests
        WHERE create_time < now() - interval '24 hours'
        ORDER BY create_time
        LIMIT 10
          FOR UPDATE SKIP LOCKED)
"""


class RequestIdReused(FieldsInvalid):
    """The id was used in the last 24 hours for another request."""

    reason = "REQUEST_ID_REUSED"


async def answer_once(
    connection: Connection,
    region: str,
    request: Message,
    answer_type: type[Answer],
    act: Callable[[], Awaitable[Answer]],
) -> Answer:
    """Return the stored answer of `request.request_id`, or that of `act`, and store it.

    Raises:
        RequestIdReused: The id belongs to another request.
    """
    request_id: str = request.request_id  # type: ignore[attr-defined]
    if not request_id:
        return await act()
    fingerprint = _fingerprint(request)
    if await connection.fetchval(CLAIM, region, request_id, fingerprint):
        answer = await act()
        await connection.execute(STORE, region, request_id, answer.SerializeToString())
        await connection.execute(FORGET)
        return answer
    row = await connection.fetchrow(READ, region, request_id)
    if row is None or row["fingerprint"] != fingerprint:
        sentence = "was used for another request; choose a new one"
        raise RequestIdReused([Violation("requestId", sentence, "REQUEST_ID_REUSED")])
    return answer_type.FromString(row["answer"])


def _fingerprint(request: Message) -> bytes:
    name = request.DESCRIPTOR.full_name.encode()
    return blake2b(name + request.SerializeToString(deterministic=True), digest_size=16).digest()
