"""Points with their contacts in plain, for those operations that change them.

Everybody else reads `inventory.storage.points`, where a contact is masked. A contact is sealed for
its point: moved to another row it opens no more.
"""

from dataclasses import dataclass

import orjson
from common.names import ids
from common.postgres.database import Connection
from common.sealing import Keyring
from smartcity.inventory.v1.point_pb2 import Contact, Point

from inventory.domain.contacts import masked_email, masked_name, masked_phone
from inventory.storage import points

READ_SEALED = """
SELECT contact_sealed
  FROM points
 WHERE region_code = $1 AND point_id = $2
"""

SET_CONTACT = """
UPDATE points
   SET contact_sealed = $3, contact_masked = $4
 WHERE region_code = $1 AND point_id = $2
"""


COUNT_BY_KEY = """
SELECT convert_from(substr(contact_sealed, 2, get_byte(contact_sealed, 0)), 'UTF8') AS key_id,
       count(*) AS contacts
  FROM points
 WHERE contact_sealed IS NOT NULL
 GROUP BY key_id
 ORDER BY key_id
"""

ONE_OF_EACH_KEY = """
SELECT DISTINCT ON (substr(contact_sealed, 2, get_byte(contact_sealed, 0)))
       region_code, point_id, contact_sealed
  FROM points
 WHERE contact_sealed IS NOT NULL
 ORDER BY substr(contact_sealed, 2, get_byte(contact_sealed, 0)), point_id
"""

READ_UNDER_OTHER_KEYS = """
SELECT region_code, point_id, contact_sealed
  FROM points
 WHERE contact_sealed IS NOT NULL
   AND substr(contact_sealed, 2, get_byte(contact_sealed, 0)) <> convert_to($1, 'UTF8')
 LIMIT $2
   FOR UPDATE
"""

RESEAL = """
UPDATE points
   SET contact_sealed = $3
 WHERE region_code = $1 AND point_id = $2
"""


@dataclass(frozen=True, slots=True)
class SealedPoints:
    """The storage of points for `inventory.operations.mutations`."""

    keyring: Keyring
    NAMED = points.NAMED

    async def read(self, connection: Connection, name: str, *, lock: bool = False) -> Point | None:
        """Return the point of this name with its contact in plain."""
        point = await points.read(connection, name, lock=lock)
        if point is not None and point.HasField("contact"):
            sealed: bytes = await connection.fetchval(READ_SEALED, *ids(name))
            point.contact.CopyFrom(Contact.FromString(self.keyring.open(sealed, name)))
        return point

    async def insert(self, connection: Connection, point: Point) -> Point:
        """Store a new point; raises as `points.insert` does."""
        return await self._with_contact(connection, await points.insert(connection, point), point)

    async def update(self, connection: Connection, point: Point) -> Point:
        """Store a changed point."""
        return await self._with_contact(connection, await points.update(connection, point), point)

    async def delete(self, connection: Connection, name: str) -> None:
        """Remove a point; raises as `points.delete` does."""
        await points.delete(connection, name)

    async def _with_contact(self, connection: Connection, stored: Point, wanted: Point) -> Point:
        """Store the contact that is wanted, if any, and return the point with it."""
        had = stored.HasField("contact")
        stored.ClearField("contact")
        if wanted.HasField("contact"):
            stored.contact.CopyFrom(wanted.contact)
            sealed = self.keyring.seal(wanted.contact.SerializeToString(), wanted.name)
            shown = {f.name: value for f, value in masked(wanted.contact).ListFields()}
            shown_json = orjson.dumps(shown).decode()
            await connection.execute(SET_CONTACT, *ids(wanted.name), sealed, shown_json)
        elif had:
            await connection.execute(SET_CONTACT, *ids(wanted.name), None, None)
        return stored


async def count_by_key(connection: Connection) -> dict[str, int]:
    """Return how many contacts are sealed under each key, by its id."""
    rows = await connection.fetch(COUNT_BY_KEY)
    return {row["key_id"]: row["contacts"] for row in rows}


async def one_of_each_key(connection: Connection) -> list[tuple[bytes, str]]:
    """Return one sealed contact for each key, with its owner's name."""
    rows = await connection.fetch(ONE_OF_EACH_KEY)
    return [(sealed, f"regions/{code}/points/{point_id}") for code, point_id, sealed in rows]


async def reseal_some(connection: Connection, keyring: Keyring, at_most: int) -> int:
    """Seal contacts under the active key that are not; return how many, 0 when all are.

    It is no change of the points: their version, their history and their contact stay as they are.
    """
    rows = await connection.fetch(READ_UNDER_OTHER_KEYS, keyring.active, at_most)
    sealed = [
        (code, point_id, keyring.reseal(held, f"regions/{code}/points/{point_id}"))
        for code, point_id, held in rows
    ]
    await connection.executemany(RESEAL, sealed)
    return len(sealed)


def masked(contact: Contact) -> Contact:
    """Return what may be shown of a contact."""
    return Contact(
        display_name=masked_name(contact.display_name),
        phone=masked_phone(contact.phone),
        email=masked_email(contact.email),
    )
