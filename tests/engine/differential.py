"""The same operations on the reference store and on a real database, by the queries that daemons use.

An operation is a word and a seed that chooses among what there is, so that a sequence can be shortened and still means
something.
"""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID, uuid4

from differential_rows import EPOCH, tables_in, tables_of
from reference_rows import Job, New, Outcome, Rule, Ticket
from reference_store import Store

from crmd.engine import reaper
from crmd.engine.heartbeat import register
from crmd.store import jobs, leases
from crmd.store.leases import BEGINNING, EndedRow, RequeuedRow, Token
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from random import Random

    from crmd.store.pools import Pool

LEASE_SECONDS = 0.5
SQL = load_queries("crmd.store")
CLOCK = load_queries("crmd.testing")
PRIORITIES = (None, None, "critical", "high", "low")
SCOPES = ("waiting", "unfinished", "unfinished", "for")
CONFLICTS = ("return", "return", "replace", "merge", "push_back", "keep_time")
ENDS = ("completed", "completed", "failed", "cancelled", "dead", "poison")
HELD = (None, None, None, "suspect", "unknown", "reconcile")
WEIGHTS = {
    "enqueue": 10, "enqueue_with_key": 14, "advance": 10, "claim": 12, "claim_suspects": 4, "end": 12, "give_back": 10,
    "look_up": 1, "register": 3, "beat": 5, "bury_and_reap": 5, "leave": 1,
    "cancel": 4, "retry": 3, "expire": 2,
}  # fmt: skip


class Step(NamedTuple):
    """One operation, and what chooses its object."""

    word: str
    seed: int


