"""Tells all streams of this daemon what becomes of jobs.

The truth is a look once a second at what has changed in the watched workspaces. Words make it come sooner: of what
this process does, and of what other daemons tell. A word is only the id of a job: what is told is read from its row, so
it is always what was committed, and of several changes in a short time the last.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio

from crmd.api.live.announcement import Announcement
from crmd.api.live.audience import Audience
from crmd.api.live.beginning import beginning
from crmd.api.live.event import gone_event, job_event
from crmd.api.live.stream import Stream
from crmd.api.live.told import Told
from crmd.store import live

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from crmd.api.live.event import Event
    from crmd.api.live.stream import Wish
    from crmd.api.state import State
    from crmd.store.live import Look
    from crmd.store.pools import Connection, Pool

LOOK_SECONDS = 1.0
HURRIED_SECONDS = 0.2
SEARCH_SECONDS = 15.0
# Between two readings; what comes meanwhile is read together.
PAUSE_SECONDS = 0.01
READ_MAX = 500
ASKED_MAX = 20_000
SEARCHED_MAX = 5000
# A transaction that ends a job and commits later than this is found by the search for what runs no more.
ENDED_WITHIN = timedelta(seconds=10)
ENDED_SHOWN = timedelta(seconds=60)


class Hub:
    """Reads what becomes of jobs, and hands it to the streams.

    Args:
        pool: Connections of its own.
        state: What the API works with.
    """

    def __init__(self, pool: Pool, state: State) -> None:
        self.audience = Audience()
        self.point = 0
        self._pool = pool
        self._state = state
        self._watchers = state.services.watchers
        self._announcement = Announcement(pool, self._watchers.id)
        self._told = Told()
        self._asked: dict[UUID, float] = {}
        self._owed: set[UUID] = set()
        self._look: Look | None = None
        self._seen_history = self._history
        self._look_at = 0.0
        self._looked_at = 0.0
        self._search_at = 0.0
        # Streams begin between two readings, so that whatever they are offered is newer than what they begin with.
        self._turn = anyio.Lock()
        self._stirred = anyio.Event()

    def watches(self, workspace_id: UUID | None) -> bool:
        """Whether jobs of this workspace are watched."""
        return self.audience.watches(workspace_id)

    def words(self, job_ids: Iterable[UUID]) -> None:
        """Something became of these jobs."""
        if self.audience.is_empty:
            return
        for job_id in job_ids:
            self._asked.setdefault(job_id, self._told.free_at(job_id))
        if len(self._asked) > ASKED_MAX:
            self._overrun()
        self._stirred.set()

    def look_soon(self) -> None:
        """Something became of more jobs than can be named."""
        self._look_at = min(self._look_at, self._looked_at + HURRIED_SECONDS)
        self._stirred.set()

    async def open(self, wish: Wish, last_event_id: str | None) -> Stream:
        """Begin a stream: with what changed since the place that its watcher knows, or with all as it stands.

        Raises:
            Problem: 404: there is no such job.
        """
        async with self._turn, self._state.sight(wish.workspace_id) as connection:
            began = await beginning(connection, wish, last_event_id, self._history)
            stream = Stream(wish, began.place, began.first)
            self.audience.add(stream)
            self._told.begin(began.unfinished)
            self._watchers.begin(self)
            if self._look is None:
                self._look = began.look
        self._stirred.set()
        return stream

    async def renew(self, stream: Stream) -> None:
        """Let a stream begin anew that has missed too much."""
        async with self._turn, self._state.sight(stream.wish.workspace_id) as connection:
            began = await beginning(connection, stream.wish, None, self._history)
            stream.renewed(began.place, began.first)
            self._told.begin(began.unfinished)

    def close(self, stream: Stream) -> None:
        """Tell this stream nothing any more."""
        self.audience.remove(stream)

    def farewell(self, reason: str) -> None:
        """End all streams."""
        for stream in self.audience:
            stream.end(reason)

    async def turn_once(self) -> float:
        """Wait for a word or for the next look, and tell what has changed."""
        if self.audience.is_empty:
            await self._rest()
        await self._until_due()
        async with self._turn:
            if self._look is None:
                return 0.0
            if self._seen_history != self._history:
                await self._begin_history()
            elif time.monotonic() >= self._look_at:
                await self._see(self._look)
            now = time.monotonic()
            if due := [job_id for job_id, at in self._asked.items() if at <= now][:READ_MAX]:
                await self._tell(due)
        return PAUSE_SECONDS

    async def _until_due(self) -> None:
        while (wait_seconds := min([self._look_at, *self._asked.values()]) - time.monotonic()) > 0:
            self._stirred = anyio.Event()
            with anyio.move_on_after(wait_seconds):
                await self._stirred.wait()

    async def _rest(self) -> None:
        """Nobody watches: whoever comes begins with what there is then."""
        self._watchers.end()
        self._look = None
        self._told.clear()
        self._asked.clear()
        self._owed.clear()
        self._stirred = anyio.Event()
        await self._announcement.withdraw()
        await self._stirred.wait()

    @property
    def _history(self) -> int:
        """The number of the timeline that the server writes; 0 where it does not tell."""
        known = self._state.services.pools.server.primary.known
        return 0 if known is None else known.number

    async def _begin_history(self) -> None:
        """Behind a failover numbers of transactions may come again that were lost: what was seen says nothing."""
        history = self._history
        async with self._pool.acquire() as connection:
            self._look = await live.now(connection)
        self._told.clear()
        self._overrun()
        self.point, self._seen_history = 0, history

    async def _see(self, since: Look) -> None:
        """Ask for whatever has changed since the last look."""
        began = time.monotonic()
        async with self._pool.acquire() as connection:
            look, versions = await live.changes(connection, self.audience.workspaces, since, ENDED_WITHIN)
            lost = await self._search(connection)
            await self._announcement.renew(connection, self.audience.workspaces)
        news = [job_id for job_id, version in versions.items() if self._told.is_news(job_id, version)]
        self._owed.update(news)
        self.words([*news, *lost])
        self._look = look
        took = time.monotonic() - began
        self._looked_at = time.monotonic()
        self._look_at = self._looked_at + max(LOOK_SECONDS, 5 * took)
        self._reach()

    async def _search(self, connection: Connection) -> list[UUID]:
        """Now and then: jobs that were told as unfinished and neither wait nor run any more."""
        now = time.monotonic()
        if now < self._search_at:
            return []
        self._search_at = now + SEARCH_SECONDS
        self._told.sweep(now, self.audience.watches)
        wanted = self._told.unfinished()
        return await live.missing(connection, wanted[:SEARCHED_MAX]) if wanted else []

    async def _tell(self, job_ids: list[UUID]) -> None:
        assert self._look is not None  # noqa: S101 - checked by the caller
        for job_id in job_ids:  # before they are read: a word that comes meanwhile asks for them again
            del self._asked[job_id]
        try:
            async with self._pool.acquire() as connection:
                rows = await live.load(connection, job_ids, ended_after=self._look.clock - ENDED_SHOWN)
        except BaseException:
            self.words(job_ids)
            raise
        now, found = time.monotonic(), {row["id"] for row in rows}
        self._owed.difference_update(job_ids)
        for job_id in job_ids:
            if job_id not in found and (word := self._told.forget(job_id)) is not None and word.is_unfinished:
                self._show(gone_event(job_id, word.workspace_id, self._look.clock))
        for row in rows:
            if self.audience.watches(row["workspace_id"]) and self._told.note(row, now):
                self._show(job_event(row))
        self._reach()

    def _show(self, event: Event) -> None:
        for stream in self.audience.of(event):
            stream.offer(event, self.point)

    def _reach(self) -> None:
        """Once all that a look has found is told, whoever was told needs nothing that was before it."""
        if not self._owed and self._look is not None:
            self.point = max(self.point, self._look.point)

    def _overrun(self) -> None:
        """More changes than can be told one by one: everybody begins anew."""
        self._asked.clear()
        self._owed.clear()
        for stream in self.audience:
            stream.begin_anew()
