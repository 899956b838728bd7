"""Webhooks and their messages as front ends see them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

if TYPE_CHECKING:
    from collections.abc import Mapping

DeliveryStatus = Literal["pending", "delivered", "failed"]


class Webhook(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where another system is told of events."""

    id: UUID
    workspace_id: UUID
    url: str
    event_types: list[str]
    description: str
    is_enabled: bool
    disabled_at: datetime | None
    disabled_reason: str | None
    accepted_at: Annotated[datetime | None, Meta(description="when it last accepted a message, to the minute")]
    created_at: datetime
    created_by: str


class Try(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One try to deliver a message."""

    at: str
    attempt: int
    status: Annotated[int | None, Meta(description="of HTTP; null: no answer came")] = None
    seconds: float | None = None
    error: str | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One message to a webhook."""

    id: UUID
    message_id: Annotated[str, Meta(description="the header webhook-id, the same at every try")]
    event_id: UUID
    event_type: str
    emitted_at: datetime
    status: DeliveryStatus
    attempt_count: int
    attempts: Annotated[list[Try], Meta(description="oldest first, the newest 30")]
    next_attempt_at: datetime | None
    job_id: UUID | None
    ended_at: datetime | None


class Deliveries(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of messages."""

    deliveries: list[Delivery]
    has_more: bool


def webhook_of(row: Mapping[str, Any]) -> Webhook:
    """A row of webhook_list.sql."""
    return Webhook(
        id=row["id"],
        workspace_id=row["workspace_id"],
        url=row["url"],
        event_types=row["event_types"],
        description=row["description"],
        is_enabled=row["disabled_at"] is None,
        disabled_at=row["disabled_at"],
        disabled_reason=row["disabled_reason"],
        accepted_at=row["accepted_at"],
        created_at=row["created_at"],
        created_by=row["created_by"],
    )


def delivery_of(row: Mapping[str, Any]) -> Delivery:
    """A row of webhook_deliveries.sql whose JSON columns are plain objects."""
    return Delivery(
        id=row["id"],
        message_id=f"msg_{row['event_id'].hex}",
        event_id=row["event_id"],
        event_type=row["event_type"],
        emitted_at=row["emitted_at"],
        status=row["status"],
        attempt_count=row["attempt_count"],
        attempts=msgspec.convert(row["attempts"], list[Try]),
        next_attempt_at=row["next_at"],
        job_id=row["job_id"],
        ended_at=row["ended_at"],
    )
