"""Monitoring's copy of whose lines a point has."""

from common.names import ids, last_id
from common.postgres.database import Connection
from smartcity.inventory.v1.circuit_pb2 import Circuit

STORE = """
INSERT INTO circuits AS circuit (region_code, point_id, circuit_id, provider_id, sequence)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (region_code, point_id, circuit_id) DO UPDATE
   SET provider_id = $4, sequence = $5
 WHERE circuit.sequence < $5
"""

FORGET = """
DELETE FROM circuits
 WHERE region_code = $1 AND point_id = $2 AND circuit_id = $3 AND sequence < $4
"""


async def store(connection: Connection, circuit: Circuit, sequence: int) -> None:
    """Keep the circuit as an event told it, unless a later event has told more."""
    await connection.execute(STORE, *ids(circuit.name), last_id(circuit.provider), sequence)


async def forget(connection: Connection, circuit: Circuit, sequence: int) -> None:
    """Forget a circuit that was deleted."""
    await connection.execute(FORGET, *ids(circuit.name), sequence)
