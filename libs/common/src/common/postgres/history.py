"""The history: one row per committed change, written in its transaction, never edited."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from smartcity.type.v1.change_pb2 import Change

from common.caller import current_caller
from common.names import region_of
from common.postgres.database import Connection, Row
from common.postgres.listing import Listed
from common.postgres.pages import Page
from common.postgres.values import timestamp
from common.telemetry.traces import current_trace_id

TOLD_ANYWAY = ("etag", "create_time", "update_time")
"""Fields that no snapshot keeps: the change itself tells them."""

State = Mapping[str, Any]


def changed_fields(before: State | None, after: State | None) -> list[str]:
    """Return the JSON names of the fields that differ."""
    old, new = before or {}, after or {}
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


RECORD_COLUMNS = (
    "region_code",
    "resource",
    "action",
    "actor",
    "grant_held",
    "method",
    "request_id",
    "before",
    "after",
    "changed_fields",
    "trace_id",
)

RECORD = f"""
INSERT INTO changes ({", ".join(RECORD_COLUMNS)})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""


@dataclass(frozen=True, slots=True)
class History:
    """How a service's resources are recorded: `personal` are the fields that no row may hold."""

    personal: tuple[str, ...] = ()

    def snapshot(self, message: Message | None) -> State | None:
        """Return the resource in its JSON form, without personal data."""
        if message is None:
            return None
        kept = type(message)()
        kept.CopyFrom(message)
        for field in (*self.personal, *TOLD_ANYWAY):
            if field in message.DESCRIPTOR.fields_by_name:
                kept.ClearField(field)
        return MessageToDict(kept)

    async def record(
        self,
        connection: Connection,
        request: Message,
        action: str,
        *,
        before: Message | None = None,
        after: Message | None = None,
    ) -> list[str]:
        """Write one change and return the fields that changed.

        That personal data changed is told, not from what to what.
        """
        hidden = [name for name in self.personal if _held(before, name) != _held(after, name)]
        states = self.snapshot(before), self.snapshot(after)
        row = row_of(request, action, *states, hidden)
        await connection.execute(RECORD, *row)
        return fields_of(row)


def _held(message: Message | None, field: str) -> bytes:
    """Return what the message holds in a field of personal data; b"" for nothing."""
    if message is None or field not in message.DESCRIPTOR.fields_by_name:
        return b""
    only = type(message)(**{field: getattr(message, field)})
    return bytes(only.SerializeToString(deterministic=True))


def row_of(
    request: Message,
    action: str,
    before: State | None,
    after: State | None,
    also_changed: Iterable[str] = (),
) -> tuple[object, ...]:
    """Return the values of RECORD_COLUMNS."""
    resource: str = (after or before or {})["name"]
    fields = sorted({*changed_fields(before, after), *also_changed})
    caller = current_caller()
    return (
        region_of(resource),
        resource,
        action,
        caller.subject,
        caller.grant,
        request.DESCRIPTOR.name.removesuffix("Request"),
        request.request_id,  # type: ignore[attr-defined]
        orjson.dumps(before).decode() if before else None,
        orjson.dumps(after).decode() if after else None,
        fields,
        current_trace_id(),
    )


def fields_of(row: tuple[object, ...]) -> list[str]:
    """Return the changed fields in a row of `row_of`."""
    return list(cast("list[str]", row[RECORD_COLUMNS.index("changed_fields")]))


LINK = "SELECT link_changes()"


async def link(connection: Connection) -> None:
    """Chain the transaction's changes to those before; the last thing before the commit."""
    await connection.execute(LINK)


FIRST_BROKEN = """
SELECT link_id, first_change, last_change, create_time,
       digest IS DISTINCT FROM found AS is_changed,
       hash IS DISTINCT FROM hash_of_link(previous, digest, first_change, last_change) AS is_cut
  FROM (
       SELECT link.*, digest_of_changes(transaction_id, first_change, last_change) AS found,
              coalesce(lag(hash) OVER (ORDER BY link_id), '') AS previous
         FROM change_links AS link) AS links
 WHERE digest IS DISTINCT FROM found
    OR hash IS DISTINCT FROM hash_of_link(previous, digest, first_change, last_change)
 ORDER BY link_id
 LIMIT 1
"""

UNLINKED = """
SELECT min(change_id)
  FROM changes
 WHERE NOT EXISTS (
       SELECT
         FROM change_links AS link
        WHERE link.transaction_id = changes.transaction_id
          AND change_id BETWEEN first_change AND last_change)
"""

COUNTED = "SELECT count(*) AS links, coalesce(sum(change_count), 0) AS changes FROM change_links"


async def verify(connection: Connection) -> tuple[bool, str]:
    """Tell whether the chain is whole, and a sentence that names its first broken link."""
    broken = await connection.fetchrow(FIRST_BROKEN)
    if broken is not None:
        why = "its changes are not what they were" if broken["is_changed"] else ""
        why = why or "it does not follow from the link before"
        span = f"changes {broken['first_change']} to {broken['last_change']}"
        return False, f"broken at link {broken['link_id']} ({span}): {why}"
    unlinked = await connection.fetchval(UNLINKED)
    if unlinked is not None:
        return False, f"change {unlinked} is in no link"
    counted: Any = await connection.fetchrow(COUNTED)
    return True, f"whole: {counted['links']} links, {counted['changes']} changes"


LIST = """
SELECT change_id, resource, action, actor, grant_held, change_time, request_id, trace_id, before,
       after, changed_fields
  FROM changes
 WHERE resource = $1
   AND ($2::bigint IS NULL OR change_id < $2)
 ORDER BY change_id DESC
 LIMIT $3
"""

COUNT = """
SELECT count(*)
  FROM changes
 WHERE resource = $1
"""


async def list_page(connection: Connection, name: str, page: Page) -> tuple[Listed[Change], int]:
    """Return the history of a resource, the latest first, and the last change's number."""
    rows = await connection.fetch(LIST, name, *page.after, page.limit)
    total = await connection.fetchval(COUNT, name)
    shown = rows[: page.size]
    listed = Listed([_change(row) for row in shown], len(rows) > page.size, total)
    return listed, shown[-1]["change_id"] if shown else 0


def _change(row: Row) -> Change:
    change = Change(
        resource=row["resource"],
        action=row["action"],
        actor=row["actor"],
        change_time=timestamp(row["change_time"]),
        request_id=row["request_id"],
        changed_fields=row["changed_fields"],
        grant=row["grant_held"],
        trace_id=row["trace_id"] or "",
    )
    if row["before"]:
        change.before.update(orjson.loads(row["before"]))
    if row["after"]:
        change.after.update(orjson.loads(row["after"]))
    return change
