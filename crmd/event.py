"""An event as its handlers get it: what happened, to what, to whom, and what it was caused by."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from crmd.errors import UsageError

DataT = TypeVar("DataT")


class EventMetadata(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Where an event comes from; on the wire its keys are camelCase.

    Attributes:
        source: The job type or program that emitted it.
        correlation_id: Of the first event or job of its chain; None: it is the first.
        causation_id: The job or event that it directly follows from.
        timestamp: When it happened, where that is not when it was emitted.
        ip_address: From where somebody caused it.
        user_agent: With what.
    """

    source: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    timestamp: datetime | None = None
    ip_address: str | None = None
    user_agent: str | None = None


class Event(msgspec.Struct, Generic[DataT], frozen=True, kw_only=True, rename="camel"):
    """Something that happened; it never changes.

    Attributes:
        seq: Its place in the one order of all events.
        version: Of its type; raised when the data of the type changes its meaning.
        data: As the handler annotates it; `crmd.Event` alone gives plain objects.
    """

    id: UUID
    seq: int
    type: str
    data: DataT
    emitted_at: datetime
    version: int = 1
    workspace_id: UUID | None = None
    user_id: UUID | None = None
    aggregate_type: str | None = None
    aggregate_id: str | None = None
    metadata: EventMetadata = EventMetadata()


AnyEvent = Event[Any]
# The database keeps to it as well: a type stands in notices and indexes, which have bounds of their own.
TYPE_BYTES_MAX = 400


def checked_type(event_type: str) -> str:
    """The type, if it can be kept.

    Raises:
        UsageError: It is empty or too long.
    """
    size = len(event_type.encode(errors="replace"))
    if not 0 < size <= TYPE_BYTES_MAX:
        raise UsageError(
            f"The type of an event has {size} bytes; it has 1 to {TYPE_BYTES_MAX}.",
            hint="Name what happened, as contact.created, and put the rest into its data.",
        )
    return event_type


def hears(pattern: str, event_type: str) -> bool:
    """Whether a pattern fits a type: the type itself, its first word as `contact.*`, or `*`."""
    return pattern in {event_type, f"{event_type.partition('.')[0]}.*", "*"}
