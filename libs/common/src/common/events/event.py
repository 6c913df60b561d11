"""An event: a CloudEvent 1.0 in binary mode, its body a message of a service's events.proto."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import uuid_utils
from google.protobuf.message import Message

from common.telemetry.traces import current_traceparent

WORDS = re.compile(r"[A-Z][a-z0-9]*")
RESOURCE = re.compile(r"regions/[0-9.]{1,20}/[^\x00-\x1f]{1,500}")
TYPE_PARTS = 5
MOST_EVENTS = 2**63
CONTENT_TYPE = "application/protobuf"
VERSION = "v1"


class EventUnreadable(Exception):
    """A message on the bus is no event of ours; the text says why."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `sequence` counts the events of its resource from 1, without gaps."""

    event_id: str
    """A UUIDv7."""
    type: str
    """`smartcity.inventory.point.activated.v1`."""
    resource: str
    """The name of the resource that the event is about; its region is the tenant."""
    time: datetime
    body: bytes
    sequence: int = 0
    traceparent: str = ""

    @property
    def service(self) -> str:
        """The service that tells the event."""
        return self.type.split(".")[1]

    @property
    def region(self) -> str:
        """The code of the region, as `64.01`."""
        return self.resource.split("/")[1]

    @property
    def subject(self) -> str:
        """The subject on the bus: `smartcity.6401.inventory.point.activated.v1`."""
        company, *rest = self.type.split(".")
        return ".".join((company, self.region.replace(".", ""), *rest))

    def headers(self) -> dict[str, str]:
        """Return the CloudEvents headers; also what the bus needs to drop a second copy."""
        headers = {
            "Nats-Msg-Id": self.event_id,
            "ce-specversion": "1.0",
            "ce-id": self.event_id,
            "ce-source": f"/{self.service}",
            "ce-type": self.type,
            "ce-subject": self.resource,
            "ce-time": self.time.isoformat(timespec="microseconds"),
            "ce-dataschema": f"#/{message_of(self.type)}",
            "ce-sequence": str(self.sequence),
            "content-type": CONTENT_TYPE,
        }
        return headers | ({"traceparent": self.traceparent} if self.traceparent else {})

    def numbered(self, sequence: int) -> "Event":
        """Return the event as the `sequence`-th of its resource."""
        return replace(self, sequence=sequence)


def event_from(headers: Mapping[str, str] | None, body: bytes) -> Event:
    """Return the event that a message on the bus holds.

    Raises:
        EventUnreadable: A header is missing or malformed.
    """
    try:
        given = {name.lower(): value for name, value in (headers or {}).items()}
        event = Event(
            event_id=str(UUID(given["ce-id"])),
            type=given["ce-type"],
            resource=given["ce-subject"],
            time=datetime.fromisoformat(given["ce-time"]),
            body=body,
            sequence=int(given["ce-sequence"]),
            traceparent=given.get("traceparent", ""),
        )
    except (KeyError, ValueError) as error:
        raise EventUnreadable(f"the headers are no CloudEvent of ours: {error!r}") from error
    if event.time.tzinfo is None or not 1 <= event.sequence < MOST_EVENTS:
        raise EventUnreadable("ce-time has no offset, or ce-sequence is no number from 1")
    if not RESOURCE.fullmatch(event.resource) or len(event.type.split(".")) != TYPE_PARTS:
        raise EventUnreadable("ce-subject names no resource of a region, or ce-type no event")
    return event


def type_of(kind: Any) -> str:
    """Return the type of a message's descriptor: `….point.activated.v1` for `PointActivated`."""
    *noun, verb = (word.lower() for word in WORDS.findall(kind.name))
    service = kind.full_name.split(".")[1]
    return f"smartcity.{service}.{'_'.join(noun)}.{verb}.{VERSION}"


def message_of(event_type: str) -> str:
    """Return the full name of the message that a type means, the reverse of `type_of`."""
    _, service, noun, verb, version = event_type.split(".")
    name = "".join(word.capitalize() for word in (*noun.split("_"), verb))
    return f"smartcity.{service}.{version}.{name}"


def event_of(
    message: Message, resource: str, *, event_id: str = "", time: datetime | None = None
) -> Event:
    """Return the event whose body is `message`, not yet numbered; it happens now."""
    return Event(
        event_id=event_id or str(uuid_utils.uuid7()),
        type=type_of(message.DESCRIPTOR),
        resource=resource,
        time=time or datetime.now(UTC),
        body=message.SerializeToString(),
        traceparent=current_traceparent(),
    )
