"""A simulated daemon: its loops, its trust and its outcomes as the real one has them, on simulated time and network.

What is decided is decided by the real code: `crmd.outcome.decide`, `crmd.backoff`, the bound of crashes, the margin of
trust. What is written goes to the reference store.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING
from uuid import UUID

from sim_handler import Plan, Run, after_crash, handler, rows_of
from sim_world import Call, Host, Lost, World

from crmd.backoff import Backoff
from crmd.engine.heartbeat import MARGIN_SHARE
from crmd.errors import LeaseLost
from crmd.outcome import Ended, Forgotten, Happened, Raised, Requeued, Returned, Stop, Stopped, Try, decide

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_rows import Ticket
    from sim_store import Guards, WatchedStore
    from sim_world import Process

LEASE_SECONDS = 6.0
SLOTS = 4
RETRY = Backoff(first_seconds=0.5, factor=2.0, cap_seconds=4.0)


class Daemon(Host):
    """One daemon process after the other on a machine.

    Args:
        world: Time and network.
        store: The database.
        guards: What holds.
        plans: Of the jobs, by number.
        is_strict: Nothing in this world stands still or turns clocks, so no two may be at one job.
    """

    def __init__(
        self, world: World, store: WatchedStore, guards: Guards, plans: list[Plan], *, is_strict: bool
    ) -> None:
        super().__init__()
        self.world = world
        self.store = store
        self._guards = guards
        self._plans = plans
        self.is_strict = is_strict
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.daemon_id: UUID | None = None
        self._trusted_until = 0.0
        self._runs: dict[UUID, Run] = {}
        self._finished: list[tuple[Ticket, Ended | Requeued]] = []
        self._unanswered: set[UUID] = set()
        self._is_settling = False

    def boot(self, life: int = 0) -> None:
        """Start the process, unless the machine has died since it was to start."""
        if life != self.life:
            return
        self._begin_anew()
        for process in (self._lives(), self._claims(), self._reaps(), self._audits()):
            self.world.start(self, process)

    def die(self) -> None:
        """Lose everything but what was sent already; a new process comes up a little later."""
        self.life += 1
        self.stands_still_until = 0.0
        self.world.at(self.world.now + 0.2 + self.world.chance.random() * 3, self.boot, self.life)

    def _lives(self) -> Process:
        """One life after the other, see crmd/engine/incarnation.py."""
        world, store = self.world, self.store
        before: UUID | None = None
        while True:
            if before is not None:
                yield from self._asked(self._settle_all)
                yield from self._asked(partial(store.release, before))
            before, sent = self._id(), world.now
            try:
                yield Call(partial(store.register, before, LEASE_SECONDS))
            except Lost:
                continue
            self._trust(sent)
            self.daemon_id = before
            world.start(self, self._beats(before))
            while world.now < self._trusted_until:
                yield min(self._trusted_until - world.now, 1.0) + world.chance.random() * 0.05
            self.daemon_id = None
            store.lives_cut_short += 1
            for run in self._runs.values():
                run.stop = Stop.LEASE_LOST
            self._runs.clear()
            self._unanswered.clear()

    def _trust(self, sent: float) -> None:
        seconds = LEASE_SECONDS * (1 - MARGIN_SHARE) if self._guards.daemon_stops_by_itself else math.inf
        self._trusted_until = sent + seconds

    def _beats(self, mine: UUID) -> Process:
        """See crmd/engine/heartbeat.py."""
        world, store = self.world, self.store
        while self.daemon_id == mine:
            sent = world.now
            try:
                cancels = yield Call(partial(store.beat, mine, LEASE_SECONDS), LEASE_SECONDS / 3)
            except Lost:
                yield LEASE_SECONDS / 10 * world.chance.random()
                continue
            if self.daemon_id != mine:
                return
            if cancels is None:
                self._trusted_until = 0.0
                return
            self._trust(sent)
            for job_id in cancels:
                if job_id in self._runs and self._runs[job_id].stop is None:
                    self._runs[job_id].stop = Stop.CANCEL
            yield LEASE_SECONDS / 3

    def _claims(self) -> Process:
        """Jobs and suspects by turns; a claim whose answer was lost is looked up. See crmd/engine/claimer.py."""
        store, chance = self.store, self.world.chance
        asks = cycle((store.claim, store.claim_suspects))
        nap = 0.2
        while True:
            yield nap + chance.random() * 0.3
            nap = min(nap * 1.5, 1.5)
            mine, free = self.daemon_id, SLOTS - len(self._runs)
            if mine is None or free <= 0:
                continue
            is_lost = bool(self._unanswered)
            claim_id = next(iter(self._unanswered)) if is_lost else self._id()
            ask = partial(store.found, claim_id) if is_lost else partial(next(asks), mine, claim_id, free)
            if self._guards.lost_claims_are_found:
                self._unanswered.add(claim_id)
            try:
                rows = yield Call(partial(rows_of, ask))
            except Lost:
                continue
            self._unanswered.discard(claim_id)
            if rows and mine != self.daemon_id:
                yield from self._asked(partial(store.give_back, [row.ticket for row in rows]))
                continue
            for row in rows:
                nap = 0.2
                run = self._runs[row.ticket.id] = Run(row)
                self.world.start(self, self._work(run))

    def _reaps(self) -> Process:
        """See crmd/engine/reaper.py: two statements, between which anything may happen."""
        store, chance = self.store, self.world.chance
        while True:
            yield 1.0 + chance.random()
            try:
                found = yield Call(store.bury_and_find)
                if found:
                    yield chance.choice((0.0, 0.0, 4.0)) * chance.random()  # it may be held up in between
                    yield Call(partial(store.reap_found, found, chance.random()))
            except Lost:
                continue

    def _writes(self) -> bool:
        """Whether outcomes are on their way."""
        return bool(self._finished) or self._is_settling

    def _audits(self) -> Process:
        """See crmd/engine/audit.py: both sides are mended, unless something is just on its way."""
        store = self.store
        while self._guards.lost_claims_are_found:
            yield 4.0 + self.world.chance.random()
            mine, known = self.daemon_id, set(self._runs)
            if mine is None or self._writes():
                continue
            try:
                held = yield Call(partial(store.leases_of, mine))
                if self._writes() or mine != self.daemon_id:
                    continue
                here = known | set(self._runs)
                strays = [
                    ticket
                    for ticket, is_old in held
                    if is_old and ticket.id not in here and ticket.claim_id not in self._unanswered
                ]
                if strays:
                    yield Call(partial(store.give_back, strays))
            except Lost:
                continue
            tickets = {ticket for ticket, _ in held}
            for job_id in known & set(self._runs):
                if self._runs[job_id].row.ticket not in tickets:
                    self._runs[job_id].stop = Stop.LEASE_LOST

    def _work(self, run: Run) -> Process:
        """The executor around a handler: what becomes of the job is decided by the real code."""
        row = run.row
        what: Happened
        try:
            what = Returned((yield from handler(self, run, self._plans[row.number])))
        except (Lost, LeaseLost, OSError) as error:
            what = Raised(error)
        if run.stop is not None:
            what = Stopped(run.stop)
        if self._runs.get(row.ticket.id) is run:
            del self._runs[row.ticket.id]
        crashed = after_crash(row, self.world.chance.random()) if run.has_crashed else None
        outcome = crashed or decide(what, Try(row.attempt, row.max_attempts, RETRY, self.world.chance.random()))
        if isinstance(outcome, Forgotten):
            return
        self._finished.append((row.ticket, outcome))
        if not self._is_settling:
            self._is_settling = True
            self.world.start(self, self._settles())

    def _settles(self) -> Process:
        """See crmd/engine/settler.py: what no answer came for is written again."""
        while self._finished:
            batch = list(self._finished)
            try:
                yield Call(partial(self.store.settle, batch))
            except Lost:
                yield 0.1 + self.world.chance.random() * 0.5
                continue
            del self._finished[: len(batch)]
        self._is_settling = False

    def _settle_all(self) -> None:
        self.store.settle(list(self._finished))

    def _asked(self, statement: Callable[[], object]) -> Process:
        """Ask until there is an answer."""
        while True:
            try:
                yield Call(statement)
            except Lost:
                yield 0.2 + self.world.chance.random()
            else:
                return

    def _id(self) -> UUID:
        return UUID(int=self.world.chance.getrandbits(64))
