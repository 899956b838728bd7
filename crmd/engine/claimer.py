"""Claims jobs for one queue: as many as half of its slots, again at once while there is work, adaptively when not.

Polling is the truth; a wake-up only makes the next poll come sooner. A queue that runs dry says so in the daemon's row,
looks once more, and only then sleeps: whoever enqueues after that look finds the word and sends a wake-up.
"""

from __future__ import annotations

import math
import random
import time
from contextlib import contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import anyio

from crmd.engine.forever import aligned
from crmd.engine.local_limits import free_of
from crmd.engine.source import Source, claim_from
from crmd.lanes import Turns
from crmd.store import lane_claims, leases
from crmd.store.claimed_row import watermark_of
from crmd.store.leases import BEGINNING, Token
from crmd.store.queries import load_queries
from crmd.tuning import UNTUNED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from uuid import UUID

    from crmd.engine.executor import Executor
    from crmd.engine.queue import Queue
    from crmd.store.leases import Watermark
    from crmd.store.pools import Pool
    from crmd.tuning import Tuning

_SQL = load_queries("crmd.store")
_payload = itemgetter("payload")
RESTART_SECONDS = 1.0
PAUSE_SECONDS = 0.05
# After so many claims in a row that found work nobody needs to wake us: a NOTIFY lines up all commits of the server.
BUSY_CLAIMS = 8


