"""What a stream begins with: all as it stands, or what changed since the place that its watcher has come to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from crmd.api.live.event import ENDED, job_event, snapshot, with_id
from crmd.api.live.place import Place, place_of
from crmd.api.problem import not_found
from crmd.store import live

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from crmd.api.live.stream import Wish
    from crmd.store.live import Look
    from crmd.store.pools import Connection

ENDED_SHOWN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """How a stream begins.

    Attributes:
        look: Taken before anything was read, so that nothing is lost between.
        place: That is reached with it.
        first: To be sent.
        unfinished: Jobs of which something is still to come, with their workspaces.
    """

    look: Look
    place: Place
    first: bytes
    unfinished: Mapping[UUID, UUID | None]


async def beginning(connection: Connection, wish: Wish, last_event_id: str | None, history: int) -> Beginning:
    """Read it. A place that is too old, or none that this database has given, leads to a snapshot.

    Raises:
        Problem: 404: there is no such job.
    """
    look = await live.now(connection)
    known = place_of(last_event_id)
    if known is None or not known.is_known(look, history):
        return await _whole(connection, wish, look, history)
    return await _since(connection, wish, known, look)


async def _whole(connection: Connection, wish: Wish, look: Look, history: int) -> Beginning:
    if wish.job_id is None:
        ids, over, is_complete = await live.current(connection, wish.workspace_id, look, ENDED_SHOWN)
        ended_after = look.clock - ENDED_SHOWN
        rows = await live.load(connection, ids + over, workspace_id=wish.workspace_id, ended_after=ended_after)
    else:
        rows, is_complete = await _one(connection, wish), True
    place = Place(look.point, look.clock, history)
    first = with_id(snapshot(rows, is_complete=is_complete), place.id())
    return Beginning(look=look, place=place, first=first, unfinished=_unfinished(rows))


async def _since(connection: Connection, wish: Wish, known: Place, look: Look) -> Beginning:
    workspaces = None if wish.workspace_id is None else [wish.workspace_id]
    since = live.Look(known.point, known.clock)
    _, versions = await live.changes(connection, workspaces, since, ENDED_SHOWN)
    ids = [job_id for job_id in versions if wish.job_id in {None, job_id}]
    ended_after = known.clock - ENDED_SHOWN
    rows = await live.load(connection, ids, workspace_id=wish.workspace_id, ended_after=ended_after)
    others: dict[UUID, UUID | None] = {}
    if wish.workspace_id is not None and wish.job_id is None:
        unchanged, _, _ = await live.current(connection, wish.workspace_id, look, ENDED_SHOWN)
        others = dict.fromkeys(unchanged, wish.workspace_id)
    elif wish.job_id is not None and not rows:
        rows = await _one(connection, wish)
    reached = Place(look.point, max(look.clock, known.clock), known.history)
    places = [Place(known.point, reached.clock, known.history)] * (len(rows) - 1) + [reached]
    told = [with_id(job_event(row).body, place.id()) for row, place in zip(rows, places, strict=False)]
    return Beginning(look=look, place=reached, first=b"".join(told), unfinished=others | _unfinished(rows))


async def _one(connection: Connection, wish: Wish) -> list[Any]:
    assert wish.job_id is not None  # noqa: S101 - checked by the caller
    rows = await live.load(connection, [wish.job_id], workspace_id=wish.workspace_id)
    if not rows:
        raise not_found("job")
    return rows


def _unfinished(rows: list[Any]) -> dict[UUID, UUID | None]:
    return {row["id"]: row["workspace_id"] for row in rows if row["status"] not in ENDED}