def steps_of(seed: int, count: int) -> list[Step]:
    """The operations of one seed."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be kept secret
    words = chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=count)
    return [Step(word, chance.getrandbits(32)) for word in words]


class Pair:
    """The two stores side by side.

    Args:
        pool: The engine's, on a database with an injected clock and a job type `twin`.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._store = Store()
        self._lives: list[UUID] = [uuid4()]  # the first was never registered
        self._tickets: list[Ticket] = []
        self._behind: tuple[float, UUID] | None = None

    async def play(self, step: Step) -> None:
        """Do one operation on both; AssertionError where answers or tables differ."""
        theirs, ours = await getattr(self, step.word)(random.Random(step.seed))  # noqa: S311 - to be repeated
        assert theirs == ours, f"the database answered {theirs}, the reference {ours}"
        theirs, ours = await tables_of(self._pool), tables_in(self._store)
        for table, rows in theirs.items():
            only = set(rows) ^ set(ours[table])
            assert rows == ours[table], f"{table}: the database has {rows}, the reference {ours[table]}: {only}"

    async def enqueue(self, chance: Random) -> tuple[Any, Any]:
        """A job without a key."""
        return await self._enqueued(_new(chance))

    async def enqueue_with_key(self, chance: Random) -> tuple[Any, Any]:
        """A job whose key may be taken."""
        conflict = chance.choice(CONFLICTS)
        most = 8.0 if conflict == "push_back" else chance.choice((None, 2.0))
        rule = Rule(chance.choice("ab"), chance.choice(SCOPES), 4.0, conflict, most)
        return await self._enqueued(_new(chance)._replace(rule=rule))

    async def _enqueued(self, new: New) -> tuple[Any, Any]:
        how: dict[str, Any] = {} if new.rule is None else {
            "unique_keys": [new.rule.key], "unique_scope": new.rule.scope, "unique_seconds": new.rule.seconds,
            "on_conflict": new.rule.on_conflict, "max_delay_seconds": new.rule.max_delay_seconds,
        }  # fmt: skip
        how |= {"delay_seconds": new.delay_seconds, "priority": new.priority, "max_attempts": new.max_attempts}
        wanted = jobs.NewJobs(
            type="twin", payloads=[json.dumps(new.payload)], expires_in_seconds=new.expires_in_seconds, **how
        )
        [made] = await jobs.enqueue_many(self._pool, wanted, is_text=True)
        return (made.id, made.answer), self._store.enqueue(made.id, new)

    async def advance(self, chance: Random) -> tuple[Any, Any]:
        """Time passes; now and then it goes back."""
        self._store.clock += chance.choice((0.25, 0.5, 1.0, 5.0, 60.0, 4000.0, -0.5))
        await self._pool.execute(CLOCK.clock_freeze, EPOCH + timedelta(seconds=self._store.clock))
        return None, None

    async def claim(self, chance: Random) -> tuple[Any, Any]:
        """By a daemon that lives, or by one that does not; now and then behind the last one's watermark."""
        life, claim_id, most = chance.choice(self._lives), uuid4(), chance.randint(1, 3)
        behind = self._behind if chance.random() < 0.3 else None
        mark = BEGINNING if behind is None else (EPOCH + timedelta(seconds=behind[0]), behind[1])
        rows = await leases.claim_ready(self._pool, life, "normal", most, mark, claim_id)
        ours = self._store.claim(life, claim_id, most, behind)
        self._behind = max(((job.rank_at, job.id) for job in ours), default=None)
        return await self._claimed(rows, ours)

    async def claim_suspects(self, chance: Random) -> tuple[Any, Any]:
        """Each to run alone."""
        life, claim_id, most = chance.choice(self._lives), uuid4(), chance.randint(1, 3)
        async with self._pool.acquire() as connection:
            found = await leases.suspects_waiting(connection, most, ["twin"], ["normal"])
            rows = await leases.claim_suspects(connection, life, [row["id"] for row in found], claim_id)
        return await self._claimed(rows, self._store.claim_suspects(life, claim_id, most))

    async def _claimed(self, rows: list[Any], ours: list[Job]) -> tuple[Any, Any]:
        keys = [(job.id, job.unique_key) for job in ours if job.unique_key is not None]
        names = [f"twin//{name}" for _, name in keys]
        await leases.free_started(self._pool, [job_id for job_id, _ in keys], names)
        self._store.free_started(ours)
        self._tickets += [job.ticket for job in ours]
        return {row["id"] for row in rows}, {job.id for job in ours}

    def _ticket(self, chance: Random) -> Ticket | None:
        """Of a job that runs; now and then one of long ago, or one whose number or claim id is another's."""
        running = [job.ticket for job in self._store.leases.values()]
        kind = chance.random()
        if not running or kind < 0.2:
            return chance.choice(self._tickets) if self._tickets else None
        ticket = chance.choice(running)
        if kind < 0.3:
            return chance.choice((ticket._replace(claim_id=uuid4()), ticket._replace(fence=ticket.fence + 1)))
        return ticket

    async def end(self, chance: Random) -> tuple[Any, Any]:
        """A job that runs is over, if its token is the current one."""
        ticket = self._ticket(chance)
        if ticket is None:
            return None, None
        status, error = chance.choice(ENDS), chance.choice((None, "Oops"))
        ours = self._store.leases.get(ticket.id)
        is_plain = ticket.fence == 1 and (ours is None or ours.unique_key is None)
        row = EndedRow(Token(*ticket), status, None, _record(error))
        async with self._pool.acquire() as connection:
            if is_plain and status == "completed" and error is None:
                await leases.settle_done(connection, [row.token])
                moved = self._store.settle_ended([(ticket, status, error)])
                return moved, moved
            return await leases.settle_ended(connection, [row]), self._store.settle_ended([(ticket, status, error)])

    async def give_back(self, chance: Random) -> tuple[Any, Any]:
        """A job that runs is to run again: a retry, a snooze, an orderly stop."""
        ticket = self._ticket(chance)
        if ticket is None:
            return None, None
        is_given_back = chance.random() < 0.5
        snoozes = chance.randint(0, 1) if is_given_back else 0
        delay, error, held = chance.choice((0.0, 0.25, 4.0, None)), chance.choice((None, "Oops")), chance.choice(HELD)
        row = RequeuedRow(Token(*ticket), delay, is_given_back, snoozes, _record(error), None, held)
        async with self._pool.acquire() as connection, connection.transaction():
            moved = await leases.settle_requeued(connection, [row])
        return moved, self._store.settle_returned([Outcome(ticket, delay, is_given_back, snoozes, error, held)])

    async def look_up(self, chance: Random) -> tuple[Any, Any]:
        """What a claim got, and whether its token is the current one."""
        if not self._tickets:
            return None, None
        ticket = chance.choice(self._tickets)
        rows = await leases.find_claim(self._pool, ticket.claim_id)
        async with self._pool.acquire() as connection, connection.transaction():
            is_held = await leases.is_held(connection, Token(*ticket))
        ours = {job.id for job in self._store.found(ticket.claim_id)}
        return ({row["id"] for row in rows}, is_held), (ours, self._store.is_held(ticket))

    async def register(self, _chance: Random) -> tuple[Any, Any]:
        """A daemon begins."""
        async with self._pool.acquire() as connection:
            self._lives.append(await register(connection, "1", ["normal"], LEASE_SECONDS))
        self._store.register(self._lives[-1], LEASE_SECONDS)
        return None, None

    async def beat(self, chance: Random) -> tuple[Any, Any]:
        """A daemon renews."""
        life = chance.choice(self._lives)
        row = await self._pool.fetchrow(SQL.daemon_beat, life, LEASE_SECONDS)
        ours = self._store.beat(life, LEASE_SECONDS)
        return None if row is None else set(row["cancels"]), None if ours is None else set(ours)

    async def bury_and_reap(self, _chance: Random) -> tuple[Any, Any]:
        """Whoever ran out of time is declared dead, and its jobs are recovered."""
        count = await reaper.reap_once(self._pool)
        self._store.bury()
        return count, len(self._store.reap())

    async def leave(self, chance: Random) -> tuple[Any, Any]:
        """A daemon ends in order."""
        life = chance.choice(self._lives)
        await self._pool.execute(SQL.daemon_leave, life)
        self._store.leave(life)
        return None, None

    async def cancel(self, chance: Random) -> tuple[Any, Any]:
        """Any job, in whichever stage it is."""
        job_id = self._any_job(chance)
        return await jobs.cancel(self._pool, job_id, "asked"), self._store.cancel(job_id, "asked")

    async def retry(self, chance: Random) -> tuple[Any, Any]:
        """An ended job runs again as a new one."""
        job_id = self._any_job(chance)
        made = await jobs.retry(self._pool, job_id)
        ours = self._store.retry(job_id, made.id if made is not None else uuid4())
        return None if made is None else (made.id, made.answer), ours

    async def expire(self, _chance: Random) -> tuple[Any, Any]:
        """What has not started in time ends."""
        return await self._pool.fetchval(SQL.jobs_expire, 100), self._store.expire()

    def _any_job(self, chance: Random) -> UUID:
        store = self._store
        return chance.choice([uuid4(), *store.waiting, *store.leases, *store.archive])


def _new(chance: Random) -> New:
    return New(
        {"n": [chance.randint(0, 9)]}, chance.choice((None, None, 0.25, 4.0, 400.0)), chance.choice(PRIORITIES),
        chance.choice((None, 1)), chance.choice((None, None, None, 2.0)),
    )  # fmt: skip


def _record(error: str | None) -> bytes | None:
    return None if error is None else json.dumps({"class": error}).encode()
