"""What simulated jobs do: work for a while, write once, call the outside at most once, fail, wait, or kill."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from sim_store import BrokenPromiseError
from sim_world import Call

from crmd.engine.suspicion import BACKOFF, CRASHES_MAX
from crmd.errors import LeaseLost
from crmd.model import Snooze
from crmd.outcome import Ended, Requeued

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from reference_rows import Job, Ticket
    from sim_daemon import Daemon

    from crmd.outcome import Stop


class Plan(NamedTuple):
    """What a job does: how long it takes, how often it fails or waits, whether it sends, whether it kills."""

    slices: int = 1
    slice_seconds: float = 0.5
    fails: int = 0
    snoozes: int = 0
    is_sending: bool = False
    is_lethal: bool = False


class Claimed(NamedTuple):
    """The row of a claim."""

    ticket: Ticket
    attempt: int
    max_attempts: int
    crash_count: int
    snooze_count: int
    is_alone: bool
    number: int


class Run:
    """A job that runs here, why it is to stop, and whether it took its own process with it."""

    def __init__(self, row: Claimed) -> None:
        self.row = row
        self.stop: Stop | None = None
        self.has_crashed = False


def handler(daemon: Daemon, run: Run, plan: Plan) -> Generator[Any, Any, object]:
    """One attempt; a stop is heeded wherever it waits."""
    row, store = run.row, daemon.store
    for _ in range(plan.slices):
        yield plan.slice_seconds * (0.5 + daemon.world.chance.random())
        if run.stop is not None:
            return None
        _look_round(daemon, run)
    if plan.is_lethal:
        _kill(daemon, run)
        yield 0.0  # a dead process comes no further
        return None
    if row.snooze_count < plan.snoozes:
        return Snooze(1.0 + daemon.world.chance.random())
    if row.attempt <= plan.fails:
        raise OSError
    if not (yield Call(partial(store.write_effect, row.ticket))):
        raise LeaseLost
    if plan.is_sending and run.stop is None:
        yield from _send(daemon, run)
    return None


def _send(daemon: Daemon, run: Run) -> Generator[Any, Any, None]:
    """Planned first, then done; one that was begun before is never done again."""
    may_send = yield Call(partial(daemon.store.hand_over, run.row.ticket))
    if may_send is None:
        raise LeaseLost
    if may_send:
        daemon.store.note_send(run.row.ticket)


def _look_round(daemon: Daemon, run: Run) -> None:
    """Nobody else may be at this job, as long as nothing stands still and no clock is turned."""
    if daemon.is_strict and daemon.store.is_anothers(run.row.ticket):
        raise BrokenPromiseError(f"two daemons at one job ({run.row.ticket.id.int})")


def _kill(daemon: Daemon, run: Run) -> None:
    """A suspect takes its own process with it, any other job its daemon."""
    daemon.store.note_kill(run.row.ticket)
    if run.row.is_alone:
        run.has_crashed = True
    else:
        daemon.die()


def after_crash(row: Claimed, chance: float) -> Ended | Requeued:
    """As crmd/engine/suspicion.py has it for a suspect whose process died."""
    if row.crash_count < CRASHES_MAX:
        return Requeued(BACKOFF.delay_seconds(row.crash_count, chance), is_attempt_given_back=True, held="suspect")
    return Ended("poison")


def rows_of(ask: Callable[[], list[Job]]) -> list[Claimed]:
    """What a claim answers: rows as they are at that moment."""
    return [
        Claimed(
            job.ticket, job.attempt, job.max_attempts, job.crash_count, job.snooze_count, job.is_alone, job.payload["n"]
        )
        for job in ask()
    ]
