"""What the statements of crmd/store mean, in memory: enqueue, claim, settle, cancel, reap, unique keys.

Written from docs and comments, not from the SQL, so that the two can be compared (tests/test_differential.py); the
simulation (tests/engine/simulation.py) runs on it. The clock is an attribute, ids come in from outside, and each method
is one transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reference_keys import Keys
from reference_rows import NEVER, Daemon, Job, New, Outcome, Rule, Ticket

from crmd.engine.suspicion import CRASHES_MAX, reap_delay_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

ERRORS_MAX = 20
FORGOTTEN_SECONDS = 3600.0


class Store:
    """The three tables of jobs, the daemons and the unique keys."""

    def __init__(self) -> None:
        self.clock = 0.0
        self.waiting: dict[UUID, Job] = {}
        self.leases: dict[UUID, Job] = {}
        self.archive: dict[UUID, Job] = {}
        self.daemons: dict[UUID, Daemon] = {}
        self.keys = Keys(self.waiting, self.leases)

    def register(self, daemon_id: UUID, lease_seconds: float) -> None:
        """A new life of a daemon."""
        self.daemons[daemon_id] = Daemon(daemon_id, self.clock + lease_seconds)

    def beat(self, daemon_id: UUID, lease_seconds: float) -> list[UUID] | None:
        """Renew; answers the jobs to be cancelled, None: the daemon was declared dead."""
        daemon = self.daemons.get(daemon_id)
        if daemon is None or daemon.is_dead:
            return None
        daemon.lease_until = self.clock + lease_seconds
        return [job.id for job in self.leases.values() if job.daemon_id == daemon_id and job.cancel_reason is not None]

    def leave(self, daemon_id: UUID) -> None:
        """Take a daemon off the list, if it holds nothing."""
        if all(job.daemon_id != daemon_id for job in self.leases.values()):
            self.daemons.pop(daemon_id, None)

    def bury(self) -> set[UUID]:
        """Declare daemons dead whose time has run out; forget those that have been for an hour."""
        holders = {job.daemon_id for job in self.leases.values()}
        for daemon in list(self.daemons.values()):
            if daemon.is_dead and daemon.id not in holders and daemon.lease_until < self.clock - FORGOTTEN_SECONDS:
                del self.daemons[daemon.id]
        dead = {one.id for one in self.daemons.values() if not one.is_dead and one.lease_until < self.clock}
        for daemon_id in dead:
            self.daemons[daemon_id].is_dead = True
        return dead

    def is_living(self, daemon_id: UUID | None) -> bool:
        """Whether a life is registered and was not declared dead."""
        return daemon_id in self.daemons and not self.daemons[daemon_id].is_dead

    def may_claim(self, daemon_id: UUID) -> bool:
        """Whether a life may take jobs."""
        return self.is_living(daemon_id)

    def enqueue(self, new_id: UUID, new: New) -> tuple[UUID, str]:
        """Enqueue a job; answers the one that stands for it, and what was done."""
        now = self.clock
        run_at = now if new.delay_seconds is None else now + new.delay_seconds
        expires_at = None if new.expires_in_seconds is None else run_at + new.expires_in_seconds
        job = Job(
            new_id, run_at, now, new.max_attempts or 3, new.priority or "normal", dict(new.payload),
            None if new.rule is None else new.rule.key, expires_at,
        )  # fmt: skip
        if new.rule is not None:
            holder, answer = self.keys.take(job, new, new.rule, now)
            if answer != "created":
                return holder, answer
        self.waiting[job.id] = job
        return job.id, "created"

    def claim(self, daemon_id: UUID, claim_id: UUID, limit: int, behind: tuple[float, UUID] | None = None) -> list[Job]:
        """Move what is due to the leases, in order of rank."""
        if not self.may_claim(daemon_id):
            return []
        due = sorted(
            (job.rank_at, job.id)
            for job in self.waiting.values()
            if job.held is None and job.run_at <= self.clock and (job.expires_at is None or job.expires_at > self.clock)
        )
        return self._lease([at for at in due if behind is None or at > behind][:limit], daemon_id, claim_id)

    def claim_suspects(self, daemon_id: UUID, claim_id: UUID, limit: int) -> list[Job]:
        """The same for jobs that are to run alone."""
        if not self.may_claim(daemon_id):
            return []
        due = sorted(
            (job.rank_at, job.id) for job in self.waiting.values() if job.held == "suspect" and job.run_at <= self.clock
        )
        return self._lease(due[:limit], daemon_id, claim_id, is_alone=True)

    def _lease(
        self, due: Iterable[tuple[float, UUID]], daemon_id: UUID, claim_id: UUID, *, is_alone: bool = False
    ) -> list[Job]:
        claimed = [self.waiting.pop(job_id) for _, job_id in due]
        for job in claimed:
            job.claim_id, job.daemon_id, job.claimed_at, job.is_alone = claim_id, daemon_id, self.clock, is_alone
            job.fence += 1
            job.attempt += 1
            job.crash_count += 1
            job.started_at = self.clock if job.started_at is None else job.started_at
            job.held, job.follows, job.expires_at = None, None, None
            self.leases[job.id] = job
        return claimed

    def free_started(self, jobs: Iterable[Job]) -> None:
        """Give back the keys of scope `waiting` of jobs that have started."""
        for job in jobs:
            self.keys.started(job)

    def found(self, claim_id: UUID) -> list[Job]:
        """What a claim got."""
        return [job for job in self.leases.values() if job.claim_id == claim_id]

    def is_held(self, ticket: Ticket) -> bool:
        """Whether a token is the current one."""
        job = self.leases.get(ticket.id)
        return job is not None and (job.fence, job.claim_id) == (ticket.fence, ticket.claim_id)

    def settle_ended(self, rows: Iterable[tuple[Ticket, str, str | None]]) -> set[UUID]:
        """End jobs, as (token, status, error); answers those that were still held."""
        moved = set()
        for ticket, status, error in rows:
            if self.is_held(ticket):
                moved.add(ticket.id)
                job = self.leases.pop(ticket.id)
                job.crash_count -= status != "poison"
                self._end(job, "dead" if status == "poison" else status, error)
        return moved

    def _end(self, job: Job, status: str, error: str | None) -> None:
        job.status, job.finished_at, job.daemon_id = status, self.clock, None
        job.errors = _appended(job.errors, error)
        self.archive[job.id] = job
        self.keys.free(job)

    def settle_returned(self, rows: Iterable[Outcome]) -> set[UUID]:
        """Give jobs back to the queue; one that somebody asked to stop meanwhile ends there."""
        moved = set()
        for row in rows:
            if not self.is_held(row.ticket):
                continue
            job = self.leases[row.ticket.id]
            is_no_try = row.is_attempt_given_back and row.snoozes == 0
            job.attempt -= row.is_attempt_given_back
            if row.held != "suspect":
                job.crash_count = job.crash_count - 1 if is_no_try else 0
            job.snooze_count += row.snoozes
            held = row.held or ("suspect" if job.is_alone and is_no_try else None)
            self._return(job, row.delay_seconds, held, row.error)
            moved.add(job.id)
        return moved

    def _return(self, job: Job, delay_seconds: float | None, held: str | None, error: str | None) -> None:
        del self.leases[job.id]
        if delay_seconds is None:
            job.run_at = NEVER
        elif delay_seconds > 0:
            job.run_at = self.clock + delay_seconds
        job.held, job.errors = held, _appended(job.errors, error)
        reason, job.cancel_reason = job.cancel_reason, None
        job.claim_id, job.daemon_id, job.claimed_at, job.is_alone = None, None, None, False
        self.waiting[job.id] = job
        if reason is not None:
            self.cancel(job.id)

    def reap_find(self) -> list[Job]:
        """Leases whose daemon is dead or gone."""
        return [job for job in self.leases.values() if not self.is_living(job.daemon_id)]

    def reap(self, found: Sequence[tuple[Ticket, bool]] | None = None, chance: float = 0.0) -> set[UUID]:
        """Recover the jobs of the dead, or what was found of them before, as (token, is it to be cancelled)."""
        if found is None:
            found = [(job.ticket, job.cancel_reason is not None) for job in self.reap_find()]
        moved = set()
        for ticket, is_cancelled in found:
            if not self.is_held(ticket):
                continue
            job = self.leases[ticket.id]
            moved.add(job.id)
            if job.crash_count >= CRASHES_MAX and not job.is_alone:
                self.settle_ended([(ticket, "poison", "Poison")])
            elif is_cancelled:
                self.settle_ended([(ticket, "cancelled", "Cancelled")])
            else:
                job.run_at = self.clock + reap_delay_seconds(job.crash_count, chance)
                job.attempt -= 1
                job.crash_count -= job.is_alone
                self._return(job, 0.0, "suspect", "Crashed")
        return moved

    def cancel(self, job_id: UUID, reason: str = "asked") -> str | None:
        """Cancel a job: at once, or by asking whoever runs it."""
        if job_id in self.leases:
            self.leases[job_id].cancel_reason = self.leases[job_id].cancel_reason or reason
            return "requested"
        if job_id in self.waiting:
            self._end(self.waiting.pop(job_id), "cancelled", "Cancelled")
        return self.archive[job_id].status if job_id in self.archive else None

    def expire(self) -> int:
        """End what has not started in time."""
        late = [
            job
            for job in self.waiting.values()
            if job.expires_at is not None
            and job.expires_at <= self.clock
            and job.started_at is None
            and job.held in (None, "key")
        ]
        for job in late:
            self._end(self.waiting.pop(job.id), "cancelled", "Expired")
        return len(late)

    def retry(self, job_id: UUID, new_id: UUID) -> tuple[UUID, str] | None:
        """Run an ended job again as a new one, under the same key if it has one."""
        old = self.archive.get(job_id)
        if old is None:
            return None
        key = self.keys.drop(old)
        rule = None if old.unique_key is None else Rule(old.unique_key)
        if rule is not None and key is not None and key.expires_at > self.clock:
            rest = None if key.expires_at == NEVER else key.expires_at - self.clock
            rule = rule._replace(scope=key.scope, seconds=rest)
        new = New(old.payload, None, old.priority, old.max_attempts, None, rule)
        return self.enqueue(new_id, new)


def _appended(errors: list[str], error: str | None) -> list[str]:
    return errors if error is None else [*errors, error][-ERRORS_MAX:]