class Claimer:
    """The claims of one queue.

    Args:
        pool: The pool for work.
        executor: Runs what is claimed.
        queue: The queue's room in this daemon.
        poll_max_seconds: Longest nap, as it is now.
        local_limits: Names of limits that count inside this daemon, with the job type and the most of each.
        tuning: What operators have changed live; None: not known yet, so nothing may be claimed.
    """

    def __init__(
        self,
        pool: Pool,
        executor: Executor,
        queue: Queue,
        *,
        poll_max_seconds: Callable[[], float],
        local_limits: Callable[[], Sequence[tuple[str, str, int]]],
        tuning: Callable[[], Tuning | None],
    ) -> None:
        self._pool = pool
        self._executor = executor
        self._queue = queue
        self._poll_max_seconds = poll_max_seconds
        self._local_limits = local_limits
        self._tuning = tuning
        self._watermark: Watermark = BEGINNING
        self._restart_at = 0.0
        self._turns = Turns()
        self._sources = [Source(self._claim_lanes), Source(self._claim_ready)]
        self._woken = anyio.Event()
        self._is_napping = False
        self._found_in_a_row = 0
        self.is_idle = False
        self.daemon_id: UUID | None = None

    def begin(self, daemon_id: UUID | None) -> None:
        """Claim for this incarnation from now on; None: for none, until the next begins."""
        self.daemon_id = daemon_id
        self.is_idle = False
        self._queue.unanswered.clear()
        self.wake()

    def wake(self) -> None:
        """Look again at once, from the beginning of the queue."""
        self._restart_at = 0.0
        self._turns.wake()
        self._is_napping = False
        self._woken.set()

    def retune(self) -> None:
        """Work by what operators have changed."""
        self._turns.forget()
        self.wake()

    def freed(self, lanes: Iterable[str]) -> None:
        """Jobs of these lanes have ended here: what they held is free for the next."""
        for lane in lanes:
            self._turns.freed(lane)
        self._woken.set()

    async def claim_once(self) -> float:
        """One claim; answers 0 when there may be more, after having waited for room or for a wake-up."""
        tuning = self._tuning()
        if self.daemon_id is None or tuning is None:  # between two incarnations nothing may be claimed
            return PAUSE_SECONDS
        if f"queue:{self._queue.name}" in tuning.paused:
            self._woken = anyio.Event()
            await self._sleep(self._poll_max_seconds())
            return 0.0
        if self._is_napping:
            self._woken = anyio.Event()
            if (seconds := await self._look()) == math.inf:
                await self._nap(seconds)
                return 0.0
            self._is_napping = False
        await self._queue.until_a_claim_pays()
        self._woken = anyio.Event()
        wanted = self._queue.claimable
        found = await self._claim(wanted, self.daemon_id)
        self._found_in_a_row = self._found_in_a_row + 1 if found else 0
        if found or not self.is_idle:
            if not 0 < found < wanted or self._found_in_a_row >= BUSY_CLAIMS:
                await self._say_idle(is_idle=not found)
            return 0.0
        await self._nap(await self._look())
        return 0.0

    async def _look(self) -> float:
        """Seconds until there may be something to claim; for ever where nothing is to be seen."""
        queue = self._queue.name
        longest = self._poll_max_seconds()
        [look] = await self._pool.fetch(_SQL.next_due, queue, longest, self._tuned.paused_types)
        due = math.inf if look["due_seconds"] is None else look["due_seconds"]
        return min(due, self._turns.wait_seconds, longest) if look["has_lanes"] else due

    async def _nap(self, seconds: float) -> None:
        """Sleep; after a nap with nothing to be seen a look comes before the next claim."""
        jitter = 1 - 0.1 * random.random()  # noqa: S311 - so that not every daemon comes for the same job
        longest = aligned(self._poll_max_seconds(), anyio.current_time())
        await self._sleep(longest if seconds == math.inf else min(max(seconds, 0.01), longest) * jitter)
        self._is_napping = seconds == math.inf and not self._woken.is_set()

    async def _claim(self, wanted: int, daemon_id: UUID) -> int:
        await self._recover_unknown(daemon_id)
        self._sources.reverse()
        return await claim_from(self._sources, wanted, daemon_id, time.monotonic())

    async def _claim_ready(self, wanted: int, daemon_id: UUID) -> int:
        if (now := time.monotonic()) >= self._restart_at:
            self._watermark, self._restart_at = BEGINNING, now + RESTART_SECONDS
        claim_id = leases.new_claim_id()
        rows = await self._claim_behind_watermark(wanted, daemon_id, claim_id)
        if not rows and self._watermark is not BEGINNING:
            self._watermark = BEGINNING
            rows = await self._claim_behind_watermark(wanted, daemon_id, claim_id)
        if rows:
            self._watermark = watermark_of(rows)
        return await self._accept(rows, claim_id, daemon_id)

    async def _claim_behind_watermark(self, wanted: int, daemon_id: UUID, claim_id: UUID) -> list[Any]:
        with self._answer_may_be_lost(claim_id):
            return await leases.claim_ready(
                self._pool, daemon_id, self._queue.name, wanted, self._watermark, claim_id, self._tuned.paused_types
            )

    async def _claim_lanes(self, wanted: int, daemon_id: UUID) -> int:
        claim_id = leases.new_claim_id()
        queue, tuning = self._queue.name, self._tuned
        try:
            with self._answer_may_be_lost(claim_id):
                rows = await lane_claims.claim_lanes(
                    self._pool, daemon_id, queue, wanted, self._turns, self._local_free(), claim_id, tuning
                )
        except BaseException:
            self._turns.forget()
            raise
        return await self._accept(rows, claim_id, daemon_id)

    @contextmanager
    def _answer_may_be_lost(self, claim_id: UUID) -> Iterator[None]:
        """A claim that fails may have committed all the same, as when its answer is lost; it is looked up by its id."""
        self._queue.unanswered.add(claim_id)
        yield
        self._queue.unanswered.discard(claim_id)

    async def _recover_unknown(self, daemon_id: UUID) -> None:
        """What a claim got whose answer was lost is ours to run."""
        for claim_id in list(self._queue.unanswered):
            rows = await leases.find_claim(self._pool, claim_id)
            self._queue.unanswered.discard(claim_id)
            await self._accept(rows, claim_id, daemon_id)

    async def _accept(self, rows: list[Any], claim_id: UUID, daemon_id: UUID) -> int:
        """Run what was claimed; if this life of the daemon ended or drains meanwhile, give it back in order."""
        if not rows:
            return 0
        if daemon_id != self.daemon_id:
            await leases.give_back(self._pool, [Token(row["id"], row["fence"], claim_id) for row in rows])
            return 0
        self._queue.saw(sum(map(len, map(_payload, rows))), len(rows))
        unique = [row for row in rows if row["unique_key"] is not None]
        self._executor.accept(
            self._queue, [row for row in rows if row["unique_key"] is None] if unique else rows, claim_id
        )
        if unique:  # keys of scope `waiting` are free before their jobs start: a job may enqueue its own successor
            try:
                await leases.free_started(
                    self._pool, [row["id"] for row in unique], [row["unique_key"] for row in unique]
                )
            finally:
                self._executor.accept(self._queue, unique, claim_id)
        return len(rows)

    @property
    def _tuned(self) -> Tuning:
        return self._tuning() or UNTUNED

    def _local_free(self) -> dict[str, int]:
        tuned = self._tuned.local
        limits = self._local_limits()
        now = [(name, job_type, tuned.get(name, most)) for name, job_type, most in limits]
        return free_of(now, self._executor.runs.values())

    async def _say_idle(self, *, is_idle: bool) -> None:
        if self.is_idle == is_idle:
            return
        self.is_idle = is_idle
        await self._pool.execute(_SQL.daemon_idle, self.daemon_id, self._queue.name, is_idle)

    async def _sleep(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._woken.wait()
