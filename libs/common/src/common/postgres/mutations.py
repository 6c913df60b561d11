"""How every resource is created, changed and deleted: one transaction, answered once, recorded."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from common.errors import EtagStale, FieldsInvalid, ResourceMissing, Violation
from common.events.event import Event
from common.events.outbox import append
from common.masks import mask_violations, merged
from common.names import region_of
from common.postgres import history
from common.postgres.database import Connection, Database
from common.postgres.history import History
from common.postgres.requests import answer_once
from common.validation import violations

M = TypeVar("M", bound=Message)
Answer = TypeVar("Answer", bound=Message)
Check = Callable[[Connection, M], Awaitable[list[Violation]]]
"""Completes a draft in place and returns what the proto rules cannot see to be wrong."""
EventAbout = Callable[[str, Message | None, Message | None, Sequence[str]], Event | None]
"""Returns the event that tells an action, the resource before and after, and what changed."""


class Store(Protocol[M]):
    """The storage of one kind of resource."""

    @property
    def NAMED(self) -> type[Message]:  # noqa: N802 - a module's constant
        """The request whose `name` follows the pattern of this resource's names."""

    async def read(self, connection: Connection, name: str, *, lock: bool = False) -> M | None:
        """Return the resource of this name."""

    async def insert(self, connection: Connection, message: M, /) -> M:
        """Store a new one and return it as stored."""

    async def update(self, connection: Connection, message: M, /) -> M:
        """Store a changed one and return it as stored."""


class DeletingStore(Store[M], Protocol[M]):
    """The storage of a kind of resource that can be deleted."""

    async def delete(self, connection: Connection, name: str) -> None:
        """Remove it."""


async def mutate(
    database: Database,
    request: Any,
    region: str,
    answer_type: type[Answer],
    act: Callable[[Connection], Awaitable[Answer]],
) -> Answer:
    """Run `act` in one transaction, once per request id; a dry run is undone."""
    dry_run: bool = getattr(request, "validate_only", False)

    async def linked(connection: Connection) -> Answer:
        answer = await act(connection)
        await history.link(connection)
        return answer

    async with database.transaction(dry_run=dry_run) as connection:
        if dry_run:
            return await act(connection)
        once = partial(linked, connection)
        return await answer_once(connection, region, request, answer_type, once)


@dataclass(frozen=True, slots=True)
class Mutations:
    """Creates, changes and deletes a service's resources, and tells of each change."""

    history: History
    event_about: EventAbout

    async def publish(
        self,
        connection: Connection,
        request: Message,
        action: str,
        *,
        before: Message | None = None,
        after: Message | None = None,
    ) -> None:
        """Write one change into the history and, in the same transaction, its event."""
        fields = await self.history.record(connection, request, action, before=before, after=after)
        event = self.event_about(action, before, after, fields)
        if event is not None:
            await append(connection, [event])

    async def create(
        self, connection: Connection, store: Store[M], request: Message, draft: M, check: Check[M]
    ) -> M:
        """Store the draft that stands in `request` and record it.

        Raises:
            FieldsInvalid: With every violation of the proto's rules and of `check`.
        """
        await _refuse_wrong(connection, request, draft, check)
        created = await store.insert(connection, draft)
        await self.publish(connection, request, "create", after=created)
        return created

    async def update(
        self, connection: Connection, store: Store[M], request: Any, field: str, check: Check[M]
    ) -> M:
        """Change the resource that stands in `request.{field}` as its mask says, and record it.

        Raises:
            ResourceMissing, EtagStale, FieldsInvalid: With every violation.
        """
        change: M = getattr(request, field)
        name: str = change.name  # type: ignore[attr-defined]
        _refuse_wrong_name(store, name, field)
        before = await read_for_change(connection, store, name, change.etag)  # type: ignore[attr-defined]
        wrong = mask_violations(change, request.update_mask)
        completed = type(request)(request_id=request.request_id)
        after: M = getattr(completed, field)
        after.CopyFrom(before if wrong else merged(before, change, request.update_mask))
        await _refuse_wrong(connection, completed, after, check, wrong)
        if after == before:
            return before
        stored = await store.update(connection, after)
        await self.publish(connection, request, "update", before=before, after=stored)
        return stored

    async def delete(
        self,
        connection: Connection,
        store: DeletingStore[M],
        request: Any,
        before: M,
    ) -> Empty:
        """Remove the resource and record it; its history stays."""
        await store.delete(connection, request.name)
        await self.publish(connection, request, "delete", before=before)
        return Empty()

    async def delete_resource(
        self,
        database: Database,
        store: DeletingStore[M],
        request: Any,
    ) -> Empty:
        """Delete a resource that only its own references protect."""

        async def act(connection: Connection) -> Empty:
            before = await read_for_change(connection, store, request.name, request.etag)
            return await self.delete(connection, store, request, before)

        return await mutate(database, request, region_of(request.name), Empty, act)


async def read_for_change(connection: Connection, store: Store[M], name: str, etag: str) -> M:
    """Return the resource, locked until the transaction's end.

    Raises:
        ResourceMissing: There is none of this name.
        EtagStale: `etag` is given and not the current one.
    """
    before = await store.read(connection, name, lock=True)
    if before is None:
        raise ResourceMissing(name)
    current: str = before.etag  # type: ignore[attr-defined]
    if etag and etag != current:
        raise EtagStale(name, etag, current)
    return before


def _refuse_wrong_name(store: Store[M], name: str, field: str) -> None:
    found = violations(store.NAMED(name=name))
    if found:
        raise FieldsInvalid([Violation(f"{field}.name", v.message, v.reason) for v in found])


async def nothing_more(_: Connection, __: Message) -> list[Violation]:
    """Check nothing beyond the proto's rules."""
    return []


async def _refuse_wrong(
    connection: Connection,
    request: Message,
    draft: M,
    check: Check[M],
    wrong: list[Violation] | None = None,
) -> None:
    found = [*(wrong or []), *violations(request), *await check(connection, draft)]
    if found:
        raise FieldsInvalid(found)
