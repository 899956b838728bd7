"""The reference store under watch: it notes what was promised, and says at once when a promise is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from reference_rows import Job, New, Outcome, Rule, Ticket
from reference_store import Store

from crmd.engine.suspicion import CRASHES_MAX
from crmd.outcome import Ended, Requeued

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

# A lease that is younger may be a claim that is just arriving.
SETTLED_SECONDS = 3.0


class Guards(NamedTuple):
    """What the protocol rests on; each can be taken away."""

    token_is_checked: bool = True
    death_is_final: bool = True
    dead_claim_nothing: bool = True
    reaper_names_the_claim: bool = True
    lost_claims_are_found: bool = True
    daemon_stops_by_itself: bool = True
    sends_are_planned: bool = True
    enqueues_have_keys: bool = True
    cancel_outlives_the_reaper: bool = True


class BrokenPromiseError(AssertionError):
    """Something happened that may not."""


class WatchedStore(Store):
    """A store, its ledger of effects, and the checks of each commit.

    Args:
        guards: What holds.

    Attributes:
        lives_cut_short: How often a life of a daemon ended for another reason than a job. The crash of a process that
            its daemon could not write down any more is not counted against the job.
    """

    def __init__(self, guards: Guards) -> None:
        super().__init__()
        self._guards = guards
        self._claims: dict[UUID, Ticket] = {}
        self._ended: dict[UUID, tuple[Any, ...]] = {}
        self._asked_to_stop: set[UUID] = set()
        self._buried: set[UUID] = set()
        self._sent: set[UUID] = set()
        self._kills: dict[UUID, int] = {}
        self.lives_cut_short = 0
        self._effects: dict[UUID, list[Ticket]] = {}
        self._handed_over: set[UUID] = set()
        self.enqueued: dict[str, UUID] = {}

    def _lease(
        self, due: Iterable[tuple[float, UUID]], daemon_id: UUID, claim_id: UUID, *, is_alone: bool = False
    ) -> list[Job]:
        claimed = super()._lease(due, daemon_id, claim_id, is_alone=is_alone)
        for job in claimed:
            before = self._claims.get(job.id)
            self._check(before is None or before.fence < job.fence, "a fence was given twice", job.id)
            self._check(not self.daemons[daemon_id].is_dead, "a dead daemon claimed", job.id)
            self._check(job.attempt <= job.max_attempts, "more attempts than allowed", job.id)
            self._check(job.id not in self._asked_to_stop, "a cancelled job began again", job.id)
            self._claims[job.id] = job.ticket
        return claimed

    def _end(self, job: Job, status: str, error: str | None) -> None:
        self._check(job.id not in self.archive, "a job ended twice", job.id)
        super()._end(job, status, error)
        self._ended[job.id] = job.archive_row

    def is_held(self, ticket: Ticket) -> bool:
        """As the store's, unless nobody checks."""
        if self._guards.token_is_checked:
            return super().is_held(ticket)
        return ticket.id in self.leases

    def settle(self, batch: list[tuple[Ticket, Ended | Requeued]]) -> None:
        """Write outcomes, all in one transaction; whose they are must be the current claim."""
        for ticket, outcome in batch:
            if not self.is_held(ticket):
                continue
            self._check(self.is_current(ticket), "a stale claim settled", ticket.id)
            if isinstance(outcome, Ended):
                self.settle_ended([(ticket, outcome.status, None)])
            else:
                given_back, snoozes = outcome.is_attempt_given_back, outcome.snoozes
                row = Outcome(ticket, outcome.delay_seconds, given_back, snoozes, None, outcome.held)
                self.settle_returned([row])

    def give_back(self, tickets: list[Ticket]) -> None:
        """Give jobs back in order."""
        self.settle_returned([Outcome(ticket, 0.0, is_attempt_given_back=True) for ticket in tickets])

    def release(self, daemon_id: UUID) -> None:
        """Give back what a life has left, and take it off the list."""
        self.give_back([job.ticket for job in self.leases.values() if job.daemon_id == daemon_id])

    def leases_of(self, daemon_id: UUID) -> list[tuple[Ticket, bool]]:
        """What a life holds, and whether it has for a while."""
        return [
            (job.ticket, (job.claimed_at or 0.0) < self.clock - SETTLED_SECONDS)
            for job in self.leases.values()
            if job.daemon_id == daemon_id
        ]

    def bury_and_find(self) -> list[tuple[Ticket, bool]]:
        """Declare the silent dead; answers their leases, and which were to be cancelled."""
        self.bury()
        return [(job.ticket, job.cancel_reason is not None) for job in self.reap_find()]

    def is_anothers(self, ticket: Ticket) -> bool:
        """Whether somebody else runs this job."""
        return ticket.id in self.leases and self._claims[ticket.id] != ticket

    def note_send(self, ticket: Ticket) -> None:
        """The outside was called."""
        self._check(ticket.id not in self._sent, "the outside was called twice", ticket.id)
        self._sent.add(ticket.id)

    def note_kill(self, ticket: Ticket) -> None:
        """A job has taken a process with it."""
        if self.is_current(ticket):
            self._kills[ticket.id] = self._kills.get(ticket.id, 0) + 1
            most = CRASHES_MAX + self.lives_cut_short
            self._check(self._kills[ticket.id] <= most, "a poison job killed too many processes", ticket.id)

    def is_current(self, ticket: Ticket) -> bool:
        """Whether this was the latest claim, and its job still runs."""
        return ticket.id in self.leases and self._claims.get(ticket.id) == ticket

    def write_effect(self, ticket: Ticket) -> bool:
        """A write of a job in its own transaction, once per job; answers False: the lease is lost."""
        if not self.is_held(ticket):
            return False
        self._check(self.is_current(ticket), "a stale claim wrote", ticket.id)
        if ticket.id not in self._effects:
            self._effects[ticket.id] = [ticket]
        return True

    def hand_over(self, ticket: Ticket) -> bool | None:
        """Note that a send is about to begin; False: one has begun before, None: the lease is lost."""
        if not self.is_held(ticket):
            return None
        if self._guards.sends_are_planned and ticket.id in self._handed_over:
            return False
        self._handed_over.add(ticket.id)
        return True

    def bury(self) -> set[UUID]:
        """As the store's; whom it met is remembered."""
        dead = super().bury()
        self._buried |= dead
        return dead

    def beat(self, daemon_id: UUID, lease_seconds: float) -> list[UUID] | None:
        """As the store's; without the guard the dead rise."""
        if not self._guards.death_is_final and daemon_id in self.daemons:
            self.daemons[daemon_id].is_dead = False
        answer = super().beat(daemon_id, lease_seconds)
        self._check(answer is None or daemon_id not in self._buried, "a dead daemon lives again", daemon_id)
        return answer

    def may_claim(self, daemon_id: UUID) -> bool:
        """As the store's, unless nobody asks."""
        return self.is_living(daemon_id) or (not self._guards.dead_claim_nothing and daemon_id in self.daemons)

    def reap_found(self, found: list[tuple[Ticket, bool]], chance: float) -> None:
        """Give back what was found before, if it is still what was found."""
        if not self._guards.reaper_names_the_claim:
            found = [
                (self.leases[ticket.id].ticket, is_asked) for ticket, is_asked in found if ticket.id in self.leases
            ]
        for ticket, is_asked in found:
            job = self.leases.get(ticket.id)
            if job is not None and not is_asked and not self._guards.cancel_outlives_the_reaper:
                job.cancel_reason = None
            is_dead = job is None or not self.is_living(job.daemon_id)
            self._check(is_dead or not self.is_held(ticket), "a live daemon's lease was reaped", ticket.id)
        self.reap(found, chance)

    def ask_to_stop(self, job_id: UUID) -> None:
        """Somebody cancels."""
        self._asked_to_stop.add(job_id)
        if self.cancel(job_id) in ("completed", "failed", "dead"):
            self._asked_to_stop.discard(job_id)

    def receive(self, new_id: UUID, name: str, new: New) -> None:
        """An enqueue, which its caller repeats until it is answered."""
        rule = Rule(name, "for", 1e9) if self._guards.enqueues_have_keys else None
        job_id, answer = self.enqueue(new_id, new._replace(rule=rule))
        if answer == "created":
            self._check(name not in self.enqueued, "a job was enqueued twice", job_id)
            self.enqueued[name] = job_id

    def check_end(self) -> None:
        """What must hold when all is quiet."""
        for job_id, row in self._ended.items():
            self._check(self.archive[job_id].archive_row == row, "an ended job changed", job_id)
        for job_id in self.enqueued.values():
            self._check(job_id in self.archive, "a job never ended", job_id)
        for job in self.archive.values():
            is_done_once = len(self._effects.get(job.id, ())) == 1
            self._check(job.status != "completed" or is_done_once, "a completed job did not write once", job.id)
            is_harmless = job.id not in self._kills
            self._check(not (is_harmless and "Poison" in job.errors), "an innocent job died as poison", job.id)
            is_asked = job.id in self._asked_to_stop
            self._check(job.status != "cancelled" or is_asked, "a job was cancelled that nobody cancelled", job.id)

    def _check(self, holds: bool, wrong: str, what: UUID) -> None:  # noqa: FBT001 - what is checked
        if not holds:
            raise BrokenPromiseError(f"{wrong} ({what.int})")
