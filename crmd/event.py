"""An event as its handlers get it: what happened, to what, to whom, and what it was caused by."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

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


def hears(pattern: str, event_type: str) -> bool:
    """Whether a pattern fits a type: the type itself, its first word as `contact.*`, or `*`."""
    return pattern in {event_type, f"{event_type.partition('.')[0]}.*", "*"}
