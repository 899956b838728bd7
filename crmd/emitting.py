"""Emitting, as a handler sees it: events with their cause, in its transaction. And what any program may say of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    import msgspec

    from crmd.event import EventMetadata


class EmitOptions(TypedDict, total=False):
    """The keyword arguments of `crmd.emit`.

    Attributes:
        aggregate_type: What it happened to, as `contact`.
        aggregate_id: And which one.
        version: Of the event type.
        metadata: Where it comes from.
        workspace_id: Whose it is.
        user_id: Who did it.
    """

    aggregate_type: str | None
    aggregate_id: object
    version: int
    metadata: EventMetadata | None
    workspace_id: UUID | None
    user_id: UUID | None


class Emitting(Protocol):
    """Tells of what happened. The events' workspace, user and cause are the job's."""

    async def emit(
        self,
        event_type: str,
        data: msgspec.Struct | Mapping[str, object],
        *,
        aggregate_type: str | None = None,
        aggregate_id: object = None,
        version: int = 1,
        metadata: EventMetadata | None = None,
    ) -> UUID:
        """Write an event, and all that follows from it: jobs of triggers and handlers, what sync handlers do.

        Args:
            event_type: As `contact.created`.
            data: What happened, at most 256 KiB.
            aggregate_type: What it happened to, as `contact`.
            aggregate_id: And which one.
            version: Of the type, where its data has changed its meaning.
            metadata: What is known beyond source and cause, which are the job's.

        Returns:
            The event's id.

        Raises:
            Veto: A sync handler said no; nothing of this call is kept.
        """

    async def emit_many(
        self,
        event_type: str,
        data: Sequence[msgspec.Struct | Mapping[str, object]],
        *,
        aggregate_type: str | None = None,
        aggregate_ids: Sequence[object] | None = None,
        version: int = 1,
        metadata: EventMetadata | None = None,
    ) -> list[UUID]:
        """Write an event per item in one statement; as `emit` otherwise. A veto of one is a veto of all."""
