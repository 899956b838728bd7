"""Hands past events to one handler again, in their order, so many a second; what it has had is left out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crmd.errors import UsageError
from crmd.store.events import settled_seq
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from crmd.store.events import EventFilter
    from crmd.store.pools import Pool

_SQL = load_queries("crmd.store")
WINDOW = 20_000
PAGE = 500


async def heard_by(pool: Pool, handler: str) -> Sequence[str] | None:
    """The event types that a handler hears of; None: there is no such handler."""
    rows = await pool.fetch(_SQL.event_handlers)
    return next((row["events"] for row in rows if row["handler"] == handler), None)


def narrowed(wanted: EventFilter, events: Sequence[str], handler: str) -> EventFilter:
    """The filter, with the handler's own events where none are named.

    Raises:
        UsageError: The handler hears of none of the types that are named.
    """
    if wanted.types is None:
        return replace(wanted, types=list(events))
    strange = [kind for kind in wanted.types if not _overlaps(kind, events)]
    if strange:
        raise UsageError(f"{handler} does not hear of {strange[0]}.", hint=f"It hears of {', '.join(events)}.")
    return wanted


async def matches(pool: Pool, handler: str, wanted: EventFilter) -> list[Any]:
    """What a replay would hand over: a row per type, with how many the handler has had already."""
    return await pool.fetch(_SQL.event_matches, *wanted.parameters(), handler)


async def replay(
    pool: Pool, handler: str, wanted: EventFilter, *, is_forced: bool, per_second: float | None = None
) -> AsyncIterator[tuple[int, int]]:
    """Enqueue the handler's jobs page by page; yields after each how many events were passed and how many jobs made.

    Args:
        pool: One whose rows may be changed.
        handler: Whose events.
        wanted: Which.
        is_forced: Those too that it has had.
        per_second: The jobs fall due at this pace; None: all at once.
    """
    found = await matches(pool, handler, wanted)
    if not found:
        return
    behind = min(row["first_seq"] for row in found) - 1
    end = min(max(row["last_seq"] for row in found), await settled_seq(pool))
    passed = made = 0
    while behind < end:
        upto = min(behind + WINDOW, end)
        ids = [row["id"] for row in await pool.fetch(_SQL.event_page, *wanted.parameters(), behind, upto)]
        for start in range(0, len(ids), page := _page(per_second)):
            delay = 0.0 if per_second is None else made / per_second
            made += await pool.fetchval(_SQL.event_redeliver, handler, ids[start : start + page], delay, is_forced)
            passed += len(ids[start : start + page])
            yield passed, made
        behind = upto


def _page(per_second: float | None) -> int:
    """Events of one page fall due together, so a pace makes pages of a second's worth."""
    return PAGE if per_second is None else max(1, min(PAGE, int(per_second)))


def _overlaps(kind: str, events: Sequence[str]) -> bool:
    first = kind.partition(".")[0]
    return any(
        kind in {event, "*"} or event in {"*", f"{first}.*"} or kind == f"{event.partition('.')[0]}.*"
        for event in events
    )
