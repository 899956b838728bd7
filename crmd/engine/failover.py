"""Tells exactly what an asynchronous failover lost of a daemon's work: what it did lately and the new primary ignores.

A standby that lags behind is promoted without the last commits. Outcomes that were written then are gone, and their
jobs run again; claims are gone, and their jobs are somebody else's; jobs can be gone altogether. The daemon remembers
its last outcomes, in the order in which they were committed, and asks the new primary for each. What that one knows may
still be lost with it when the next failover comes soon, so it is remembered further.
"""

from __future__ import annotations

import logging
import socket
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crmd.clock import boot_seconds
from crmd.outcome import Ended, Forgotten, Requeued
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from crmd.engine.settler import Settled
    from crmd.store.leases import Token
    from crmd.store.pools import Connection
    from crmd.store.timeline import Timeline

_LOG = logging.getLogger("crmd.engine")
_SQL = load_queries("crmd.store")
# A standby that is further behind than this is not one that anybody should promote.
KEPT_SECONDS = 60.0
KEPT_MAX = 50_000


@dataclass(frozen=True, slots=True)
class Batch:
    """Outcomes that one transaction wrote."""

    committed: float
    over: list[Token]
    back: list[Token]

    def __len__(self) -> int:
        """How many."""
        return len(self.over) + len(self.back)

    def without(self, ids: AbstractSet[UUID]) -> Batch:
        """Those that are none of these jobs."""
        return Batch(
            self.committed,
            [token for token in self.over if token.id not in ids],
            [token for token in self.back if token.id not in ids],
        )


@dataclass(frozen=True, slots=True)
class Losses:
    """Ids of jobs, by what was lost of them."""

    claims: list[UUID]
    outcomes: list[UUID]
    jobs: list[UUID]

    def __bool__(self) -> bool:
        """Whether anything was."""
        return bool(self.claims or self.outcomes or self.jobs)


class Failover:
    """The last outcomes of a daemon, and their comparison with a new primary."""

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()
        self._count = 0
        self._is_cut = False
        self._unanswered: list[Token] = []

    @property
    def is_all_told(self) -> bool:
        """Whether no outcome without an answer waits to be told."""
        return not self._unanswered

    def remember(self, settled: Sequence[Settled], *, is_current: bool) -> None:
        """A batch of outcomes is committed; for nothing, if a newer timeline was seen meanwhile."""
        if not is_current:
            self._unanswered += [run.token for run, outcome in settled if outcome.__class__ is not Forgotten]
            return
        over = [run.token for run, outcome in settled if outcome.__class__ is Ended]
        back = []
        if len(over) < len(settled):  # the bulk of all batches has but ends, and is gone over once
            back = [run.token for run, outcome in settled if outcome.__class__ is Requeued]
        batch = Batch(boot_seconds(), over, back)
        self._batches.append(batch)
        self._count += len(batch)
        while self._count > KEPT_MAX or self._batches[0].committed < batch.committed - KEPT_SECONDS:
            self._count -= len(self._batches.popleft())
            self._is_cut = True

    async def tell(
        self, connection: Connection, daemon_id: UUID, before: Timeline, after: Timeline, stopped: Sequence[Token]
    ) -> None:
        """Compare, log and keep what is missing on the new primary; what has been told is not remembered any more.

        Args:
            connection: To the new primary.
            daemon_id: Of the life that ended.
            before: The timeline of that life.
            after: That of the new primary.
            stopped: Claims of jobs that ran when it ended.
        """
        batches, unanswered = list(self._batches), len(self._unanswered)
        stopped = list(dict.fromkeys((*stopped, *self._unanswered)))
        losses = await _losses(connection, daemon_id, batches, stopped)
        is_complete = not self._is_cut or not batches or _begins_well(batches[0], losses)
        checked = sum(map(len, batches))
        kept_until = await connection.fetchval(
            _SQL.failover_tell, daemon_id, socket.gethostname(), before.number, after.number,
            [token.id for token in stopped], losses.claims, losses.outcomes, losses.jobs, checked, is_complete,
        )  # fmt: skip
        _LOG.warning(
            "failover from timeline %d to %d: %d jobs begin again; lost are %d claims, %d of the last %d"
            " outcomes and %d jobs%s; commits are kept until %s",
            before.number, after.number, len(stopped), len(losses.claims), len(losses.outcomes), checked,
            len(losses.jobs), "" if is_complete else " and what came before them", kept_until or "an unknown time",
        )  # fmt: skip
        # Others may have come meanwhile; they are told the next time.
        del self._unanswered[:unanswered]
        told = {*losses.outcomes, *losses.jobs}
        self._batches = deque(left for batch in self._batches if (left := batch.without(told)))
        self._count = sum(map(len, self._batches))


async def _losses(
    connection: Connection, daemon_id: UUID, batches: Iterable[Batch], stopped: Sequence[Token]
) -> Losses:
    asked: dict[Token, str] = dict.fromkeys(stopped, "held")
    for batch in batches:
        asked.update(dict.fromkeys(batch.over, "over"))
        asked.update(dict.fromkeys(batch.back, "back"))
    ids, fences, claim_ids = zip(*asked, strict=True) if asked else ((), (), ())
    rows = await connection.fetch(_SQL.failover_doubts, ids, fences, claim_ids, list(asked.values()), daemon_id)
    there = [row for row in rows if not row["is_gone"]]
    return Losses(
        claims=[row["id"] for row in there if row["kind"] == "held"],
        outcomes=[row["id"] for row in there if row["kind"] != "held"],
        jobs=[row["id"] for row in rows if row["is_gone"]],
    )


def _begins_well(oldest: Batch, losses: Losses) -> bool:
    """What is lost is the end of what was committed; so where the oldest is whole, all that was lost is remembered."""
    missing = {*losses.outcomes, *losses.jobs}
    return missing.isdisjoint(token.id for token in (*oldest.over, *oldest.back))
