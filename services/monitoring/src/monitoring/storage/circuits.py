"""Monitoring's copy of whose lines a point has, and through which point they go."""

from common.names import ids, last_id
from common.postgres.database import Connection
from smartcity.inventory.v1.circuit_pb2 import Circuit

STORE = """
INSERT INTO circuits AS circuit (
       region_code, point_id, circuit_id, provider_id, upstream_id, sequence)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (region_code, point_id, circuit_id) DO UPDATE
   SET provider_id = $4, upstream_id = $5, sequence = $6
 WHERE circuit.sequence < $6
"""

FORGET = """
DELETE FROM circuits
 WHERE region_code = $1 AND point_id = $2 AND circuit_id = $3 AND sequence < $4
"""


async def store(connection: Connection, circuit: Circuit, sequence: int) -> None:
    """Keep the circuit as an event told it, unless a later event has told more."""
    upstream = last_id(circuit.upstream_point) or None
    provider = last_id(circuit.provider)
    await connection.execute(STORE, *ids(circuit.name), provider, upstream, sequence)


async def forget(connection: Connection, circuit: Circuit, sequence: int) -> None:
    """Forget a circuit that was deleted."""
    await connection.execute(FORGET, *ids(circuit.name), sequence)
